"""The small state that all views of a session share, and what it may be."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import traitlets

from ncut_widgets.export.objects import check_objects
from ncut_widgets.features import FeatureMaps
from ncut_widgets.widgets._base import bundle
from ncut_widgets.widgets._data import SessionData
from ncut_widgets.widgets._lifetime import ManagedWidget

LAYERS = ("image", "ncut", "eigenvector", "clusters", "heatmap", "masks", "channels")
REFINE = ("none", "guided", "crf")


class _Apart(traitlets.TraitType):
    """Of a trait that is handed out, and taken, as a copy: change what was read, set it again, and it has changed."""

    def get(self, obj: Any, cls: Any = None) -> Any:
        return copy.deepcopy(super().get(obj, cls))

    def set(self, obj: Any, value: Any) -> None:
        super().set(obj, copy.deepcopy(value) if isinstance(value, (list, tuple, dict)) else value)


class ListApart(_Apart, traitlets.List):
    """A list that can only be changed by setting it."""


class DictApart(_Apart, traitlets.Dict):
    """A dict that can only be changed by setting it."""


class SessionState(ManagedWidget):
    """The traits of a session; `Session` explains them."""

    _data: SessionData
    _features: FeatureMaps | None
    # How often anything, and how often the eigenvectors, have been replaced.
    _version = 0
    _embedding = 0

    _esm = bundle("session.js")
    _view_name = traitlets.Unicode(None, allow_none=True).tag(sync=True)  # type: ignore[assignment]

    meta = traitlets.Dict().tag(sync=True)
    hover = traitlets.Int(None, allow_none=True).tag(sync=True)
    selection = ListApart(traitlets.Int()).tag(sync=True)
    layer = traitlets.Enum(LAYERS, default_value="ncut").tag(sync=True)
    source = traitlets.Unicode().tag(sync=True)
    blend = traitlets.Float(0.7, min=0, max=1).tag(sync=True)
    smooth = traitlets.Bool(False).tag(sync=True)
    eigenvector = traitlets.Int(1, min=0).tag(sync=True)
    n_clusters = traitlets.Int(8, min=1).tag(sync=True)
    hover_heatmap = traitlets.Bool(True).tag(sync=True)
    point_size = traitlets.Float(5.0, min=1, max=40).tag(sync=True)
    camera = DictApart(default_value=None, allow_none=True).tag(sync=True)
    coloring = traitlets.Dict(read_only=True).tag(sync=True)
    objects = ListApart(traitlets.Dict()).tag(sync=True)
    active = traitlets.Int(None, allow_none=True).tag(sync=True)
    refine = traitlets.Enum(REFINE, default_value="none").tag(sync=True)
    cluster = traitlets.Int(None, allow_none=True, min=0).tag(sync=True)
    cluster_names = DictApart(key_trait=traitlets.Unicode(), value_trait=traitlets.Unicode()).tag(sync=True)
    hidden_clusters = ListApart(traitlets.Int(min=0)).tag(sync=True)
    cluster_groups = ListApart(traitlets.List(traitlets.Int(min=0))).tag(sync=True)
    channel = traitlets.Int(None, allow_none=True, min=0).tag(sync=True)
    channels = ListApart(traitlets.Int(min=0)).tag(sync=True)

    def _state(self) -> dict[str, Any]:
        """The traits that views share."""
        return {name: getattr(self, name) for name in SessionState.class_own_traits(sync=True) if name[0] != "_"}

    def _describe(self) -> dict[str, Any]:
        abilities = ["refine", "export"] + (["ncut", "attribution"] if self._features is not None else [])
        about = {"version": self._version, "embedding": self._embedding, "abilities": abilities}
        return about | self._data.describe()

    def _publish(self) -> None:
        """Tell the views that there is something new to fetch."""
        self._version += 1
        with self.hold_sync():
            self.eigenvector = min(self.eigenvector, self._data.n_eig - 1)
            self.n_clusters = min(self.n_clusters, self._data.max_clusters)
            self.objects = self.objects
            self.meta = self._describe()

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

    @traitlets.validate("channel", "channels")
    def _check_channels(self, proposal: Any) -> Any:
        value, n = proposal["value"], self._data.n_channels
        numbers = [] if value is None else value if isinstance(value, list) else [value]
        wrong = [number for number in numbers if number >= n]
        if wrong:
            raise traitlets.TraitError(
                f"`{proposal['trait'].name}` must name channels from 0 to {n - 1}; got {wrong[0]}."
                if n
                else f"`{proposal['trait'].name}` must be empty in a session without features; got {wrong[0]}."
            )
        return list(dict.fromkeys(value)) if isinstance(value, list) else value

    @traitlets.validate("objects")
    def _check_objects(self, proposal: Any) -> list[dict[str, Any]]:
        try:
            objects = check_objects(proposal["value"], self._data.scene, n_eig=self._data.click_eig)
        except (TypeError, ValueError) as error:
            raise traitlets.TraitError(str(error)) from error
        return [item | {"n_eig": min(item["n_eig"], self._data.n_eig)} for item in objects]

    @traitlets.validate("active")
    def _check_active(self, proposal: Any) -> int | None:
        value = proposal["value"]
        if value is not None and not 0 <= value < len(self.objects):
            raise traitlets.TraitError(
                f"`active` must be None or one of the {len(self.objects)} objects, counted from 0; got {value}."
            )
        return value

    @traitlets.validate("cluster")
    def _check_cluster(self, proposal: Any) -> int | None:
        return self._known_cluster(proposal["value"], "cluster")

    @traitlets.validate("hidden_clusters")
    def _check_hidden(self, proposal: Any) -> list[int]:
        return sorted({int(self._known_cluster(value, "hidden_clusters") or 0) for value in proposal["value"]})

    @traitlets.validate("cluster_groups")
    def _check_groups(self, proposal: Any) -> list[list[int]]:
        groups = [sorted({int(self._known_cluster(c, "cluster_groups") or 0) for c in g}) for g in proposal["value"]]
        members = [cluster for group in groups for cluster in group]
        if len(members) > len(set(members)):
            raise traitlets.TraitError(
                f"`cluster_groups` must have each cluster in one group at most; got {groups}. Merge the groups."
            )
        return sorted(group for group in groups if len(group) > 1)

    @traitlets.validate("cluster_names")
    def _check_names(self, proposal: Any) -> dict[str, str]:
        for key in proposal["value"]:
            if not key.isdecimal():
                raise traitlets.TraitError(
                    f"`cluster_names` must have numbers of clusters, as text, for keys; got {key!r}. Use '3', say."
                )
            self._known_cluster(int(key), "cluster_names")
        return {key: name for key, name in proposal["value"].items() if name}

    def _known_cluster(self, cluster: int | None, name: str) -> int | None:
        most = self._data.max_clusters
        if cluster is not None and cluster >= most:
            raise traitlets.TraitError(f"`{name}` must name clusters from 0 to {most - 1}; got {cluster}.")
        return cluster

    @traitlets.validate("n_clusters")
    def _check_n_clusters(self, proposal: Any) -> int:
        if proposal["value"] > self._data.max_clusters:
            raise traitlets.TraitError(
                f"`n_clusters` must lie in 1 to {self._data.max_clusters} for {self._data.n_eig} eigenvectors; "
                f"got {proposal['value']}. Lower it, or compute more eigenvectors."
            )
        return int(proposal["value"])
