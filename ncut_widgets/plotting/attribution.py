"""Figures of channel attribution: bars of the top channels, and curves of their faithfulness."""

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
# Blue and orange can be distinguished with all common types of color blindness.
_POSITIVE, _NEGATIVE = "#2f6fb3", "#d9822b"
_CURVES = (("top channels", "#2f6fb3"), ("random channels", "#8a8a8a"), ("bottom channels", "#d9822b"))
_COLUMNS = 4
_PANEL_INCHES = (3.0, 2.2)
_PANEL_PIXELS = (280, 230)
# Average width of a character in plotly's labels.
_CHARACTER_PIXELS = 6.2


def plot_attribution(
    attribution: ChannelAttribution, target: int | str | None = None, *, k: int = 10, backend: str = "plotly"
) -> Any:
    """Return a bar chart of the scores of the top channels, for one target or for all targets side by side.

    Parameters
    ----------
    attribution : ChannelAttribution
        Result of `channel_attribution`.
    target : int or str, optional
        Name or index of a target; by default all targets.
    k : int
        The number of channels, the highest-ranked on top; all channels if there are fewer.
    backend : {"plotly", "matplotlib"}
        The plotting library.

    Returns
    -------
    plotly.graph_objects.Figure or matplotlib.figure.Figure
        A matplotlib figure is not registered with pyplot.

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
    """Plot the score of each target as channels are deleted: top channels first, in random order, or bottom first.

    A band shows the range of the random orders around their mean. The farther the curve of the top channels is below
    the band, the more the target depends on them.

    Parameters
    ----------
    curves : Faithfulness
        Result of `ChannelAttribution.faithfulness`.
    backend : {"plotly", "matplotlib"}
        The plotting library.

    Returns
    -------
    plotly.graph_objects.Figure or matplotlib.figure.Figure
        A matplotlib figure is not registered with pyplot.
    """
    draw = _plotly_curves if check_in(backend, "backend", BACKENDS) == "plotly" else _matplotlib_curves
    areas = zip(curves.target_names, curves.area, strict=True)
    return draw(curves, [f"{name}: area {area:.3f}" for name, area in areas])


def _layout(n: int) -> tuple[int, int]:
    columns = min(n, _COLUMNS)
    return math.ceil(n / columns), columns


def _plotly_panels(titles: list[str], *, label: float = 40) -> tuple[go.Figure, list[dict[str, int]]]:
    """Return a figure with one panel per title, with `label` pixels at the left of each for tick labels."""
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
    figure, positions = _plotly_panels(titles, label=_CHARACTER_PIXELS * longest)
    for (names, scores), position in zip(bars, positions, strict=True):
        colors = [_POSITIVE if score >= 0 else _NEGATIVE for score in scores]
        bar = go.Bar(
            x=scores, y=names, orientation="h", marker_color=colors, hovertemplate="%{y}: %{x:.3f}<extra></extra>"
        )
        figure.add_trace(bar, **position)
    figure.update_yaxes(autorange="reversed", automargin=True, type="category")
    figure.update_layout(showlegend=False)
    return figure


def _plotly_curves(curves: Faithfulness, titles: list[str]) -> go.Figure:
    import plotly.graph_objects as go

    figure, positions = _plotly_panels(titles)
    (top, random, bottom), counts = _CURVES, curves.counts
    for i, position in enumerate(positions):
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
        figure.add_trace(band, **position)
        for (name, color), y in ((top, curves.top[i]), (random, curves.random[i].mean(0)), (bottom, curves.bottom[i])):
            line = go.Scatter(
                x=counts, y=y, name=name, legendgroup=name, showlegend=first, mode="lines+markers", line_color=color
            )
            figure.add_trace(line, **position)
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
        positions = np.arange(len(names))
        one.barh(positions, scores, color=[_POSITIVE if score >= 0 else _NEGATIVE for score in scores])
        one.set_yticks(positions, names)
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
