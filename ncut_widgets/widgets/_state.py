"""The small state that all views of a session share, and what it may be."""

from __future__ import annotations

from typing import Any

import numpy as np
import traitlets
from anywidget import AnyWidget

from ncut_widgets.widgets._base import bundle
from ncut_widgets.widgets._data import SessionData

LAYERS = ("image", "ncut", "eigenvector", "clusters", "heatmap")


class SessionState(AnyWidget):
    """The traits of a session; `Session` explains them."""

    _data: SessionData

    _esm = bundle("session.js")
    _view_name = traitlets.Unicode(None, allow_none=True).tag(sync=True)  # type: ignore[assignment]

    meta = traitlets.Dict().tag(sync=True)
    hover = traitlets.Int(None, allow_none=True).tag(sync=True)
    selection = traitlets.List(traitlets.Int()).tag(sync=True)
    layer = traitlets.Enum(LAYERS, default_value="ncut").tag(sync=True)
    source = traitlets.Unicode().tag(sync=True)
    blend = traitlets.Float(0.7, min=0, max=1).tag(sync=True)
    smooth = traitlets.Bool(False).tag(sync=True)
    eigenvector = traitlets.Int(1, min=0).tag(sync=True)
    n_clusters = traitlets.Int(8, min=1).tag(sync=True)
    hover_heatmap = traitlets.Bool(True).tag(sync=True)
    point_size = traitlets.Float(5.0, min=1, max=40).tag(sync=True)
    camera = traitlets.Dict(default_value=None, allow_none=True).tag(sync=True)
    coloring = traitlets.Dict(read_only=True).tag(sync=True)

    @traitlets.validate("hover", "selection")
    def _check_nodes(self, proposal: Any) -> Any:
        value = proposal["value"]
        nodes = [] if value is None else value if isinstance(value, list) else [value]
        wrong = [node for node in nodes if not 0 <= node < self._data.grid.n_nodes]
        if wrong:
            raise traitlets.TraitError(
                f"`{proposal['trait'].name}` must hold nodes from 0 to {self._data.grid.n_nodes - 1}; got {wrong[0]}."
            )
        return list(dict.fromkeys(value)) if isinstance(value, list) else value

    @traitlets.validate("camera")
    def _check_camera(self, proposal: Any) -> dict[str, Any] | None:
        camera = proposal["value"]
        if camera is None:
            return None
        numbers = [*np.ravel(camera.get("position", ())), *np.ravel(camera.get("target", ())), camera.get("zoom", 0)]
        if not (
            set(camera) == {"position", "target", "zoom"}
            and len(camera["position"]) == len(camera["target"]) == 3
            and all(isinstance(n, (int, float, np.number)) and np.isfinite(n) for n in numbers)
            and camera["zoom"] > 0
        ):
            raise traitlets.TraitError(
                "`camera` must be None or {'position': [x, y, z], 'target': [x, y, z], 'zoom': positive number}; "
                f"got {camera}. Set it to None to frame all points."
            )
        return dict(camera)

    @traitlets.validate("source")
    def _check_source(self, proposal: Any) -> str:
        if proposal["value"] not in self._data.grid.sources:
            raise traitlets.TraitError(
                f"`source` must be one of {list(self._data.grid.sources)}; got {proposal['value']!r}."
            )
        return str(proposal["value"])

    @traitlets.validate("eigenvector")
    def _check_eigenvector(self, proposal: Any) -> int:
        if proposal["value"] >= self._data.n_eig:
            raise traitlets.TraitError(
                f"`eigenvector` must lie in 0 to {self._data.n_eig - 1}; got {proposal['value']}."
            )
        return int(proposal["value"])

    @traitlets.validate("n_clusters")
    def _check_n_clusters(self, proposal: Any) -> int:
        if proposal["value"] > self._data.max_clusters:
            raise traitlets.TraitError(
                f"`n_clusters` must lie in 1 to {self._data.max_clusters} for {self._data.n_eig} eigenvectors; "
                f"got {proposal['value']}. Lower it, or compute more eigenvectors."
            )
        return int(proposal["value"])
