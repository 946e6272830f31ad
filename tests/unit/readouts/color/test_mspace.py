"""M-space: the graph of the places sees what the graph of the features sees, at every number of clusters."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from ncut_widgets.ncut import Ncut
from ncut_widgets.readouts import Coloring, mspace_color
from ncut_widgets.readouts.color.mspace import alignment

N_EIG = (4, 16, 64)


@contextmanager
def one_torch_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def nested(n=600, n_channels=12, seed=0):
    """Return 4 groups of 4 groups of points, as features, and which of the 16."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(16, size=n)
    coarse, fine = 3 * rng.normal(size=(4, n_channels)), rng.normal(size=(16, n_channels))
    features = coarse[labels // 4] + fine[labels] + 0.3 * rng.normal(size=(n, n_channels))
    return features.astype(np.float32), labels


def kept(features, places, n_eig=N_EIG, sigma=None):
    """Return the share of each spectral projector of the features that the graph of the places has."""
    theirs = Ncut(max(n_eig), solver="exact").fit(features.astype(np.float64)).eigenvectors_
    ours = Ncut(max(n_eig), solver="exact", sigma=sigma).fit(places.astype(np.float64)).eigenvectors_
    return np.array([np.square(theirs[:, :k].T @ ours[:, :k]).sum() / k for k in n_eig])


def test_keeps_the_spectral_projectors():
    features, _ = nested()
    shares = kept(features, Coloring("mspace").fit(features).coords, sigma=1.0)
    linear = kept(features, Coloring("pca").fit(features).coords)
    assert shares[:2].min() > 0.95
    # Beyond the 16 groups there is nothing but noise in twelve directions, of which three can show a part.
    assert shares[2] > 0.55
    assert (shares[1:] > linear[1:] + 0.1).all()


def pictures(n=800, side=28, n_channels=48, seed=0):
    """Return n nodes of four pictures of smooth regions, texture and place: few large differences, many small ones."""
    rng = np.random.default_rng(seed)
    nodes = []
    for _ in range(4):
        regions = gaussian_filter(rng.normal(size=(side, side, 6)), (side / 8, side / 8, 0)).argmax(-1)
        tints = rng.normal(size=(6, n_channels))[regions]
        texture = gaussian_filter(rng.normal(size=(side, side, n_channels)), (1, 1, 0))
        place = np.moveaxis(np.indices((side, side)), 0, -1) / side
        picture = np.concatenate([gaussian_filter(tints, (1, 1, 0)) + texture, place], axis=-1)
        nodes.append(picture.reshape(-1, n_channels + 2))
    nodes = np.concatenate(nodes)
    return nodes[rng.choice(len(nodes), n, replace=False)].astype(np.float32)


def test_keeps_the_whole_beside_the_detail():
    features = pictures()
    shares = kept(features, Coloring("mspace", n_sample=400).fit(features).coords)
    # Projectors weighed alike leave 0.64 of the first: the detail decides where everything goes.
    assert shares[0] > 0.78
    assert shares[1] > 0.8
    assert shares[2] > 0.6


def test_the_gradient_is_the_derivative():
    generator = torch.Generator().manual_seed(0)
    places = torch.randn(30, 3, dtype=torch.float64, generator=generator, requires_grad=True)
    target = torch.randn(30, 30, dtype=torch.float64, generator=generator)
    target = target + target.T
    affinity = torch.exp(-(places[:, None] - places).square().sum(2) / 2)
    root = affinity.sum(1).rsqrt()
    expected = (affinity * root * root[:, None] - target).square().sum()
    expected.backward()
    value, gradient = alignment(places.detach(), target)
    torch.testing.assert_close(value, expected.detach())
    torch.testing.assert_close(gradient, places.grad)


def test_groups_in_groups_get_related_colors():
    features, labels = nested()
    rgb = mspace_color(features, n_sample=300)
    centers = np.stack([rgb[labels == k].mean(0) for k in range(16)])
    assert (np.linalg.norm(rgb[:, None] - centers, axis=2).argmin(1) == labels).mean() > 0.9
    distance = np.linalg.norm(centers[:, None] - centers, axis=2)
    same = np.equal.outer(np.arange(16) // 4, np.arange(16) // 4)
    assert distance[same & ~np.eye(16, dtype=bool)].mean() < 0.6 * distance[~same].mean()


def test_the_length_of_features_matters_and_their_units_do_not():
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


def test_works_where_torch_records_nothing():
    features = torch.from_numpy(nested(60)[0])
    expected = mspace_color(features)
    with torch.inference_mode():
        torch.testing.assert_close(mspace_color(features), expected)
    torch.testing.assert_close(mspace_color(features.clone().requires_grad_()), expected)
