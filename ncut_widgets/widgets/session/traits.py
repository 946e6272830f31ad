"""The traits of a session, which all its views share, and their validation."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import traitlets

from ncut_widgets._validation import brief, check_positive_int, check_text, scalar
from ncut_widgets.objects import Click, MaskObject, check_objects
from ncut_widgets.plotting.layers import LAYERS
from ncut_widgets.readouts import ChannelAttribution
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
    document_traits,
)
from ncut_widgets.widgets.session.data import SessionData
from ncut_widgets.widgets.session.masks import REFINEMENTS, clip_n_eig

__all__ = ["SessionTraits"]


def _node(session: SessionTraits, value: Any, name: str) -> int:
    return check_index(value, name, *_of_nodes(session))


def _nodes(session: SessionTraits, value: Any, name: str) -> list[int]:
    return check_indices(value, name, *_of_nodes(session))


def _of_nodes(session: SessionTraits) -> tuple[int, str]:
    count = session._data.grid.n_nodes
    return count, f"hold nodes from 0 to {count - 1}"


def _source(session: SessionTraits, value: Any, name: str) -> str:
    sources = list(session._data.grid.sources)
    if check_text(value, name) not in sources:
        raise ValueError(f"`{name}` must be one of {sources}; got {brief(value)}.")
    return str(value)


def _eigenvector(session: SessionTraits, value: Any, name: str) -> int:
    column, last = check_positive_int(value, name, minimum=0), session._data.n_eig - 1
    if column > last:
        raise ValueError(f"`{name}` must lie in 0 to {last}; got {brief(column)}.")
    return column


def _cluster(session: SessionTraits, value: Any, name: str) -> int:
    return check_index(value, name, *_of_clusters(session))


def _clusters(session: SessionTraits, value: Any, name: str) -> list[int]:
    return sorted(check_indices(value, name, *_of_clusters(session)))


def _of_clusters(session: SessionTraits) -> tuple[int, str]:
    count = session._data.max_clusters
    return count, f"name clusters from 0 to {count - 1}"


def _cluster_groups(session: SessionTraits, value: Any, name: str) -> list[list[int]]:
    # A 0-d array is a Collection.
    if isinstance(value, Mapping | str | bytes) or not isinstance(value, Collection) or getattr(value, "ndim", 1) == 0:
        raise TypeError(f"`{name}` must be a list of lists of clusters; got {brief(value)}. Pass [] for none.")
    groups = [_clusters(session, group, name) for group in value]
    members = [cluster for group in groups for cluster in group]
    if len(members) > len(set(members)):
        raise ValueError(
            f"`{name}` must have each cluster in one group at most; got {brief(groups)}. Merge the groups."
        )
    return sorted(group for group in groups if len(group) > 1)


def _cluster_names(session: SessionTraits, value: Any, name: str) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise TypeError(f"`{name}` must be a dict from clusters to names; got {brief(value)}. Pass {{3: 'sky'}}, say.")
    names: dict[str, str] = {}
    for key, text in value.items():
        number = scalar(key)
        if isinstance(number, str):
            # Few enough digits for an integer in JavaScript.
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


def _channel(session: SessionTraits, value: Any, name: str) -> int:
    return check_index(value, name, *_of_channels(session))


def _channels(session: SessionTraits, value: Any, name: str) -> list[int]:
    return check_indices(value, name, *_of_channels(session))


def _of_channels(session: SessionTraits) -> tuple[int, str]:
    count = session._data.n_channels
    return count, f"name channels from 0 to {count - 1}" if count else "be empty in a session without features"


def _objects(session: SessionTraits, value: Any, _: str) -> list[MaskObject]:
    data = session._data
    objects = check_objects(value, data.scene, n_eig=data.click_eig)
    return [clip_n_eig(item, data.n_eig) for item in objects]


def _n_clusters(session: SessionTraits, value: Any, _: str) -> int:
    return session._data.check_n_clusters(value)


def _clicks(session: SessionTraits, value: Any, _: str) -> list[Click]:
    try:
        return list(check_objects([{"clicks": value}], session._data.scene)[0]["clicks"])
    except (TypeError, ValueError) as error:
        raise type(error)(str(error).replace("objects[0].", "")) from error


@document_traits
class SessionTraits(Synced):
    """The traits of a session."""

    _esm = bundle("session.js")
    _view_name = traitlets.Unicode(None, allow_none=True).tag(sync=True)  # type: ignore[assignment]

    hover = Checked(None, _node, "number")
    """int or None: The node under the pointer in any view, 0 to n - 1."""

    selection = Checked([], _nodes, "number[]")
    """list of int: The pinned nodes. A click pins one, Shift-click adds one, Escape clears. Can be set to any list,
    set, range, 1D array or tensor of nodes, or to a boolean array of shape (n,), which selects its True nodes."""

    layer = Choice("ncut", LAYERS)
    """{"image", "ncut", "eigenvector", "clusters", "heatmap", "masks", "channels"}: The layer painted over the images.
    It also colors the points."""

    source = Checked("", _source, "string")
    """str: The source of the grid whose patches the images show."""

    blend = Number(0.7, low=0, high=1)
    """float in [0, 1]: Opacity of the overlay."""

    smooth = Flag(False)
    """bool: Interpolate between patches instead of showing their edges."""

    eigenvector = Checked(1, _eigenvector, "number")
    """int: The column that the layer "eigenvector" shows, 0 to k - 1; column 0 is the trivial one."""

    n_clusters = Checked(8, _n_clusters, "number")
    """int: The number of clusters that the layer "clusters" shows, 1 to 64, at most the number of eigenvectors."""

    hover_heatmap = Flag(True)
    """bool: Show the similarity of the hovered patch to all others."""

    hide_outliers = Flag(False)
    """bool: Hide the nodes of ``session.outliers`` in the scatter."""

    point_size = Number(5.0, low=1, high=40)
    """float in [1, 40]: Diameter of the points in CSS pixels."""

    camera = Checked(None, check_camera, "Camera")
    """dict or None: ``{"position": [x, y, z], "target": [x, y, z], "zoom": z}`` of the scatter, ``zoom`` above 0. The
    points can be lists or arrays. None frames all points."""

    objects = Checked([], _objects, "MaskObject[]")
    """list of MaskObject: Named masks with their clicks, boxes and settings. `ncut_widgets.export.check_objects` lists
    the keys and their defaults. Clicks are in pixels of the images."""

    active_object = Integer(None)
    """int or None: The index of the object to which clicks are added."""

    clicks = Checked([], _clicks, "Click[]").tag(sync=False)
    """list of Click: The clicks of the active object, ``{"image", "x", "y", "positive"}``. Setting them without an
    active object adds an object."""

    refine = Choice(None, REFINEMENTS)
    """{"guided", "crf"} or None: How views refine masks from patches to pixels, see `refine_mask`. None shows
    patches."""

    selected_cluster = Checked(None, _cluster, "number")
    """int or None: The selected cluster of the layer "clusters"."""

    cluster_names = Checked({}, _cluster_names, "Record<string, string>")
    """dict of str to str: Names by cluster number, which can be set as int or text and is kept as text. A cluster keeps
    its number, name and color when the number of clusters changes."""

    hidden_clusters = Checked([], _clusters, "number[]")
    """list of int: Set like ``selection``; a boolean array has one entry for each of the most clusters possible."""

    cluster_groups = Checked([], _cluster_groups, "number[][]")
    """list of list of int: Merged clusters; each group has its smallest number."""

    hovered_channel = Checked(None, _channel, "number")
    """int or None: The channel of the features whose map is previewed in all images."""

    pinned_channels = Checked([], _channels, "number[]")
    """list of int: The channels that the layer "channels" shows, two or three of them as red, green and blue. Set like
    ``selection``; a boolean array has one entry for each channel."""

    attribution = traitlets.Instance(ChannelAttribution, allow_none=True, read_only=True)
    """ChannelAttribution or None: The latest result of `attribute`, or of a view, for these eigenvectors; read-only."""

    recolor_status = Fixed({}, "It reports on the colors: ask for others with `session.recolor(...)`.", "RecolorStatus")
    """dict: ``{"method": ..., "status": "ready", "running" or "failed", "error": text or None}``, the status of
    `recolor`; read-only. The method is None if the colors were passed in."""

    meta = Fixed({}, "It describes the data: replace these with `session.update(...)`.", "Meta")
    """dict: Description of the data for views; read-only."""

    def __init__(self, data: SessionData, **traits: Any) -> None:
        self._data = data
        self.set_trait("meta", data.describe())
        super().__init__(**traits)

    def _shared_state(self) -> dict[str, Any]:
        """Return the traits that the page has."""
        names = SessionTraits.class_own_traits(sync=True)
        return {name: getattr(self, name) for name in names if not name.startswith("_")}

    def _publish(self) -> None:
        """Tell the views that the data were replaced."""
        with self.hold_sync():
            self.eigenvector = min(self.eigenvector, self._data.n_eig - 1)
            self.n_clusters = min(self.n_clusters, self._data.max_clusters)
            # Checked again, because there may be fewer eigenvectors.
            self.objects = self.objects
            self.set_trait("meta", self._data.describe())

    # -- `clicks` are the clicks of the active object --------------------------------------------------------

    @traitlets.validate("active_object")
    def _check_active(self, proposal: Any) -> int | None:
        # Validated when a message from the page has been applied, because it may contain the object as well.
        value, count = proposal["value"], len(self.objects)
        if value is not None and value >= count:
            raise TraitValueError(
                f"`active_object` must be None or one of the {count} objects, counted from 0; got {brief(value)}."
            )
        return value

    @traitlets.observe("objects", "active_object")
    def _follow_active_object(self, change: Any) -> None:
        if change["name"] == "objects" and not change["old"] and self.objects and self.active_object is None:
            # The next click is added to the first object.
            self.active_object = 0
        if self.active_object is not None and self.active_object >= len(self.objects):
            self.active_object = len(self.objects) - 1 if self.objects else None
        self.clicks = [] if self.active_object is None else self.objects[self.active_object]["clicks"]

    @traitlets.observe("clicks")
    def _store_clicks(self, change: Any) -> None:
        clicks, objects = change["new"], list(self.objects)
        if self.active_object is None:
            if not clicks:
                return
            # Together, so that no observer sees the clicks without their object.
            with self.hold_trait_notifications():
                self.objects = [*objects, {"clicks": clicks}]
                self.active_object = len(objects)
        elif objects[self.active_object]["clicks"] != clicks:
            objects[self.active_object] = objects[self.active_object] | {"clicks": clicks}
            self.objects = objects
