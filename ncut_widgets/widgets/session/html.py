"""The contents of an exported page: the state of a session, and every array that its views request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ncut_widgets._progress import Progress, part
from ncut_widgets._progress import progress as progress_bar
from ncut_widgets._validation import check_positive_int
from ncut_widgets.widgets.session.layers import TAB_LAYERS
from ncut_widgets.widgets.session.resources import RESOURCES, ExportedArrays, SessionParts, array_name, compute
from ncut_widgets.widgets.transport.jobs import no_progress

__all__ = ["page_contents"]

_METHOD = "gradient"


def page_contents(
    state: dict[str, Any],
    parts: SessionParts,
    *,
    title: str,
    tab: str,
    n_clusters: Sequence[int] | None,
    attributions: bool | Sequence[int],
    channel_bytes: int,
    progress: Progress,
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the state of the page, and its arrays by name; see `Session.to_html`."""
    data, meta = parts.data, state["meta"]
    counts = _cluster_counts(n_clusters, meta["cluster_counts"])
    attributed = _attributed_counts(attributions, counts)
    if attributed:
        data.needed_features("attributions")
    elif tab == "channels":
        raise ValueError("`tab='channels'` takes channels in the file; got no attributions. Pass attributions=True.")

    nearest = min(counts, key=lambda count: abs(count - state["n_clusters"]))
    state = state | {"hover": None, "hovered_channel": None, "refine": None, "n_clusters": nearest}
    state["layer"] = TAB_LAYERS.get(tab, state["layer"])
    state["meta"] = meta | {"abilities": [], "cluster_counts": counts}
    if attributed:
        state["meta"]["traced_counts"] = attributed
    else:
        # Views must not offer what the file does not contain.
        state["meta"]["channel_names"], state["pinned_channels"] = None, []
        state["layer"] = "ncut" if state["layer"] == "channels" else state["layer"]

    # Half precision is enough for the eye and for similarities, and halves the size of the file.
    eigenvectors = data.eigenvectors.astype(np.float16)
    # Computed first, because they decide which channels have maps.
    template = "attribution/{method}/clusters/{n_clusters}"
    scores = [array_name(template, method=_METHOD, n_clusters=count) for count in attributed]
    arrays = _compute_all(scores, parts, f"attributions: {title}", part(progress, 0, 0.5) if attributed else False)
    file = ExportedArrays(
        cluster_counts=counts,
        attributed_counts=attributed,
        method=_METHOD,
        click_heatmaps=_click_heatmaps(state, parts, eigenvectors.astype(np.float32)),
        channels=_mapped_channels(state["pinned_channels"], list(arrays.values()), parts, channel_bytes),
    )
    names = [resource.name(arguments) for resource in RESOURCES for arguments in resource.exported(file, parts)]
    missing = [name for name in names if name not in arrays]
    arrays |= _compute_all(missing, parts, f"export: {title}", part(progress, 0.5 if attributed else 0, 1))
    arrays["eigenvectors"] = eigenvectors
    return state, arrays


def _compute_all(names: Sequence[str], parts: SessionParts, title: str, progress: Progress) -> dict[str, np.ndarray]:
    arrays = {}
    with progress_bar(len(names), title, unit="array", show=progress) as done:
        for name in names:
            arrays[name] = compute(name, parts, no_progress)
            done(1)
    return arrays


def _cluster_counts(n_clusters: Sequence[int] | None, available: Sequence[int]) -> list[int]:
    counts = (
        list(available) if n_clusters is None else sorted({check_positive_int(k, "n_clusters") for k in n_clusters})
    )
    missing = [k for k in counts if k not in available]
    if missing or not counts:
        raise ValueError(
            f"`n_clusters` must be numbers from {available[0]} to {available[-1]}; "
            f"got {missing[0] if missing else 'none'}. For more, compute more eigenvectors."
        )
    return counts


def _attributed_counts(attributions: bool | Sequence[int], counts: Sequence[int]) -> list[int]:
    """Return the cluster counts with attributions. One cluster is everything, so no channel distinguishes it."""
    if isinstance(attributions, bool):
        wanted = counts if attributions else []
        if attributions and max(counts) == 1:
            raise ValueError("`attributions` take 2 or more clusters; got a file of 1. Raise `n_clusters`.")
        return [k for k in wanted if k > 1]
    attributed = sorted({check_positive_int(k, "attributions", minimum=2) for k in attributions})
    missing = [k for k in attributed if k not in counts]
    if missing:
        raise ValueError(
            f"`attributions` must be numbers of clusters that the file has; got {missing[0]}. Add it to `n_clusters`."
        )
    return attributed


def _click_heatmaps(state: dict[str, Any], parts: SessionParts, eigenvectors: np.ndarray) -> list[dict[str, Any]]:
    """Return the arguments of the click heatmaps of all objects.

    The page finds the node of a box from the rounded `eigenvectors` in the file.
    """
    cut = [item for item in state["objects"] if item["method"] == "ncut"]
    prompts = [parts.masks.graph_prompts(item, state["source"], eigenvectors) for item in cut]
    return [
        {"positive": positive, "negative": negative, "click_weight": item["click_weight"]}
        for (positive, negative), item in zip(prompts, cut, strict=True)
        if positive
    ]


def _mapped_channels(
    pinned: Sequence[int], scores: Sequence[np.ndarray], parts: SessionParts, channel_bytes: int
) -> list[int]:
    """Return the pinned channels, and those with the highest scores in any cluster, as many as fit."""
    if not scores:
        return []
    best = np.max([np.abs(table).max(0) for table in scores], axis=0)
    order = list(dict.fromkeys([*pinned, *np.argsort(-best, kind="stable").tolist()]))
    return order[: check_positive_int(channel_bytes, "channel_bytes", minimum=0) // parts.data.grid.n_nodes]
