"""The small state that all views of a session share, and what it may be."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import traitlets

from ncut_widgets._validation import brief, check_positive_int, check_text, scalar
from ncut_widgets.export.objects import check_objects
from ncut_widgets.features import FeatureMaps
from ncut_widgets.widgets._bundles import bundle
from ncut_widgets.widgets._synced import Synced
from ncut_widgets.widgets._trait_types import (
    Checked,
    Choice,
    Fixed,
    Flag,
    Integer,
    Number,
    TraitValueError,
    check_camera,
    check_index,
    check_indices,
)
from ncut_widgets.widgets.session.data import SessionData

LAYERS = ("image", "ncut", "eigenvector", "clusters", "heatmap", "masks", "channels")
REFINE = ("none", "guided", "crf")


def _node(session: SessionState, value: Any, name: str) -> int:
    return check_index(value, name, *_of_nodes(session))


def _nodes(session: SessionState, value: Any, name: str) -> list[int]:
    return check_indices(value, name, *_of_nodes(session))


def _of_nodes(session: SessionState) -> tuple[int, str]:
    count = session._data.grid.n_nodes
    return count, f"hold nodes from 0 to {count - 1}"


def _source(session: SessionState, value: Any, name: str) -> str:
    sources = list(session._data.grid.sources)
    if check_text(value, name) not in sources:
        raise ValueError(f"`{name}` must be one of {sources}; got {brief(value)}.")
    return str(value)


def _eigenvector(session: SessionState, value: Any, name: str) -> int:
    column, last = check_positive_int(value, name, minimum=0), session._data.n_eig - 1
    if column > last:
        raise ValueError(f"`{name}` must lie in 0 to {last}; got {brief(column)}.")
    return column


def _cluster(session: SessionState, value: Any, name: str) -> int:
    return check_index(value, name, *_of_clusters(session))


def _clusters(session: SessionState, value: Any, name: str) -> list[int]:
    return sorted(check_indices(value, name, *_of_clusters(session)))


def _of_clusters(session: SessionState) -> tuple[int, str]:
    count = session._data.max_clusters
    return count, f"name clusters from 0 to {count - 1}"


def _cluster_groups(session: SessionState, value: Any, name: str) -> list[list[int]]:
    # An array without dimensions passes for a collection.
    if isinstance(value, Mapping | str | bytes) or not isinstance(value, Collection) or getattr(value, "ndim", 1) == 0:
        raise TypeError(f"`{name}` must be a list of lists of clusters; got {brief(value)}. Pass [] for none.")
    groups = [_clusters(session, group, name) for group in value]
    members = [cluster for group in groups for cluster in group]
    if len(members) > len(set(members)):
        raise ValueError(
            f"`{name}` must have each cluster in one group at most; got {brief(groups)}. Merge the groups."
        )
    return sorted(group for group in groups if len(group) > 1)


def _cluster_names(session: SessionState, value: Any, name: str) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise TypeError(f"`{name}` must be a dict from clusters to names; got {brief(value)}. Pass {{3: 'sky'}}, say.")
    names: dict[str, str] = {}
    for key, text in value.items():
        number = scalar(key)
        if isinstance(number, str):
            # At most as many digits as Python and JavaScript take for an integer.
            if not (number.isascii() and number.isdecimal() and len(number) < 10):
                raise ValueError(
                    f"`{name}` must have numbers of clusters for keys; got {brief(key)}. Use 3 or '3', say."
                )
            number = int(number)
        cluster = str(_cluster(session, number, name))
        if cluster in names:
            raise ValueError(f"`{name}` must name each cluster once; got two names for {cluster}. Remove one.")
        names[cluster] = check_text(text, f"{name}[{cluster}]")
    return {cluster: text for cluster, text in names.items() if text}


def _channel(session: SessionState, value: Any, name: str) -> int:
    return check_index(value, name, *_of_channels(session))


def _channels(session: SessionState, value: Any, name: str) -> list[int]:
    return check_indices(value, name, *_of_channels(session))


def _of_channels(session: SessionState) -> tuple[int, str]:
    count = session._data.n_channels
    return count, f"name channels from 0 to {count - 1}" if count else "be empty in a session without features"


def _objects(session: SessionState, value: Any, _: str) -> list[dict[str, Any]]:
    data = session._data
    objects = check_objects(value, data.scene, n_eig=data.click_eig)
    return [clip_n_eig(item, data.n_eig) for item in objects]


def clip_n_eig(item: dict[str, Any], n_eig: int) -> dict[str, Any]:
    """Return an object that looks at no more eigenvectors than there are."""
    return item | {"n_eig": min(item["n_eig"], n_eig)}


class SessionState(Synced):
    """The traits of a session; `Session` explains them."""

    _data: SessionData
    _features: FeatureMaps | None
    # How often anything, and how often the eigenvectors, have been replaced.
    _version = 0
    _embedding = 0

    _esm = bundle("session.js")
    _view_name = traitlets.Unicode(None, allow_none=True).tag(sync=True)  # type: ignore[assignment]

    meta = Fixed({}, "It describes the data: replace these with `session.update(...)`.")
    hover = Checked(None, _node)
    selection = Checked([], _nodes)
    layer = Choice("ncut", LAYERS)
    source = Checked("", _source)
    blend = Number(0.7, low=0, high=1)
    smooth = Flag(False)
    eigenvector = Checked(1, _eigenvector)
    n_clusters = Checked(8, lambda session, value, _: session._data.check_level(value))
    hover_heatmap = Flag(True)
    hide_outliers = Flag(False)
    point_size = Number(5.0, low=1, high=40)
    camera = Checked(None, check_camera)
    coloring = Fixed({}, "It reports on the colors: ask for others with `session.recolor(...)`.")
    objects = Checked([], _objects)
    active = Integer(None)
    refine = Choice("none", REFINE)
    cluster = Checked(None, _cluster)
    cluster_names = Checked({}, _cluster_names)
    hidden_clusters = Checked([], _clusters)
    cluster_groups = Checked([], _cluster_groups)
    channel = Checked(None, _channel)
    channels = Checked([], _channels)

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
            self.set_trait("meta", self._describe())

    @traitlets.validate("active")
    def _check_active(self, proposal: Any) -> int | None:
        # Not as it is set, but as a message from the page ends: that may bring the object as well.
        value, count = proposal["value"], len(self.objects)
        if value is not None and value >= count:
            raise TraitValueError(
                f"`active` must be None or one of the {count} objects, counted from 0; got {brief(value)}."
            )
        return value
