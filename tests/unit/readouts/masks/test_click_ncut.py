"""`ClickNcut` and `click_ncut`: the definition, segmentation, new nodes, array types and errors."""

import numpy as np
import pytest
import torch
from sklearn.base import clone

from ncut_widgets import ClickNcut, FeatureMaps, Ncut, PatchGrid, PatchMap, click_ncut


def blobs(*centers, n=80, channels=6, seed=0):
    rng = np.random.default_rng(seed)
    return np.concatenate([center + rng.normal(size=(n, channels)) for center in centers])


def squared_distances(X):
    return np.square(X[:, None] - X).sum(2)


def squared_cosine_distances(X):
    directions = X / np.linalg.norm(X, axis=1, keepdims=True)
    return np.square(1 - directions @ directions.T)


def second_eigenvector(X, positive, negative, click_weight, bg_weight, sigma, squared=squared_distances):
    """Return the eigenvector by a direct implementation, above its mean at the positive clicks."""

    def normalized(squared, scale):
        A = np.exp(-squared / (2 * scale**2))
        degrees = A.sum(1)
        return A / np.sqrt(degrees[:, None] * degrees)

    A = normalized(squared(X), sigma)
    affinity_to_clicks = A[positive].mean(0) - (bg_weight * A[negative].mean(0) if negative else 0)
    signal = np.arcsinh(len(X) * affinity_to_clicks)
    A_click = normalized(np.square(signal[:, None] - signal), 0.5)
    u = np.linalg.eigh((1 - click_weight) * A + click_weight * A_click)[1][:, -2]
    return u * np.sign(u[positive].mean() - u.mean())


def calibrated(u, positive):
    low, high = np.quantile(u, [0.01, 0.99])
    return np.clip((u - low) / (max(high, np.median(u[positive])) - low), 0, 1)


