"""Exact compared with an independent scipy solution, and Nyström with exact, as subspaces."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.sparse.linalg import eigsh
from scipy.spatial.distance import cdist
from sklearn.datasets import make_swiss_roll

from ncut_widgets.ncut import Ncut

N_EIG = 10


def clusters():
    """As many clusters as eigenvectors, so that a gap follows them, in enough channels for a projection."""
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(N_EIG, 300))
    return centers[rng.integers(0, N_EIG, 700)] + 0.6 * rng.normal(size=(700, 300))


def swiss_roll():
    return make_swiss_roll(700, noise=0.1, random_state=0)[0]


def image_grid():
    """Smooth random fields on a 24 x 30 grid with its coordinates, similar to backbone features of an image."""
    rng = np.random.default_rng(0)
    fields = [gaussian_filter(rng.normal(size=(24, 30)), s) * s for s in (2, 2, 2, 3, 3, 4, 4, 6)]
    fields += list(np.indices((24, 30)) / 30)
    return np.stack(fields, axis=-1).reshape(-1, 10)


def unbalanced():
    """Two clusters, 100 to 1, away from the origin: nodes of the small one would otherwise be outliers."""
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal(10, 1, (700, 3)), rng.normal(18, 1, (7, 3))])


GRAPHS = {f.__name__: f for f in (clusters, swiss_roll, image_grid, unbalanced)}


def by_scipy(X, sigma, affinity="rbf", k=N_EIG):
    if affinity == "rbf":
        A = np.exp(-cdist(X, X, "sqeuclidean") / (2 * sigma**2))
    else:
        A = np.exp(-(cdist(X, X, "cosine") ** 2) / (2 * sigma**2))
    d = A.sum(1)
    values, vectors = eigsh(A / np.sqrt(np.outer(d, d)), k, which="LA", v0=np.ones(len(X)))
    return values[::-1], vectors[:, ::-1]


def captured(reference, candidate):
    """The share of the reference subspace that the candidate spans; both are orthonormal."""
    return np.square(reference.T @ candidate).sum() / reference.shape[1]


@pytest.fixture(scope="module", params=list(GRAPHS))
def graph(request):
    return GRAPHS[request.param]()


@pytest.mark.parametrize("affinity", ["rbf", "cosine"])
@pytest.mark.parametrize("degree", [None, 0.05])
def test_exact_matches_scipy(graph, affinity, degree):
    ncut = Ncut(N_EIG, affinity=affinity, degree=degree, solver="exact").fit(graph)
    values, vectors = by_scipy(graph, ncut.sigma_, affinity)
    np.testing.assert_allclose(ncut.eigenvalues_, values, atol=1e-9)
    assert captured(vectors, ncut.eigenvectors_) > 1 - 1e-9


@pytest.mark.parametrize("degree", [None, 0.1])
def test_float32_matches_scipy(graph, degree):
    ncut = Ncut(N_EIG, degree=degree, solver="exact").fit(graph.astype(np.float32))
    values, vectors = by_scipy(graph, ncut.sigma_)
    np.testing.assert_allclose(ncut.eigenvalues_, values, atol=2e-5)
    assert captured(vectors, ncut.eigenvectors_) > 0.9995


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("degree", [None, 0.1])
def test_few_landmarks_match_exact(graph, degree, dtype):
    X = graph.astype(dtype)
    ncut = Ncut(N_EIG, degree=degree, solver="nystrom", n_sample=250).fit(X)
    values, vectors = by_scipy(graph, ncut.sigma_)
    assert ncut.n_landmarks_ == 250
    assert captured(vectors, ncut.eigenvectors_) > 0.98
    np.testing.assert_allclose(ncut.eigenvalues_, values, atol=0.02)


def test_all_nodes_as_landmarks_match_exact():
    X = swiss_roll()[:400]
    ncut = Ncut(N_EIG, degree=0.05, solver="nystrom", n_sample=400).fit(X)
    values, vectors = by_scipy(X, ncut.sigma_)
    np.testing.assert_allclose(ncut.eigenvalues_, values, atol=1e-8)
    assert captured(vectors, ncut.eigenvectors_) > 1 - 1e-8


@pytest.mark.parametrize("solver", ["exact", "nystrom"])
def test_transform_matches_pointwise_extension(solver):
    X = image_grid()
    train, new = X[::2], X[1::2]
    ncut = Ncut(6, degree=0.1, solver=solver, n_sample=600).fit(train)
    A = np.exp(-cdist(new, train, "sqeuclidean") / (2 * ncut.sigma_**2))
    own = np.exp(-cdist(train, train, "sqeuclidean") / (2 * ncut.sigma_**2)).sum(1)
    m = A / np.sqrt(np.outer(A.sum(1), own))
    expected = m @ ncut.eigenvectors_ / ncut.eigenvalues_
    error = np.linalg.norm(ncut.transform(new) - expected, axis=0) / np.linalg.norm(expected, axis=0)
    assert error.max() < (1e-8 if solver == "exact" else 0.02)


def test_estimated_residual_is_not_too_small():
    """A sharp graph with few landmarks."""
    X = image_grid()
    with pytest.warns(RuntimeWarning, match="Raise `n_sample`"):
        ncut = Ncut(N_EIG, degree=0.01, solver="nystrom", n_sample=100).fit(X)
    A = np.exp(-cdist(X, X, "sqeuclidean") / (2 * ncut.sigma_**2))
    d = A.sum(1)
    U = ncut.eigenvectors_
    true = np.linalg.norm(A / np.sqrt(np.outer(d, d)) @ U - U * ncut.eigenvalues_, axis=0)
    assert (ncut.residual_ > 0.9 * true).all()
    assert (ncut.residual_ < 5 * true).all()
