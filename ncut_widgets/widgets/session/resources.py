"""The arrays that a page can request, in one table.

An entry of `RESOURCES` states the name, the typed parameters, dtype and shape, whether it is a job, what it depends on,
and which of its arrays an exported page contains. Dispatch, the exported page and the types of the page
(`js/src/shared/resources.ts`) are derived from it. To add an array, write one decorated function below, and run
``python js/generate_types.py``.

A request states everything that its answer depends on: in its name and `params`, and the `version` of the data and of
the `embedding` as the page knows them. Parameters that it leaves out have the session's values when it arrives, so that
an answer never depends on when it is computed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from inspect import signature
from typing import Any, Literal, NamedTuple
from urllib.parse import quote, unquote

import numpy as np

from ncut_widgets._validation import brief, check_in, check_number
from ncut_widgets.export.download import FORMATS
from ncut_widgets.objects import MaskObject, check_objects
from ncut_widgets.widgets._trait_types import check_index, check_indices
from ncut_widgets.widgets.session.attributions import (
    ATTRIBUTION_SHARE,
    Attributions,
    cluster_row,
    cluster_scores,
    evidence,
)
from ncut_widgets.widgets.session.data import SessionData
from ncut_widgets.widgets.session.exports import Exports
from ncut_widgets.widgets.session.masks import REFINEMENTS, RESOLUTIONS, Masks, click_weight_text, clip_n_eig
from ncut_widgets.widgets.transport.jobs import Progress
from ncut_widgets.widgets.transport.messages import Answer, Outdated

__all__ = ["RESOURCES", "ExportedArrays", "Resource", "SessionParts", "answer", "array_name", "compute"]

# "embedding": outdated by new eigenvectors; "version": by any new data, such as colors.
Dependency = Literal["embedding", "version"]
Arguments = dict[str, Any]


class SessionParts(NamedTuple):
    """What computes the arrays of a session."""

    data: SessionData
    masks: Masks
    attributions: Attributions
    exports: Exports


@dataclass(frozen=True)
class ExportedArrays:
    """Which arrays an exported page contains."""

    cluster_counts: Sequence[int]
    # Cluster counts with attributions, and the attribution method.
    attributed_counts: Sequence[int]
    method: str
    # Arguments of the click heatmaps that its objects need.
    click_heatmaps: Sequence[Arguments]
    # Channels with maps.
    channels: Sequence[int]


# -- parameters ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Param:
    """A parameter of a request: its type on the page, and its check.

    A parameter in the name has a `pattern`, and `read` and `write` convert its text.
    """

    typescript: str
    check: Callable[[Any, SessionData], Any] = lambda value, _: value
    pattern: str = ""
    read: Callable[[str], Any] = str
    write: Callable[[Any], str] = str
    # Used if a request leaves it out, instead of the session's value.
    default: Any = None


def _check_image(value: Any, data: SessionData) -> int:
    n = len(data.images)
    return check_index(value, "image", n, f"lie in 0 to {n - 1}")


def _check_channel(value: Any, data: SessionData) -> int:
    n = data.needed_features("channel maps").shape[1]
    return check_index(value, "channel", n, f"lie in 0 to {n - 1}")


def _check_nodes(value: Any, data: SessionData) -> list[int]:
    n = data.grid.n_nodes
    return check_indices(value, "nodes", n, f"hold nodes from 0 to {n - 1}")


def _check_source(value: Any, data: SessionData) -> str:
    sources = list(data.grid.sources)
    if not isinstance(value, str) or value not in sources:
        raise ValueError(f"`source` must be one of {brief(sources)}; got {brief(value)}.")
    return value


def _check_objects(value: Any, data: SessionData) -> list[MaskObject]:
    return [clip_n_eig(item, data.n_eig) for item in check_objects(value, data.scene, n_eig=data.click_eig)]


def _one_of(name: str, words: Sequence[str], default: Any = None) -> Param:
    return Param(
        " | ".join(f'"{word}"' for word in words), lambda value, _: check_in(value, name, tuple(words)), default=default
    )


def _refinement(name: str) -> Param:
    words = " | ".join(f'"{word}"' for word in REFINEMENTS)
    return Param(f"{words} | null", lambda value, _: None if value is None else check_in(value, name, REFINEMENTS))


def _nodes_in_name(text: str) -> list[int]:
    return [int(node) for node in text.split(",") if node]


_INTEGER = r"0|[1-9][0-9]{0,8}"
_NODES = r"(?:[0-9]{1,9}(?:,[0-9]{1,9})*)?"

IMAGE = Param("number", _check_image, _INTEGER, int)
CHANNEL = Param("number", _check_channel, _INTEGER, int)
N_CLUSTERS = Param("number", lambda value, data: data.check_n_clusters(value), _INTEGER, int)
CLUSTER = Param("number", pattern=_INTEGER, read=int)
CLICK_NODES = Param("string", _check_nodes, _NODES, _nodes_in_name, lambda nodes: ",".join(map(str, nodes)))
CLICK_WEIGHT = Param(
    "string",
    lambda value, _: check_number(value, "click_weight", low=0, high=1),
    r"[0-9]\.[0-9]{3}",
    float,
    click_weight_text,
)
METHOD = Param("string", pattern=r"[a-z_]{1,40}")
OBJECT_NAME = Param("string", pattern=r"[^/]*", read=unquote, write=lambda name: quote(name, safe=""))
NODES = Param("readonly number[]", _check_nodes, default=())
OBJECTS = Param("readonly (MaskObject | string)[]", _check_objects)
SOURCE = Param("string", _check_source)
REFINE = _refinement("refine")
REFINEMENT = _refinement("method")
RESOLUTION = _one_of("resolution", RESOLUTIONS, default="pixel")
FORMAT = _one_of("format", tuple(FORMATS))
OPACITY = Param("number", lambda value, _: check_number(value, "opacity", low=0, high=1))


# -- the table -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Resource:
    """An entry of the table. Each `{parameter}` of the template is a part of the array's name."""

    template: str
    name_params: Mapping[str, Param]
    params: Mapping[str, Param]
    dtype: str
    shape: str
    is_job: bool
    depends_on: Dependency | None
    exported: Callable[[ExportedArrays, SessionParts], Iterable[Arguments]]
    function: Callable[..., np.ndarray]

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Matches the names of its arrays."""
        return re.compile(re.sub(r"{(\w+)}", lambda m: f"(?P<{m[1]}>{self.name_params[m[1]].pattern})", self.template))

    @cached_property
    def takes_progress(self) -> bool:
        """Whether its function reports progress."""
        return "progress" in signature(self.function).parameters

    def name(self, arguments: Arguments) -> str:
        """Return the name of one array."""
        return self.template.format(**{key: self.name_params[key].write(arguments[key]) for key in self.name_params})


RESOURCES: list[Resource] = []


def _resource(
    template: str,
    dtype: str,
    shape: str,
    *,
    job: bool = False,
    depends_on: Dependency | None = None,
    params: Mapping[str, Param] | None = None,
    exported: Callable[[ExportedArrays, SessionParts], Iterable[Arguments]] = lambda file, parts: (),  # noqa: ARG005
    **name_params: Param,
) -> Callable[[Callable[..., np.ndarray]], Callable[..., np.ndarray]]:
    """Add a function to the table. It gets the parts of the session, and parameters and `progress` by name."""

    def add(function: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
        RESOURCES.append(
            Resource(template, name_params, params or {}, dtype, shape, job, depends_on, exported, function)
        )
        return function

    return add


def _always(_: ExportedArrays, __: SessionParts) -> Iterable[Arguments]:
    return [{}]


def _for_each_count(file: ExportedArrays, _: SessionParts) -> Iterable[Arguments]:
    # From the most clusters down, because their colors include those of fewer clusters.
    return [{"n_clusters": count} for count in sorted(file.cluster_counts, reverse=True)]


@_resource("eigenvectors", "float32", "(n, n_eig)", depends_on="embedding", exported=_always)
def _eigenvectors(parts: SessionParts) -> np.ndarray:
    """The spectral embedding of each node."""
    return parts.data.eigenvectors


@_resource("rgb", "uint8", "(n, 3)", depends_on="version", exported=_always)
def _rgb(parts: SessionParts) -> np.ndarray:
    """The color of each node."""
    return np.rint(parts.data.rgb * 255).astype(np.uint8)


@_resource("coords", "float32", "(n, 3)", depends_on="version", exported=_always)
def _coords(parts: SessionParts) -> np.ndarray:
    """The position of each node in the scatter."""
    return parts.data.coords


@_resource(
    "outliers",
    "uint8",
    "(n,)",
    depends_on="embedding",
    exported=lambda _, parts: [{}] if parts.data.outliers.any() else [],
)
def _outliers(parts: SessionParts) -> np.ndarray:
    """1 for nodes far from all others."""
    return parts.data.outliers.astype(np.uint8)


@_resource("patch_rgb", "uint8", "(n, 3)", exported=_always)
def _patch_rgb(parts: SessionParts) -> np.ndarray:
    """The mean color of the pixels of each patch."""
    return parts.data.patch_rgb()


@_resource(
    "image/{image}",
    "uint8",
    "(bytes,)",
    image=IMAGE,
    exported=lambda _, parts: [{"image": index} for index in range(len(parts.data.images))],
)
def _image(parts: SessionParts, image: int) -> np.ndarray:
    """An image as a JPEG."""
    return parts.data.jpeg(image)


@_resource(
    "labels/{n_clusters}",
    "uint8",
    "(n,)",
    job=True,
    depends_on="embedding",
    n_clusters=N_CLUSTERS,
    exported=_for_each_count,
)
def _labels(parts: SessionParts, n_clusters: int) -> np.ndarray:
    """The cluster of each node. A cluster keeps its number when the number of clusters changes."""
    return parts.data.labels(n_clusters)


@_resource(
    "parents/{n_clusters}",
    "int16",
    "(n_clusters,)",
    job=True,
    depends_on="embedding",
    n_clusters=N_CLUSTERS,
    exported=_for_each_count,
)
def _parents(parts: SessionParts, n_clusters: int) -> np.ndarray:
    """The one of n_clusters - 1 clusters that covers most of each cluster, or -1."""
    return parts.data.clusters.parents(n_clusters)


@_resource(
    "cluster_colors/{n_clusters}",
    "uint8",
    "(n_clusters, 3)",
    job=True,
    depends_on="version",
    n_clusters=N_CLUSTERS,
    exported=_for_each_count,
)
def _cluster_colors(parts: SessionParts, n_clusters: int) -> np.ndarray:
    """The color of each cluster."""
    return parts.data.clusters.colors(parts.data.rgb, n_clusters)


@_resource(
    "click_heat/{positive}/{negative}/{click_weight}",
    "float32",
    "(n,)",
    job=True,
    positive=CLICK_NODES,
    negative=CLICK_NODES,
    click_weight=CLICK_WEIGHT,
    exported=lambda file, _: file.click_heatmaps,
)
def _click_heat(
    parts: SessionParts, positive: list[int], negative: list[int], click_weight: float, progress: Progress
) -> np.ndarray:
    """The heatmap of clicks that are cut with the graph. Nodes are separated by commas, the weight has 3 decimals."""
    return parts.masks.click_heatmap(positive, negative, click_weight, progress)


@_resource(
    "refined",
    "uint8",
    "(k, height, width)",
    job=True,
    depends_on="embedding",
    params={"image": IMAGE, "method": REFINEMENT, "source": SOURCE, "objects": OBJECTS},
)
def _refined(
    parts: SessionParts, image: int, method: str | None, source: str, objects: list[MaskObject], progress: Progress
) -> np.ndarray:
    """The masks of the objects in the pixels of one image, in the size that the page shows."""
    return parts.masks.refined(image, method, objects, source, progress)


@_resource(
    "export",
    "uint8",
    "(bytes,)",
    job=True,
    depends_on="embedding",
    params={
        "format": FORMAT,
        "resolution": RESOLUTION,
        "refine": REFINE,
        "opacity": OPACITY,
        "source": SOURCE,
        "objects": OBJECTS,
    },
)
def _export(parts: SessionParts, progress: Progress, **params: Any) -> np.ndarray:
    """A file with the masks of the objects."""
    return np.frombuffer(parts.exports.content(**params, progress=progress), np.uint8)


@_resource(
    "attribution/{method}/clusters/{n_clusters}",
    "float32",
    "(n_clusters, c)",
    job=True,
    depends_on="embedding",
    method=METHOD,
    n_clusters=N_CLUSTERS,
    exported=lambda file, _: [{"method": file.method, "n_clusters": count} for count in file.attributed_counts],
)
def _cluster_attribution(parts: SessionParts, method: str, n_clusters: int, progress: Progress) -> np.ndarray:
    """The score of each channel for each cluster."""
    found = parts.attributions.of_clusters(n_clusters, method, progress, publish=True)
    return cluster_scores(found, n_clusters)


@_resource(
    "attribution/{method}/mask/{name}",
    "float32",
    "(1, c)",
    job=True,
    depends_on="embedding",
    method=METHOD,
    name=OBJECT_NAME,
    params={"source": SOURCE, "objects": OBJECTS},
)
def _mask_attribution(
    parts: SessionParts, method: str, name: str, source: str, objects: list[MaskObject], progress: Progress
) -> np.ndarray:
    """The score of each channel for the mask of an object."""
    item = _object_named(name, objects)
    return parts.attributions.of_mask(parts.masks.node_mask(item, source), method, progress, publish=True).scores


@_resource(
    "attribution/{method}/nodes",
    "float32",
    "(1, c)",
    job=True,
    depends_on="embedding",
    method=METHOD,
    params={"nodes": NODES},
)
def _node_attribution(parts: SessionParts, method: str, nodes: list[int], progress: Progress) -> np.ndarray:
    """The score of each channel for a selection of nodes."""
    return parts.attributions.of_nodes(nodes, method, progress, publish=True).scores


@_resource(
    "evidence/{method}/clusters/{n_clusters}/{cluster}",
    "float32",
    "(4, steps)",
    job=True,
    depends_on="embedding",
    method=METHOD,
    n_clusters=N_CLUSTERS,
    cluster=CLUSTER,
)
def _cluster_evidence(
    parts: SessionParts, method: str, n_clusters: int, cluster: int, progress: Progress
) -> np.ndarray:
    """The strength of a cluster without its top, its bottom and random channels; row 0 is their number."""
    found = parts.attributions.of_clusters(n_clusters, method, _first_part(progress))
    return evidence(found, cluster_row(found, cluster), _second_part(progress))


@_resource(
    "evidence/{method}/mask/{name}",
    "float32",
    "(4, steps)",
    job=True,
    depends_on="embedding",
    method=METHOD,
    name=OBJECT_NAME,
    params={"source": SOURCE, "objects": OBJECTS},
)
def _mask_evidence(
    parts: SessionParts, method: str, name: str, source: str, objects: list[MaskObject], progress: Progress
) -> np.ndarray:
    """As for a cluster, for the mask of an object."""
    item = _object_named(name, objects)
    found = parts.attributions.of_mask(parts.masks.node_mask(item, source), method, _first_part(progress))
    return evidence(found, 0, _second_part(progress))


@_resource(
    "evidence/{method}/nodes",
    "float32",
    "(4, steps)",
    job=True,
    depends_on="embedding",
    method=METHOD,
    params={"nodes": NODES},
)
def _node_evidence(parts: SessionParts, method: str, nodes: list[int], progress: Progress) -> np.ndarray:
    """As for a cluster, for a selection of nodes."""
    return evidence(parts.attributions.of_nodes(nodes, method, _first_part(progress)), 0, _second_part(progress))


@_resource("channel_ranges", "float32", "(c, 2)", exported=lambda file, _: [{}] if file.attributed_counts else [])
def _channel_ranges(parts: SessionParts) -> np.ndarray:
    """The 1 % and the 99 % quantile of each channel."""
    return parts.data.channel_ranges()


@_resource(
    "channel_map/{channel}",
    "uint8",
    "(n,)",
    channel=CHANNEL,
    exported=lambda file, _: [{"channel": channel} for channel in file.channels],
)
def _channel_map(parts: SessionParts, channel: int) -> np.ndarray:
    """The values of a channel between the two of `channel_ranges`, as 0 to 255."""
    return parts.data.channel_map(channel)


def _object_named(name: str, objects: list[MaskObject]) -> MaskObject:
    for item in objects:
        if item["name"] == name:
            return item
    raise ValueError(f"There is no object named {brief(name)}. Pass the name of one of `objects`.")


def _first_part(progress: Progress) -> Progress:
    return lambda fraction: progress(ATTRIBUTION_SHARE * fraction)


def _second_part(progress: Progress) -> Progress:
    return lambda fraction: progress(ATTRIBUTION_SHARE + (1 - ATTRIBUTION_SHARE) * fraction)


# -- dispatch --------------------------------------------------------------------------------------------------


def array_name(template: str, **arguments: Any) -> str:
    """Return the name of an array.

    Examples
    --------
    >>> array_name("labels/{n_clusters}", n_clusters=8)
    'labels/8'
    """
    return next(resource for resource in RESOURCES if resource.template == template).name(arguments)


def answer(message: Mapping[str, Any], parts: SessionParts, now: Mapping[str, Any]) -> Answer:
    """Return how to answer a request.

    Parameters
    ----------
    message : dict
        With the ``name`` of an array and its ``params``; and the ``embedding`` and the ``version`` of the data that the
        page knows. If they are outdated, the answer is an `Outdated` error for an array that depends on them.
    parts : SessionParts
    now : dict
        The session's value of each parameter that the request leaves out.

    Raises
    ------
    ValueError
        If there is no such array.
    """
    resource, arguments = _find(message["name"])
    data, params = parts.data, message.get("params")
    known = message.get(resource.depends_on, getattr(data, resource.depends_on)) if resource.depends_on else None

    def check_version() -> None:
        if resource.depends_on and known != getattr(data, resource.depends_on):
            raise Outdated("The data were replaced after this was asked for. Ask again.")

    def compute_if_current(progress: Progress) -> np.ndarray:
        check_version()
        array = _compute(resource, arguments | _stated(resource, params, now), parts, progress)
        check_version()
        return array

    return Answer(compute_if_current, resource.is_job)


def compute(name: str, parts: SessionParts, progress: Progress) -> np.ndarray:
    """Return the array with this name, which has no `params`."""
    resource, arguments = _find(name)
    return _compute(resource, arguments, parts, progress)


def _find(name: str) -> tuple[Resource, Arguments]:
    for resource in RESOURCES:
        match = resource.pattern.fullmatch(name)
        if match:
            return resource, {key: resource.name_params[key].read(text) for key, text in match.groupdict().items()}
    raise ValueError(f"The session has no array named {brief(name)}.")


def _stated(resource: Resource, params: Any, now: Mapping[str, Any]) -> Arguments:
    """Return the params of a request, complete, and with objects instead of their names."""
    if params is not None and not isinstance(params, Mapping):
        raise TypeError(f"`params` must be a dict; got {brief(params)}.")
    given = params or {}
    stated = {
        key: given[key] if key in given else now.get(key, param.default) for key, param in resource.params.items()
    }
    if isinstance(stated.get("objects"), list):
        named = {item["name"]: item for item in now["objects"]}
        stated["objects"] = [named.get(item, item) if isinstance(item, str) else item for item in stated["objects"]]
    return stated


def _compute(resource: Resource, arguments: Arguments, parts: SessionParts, progress: Progress) -> np.ndarray:
    params = {**resource.name_params, **resource.params}
    checked = {key: params[key].check(value, parts.data) for key, value in arguments.items()}
    if resource.takes_progress:
        checked["progress"] = progress
    return resource.function(parts, **checked)
