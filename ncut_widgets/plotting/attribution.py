"""The channels of a cluster as bars, and the evidence for them as curves: figures of plotly or matplotlib."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ncut_widgets._validation import check_in, check_positive_int
from ncut_widgets.readouts import ChannelAttribution, Faithfulness

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from matplotlib.figure import Figure

__all__ = ["plot_attribution", "plot_faithfulness"]

BACKENDS = ("plotly", "matplotlib")
# Told apart by those who do not see colors, too: blue helps, orange works against.
_FOR, _AGAINST = "#2f6fb3", "#d9822b"
_CURVES = (("top channels", "#2f6fb3"), ("random channels", "#8a8a8a"), ("bottom channels", "#d9822b"))
_COLUMNS = 4
_PANEL_INCHES = (3.0, 2.2)
_PANEL_PIXELS = (280, 230)
# Of the labels of plotly, on the average.
_CHARACTER_PIXELS = 6.2


def plot_attribution(
    attribution: ChannelAttribution, target: int | str | None = None, *, k: int = 10, backend: str = "plotly"
) -> Any:
    """Return a figure with signed bars of the first channels of one target, or of all of them side by side.

    Parameters
    ----------
    attribution : ChannelAttribution
        Of `channel_attribution`.
    target : int or str, optional
        By name or number; all by default.
    k : int
        How many channels, from the first of the ranking, which is on top; all where there are fewer.
    backend : {"plotly", "matplotlib"}
        Whose figure.

    Returns
    -------
    plotly.graph_objects.Figure or matplotlib.figure.Figure
        The one of matplotlib is not known to pyplot.

    Examples
    --------
    >>> import numpy as np
    >>> from ncut_widgets import channel_attribution
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> X[:30, 2] += 6
    >>> attribution = channel_attribution(X, np.repeat([0, 1], 30))
    >>> plot_attribution(attribution, "cluster 0").data[0].y[0]
    'channel 2'
    """
    check_in(backend, "backend", BACKENDS)
    names = attribution.target_names
    targets: Sequence[int | str] = range(len(names)) if target is None else [target]
    k = min(check_positive_int(k, "k"), len(attribution.channel_names))
    tops = [attribution.top_k(k, target=one) for one in targets]
    titles = [names[one] if isinstance(one, int) else one for one in targets]
    bars = [([row.name for row in top], [row.score for row in top]) for top in tops]
    return _plotly_bars(titles, bars) if backend == "plotly" else _matplotlib_bars(titles, bars)


def plot_faithfulness(curves: Faithfulness, *, backend: str = "plotly") -> Any:
    """Return a figure of the scores of targets as their channels are deleted: from the top, at random, from the bottom.

    Around the mean of the random orders, a band from the lowest to the highest. The higher it lies above the curve of
    the top channels, the more these are what makes the target.

    Parameters
    ----------
    curves : Faithfulness
        Of `ChannelAttribution.faithfulness`.
    backend : {"plotly", "matplotlib"}
        Whose figure.

    Returns
    -------
    plotly.graph_objects.Figure or matplotlib.figure.Figure
        The one of matplotlib is not known to pyplot.
    """
    draw = _plotly_curves if check_in(backend, "backend", BACKENDS) == "plotly" else _matplotlib_curves
    areas = zip(curves.target_names, curves.area, strict=True)
    return draw(curves, [f"{name}: area {area:.3f}" for name, area in areas])


def _layout(n: int) -> tuple[int, int]:
    columns = min(n, _COLUMNS)
    return math.ceil(n / columns), columns


def _plotly_panels(titles: list[str], *, label: float = 40) -> tuple[go.Figure, list[dict[str, int]]]:
    """Panels with `label` pixels for what is written at the left of each."""
    from plotly.subplots import make_subplots

    rows, columns = _layout(len(titles))
    gap = min(0.12, 0.5 / rows)
    width, height = _PANEL_PIXELS
    total = max(420, columns * (width + label))
    figure = make_subplots(
        rows, columns, subplot_titles=titles, vertical_spacing=gap, horizontal_spacing=(label + 20) / total
    )
    figure.update_layout(
        template="plotly_white",
        width=total,
        height=60 + rows * height,
        margin={"l": 10, "r": 10, "t": 40, "b": 10},
    )
    return figure, [{"row": i // columns + 1, "col": i % columns + 1} for i in range(len(titles))]


def _plotly_bars(titles: list[str], bars: list[tuple[list[str], list[float]]]) -> go.Figure:
    import plotly.graph_objects as go

    longest = max(len(name) for names, _ in bars for name in names)
    figure, places = _plotly_panels(titles, label=_CHARACTER_PIXELS * longest)
    for (names, scores), place in zip(bars, places, strict=True):
        colors = [_FOR if score >= 0 else _AGAINST for score in scores]
        bar = go.Bar(
            x=scores, y=names, orientation="h", marker_color=colors, hovertemplate="%{y}: %{x:.3f}<extra></extra>"
        )
        figure.add_trace(bar, **place)
    figure.update_yaxes(autorange="reversed", automargin=True, type="category")
    figure.update_layout(showlegend=False)
    return figure


def _plotly_curves(curves: Faithfulness, titles: list[str]) -> go.Figure:
    import plotly.graph_objects as go

    figure, places = _plotly_panels(titles)
    (top, random, bottom), counts = _CURVES, curves.counts
    for i, place in enumerate(places):
        first = i == 0
        low, high = curves.random[i].min(0), curves.random[i].max(0)
        band = go.Scatter(
            x=np.concatenate([counts, counts[::-1]]),
            y=np.concatenate([high, low[::-1]]),
            fill="toself",
            fillcolor="rgba(138,138,138,0.25)",
            line_width=0,
            hoverinfo="skip",
            showlegend=False,
        )
        figure.add_trace(band, **place)
        for (name, color), y in ((top, curves.top[i]), (random, curves.random[i].mean(0)), (bottom, curves.bottom[i])):
            line = go.Scatter(
                x=counts, y=y, name=name, legendgroup=name, showlegend=first, mode="lines+markers", line_color=color
            )
            figure.add_trace(line, **place)
    figure.update_xaxes(title="channels deleted", tickformat="d")
    figure.update_yaxes(title="score", rangemode="tozero")
    return figure


def _matplotlib_panels(titles: list[str]) -> tuple[Figure, list[Any]]:
    from ._figure import NotebookFigure

    rows, columns = _layout(len(titles))
    width, height = _PANEL_INCHES
    figure = NotebookFigure(figsize=(columns * width, rows * height), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for unused in axes[len(titles) :]:
        unused.remove()
    for one, title in zip(axes, titles, strict=False):
        one.set_title(title, fontsize=9)
        one.tick_params(labelsize=7)
        one.spines[["top", "right"]].set_visible(False)
    return figure, axes[: len(titles)]


def _matplotlib_bars(titles: list[str], bars: list[tuple[list[str], list[float]]]) -> Figure:
    figure, axes = _matplotlib_panels(titles)
    for (names, scores), one in zip(bars, axes, strict=True):
        places = np.arange(len(names))
        one.barh(places, scores, color=[_FOR if score >= 0 else _AGAINST for score in scores])
        one.set_yticks(places, names)
        one.invert_yaxis()
        one.axvline(0, color="0.5", linewidth=0.5)
    return figure


def _matplotlib_curves(curves: Faithfulness, titles: list[str]) -> Figure:
    figure, axes = _matplotlib_panels(titles)
    (top, random, bottom), counts = _CURVES, curves.counts
    for i, one in enumerate(axes):
        one.fill_between(counts, curves.random[i].min(0), curves.random[i].max(0), color=random[1], alpha=0.25, lw=0)
        for (name, color), y in ((top, curves.top[i]), (random, curves.random[i].mean(0)), (bottom, curves.bottom[i])):
            one.plot(counts, y, marker=".", color=color, label=name)
        one.set_ylim(0, 1.05 * max(curves.top[i].max(), curves.bottom[i].max(), curves.random[i].max()))
        one.set_xlabel("channels deleted", fontsize=8)
        one.set_ylabel("score", fontsize=8)
    axes[0].legend(fontsize=7, frameon=False)
    return figure
