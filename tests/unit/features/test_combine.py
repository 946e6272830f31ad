"""Concatenation of features of several sources, with weights and alignment."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from ncut_widgets.features import FeatureMaps, concat, extract_features, sample_images
from ncut_widgets.grid import PatchGrid, PatchMap
from ncut_widgets.ncut import Ncut
from ncut_widgets.readouts import kway_ncut


def features(
    source, rows=2, columns=3, channels=3, *, sizes=((48, 32), (20, 60)), names=None, weights=None, torch_=False
):
    """Random features of each image."""
    grid = PatchGrid(sizes, [PatchMap(i, rows, columns, source) for i in range(len(sizes))])
    values = np.random.default_rng(len(source)).normal(size=(grid.n_nodes, channels))
    return FeatureMaps(torch.from_numpy(values) if torch_ else values, grid, names, weights=weights)


def test_select_returns_each_concatenated_source():
    coarse, fine = features("coarse", 1), features("fine", 2)
    both = concat([coarse, fine])
    assert both.sources == ("coarse", "fine")
    assert both.grid.n_images == 2
    assert both.shape == (18, 3)
    for part in (coarse, fine):
        (source,) = part.sources
        chosen = both.select(source)
        np.testing.assert_array_equal(chosen.values, part.values)
        assert np.shares_memory(chosen.values, both.values)
        assert chosen.grid == part.grid
    assert both.grid.locate(7).source == "fine"


def test_concat_numbers_channels_with_different_names():
    red, also_red, blue = (features(s, channels=1, names=[n]) for s, n in [("a", "red"), ("b", "red"), ("c", "blue")])
    assert concat([red, also_red]).channel_names == ("red",)
    assert concat([red, blue]).channel_names == ("channel 0",)


def test_nodes_have_equal_weight_by_default():
    assert concat([features("a"), features("b", 8)]).weights is None


@pytest.mark.parametrize(
    ("weights", "shares"), [("equal", [0.5, 0.5]), ([3, 1], [0.75, 0.25]), (np.ones(2), [0.5, 0.5])]
)
@pytest.mark.parametrize("torch_", [False, True])
def test_weights_set_total_weight_per_part(weights, shares, torch_):
    both = concat([features("few", 1, torch_=torch_), features("many", 8, torch_=torch_)], weights=weights)
    assert isinstance(both.weights, type(both.values))
    assert float(both.weights.mean()) == pytest.approx(1)
    for source, share in zip(both.sources, shares, strict=True):
        own = both.select(source).weights
        assert float(own.sum() / both.weights.sum()) == pytest.approx(share)
        assert float(own.max()) == pytest.approx(float(own.min()))


def test_weights_raise_influence_of_coarse_source():
    """Compare the clusters of the coarse source alone with those in a graph shared with a finer source."""
    images = sample_images()[:4]
    parts = [extract_features(images, resolution=r, source=str(r), progress=False) for r in (96, 320)]

    def cut(nodes):
        return kway_ncut(Ncut(n_eig=6).fit_transform(nodes), n_clusters=6).argmax(1)

    own = cut(parts[0])
    drowned, equal, loud = (
        adjusted_rand_score(own, cut(concat(parts, weights=weights))[: len(own)])
        for weights in (None, "equal", [20, 1])
    )
    assert drowned + 0.1 < equal < loud
    assert loud > 0.9


def test_node_weights_keep_ratios_within_part():
    own = np.arange(1.0, 13)
    weighted, plain = features("a", weights=own), features("b", 8)
    np.testing.assert_array_equal(concat([weighted, plain]).weights, np.r_[own, np.ones(48)])
    both = concat([weighted, plain], weights="equal")
    np.testing.assert_allclose(both.select("a").weights, own * 30 / own.sum())
    again = concat([both.select("a"), both.select("b")])
    np.testing.assert_array_equal(again.weights, both.weights)


def test_aligned_parts_share_channels_and_keep_weights():
    own = np.arange(1.0, 13)
    narrow, wide = features("narrow", channels=3, weights=own), features("wide", 6, channels=7)
    both = concat([narrow, wide], align="anchors", n_anchors=5, weights="equal")
    assert both.shape == (48, 5)
    assert both.grid.maps == narrow.grid.maps + wide.grid.maps
    assert all(name.startswith("similarity to image ") for name in both.channel_names)
    np.testing.assert_allclose(both.select("narrow").weights, own * 24 / own.sum())


def test_seed_determines_anchors():
    parts = [features("a", 4, 6, channels=3), features("b", 4, 6, channels=5)]
    first, again, other = (concat(parts, align="anchors", n_anchors=8, random_state=seed) for seed in (1, 1, 2))
    assert first.channel_names == again.channel_names != other.channel_names
    np.testing.assert_array_equal(first.values, again.values)


def test_invalid_concat_arguments_raise():
    one = features("a")
    for parts, options, error, message in [
        ([], {}, TypeError, "must be one or more FeatureMaps"),
        ([one, one.values], {}, TypeError, r"got \['FeatureMaps', 'ndarray'\]"),
        ([one, features("b", sizes=[(9, 9)])], {}, ValueError, "must all be of the same images"),
        (
            [one, features("b", channels=2)],
            {},
            ValueError,
            'same number of channels; got 3 and 2. Pass align="anchors"',
        ),
        ([one, one], {}, ValueError, r"different source names; got \['a'\]"),
        ([one, features("b", torch_=True)], {}, TypeError, "all be numpy or all torch"),
        ([one, features("b")], {"weights": "even"}, ValueError, "`weights` must be one of 'equal'; got 'even'"),
        ([one, features("b")], {"weights": [1]}, ValueError, "one number for each of 2 parts; got 1"),
        ([one, features("b")], {"weights": 2.0}, TypeError, r"one number for each of 2 parts; got 2.0 \(float\)"),
        ([one, features("b")], {"weights": [1, 0]}, ValueError, r"`weights` must be in \(0, inf\); got 0"),
        ([one, features("b")], {"weights": [1, "2"]}, TypeError, "`weights` must be a number; got '2'"),
        ([one, features("b")], {"align": "anchor"}, ValueError, "`align` must be one of 'anchors'; got 'anchor'"),
        ([one, features("b")], {"align": "anchors", "n_anchors": 0}, ValueError, "`n_anchors` must be at least 1"),
    ]:
        with pytest.raises(error, match=message):
            concat(parts, **options)