@pytest.mark.parametrize("click_weight", [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("negative", [[], [130, 90]])
def test_follows_the_definition(click_weight, negative):
    X, positive = blobs(0, 2, 4), [0, 3, 7]
    found = ClickNcut(click_weight=click_weight, bg_weight=0.4).fit(X, positive, negative)
    expected = calibrated(second_eigenvector(X, positive, negative, click_weight, 0.4, found.sigma_), positive)
    if negative:
        exchanged = calibrated(second_eigenvector(X, negative, positive, click_weight, 0.4, found.sigma_), negative)
        # If both are equal, the result depends on rounding.
        equal = np.abs(exchanged - expected) < 1e-6
        expected = np.where(equal, found.heatmap_, np.where(exchanged > expected, 0, expected))
    np.testing.assert_allclose(found.heatmap_, expected, atol=1e-4)


@pytest.mark.parametrize("sigma", [0.2, 1.0, 5.0])
@pytest.mark.parametrize("click_weight", [0.0, 0.5])
@pytest.mark.parametrize("X", [blobs(-2, 0, 2, 4), blobs(0, n=240, channels=8)], ids=["blobs", "noise"])
def test_cosine_affinities_of_any_width_follow_the_definition(X, click_weight, sigma):
    """They have negative eigenvalues, the wider the more."""
    positive = [0, 3]
    found = ClickNcut(affinity="cosine", sigma=sigma, click_weight=click_weight).fit(X, positive)
    u = second_eigenvector(X, positive, [], click_weight, 0, sigma, squared_cosine_distances)
    np.testing.assert_allclose(found.heatmap_, calibrated(u, positive), atol=1e-3)
    np.testing.assert_allclose(found.transform(X), found.heatmap_, atol=1e-6)


@pytest.mark.parametrize("sigma", [0.5, 2.0])
def test_landmarks_match_the_exact_graph_of_cosines(sigma):
    X = blobs(-2, 0, 2, 4)
    exact, few = (click_ncut(X, [0, 3], affinity="cosine", sigma=sigma, n_sample=n) for n in (320, 120))
    assert np.abs(exact - few).max() < 0.04


def test_landmarks_match_the_exact_graph():
    X = blobs(0, 2, 4, n=500)
    exact, few = (click_ncut(X, [0, 3], [700], n_sample=n) for n in (1500, 200))
    assert np.abs(exact - few).max() < 0.02
    assert exact.std() > 0.2


def test_zero_click_weight_gives_the_plain_eigenvector():
    X = blobs(0, 3)
    eigenvector = Ncut(n_eig=2).fit_transform(X)[:, 1]
    heatmaps = [click_ncut(X, positive, click_weight=0) for positive in ([5], [100])]
    for heatmap, sign in zip(heatmaps, np.sign(eigenvector[[5, 100]]), strict=True):
        low, high = np.quantile(sign * eigenvector, [0.01, 0.99])
        np.testing.assert_allclose(heatmap, ((sign * eigenvector - low) / (high - low)).clip(0, 1), atol=0.02)


def test_clicks_separate_similar_objects():
    # Two similar objects, and a different one from which the plain cut separates both.
    X = blobs(0, 3, 9)
    one, twin, other = (slice(0, 80), slice(80, 160), slice(160, 240))
    plain = click_ncut(X, [0], click_weight=0)
    assert plain[twin].min() > 0.5 > plain[other].max()
    clicked = click_ncut(X, [0, 1, 2], [80, 81, 82], click_weight=0.7)
    assert np.mean(clicked[one] > 0.5) > 0.98
    assert np.mean(clicked[twin] < 0.5) > 0.98
    assert clicked[other].max() < 0.1


def test_negative_click_lowers_its_region():
    X = blobs(0, 2, 4)
    region = slice(80, 160)
    without, with_it = (click_ncut(X, [0], negative, click_weight=0.9, bg_weight=1) for negative in ([], [85]))
    assert with_it[region].mean() < without[region].mean() / 2
    assert with_it[0] > 0.9


def test_negative_click_removes_a_similar_region():
    X = np.concatenate([blobs(0, n=300), blobs(1.6, n=60, seed=1), blobs(6, n=300, seed=2)])
    similar = slice(300, 360)
    without, with_it = (ClickNcut().fit(X, [0, 1], negative) for negative in ([], [310]))
    assert np.mean(without.heatmap_[similar] > 0.5) > 0.9
    assert np.mean(with_it.heatmap_[similar] > 0.5) < 0.5
    assert with_it.heatmap_[310] == 0
    assert np.mean(with_it.heatmap_[:300] > 0.5) > 0.8
    np.testing.assert_array_equal(with_it.transform(X), with_it.heatmap_)


def test_heatmap_is_high_on_a_rare_object():
    # The object has less than one percent of the nodes.
    X = np.concatenate([blobs(0, n=600), blobs(6, n=4)])
    heatmap = click_ncut(X, [600])
    assert heatmap[600:].min() > 0.5 > np.quantile(heatmap[:600], 0.99)


def test_new_nodes_use_the_fitted_calibration():
    X = blobs(0, 2, 4, n=200)
    clicks = ClickNcut(n_sample=150).fit(X, [410], [0])
    np.testing.assert_allclose(clicks.transform(X), clicks.heatmap_, atol=1e-9)
    np.testing.assert_allclose(clicks.transform(X[300:310]), clicks.heatmap_[300:310], atol=1e-9)
    new = clicks.transform(blobs(0, 2, 4, seed=1))
    assert new[160:].mean() > 0.8
    assert new[:160].mean() < 0.3


@pytest.mark.parametrize("affinity", ["cosine", lambda X, Z: np.maximum(0, X @ Z.T)])
def test_other_affinities(affinity):
    X = np.abs(np.concatenate([blobs(0) * 0.2 + np.eye(6)[i] for i in range(3)]))
    heatmap = click_ncut(X, [0], affinity=affinity)
    assert heatmap[:80].mean() > heatmap[80:].mean() + 0.5


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_torch_input_gives_torch_output(dtype):
    X = torch.from_numpy(blobs(0, 3)).to(dtype).requires_grad_()
    clicks = ClickNcut().fit(X, [0], [100])
    assert clicks.heatmap_.dtype == clicks.transform(X).dtype == dtype
    assert not clicks.heatmap_.requires_grad
    np.testing.assert_allclose(clicks.heatmap_.double(), click_ncut(blobs(0, 3), [0], [100]), atol=0.02)


def test_accepts_feature_maps():
    grid = PatchGrid([(20, 20), (10, 20)], [PatchMap(0, 10, 10), PatchMap(1, 10, 6)])
    features = FeatureMaps(blobs(0, 3), grid)
    heatmap = click_ncut(features, [grid.node_at(0, 1, 1)])
    np.testing.assert_array_equal(heatmap, click_ncut(features.flatten(), [0]))


def test_is_deterministic_and_can_be_cloned():
    X = blobs(0, 2, 4, n=200)
    clicks = ClickNcut(n_sample=100, click_weight=0.7)
    first = clicks.fit(X, [0]).heatmap_
    np.testing.assert_array_equal(first, clone(clicks).fit(X, [0]).heatmap_)
    assert clone(clicks).click_weight == 0.7


@pytest.mark.parametrize(
    ("positive", "options", "error", "message"),
    [
        ([], {}, ValueError, "`positive` must hold at least one node; got none"),
        ([160], {}, ValueError, "`positive` must be in 0 to 159; got 160"),
        ([0.5], {}, TypeError, "`positive` must hold integers"),
        ([0], {"negative": [-1]}, ValueError, "`negative` must be in 0 to 159; got -1"),
        ([0], {"click_weight": 1.5}, ValueError, r"`click_weight` must be in \[0, 1\]; got 1.5"),
        ([0], {"bg_weight": -1}, ValueError, "`bg_weight` must be in .*got -1"),
        ([0], {"n_sample": 1}, ValueError, "`n_sample` must be at least 2; got 1"),
        ([0], {"sigma": 1.0, "degree": 0.1}, ValueError, "`sigma` and `degree` cannot be combined"),
        ([0], {"affinity": "rfb"}, ValueError, "`affinity` must be one of"),
    ],
)
def test_invalid_arguments_raise(positive, options, error, message):
    with pytest.raises(error, match=message):
        click_ncut(blobs(0, 3), positive, **options)


def test_identical_nodes_raise():
    with pytest.raises(ValueError, match="Affinities must differ between pairs of nodes"):
        click_ncut(np.ones((20, 3)), [0])


def test_other_number_of_channels_raises():
    clicks = ClickNcut().fit(blobs(0, 3), [0])
    with pytest.raises(ValueError, match="`X` must have 6 columns"):
        clicks.transform(np.ones((3, 5)))
