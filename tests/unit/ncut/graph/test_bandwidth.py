"""The automatic sigma, `degree`, and chunks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from ncut_widgets.ncut import Ncut
from ncut_widgets.ncut.graph.chunks import for_each_chunk


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


def test_out_of_memory_shortens_chunks():
    seen, tried = np.zeros(1000, dtype=int), []

    def body(here):
        tried.append(here.stop - here.start)
        if tried[-1] > 60:
            raise torch.cuda.OutOfMemoryError("out of memory")
        seen[here] += 1

    for_each_chunk(1000, 4000, torch.device("cpu"), body, parallel=False)
    assert (seen == 1).all()
    assert tried[0] > 60
    assert max(tried[tried.index(min(tried[:10])) :]) <= 60
    # Halved until it fits, and not increased again.
    assert sum(length > 60 for length in tried) < 6


def test_out_of_memory_on_one_row_raises():
    tried = []

    def body(here):
        tried.append(here.stop - here.start)
        raise torch.cuda.OutOfMemoryError("out of memory")

    with pytest.raises(torch.cuda.OutOfMemoryError, match="out of memory"):
        for_each_chunk(100, 1 << 15, torch.device("cpu"), body, parallel=False)
    assert tried[-1] == 1
    assert len(tried) == len(set(tried))


def test_other_errors_are_not_retried():
    tried = []

    def body(here):
        tried.append(here)
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        for_each_chunk(100, 10, torch.device("cpu"), body)
    assert len(tried) == 1


def test_fit_survives_out_of_memory(monkeypatch):
    """A kernel that runs out of memory for more than a few rows gives the same embedding."""
    X = nodes(900)
    expected = Ncut(3, sigma=4.0, solver="nystrom", n_sample=64).fit(X)
    limited = {"rows": 1 << 30}

    def kernel(X, Z):
        if len(X) > limited["rows"]:
            raise torch.cuda.OutOfMemoryError("out of memory")
        return np.exp(-cdist(X, Z, "sqeuclidean") / 32)

    options = {"affinity": kernel, "solver": "nystrom", "n_sample": 64}
    free = Ncut(3, **options).fit(X)
    limited["rows"] = 130
    tight = Ncut(3, **options).fit(X)
    np.testing.assert_allclose(tight.eigenvectors_, free.eigenvectors_, atol=1e-10)
    np.testing.assert_allclose(tight.eigenvalues_, expected.eigenvalues_, atol=0.02)
