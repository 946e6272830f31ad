"""Inputs of the plots: collects and checks the arrays of a session, or those passed by the user."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from PIL import Image

from ncut_widgets._validation import to_float32_array
from ncut_widgets.grid import PatchGrid
from ncut_widgets.readouts import similarity_heatmap

from .layers import SESSION_LAYERS

__all__ = ["PlotData", "SessionLike", "as_session", "collect", "layer_arrays", "node_table", "require"]


@runtime_checkable
class SessionLike(Protocol):
    """The attributes of a session that the plots use."""

    @property
    def images(self) -> Sequence[Image.Image]: ...
    @property
    def grid(self) -> PatchGrid: ...
    @property
    def eigenvectors(self) -> np.ndarray: ...
    @property
    def rgb(self) -> np.ndarray: ...
    @property
    def coords(self) -> np.ndarray: ...


def as_session(images: Any) -> Any:
    """Return the session of a view; return anything else unchanged."""
    session = getattr(images, "session", None)
    return session if isinstance(session, SessionLike) else images


def layer_arrays(session: SessionLike, layer: str) -> dict[str, Any]:
    """Return the arrays that a session computes for a layer, by their names in `PlotData`."""
    if layer in SESSION_LAYERS and hasattr(session, "layer_colors"):
        return {"layer_colors": session.layer_colors(layer)}
    if layer == "heatmap" and hasattr(session, "selection"):
        if not session.selection:
            raise ValueError(
                "The layer 'heatmap' requires a selected patch, and `session.selection` is empty. Select a patch, or "
                "pass `heatmap`."
            )
        vectors = session.eigenvectors
        heats = [similarity_heatmap(vectors, vectors[node]) for node in session.selection]
        return {"heatmap": np.max(heats, axis=0)}
    return {}


class PlotData(NamedTuple):
    """Images, grid and arrays to plot; arrays that were not passed are those of the session, or None."""

    images: Sequence[Image.Image]
    grid: PatchGrid
    rgb: np.ndarray | None
    eigenvectors: np.ndarray | None
    labels: np.ndarray | None
    heatmap: np.ndarray | None
    # (n, 4): colors of a layer, computed by the session.
    layer_colors: np.ndarray | None = None


def collect(images: SessionLike | Sequence[Image.Image], grid: PatchGrid | None, **arrays: Any) -> PlotData:
    """Check the arguments of a plot, and complete them from the session if `images` is one."""
    originals: Sequence[Image.Image]
    if isinstance(images, SessionLike):
        originals, grid = images.images, grid or images.grid
        own = {"rgb": images.rgb, "eigenvectors": images.eigenvectors}
        arrays = {**arrays, **{name: array for name, array in own.items() if arrays.get(name) is None}}
    else:
        originals = images
    if grid is None:
        raise ValueError("`grid` is required with a sequence of images. Pass `features.grid`, or pass a session.")
    if len(originals) != grid.n_images:
        raise ValueError(
            f"`images` must be the {grid.n_images} images of `grid`; got {len(originals)}. Pass all of them."
        )
    n = grid.n_nodes
    given = {name: array for name, array in arrays.items() if array is not None}
    return PlotData(
        originals,
        grid,
        rgb=node_table(given["rgb"], "rgb", n, columns=3) if "rgb" in given else None,
        eigenvectors=node_table(given["eigenvectors"], "eigenvectors", n) if "eigenvectors" in given else None,
        labels=node_table(given["labels"], "labels", n, flat=True).astype(np.int64) if "labels" in given else None,
        heatmap=node_table(given["heatmap"], "heatmap", n, flat=True) if "heatmap" in given else None,
        layer_colors=given.get("layer_colors"),
    )


def node_table(values: Any, name: str, n: int, *, columns: int | None = None, flat: bool = False) -> np.ndarray:
    """Return `values` as a float32 array with one row (or with `flat`, one number) for each of n nodes."""
    array = to_float32_array(values, name)
    fits = (
        array.shape == (n,) if flat else array.ndim == 2 and array.shape[0] == n and columns in (None, array.shape[1])
    )
    if not fits:
        shape = f"({n},)" if flat else f"({n}, {columns or 'n_eig'})"
        raise ValueError(
            f"`{name}` must have shape {shape}, one row per node; got {array.shape}. Pass values for all nodes."
        )
    return array


def require(array: np.ndarray | None, name: str, purpose: str) -> np.ndarray:
    """Return the array, or raise a ValueError if it is None."""
    if array is None:
        raise ValueError(f"`{name}` is required for {purpose}. Pass one value or row per node.")
    return array
