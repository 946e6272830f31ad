"""A session as a page: everything that its views would ask a kernel for, in one file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ncut_widgets._progress import progress as progress_bar
from ncut_widgets._validation import check_in, check_positive_int
from ncut_widgets.export.html import write_html
from ncut_widgets.widgets._trait_types import state_lock
from ncut_widgets.widgets.session.layers import TAB_LAYERS, TABS
from ncut_widgets.widgets.session.masks import heat_name

if TYPE_CHECKING:
    from ncut_widgets.widgets.session.resources import SessionAnswers

_METHOD = "gradient"


def write_page(
    session: SessionAnswers,
    path: Path,
    *,
    title: str,
    view: dict[str, Any],
    n_clusters: Sequence[int] | None,
    attributions: bool | Sequence[int],
    channel_bytes: int,
    progress: bool,
) -> Path:
    """Write what `Session.to_html` says."""
    check_in(view["tab"], "tab", TABS)
    session._await_colors(progress=progress)
    # All of one moment: `update` in another thread comes before or after.
    with state_lock:
        state, arrays = _collect(session, path.name, view["tab"], n_clusters, attributions, channel_bytes, progress)
    return write_html(path, state, arrays, title=title, view=view)


def _collect(
    session: SessionAnswers,
    title: str,
    tab: str,
    n_clusters: Sequence[int] | None,
    attributions: bool | Sequence[int],
    channel_bytes: int,
    progress: bool,
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the state of the page, and the arrays by the names that its views ask for."""
    there = session.meta["cluster_counts"]
    counts = there if n_clusters is None else sorted({check_positive_int(k, "n_clusters") for k in n_clusters})
    missing = [k for k in counts if k not in there]
    if missing or not counts:
        raise ValueError(
            f"`n_clusters` must be numbers from {there[0]} to {there[-1]}; got {missing[0] if missing else 'none'}. "
            "For more, compute more eigenvectors."
        )
    traced = _traced(attributions, counts)
    if traced:
        session._needed_features("attributions")
    elif tab == "channels":
        raise ValueError("`tab='channels'` takes channels in the file; got no attributions. Pass attributions=True.")

    nearest = min(counts, key=lambda k: abs(k - session.n_clusters))
    now = {"coloring": session.coloring, "hover": None, "channel": None, "refine": "none", "n_clusters": nearest}
    state = session._state() | now
    state["layer"] = TAB_LAYERS.get(tab, state["layer"])
    state["meta"] = session.meta | {"abilities": [], "cluster_counts": counts}
    if traced:
        state["meta"]["traced_counts"] = traced
    else:
        # What is not in the file is not on offer.
        state["meta"]["channel_names"], state["channels"] = None, []
        state["layer"] = "ncut" if state["layer"] == "channels" else state["layer"]
    levels = ("labels", "parents", "cluster_colors")
    names = [name for name in session._data.names() if not name.startswith(levels)]
    # From the most clusters down: their colours are those of fewer as well.
    names += [f"{level}/{k}" for k in reversed(counts) for level in levels]
    # Half precision is what the eye and a similarity need, at half the size of the file.
    eigenvectors = session.eigenvectors.astype(np.float16)
    # The page finds the nodes that stand for boxes from what it has.
    rounded = eigenvectors.astype(np.float32)
    cut = [
        (session._graph_prompts(item, session.source, rounded), item)
        for item in session.objects
        if item["method"] == "ncut"
    ]
    names += [heat_name(prompts, item["click_weight"]) for prompts, item in cut if prompts[0]]
    names += [f"attribution/{_METHOD}/clusters/{k}" for k in traced]

    arrays = {}
    with progress_bar(len(names), f"export: {title}", unit="array", show=progress) as done:
        for name in names:
            arrays[name] = session._array(name, {}, lambda _: None)
            done(1)
    if traced:
        scores = [array for name, array in arrays.items() if name.startswith("attribution/")]
        arrays |= _maps(session, scores, check_positive_int(channel_bytes, "channel_bytes", minimum=0))
    arrays["eigenvectors"] = eigenvectors
    return state, arrays


def _traced(attributions: bool | Sequence[int], counts: Sequence[int]) -> list[int]:
    """The numbers of clusters whose channels the file has. A single cluster is everything: nothing tells it apart."""
    if isinstance(attributions, bool):
        wanted = counts if attributions else []
        if attributions and max(counts) == 1:
            raise ValueError("`attributions` take 2 or more clusters; got a file of 1. Raise `n_clusters`.")
        return [k for k in wanted if k > 1]
    traced = sorted({check_positive_int(k, "attributions", minimum=2) for k in attributions})
    missing = [k for k in traced if k not in counts]
    if missing:
        raise ValueError(
            f"`attributions` must be numbers of clusters that the file has; got {missing[0]}. Add it to `n_clusters`."
        )
    return traced


def _maps(session: SessionAnswers, scores: Sequence[np.ndarray], most_bytes: int) -> dict[str, np.ndarray]:
    """The maps of pinned channels, and of those that made most of any cluster, as far as they fit."""
    n = session._data.grid.n_nodes
    best = np.max([np.abs(table).max(0) for table in scores], axis=0) if scores else np.zeros(session._data.n_channels)
    order = list(dict.fromkeys([*session.channels, *np.argsort(-best, kind="stable").tolist()]))
    names = ["channel_ranges", *(f"channel_map/{channel}" for channel in order[: most_bytes // n])]
    return {name: session._data.array(name) for name in names}
