"""M-space: spectral projectors of the layout, the gradient of the loss, and colors."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from ncut_widgets.ncut import Ncut
from ncut_widgets.readouts import Coloring, mspace_color
from ncut_widgets.readouts.color.mspace import loss_and_gradient

N_EIG = (4, 16, 64)


@contextmanager
def one_torch_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def nested(n=600, n_channels=12, seed=0):
    """Return features of 4 groups with 4 subgroups each, and the labels of the 16 subgroups."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(16, size=n)
    coarse, fine = 3 * rng.normal(size=(4, n_channels)), rng.normal(size=(16, n_channels))
    features = coarse[labels // 4] + fine[labels] + 0.3 * rng.normal(size=(n, n_channels))
    return features.astype(np.float32), labels


def preserved(features, coords, n_eig=N_EIG, sigma=None):
    """Return the fraction of each spectral projector of the features that the graph of the layout preserves."""
    of_features = Ncut(max(n_eig), solver="exact").fit(features.astype(np.float64)).eigenvectors_
    of_layout = Ncut(max(n_eig), solver="exact", sigma=sigma).fit(coords.astype(np.float64)).eigenvectors_
    return np.array([np.square(of_features[:, :k].T @ of_layout[:, :k]).sum() / k for k in n_eig])


def test_preserves_spectral_projectors():
    features, _ = nested()
    shares = preserved(features, Coloring("mspace").fit(features).coords_, sigma=1.0)
    linear = preserved(features, Coloring("pca").fit(features).coords_)
    assert shares[:2].min() > 0.95
    # Beyond the 16 groups there is only noise in twelve dimensions, which three dimensions can show only in part.
    assert shares[2] > 0.55
    assert (shares[1:] > linear[1:] + 0.1).all()


def image_features(n=800, side=28, n_channels=48, seed=0):
    """Return n nodes of four synthetic images with large differences between regions, and small ones within them."""
    rng = np.random.default_rng(seed)
    nodes = []
    for _ in range(4):
        regions = gaussian_filter(rng.normal(size=(side, side, 6)), (side / 8, side / 8, 0)).argmax(-1)
        tints = rng.normal(size=(6, n_channels))[regions]
        texture = gaussian_filter(rng.normal(size=(side, side, n_channels)), (1, 1, 0))
        position = np.moveaxis(np.indices((side, side)), 0, -1) / side
        image = np.concatenate([gaussian_filter(tints, (1, 1, 0)) + texture, position], axis=-1)
        nodes.append(image.reshape(-1, n_channels + 2))
    nodes = np.concatenate(nodes)
    return nodes[rng.choice(len(nodes), n, replace=False)].astype(np.float32)


def test_preserves_overall_structure_and_details():
    features = image_features()
    shares = preserved(features, Coloring("mspace", n_sample=400).fit(features).coords_)
    # With equal weights, details dominate, and only 0.64 of the first projector is preserved.
    assert shares[0] > 0.78
    assert shares[1] > 0.8
    assert shares[2] > 0.6


def test_gradient_matches_autograd():
    generator = torch.Generator().manual_seed(0)
    coords = torch.randn(30, 3, dtype=torch.float64, generator=generator, requires_grad=True)
    target = torch.randn(30, 30, dtype=torch.float64, generator=generator)
    target = target + target.T
    affinity = torch.exp(-(coords[:, None] - coords).square().sum(2) / 2)
    root = affinity.sum(1).rsqrt()
    expected = (affinity * root * root[:, None] - target).square().sum()
    expected.backward()
    loss, gradient = loss_and_gradient(coords.detach(), target)
    torch.testing.assert_close(loss, expected.detach())
    torch.testing.assert_close(gradient, coords.grad)


def test_subgroups_of_a_group_get_similar_colors():
    features, labels = nested()
    rgb = mspace_color(features, n_sample=300)
    centers = np.stack([rgb[labels == k].mean(0) for k in range(16)])
    assert (np.linalg.norm(rgb[:, None] - centers, axis=2).argmin(1) == labels).mean() > 0.9
    distance = np.linalg.norm(centers[:, None] - centers, axis=2)
    same = np.equal.outer(np.arange(16) // 4, np.arange(16) // 4)
    assert distance[same & ~np.eye(16, dtype=bool)].mean() < 0.6 * distance[~same].mean()


def test_uses_feature_lengths_but_not_their_scale():
    features = np.repeat([[1.0], [3.0]], 30, axis=0) + 0.01 * np.random.default_rng(0).normal(size=(60, 1))
    rgb = mspace_color(features, n_eig=(2, 4))
    assert np.abs(rgb[:30].mean(0) - rgb[30:].mean(0)).max() > 0.5
    scaled = mspace_color(features * 1024, n_eig=(2, 4))
    np.testing.assert_allclose(scaled, rgb, atol=1e-3)


def test_equal_nodes_get_equal_colors():
    features, _ = nested(60)
    rgb = mspace_color(np.concatenate([features, features]))
    np.testing.assert_allclose(rgb[:60], rgb[60:], atol=1e-3)


@pytest.mark.parametrize("n_eig", [(2,), [500, 3], (1000,)])
def test_any_numbers_of_eigenvectors(n_eig):
    features, _ = nested(40)
    rgb = mspace_color(features, n_eig=n_eig)
    assert np.isfinite(rgb).all()
    assert len(np.unique(rgb, axis=0)) > 20


def test_works_in_inference_mode():
    features = torch.from_numpy(nested(60)[0])
    expected = mspace_color(features)
    with torch.inference_mode():
        torch.testing.assert_close(mspace_color(features), expected)
    torch.testing.assert_close(mspace_color(features.clone().requires_grad_()), expected)
