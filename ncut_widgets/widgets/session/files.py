"""Session files: saves a session as one file, and loads it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from traitlets import TraitError

from ncut_widgets._validation import check_in, to_numpy
from ncut_widgets.export import read_session, write_session
from ncut_widgets.features import FeatureMaps
from ncut_widgets.grid import PatchGrid, PatchMap
from ncut_widgets.ncut import Ncut
from ncut_widgets.ncut.settings import check_settings
from ncut_widgets.widgets._lifetime import closes_on_failure
from ncut_widgets.widgets._trait_types import state_lock
from ncut_widgets.widgets.session.colors import COLORING_LABELS
from ncut_widgets.widgets.session.data import GRAPH_OPTIONS

__all__ = ["load_session", "save_session"]

_FORMAT = "ncut_widgets session"
_EXPECTED = "a session that `Session.save` wrote"
# Traits that are not saved: descriptions of the data, and what the pointer hovers.
_TRANSIENT_TRAITS = {"meta", "recolor_status", "hover", "hovered_channel"}


def save_session(session: Any, path: str | os.PathLike[str]) -> Path:
    """Write a session; see `Session.save`."""
    session._colors.wait()
    data = session._data
    # One state of the session: `update` in another thread comes before or after.
    with state_lock:
        features, graph = data.features, data.graph
        arrays = {"eigenvectors": data.eigenvectors, "rgb": data.rgb, "coords": data.coords}
        if data.outliers.any():
            arrays["outliers"] = data.outliers
        if data.eigenvalues is not None:
            arrays["eigenvalues"] = data.eigenvalues
        state: dict[str, Any] = {
            "format": _FORMAT,
            "state": {name: value for name, value in session._shared_state().items() if name not in _TRANSIENT_TRAITS},
            "maps": [list(m) for m in data.grid.maps],
            "names": [name for name, *_ in data.scene],
            "channel_names": None if features is None else list(features.channel_names),
            "coloring": session._colors.method,
            # A callable affinity is code, which the file does not hold.
            "graph": graph if isinstance(graph.get("affinity"), str) else {},
        }
    if features is not None:
        arrays["features"] = to_numpy(features.values)
        if features.weights is not None:
            arrays["weights"] = to_numpy(features.weights)
    return write_session(path, state=state, arrays=arrays, images=data.images)


@closes_on_failure
def load_session(kind: Any, path: str | os.PathLike[str]) -> Any:
    """Return the session in a file; see `Session.load`."""
    state, arrays, images = read_session(path)
    try:
        if state["format"] != _FORMAT:
            raise ValueError(f"it holds {state['format']!r}")
        for image, name in zip(images, state["names"], strict=True):
            image.info["name"] = name
        grid = PatchGrid([image.size for image in images], [PatchMap(*m) for m in state["maps"]])
        features = None
        values, weights = _finite(arrays, "features"), _finite(arrays, "weights")
        if values is not None:
            names = state["channel_names"]
            features = FeatureMaps(values, grid, names, weights=weights)
        session = kind(
            images,
            features=features,
            grid=None if features is not None else grid,
            eigenvectors=arrays["eigenvectors"],
            eigenvalues=arrays.get("eigenvalues"),
            rgb=arrays["rgb"],
            coords=arrays["coords"],
            outliers=arrays.get("outliers"),
        )
        with session.hold_trait_notifications():
            traits = state["state"]
            if not isinstance(traits, dict):
                raise ValueError(f"its state is a {type(traits).__name__}, not a dict of traits")
            known = session._shared_state()
            for name, value in traits.items():
                if name not in known:
                    raise ValueError(f"it has a trait {name!r}")
                setattr(session, name, value)
        # Setting objects in an empty session makes the first one active.
        session.active_object = traits.get("active_object")
        session._data.graph = _graph(state["graph"])
        method = state["coloring"]
        session._colors.set_status(None if method is None else check_in(method, "coloring", tuple(COLORING_LABELS)))
    except KeyError as error:
        raise ValueError(
            f"`path` must be {_EXPECTED}; {os.fspath(path)!r} has no {error}. It is another kind."
        ) from error
    except (TypeError, ValueError, OverflowError, TraitError) as error:
        raise ValueError(f"`path` must be {_EXPECTED}; {os.fspath(path)!r} is not: {error}.") from error
    return session


def _finite(arrays: Mapping[str, np.ndarray], name: str) -> np.ndarray | None:
    """Return the array with this name, or raise ValueError if it has NaN, which would otherwise show up later."""
    array = arrays.get(name)
    if array is not None and not bool(np.isfinite(array).all()):
        raise ValueError(f"its {name} have {int((~np.isfinite(array)).sum())} values that are not finite")
    return array


def _graph(saved: Any) -> dict[str, Any]:
    """Return the options of a graph, checked as `Ncut` checks them."""
    if not isinstance(saved, dict) or (saved and set(saved) != set(GRAPH_OPTIONS)):
        raise ValueError(f"its graph has other options than {', '.join(GRAPH_OPTIONS)}: {saved!r}"[:300])
    check_settings(Ncut().get_params(deep=False) | saved)
    return saved
