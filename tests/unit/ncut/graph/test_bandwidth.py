"""The automatic sigma, and `degree`."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from ncut_widgets.ncut import Ncut


def nodes(n=400, seed=0):
    rng = np.random.default_rng(seed)
    return 3 * np.random.default_rng(1).normal(size=(5, 6))[rng.integers(0, 5, n)] + rng.normal(size=(n, 6))


def sigma_of(X, weights=None, **options):
    return Ncut(2, **options).fit(X, sample_weight=weights).sigma_


def squared(X, affinity):
    """Squared distances d^2 with the affinity exp(-d^2 / 2 sigma^2)."""
    return cdist(X, X, "sqeuclidean") if affinity == "rbf" else cdist(X, X, "cosine") ** 2


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("affinity", ["rbf", "cosine"])
def test_automatic_sigma_is_an_eighth_of_mean_square(affinity, weighted):
    X, w = nodes(), np.random.default_rng(0).uniform(0.1, 3, 400) if weighted else np.ones(400)
    mean = np.average(squared(X, affinity), weights=np.outer(w, w))
    assert sigma_of(X, w, affinity=affinity) == pytest.approx(np.sqrt(mean / 8), rel=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("affinity", ["rbf", "cosine"])
@pytest.mark.parametrize("degree", [0.02, 0.3, 0.9])
def test_degree_is_the_mean_affinity(degree, affinity, weighted):
    X, w = nodes(), np.random.default_rng(0).uniform(0.1, 3, 400) if weighted else np.ones(400)
    sigma = sigma_of(X, w, affinity=affinity, degree=degree)
    A = np.exp(-squared(X, affinity) / (2 * sigma**2))
    assert np.average(A, weights=np.outer(w, w)) == pytest.approx(degree, rel=1e-6)


@pytest.mark.parametrize("degree", [None, 0.05])
def test_sigma_follows_units_not_origin_or_order(degree):
    X = nodes()
    sigma = sigma_of(X, degree=degree)
    for unit in (1e-20, 1e-3, 1e8):
        assert sigma_of(unit * X, degree=degree) == pytest.approx(unit * sigma, rel=1e-6)
        assert sigma_of(unit * X, affinity="cosine", degree=degree) == pytest.approx(
            sigma_of(X, affinity="cosine", degree=degree), rel=1e-6
        )
    assert sigma_of(X + 1000, degree=degree) == pytest.approx(sigma, rel=1e-6)
    assert sigma_of(X[np.random.default_rng(0).permutation(400)], degree=degree) == pytest.approx(sigma, rel=1e-9)
    assert sigma_of(X.astype(np.float32), degree=degree) == pytest.approx(sigma, rel=1e-4)


@pytest.mark.parametrize("degree", [None, 0.1])
def test_sample_determines_sigma_of_many_nodes(degree):
    X = nodes(5000)
    sigma = sigma_of(X, degree=degree, solver="nystrom", n_sample=64)
    mean = squared(X, "rbf").mean() / 8 if degree is None else np.exp(-squared(X, "rbf") / (2 * sigma**2)).mean()
    assert (sigma**2 if degree is None else degree) == pytest.approx(mean, rel=0.1)


@pytest.mark.parametrize("affinity", ["rbf", "cosine"])
def test_repulsion_has_separate_sigma(affinity):
    ncut = Ncut(2, affinity=affinity, degree=0.1, repulsion_weight=0.3).fit(nodes())
    assert ncut.repulsion_sigma_ == pytest.approx(sigma_of(nodes()) if affinity == "rbf" else 0.3)
    assert Ncut(2, affinity=affinity, repulsion_weight=0.3, repulsion_sigma=2.0).fit(nodes()).repulsion_sigma_ == 2
    assert Ncut(2, affinity=affinity).fit(nodes()).repulsion_sigma_ is None
