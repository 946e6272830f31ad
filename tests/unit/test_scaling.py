"""Inputs of any magnitude: squares, sums and differences neither overflow nor underflow."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import ncut_widgets as nw
from helpers.pages import request
from ncut_widgets._scaling import SafeScaler


@pytest.mark.parametrize(
    ("scale", "dtype"), [(1e-45, "f4"), (1e38, "f4"), (1e-310, "f8"), (1e300, "f8"), (1e308, "f8")]
)
def test_scaled_rows_are_about_one_at_any_scale(scale, dtype):
    sample = (np.array([[1.0, -1], [-1, 1], [1, 0], [0, 0]]) * scale).astype(dtype)
    scaler = SafeScaler(torch.from_numpy(sample))
    assert np.allclose(scaler(torch.from_numpy(sample)).abs().amax(), 1, atol=0.5)
    beyond = scaler(torch.full((1, 2), float(np.finfo(dtype).max), dtype=torch.from_numpy(sample).dtype))
    assert bool(torch.isfinite(beyond.square().sum()))


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_propagation_handles_extreme_distances(dtype):
    known = np.array([[1.0], [2.0], [3.0]], dtype) * np.finfo(dtype).tiny
    far = np.array([[np.finfo(dtype).max], [-np.finfo(dtype).max], [known[1, 0]]], dtype)
    values = nw.nystrom_propagate(np.array([10.0, 20.0, 30.0]), far, known, n_neighbors=2)
    assert np.isfinite(values).all()
    assert values[0] >= values[1]
    assert values[2] == 20


def test_propagation_from_large_float64_to_float32_nodes():
    known = np.array([[0.0], [1e150]])
    assert nw.nystrom_propagate(np.array([1.0, 2.0]), np.zeros((1, 1), np.float32), known).tolist() == [1.0]


@pytest.mark.parametrize("scale", [1e-3, 1e38, 1e307])
@pytest.mark.parametrize("colormap", ["disc", "square"])
def test_colormap_is_scale_invariant(scale, colormap):
    coords = np.random.default_rng(0).normal(size=(30, 2))
    expected = nw.colormap_2d(coords, colormap=colormap)
    assert np.allclose(nw.colormap_2d(coords * scale, colormap=colormap), expected, atol=1e-6)


@pytest.mark.parametrize(
    "extent", [((-1e300, 1e300), (0, 1)), ((0, 1e-300), (0, 1)), ((-1.7e308, 1.7e308), (0, 1e-310))]
)
def test_colormap_accepts_any_extent(extent):
    coords = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)
    assert np.isfinite(nw.colormap_2d(coords, extent=extent)).all()


@pytest.mark.parametrize("scale", [1e-2, 1e36])
def test_mspace_colors_are_scale_invariant(scale):
    features = np.random.default_rng(0).uniform(-1, 1, (9, 3)).astype(np.float32)
    expected = nw.mspace_color(features)
    assert np.allclose(nw.mspace_color(features * np.float32(scale)), expected, atol=1e-3)


def grid_of(source, rows=3, columns=4):
    return nw.PatchGrid([(40, 30)], [nw.PatchMap(0, rows, columns, source)])


@pytest.mark.parametrize("scale", [1e-310, 1e150, 1e308])
def test_anchors_are_scale_invariant(scale):
    values = np.random.default_rng(0).uniform(-1, 1, (12, 3))
    plain, scaled = (
        nw.AnchorAlignment(n_anchors=4).fit_transform(nw.FeatureMaps(part, grid_of("one"))).values
        for part in (values, values * scale)
    )
    assert np.allclose(scaled, plain, atol=1e-2)


def session_with(values):
    image = np.zeros((30, 40, 3), np.uint8)
    eig = np.eye(12)[:, :3]
    return nw.Session(image, features=nw.FeatureMaps(values, grid_of("one")), eigenvectors=eig)


def test_session_rejects_non_finite_features():
    values = np.zeros((12, 2))
    values[3, 1] = np.nan
    with pytest.raises(ValueError, match="`features` must be finite; got NaN or inf in 1 of 12 nodes"):
        session_with(values)


@pytest.mark.parametrize("scale", [1e-200, 1e38, 1e200])
def test_session_accepts_channels_of_any_scale(scale):
    session = session_with(np.linspace(-1, 1, 12)[:, None] * scale)
    try:
        assert np.isfinite(request(session, "channel_ranges")).all()
        request(session, "channel_map/0")
    finally:
        session.close()


@pytest.mark.parametrize("n", [8, 12, 20])
@pytest.mark.parametrize("n_clusters", [2, 5, 7])
def test_attribution_of_few_nodes_is_finite(n, n_clusters):
    X = np.random.default_rng(0).normal(size=(n, 3))
    attribution = nw.channel_attribution(X, np.arange(n) % n_clusters, ncut=nw.Ncut(sigma=1e-3, solver="exact"))
    assert np.isfinite(attribution.raw).all()


def test_overflowing_gradients_raise():
    X = torch.from_numpy(np.random.default_rng(0).normal(size=(20, 3)) * 1e-38).float().requires_grad_()
    vectors = nw.Ncut(3).fit_transform(X)
    with pytest.raises(ValueError, match=r"gradients with respect to them are finite in torch\.float32; got"):
        torch.autograd.grad((vectors**3).sum() * 1e6, X)


def test_attribution_of_tiny_features_raises():
    X = np.random.default_rng(0).normal(size=(20, 3)) * 1e-60
    with pytest.raises(ValueError, match="a scale at which gradients are finite in float32; got values from -"):
        nw.channel_attribution(X, np.arange(20) % 2)


@pytest.mark.parametrize("weight", [1e-20, 1e10, 1e30])
def test_extreme_weights_raise(weight):
    X = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    weights = np.ones(20)
    weights[7] = weight
    with pytest.raises(ValueError, match=r"`sample_weight` must be 0 or from 1e-09 to 1e\+09; got .* for node 7"):
        nw.Ncut(2).fit(X, sample_weight=weights)


@pytest.mark.parametrize(("fitted", "new"), [("f4", "f8"), ("f8", "f4"), ("f4", "i4")])
def test_callable_affinity_accepts_other_precision(fitted, new):
    X = np.random.default_rng(0).normal(size=(20, 3)).astype(fitted)

    def affinity(X, Z):
        return np.exp(-np.square(X[:, None] - Z).sum(2))

    embedded = nw.Ncut(2, affinity=affinity).fit(X).transform(X.astype(new))
    assert np.isfinite(embedded).all()


def test_nodes_beyond_float32_range_are_colored():
    eig = np.random.default_rng(0).normal(size=(40, 3))
    coloring = nw.Coloring("pca").fit(eig.astype(np.float32))
    assert np.allclose(coloring.transform(eig * 1e150), coloring.rgb_, atol=1e-4)


@pytest.mark.parametrize("affinity", ["rbf", "cosine"])
def test_constant_features_near_float_max_raise(affinity):
    heatmap = None
    X = np.full((7, 3), 1e38, np.float32)
    with pytest.raises(ValueError, match="Affinities must differ between pairs of nodes"):
        heatmap = nw.click_ncut(X, [0], affinity=affinity)
    assert heatmap is None
