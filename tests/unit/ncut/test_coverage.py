from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.exceptions import NotFittedError

from ncut_widgets.ncut import Ncut

CHANNELS = 12


def draw(n, seed, centers_seed=0):
    """Nodes of five clusters; another `centers_seed` moves the clusters."""
    centers = 3 * np.random.default_rng(centers_seed).normal(size=(5, CHANNELS))
    rng = np.random.default_rng(seed)
    return centers[rng.integers(0, 5, n)] + rng.normal(size=(n, CHANNELS))


def callable_rbf(X, Z):
    return np.exp(-cdist(X, Z, "sqeuclidean") / 50)


KERNELS = {
    "rbf": {"affinity": "rbf"},
    "sharp rbf": {"affinity": "rbf", "degree": 0.1},
    "cosine": {"affinity": "cosine"},
    "sharp cosine": {"affinity": "cosine", "degree": 0.1},
    "callable": {"affinity": callable_rbf},
}


@pytest.mark.parametrize("solver", ["exact", "nystrom"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kernel", KERNELS)
def test_similar_nodes_are_covered_and_others_are_not(kernel, dtype, solver):
    ncut = Ncut(4, solver=solver, n_sample=256, **KERNELS[kernel]).fit(draw(1500, seed=1).astype(dtype))
    alike = ncut.coverage(draw(500, seed=2).astype(dtype))
    elsewhere = ncut.coverage(draw(500, seed=3, centers_seed=1).astype(dtype))
    assert alike.shape == (500,)
    assert alike.dtype == dtype
    assert (alike >= 0).all()
    assert (alike <= 1).all()
    assert np.mean(alike >= 0.95) >= 0.9
    assert elsewhere.mean() < (0.35 if "sharp" in kernel else 0.6)


@pytest.mark.parametrize("kernel", ["rbf", "sharp rbf", "callable"])
def test_coverage_decreases_with_distance(kernel):
    X = draw(1500, seed=1)
    ncut = Ncut(4, **KERNELS[kernel]).fit(X)
    new, away = draw(300, seed=2), np.random.default_rng(0).normal(size=CHANNELS)
    steps = [ncut.coverage(new + d * away / np.linalg.norm(away)).mean() for d in (0, 3, 6, 12, 100)]
    assert (np.diff(steps) <= 0).all()
    assert steps[0] > 0.95
    assert 0.1 < steps[2] < 0.95
    assert steps[-1] < 1e-3


@pytest.mark.parametrize("affinity", ["rbf", "cosine"])
@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_units_do_not_change_coverage(affinity, unit):
    X, new = draw(600, seed=1), draw(300, seed=2, centers_seed=1)
    ncut, scaled = (Ncut(4, affinity=affinity).fit(u * X) for u in (1, unit))
    np.testing.assert_allclose(scaled.coverage(unit * new), ncut.coverage(new), atol=1e-6)


def test_few_fitted_nodes_are_covered():
    X = draw(30, seed=1)
    np.testing.assert_allclose(Ncut(3).fit(X).coverage(X), 1)
    assert Ncut(1).fit(X[:2]).coverage(X[:2] + 1e5).max() < 1e-6


def test_zero_weight_nodes_cover_nothing():
    counted, other = draw(400, seed=1), draw(400, seed=1) + 50
    X = np.concatenate([counted, other])
    ncut = Ncut(3, sigma=3.0).fit(X, sample_weight=np.repeat([1.0, 0.0], 400))
    assert ncut.coverage(counted).mean() > 0.95
    assert ncut.coverage(other).max() < 1e-6


def test_sharp_kernel_covers_nothing():
    """With a kernel this sharp, all nodes except landmarks are isolated."""
    X, new = draw(600, seed=1), draw(200, seed=2)
    assert Ncut(2, sigma=0.3).fit(X).coverage(new).mean() < 0.1


def test_repulsion_and_alpha_do_not_change_coverage():
    X, new = draw(600, seed=1), draw(200, seed=2, centers_seed=1)
    plain = Ncut(3, sigma=5.0).fit(X).coverage(new)
    other = Ncut(3, sigma=5.0, alpha=1, repulsion_weight=0.3).fit(X).coverage(new)
    np.testing.assert_allclose(plain.mean(), other.mean(), atol=0.1)
    assert other.max() <= 1


def test_repeated_calls_agree_and_change_nothing():
    X, new = torch.from_numpy(draw(600, seed=1)), torch.from_numpy(draw(50, seed=2))
    ncut = Ncut(3).fit(X)
    before = ncut.transform(new)
    first = ncut.coverage(new)
    assert isinstance(first, torch.Tensor)
    torch.testing.assert_close(ncut.coverage(new), first, rtol=0, atol=0)
    torch.testing.assert_close(ncut.coverage(new[7:9]), first[7:9])
    torch.testing.assert_close(ncut.transform(new), before, rtol=0, atol=0)


def test_invalid_nodes_raise():
    X = draw(50, seed=1)
    with pytest.raises(NotFittedError, match="not fitted yet"):
        Ncut(3).coverage(X)
    with pytest.raises(ValueError, match=r"`X` must have .* columns, as in the fit; got 3: X has 3 features"):
        Ncut(3).fit(X).coverage(X[:, :3])
    with pytest.raises(ValueError, match="`X` must be finite; got NaN or inf in 1 of 50 nodes"):
        Ncut(3).fit(X).coverage(np.where(np.arange(50)[:, None] == 7, np.nan, X))
