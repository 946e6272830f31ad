"""Figures of channel attribution: bars and curves match the attribution."""

from __future__ import annotations

import numpy as np
import pytest

from ncut_widgets import channel_attribution, plot_attribution, plot_faithfulness


@pytest.fixture(scope="module")
def attribution():
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    X = rng.normal(size=(90, 6))
    X[labels == 0, 4] += 7
    X[labels == 1, 2] -= 7
    return channel_attribution(X, labels)


def test_plotly_bars_are_top_channels_per_target(attribution):
    figure = plot_attribution(attribution, k=4)
    assert [len(trace.x) for trace in figure.data] == [4, 4, 4]
    assert [note.text for note in figure.layout.annotations] == ["cluster 0", "cluster 1", "cluster 2"]
    assert [trace.y[0] for trace in figure.data[:2]] == ["channel 4", "channel 2"]
    np.testing.assert_allclose(figure.data[1].x, [row.score for row in attribution.top_k(4, target=1)])
    colors = figure.data[0].marker.color[0], figure.data[1].marker.color[0]
    assert colors[0] != colors[1], "a channel that works for its cluster looks like one that works against it"
    # The highest-ranked channel is on top.
    assert all(figure.layout[axis].autorange == "reversed" for axis in ("yaxis", "yaxis2", "yaxis3"))


def test_matplotlib_bars_match_plotly(attribution):
    figure = plot_attribution(attribution, "cluster 1", k=3, backend="matplotlib")
    (axes,) = figure.axes
    assert axes.get_title() == "cluster 1"
    wanted = attribution.top_k(3, target="cluster 1")
    np.testing.assert_allclose([bar.get_width() for bar in axes.patches], [row.score for row in wanted])
    assert [label.get_text() for label in axes.get_yticklabels()] == [row.name for row in wanted]
    assert axes.yaxis_inverted()
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_no_empty_panels_and_k_beyond_channels(attribution):
    rng = np.random.default_rng(0)
    many = channel_attribution(rng.normal(size=(60, 6)), np.arange(60) % 5)
    assert len(plot_attribution(many, k=50, backend="matplotlib").axes) == 5
    assert len(plot_attribution(many, k=50).data[0].x) == 6


@pytest.mark.parametrize("backend", ["plotly", "matplotlib"])
def test_curves_match_faithfulness(attribution, backend):
    curves = attribution.faithfulness(3, n_random=3)
    figure = plot_faithfulness(curves, backend=backend)
    if backend == "plotly":
        drawn = {trace.name: trace.y for trace in figure.data[:4] if trace.name}
        titles = [note.text for note in figure.layout.annotations]
        named = [trace.name for trace in figure.data if trace.showlegend and trace.name]
        assert named == ["top channels", "random channels", "bottom channels"]
    else:
        drawn = {line.get_label(): line.get_ydata() for line in figure.axes[0].lines}
        titles = [axes.get_title() for axes in figure.axes]
    np.testing.assert_allclose(drawn["top channels"], curves.top[0])
    np.testing.assert_allclose(drawn["bottom channels"], curves.bottom[0])
    np.testing.assert_allclose(drawn["random channels"], curves.random[0].mean(0))
    assert titles[0] == f"cluster 0: area {curves.area[0]:.3f}"


def test_invalid_options_raise(attribution):
    with pytest.raises(ValueError, match="`backend` must be one of 'plotly', 'matplotlib'; got 'bokeh'"):
        plot_attribution(attribution, backend="bokeh")
    with pytest.raises(ValueError, match=r"`target` must be at most 2; got 3"):
        plot_attribution(attribution, 3)
