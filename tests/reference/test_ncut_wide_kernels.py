"""Kernels from sharp to wide: all solvers compared with dense solutions in float64 as subspaces."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from scipy.linalg import eigh
from scipy.spatial.distance import cdist

from ncut_widgets.errors import DegenerateWarning
from ncut_widgets.ncut import Ncut

N, K = 1400, 10
SPECTRA = {
    "decaying": lambda rng: rng.normal(size=(N, 48)) * np.linspace(2, 0.05, 48),
    "steep": lambda rng: rng.normal(size=(N, 300)) * np.arange(1, 301) ** -1.0,
    "heavy": lambda rng: rng.standard_t(3, size=(N, 48)) * np.linspace(2, 0.05, 48),
    "few channels": lambda rng: rng.uniform(size=(N, 3)),
}


@cache
def nodes(kind):
    return SPECTRA[kind](np.random.default_rng(0)).astype(np.float32)


def kernel(X, affinity, sigma):
    X = X.astype(np.float64)
    squared = cdist(X, X, "sqeuclidean") if affinity == "rbf" else cdist(X, X, "cosine") ** 2
    return np.exp(-squared / (2 * sigma**2))


@cache
def solved(kind, affinity, width, alpha=0.0, weighted=False):
    """Return sigma and the K + 1 leading eigenpairs of the dense float64 matrix."""
    X = nodes(kind)
    few = X[:500].astype(np.float64)
    distances = cdist(few, few, "sqeuclidean" if affinity == "rbf" else "cosine")
    sigma = width * np.sqrt((distances if affinity == "rbf" else distances**2).mean() / 8)
    A, w = kernel(X, affinity, sigma), weights() if weighted else np.ones(N)
    mass = w * (A @ w) ** -alpha
    scale = np.sqrt(mass / (A @ mass))
    values, vectors = eigh(scale[:, None] * A * scale, subset_by_index=[N - K - 1, N - 1])
    return sigma, values[::-1], vectors[:, ::-1]


def weights():
    return np.random.default_rng(1).uniform(0.2, 5, N)


def check(ncut, reference, floor=1e-6, w=None, projected=0.0):
    _, values, vectors = reference
    U = ncut.eigenvectors_.astype(np.float64) * (1 if w is None else np.sqrt(w)[:, None])
    missed = 1 - np.square(vectors[:, :K].T @ np.linalg.qr(U)[0]).sum(1)
    # Up to the next gap, because nearly equal eigenvalues determine only the space of their eigenvectors.
    separate = values[:K] - values[K] > 0.1 * values[:K]
    resolved = separate & (values[:K] > floor)
    assert missed[resolved].max(initial=0) < 0.01
    slack = 1e-6 + ncut.residual_ + projected * values[:K]
    assert (ncut.eigenvalues_ <= values[:K] + slack).all()
    np.testing.assert_allclose(U.T @ U, np.eye(K), atol=1e-4)


@pytest.mark.parametrize("width", [1, 3, 10, 40])
@pytest.mark.parametrize("affinity", ["rbf", "cosine"])
@pytest.mark.parametrize("kind", SPECTRA)
@pytest.mark.filterwarnings("ignore::ncut_widgets.errors.DegenerateWarning")
@pytest.mark.filterwarnings("ignore::ncut_widgets.errors.OutlierWarning")
def test_nystrom_resolves_small_eigenvalues(kind, affinity, width):
    reference = solved(kind, affinity, width)
    check(Ncut(K, affinity=affinity, sigma=reference[0], solver="nystrom").fit(nodes(kind)), reference)


@pytest.mark.parametrize("width", [1, 10, 40])
@pytest.mark.parametrize("kind", ["decaying", "steep", "few channels"])
@pytest.mark.filterwarnings("ignore::ncut_widgets.errors.DegenerateWarning")
@pytest.mark.filterwarnings("ignore::ncut_widgets.errors.OutlierWarning")
def test_exact_resolves_small_eigenvalues(kind, width):
    reference = solved(kind, "rbf", width)
    check(Ncut(K, sigma=reference[0], solver="exact").fit(nodes(kind)), reference)


@pytest.mark.parametrize(("alpha", "weighted"), [(1.0, False), (0.0, True), (0.5, True)])
def test_weights_and_alpha_keep_small_eigenvalues(alpha, weighted):
    w = weights() if weighted else None
    reference = solved("decaying", "rbf", 10, alpha, weighted)
    ncut = Ncut(K, sigma=reference[0], alpha=alpha, solver="nystrom").fit(nodes("decaying"), sample_weight=w)
    check(ncut, reference, w=w)


@pytest.fixture
def two_passes(monkeypatch):
    """Draft graphs of more than 1000 nodes on a sample, on the leading directions of their features."""
    monkeypatch.setattr("ncut_widgets.ncut.solvers.dispatch._WHOLE_NODES", 1000)
    monkeypatch.setattr("ncut_widgets.ncut.solvers.dispatch._SAMPLE_NODES", 1000)
    monkeypatch.setattr("ncut_widgets.ncut.graph.build_kernel._MIN_PROJECTED_ELEMENTS", 0)


@pytest.mark.parametrize("kind", ["decaying", "steep"])
@pytest.mark.parametrize("width", [3, 20])
@pytest.mark.usefixtures("two_passes")
def test_two_passes_resolve_small_eigenvalues(kind, width):
    reference = solved(kind, "rbf", width)
    # The residual is that of the graph of projected features.
    check(Ncut(K, sigma=reference[0], solver="nystrom").fit(nodes(kind)), reference, projected=1e-3)


@pytest.mark.parametrize("width", [1, 3, 10, 40])
@pytest.mark.parametrize("kind", SPECTRA)
@pytest.mark.usefixtures("two_passes")
@pytest.mark.filterwarnings("ignore::ncut_widgets.errors.DegenerateWarning")
def test_two_passes_use_negative_part_of_cosine(kind, width):
    """With only the positive part of "cosine", eigenvalues below 0.3 % of the largest would be 0."""
    reference = solved(kind, "cosine", width)
    ncut = Ncut(K, affinity="cosine", sigma=reference[0], solver="nystrom").fit(nodes(kind))
    check(ncut, reference, projected=1e-3)
    # Each eigenvalue has a small residual, or is 0 because float64 does not resolve it.
    resolved = reference[1][:K] > 1e-6
    assert (ncut.eigenvalues_[resolved] > 0.9 * reference[1][:K][resolved]).all()


@pytest.mark.usefixtures("two_passes")
def test_two_passes_with_indefinite_callable():
    def affinity(X, Z):
        return 1 / (1 + cdist(X, Z, "cosine") ** 2 / (2 * sigma**2))

    X = nodes("few channels")
    sigma = 3 * solved("few channels", "cosine", 1)[0]
    A = affinity(X.astype(np.float64), X.astype(np.float64))
    scale = A.sum(1) ** -0.5
    values, vectors = eigh(scale[:, None] * A * scale, subset_by_index=[N - K - 1, N - 1])
    check(Ncut(K, affinity=affinity, solver="nystrom").fit(X), (None, values[::-1], vectors[:, ::-1]))


def test_wide_kernel_on_six_thousand_nodes():
    """float32 would miss 41 % of the eigenspace, and double eigenvalues."""
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(6000, 48)) * np.linspace(2, 0.05, 48)).astype(np.float32)
    ncut = Ncut(20, sigma=20.0, solver="nystrom").fit(X)
    np.testing.assert_allclose(ncut.eigenvalues_[[10, 19]], [0.0067587, 0.0039142], rtol=2e-3)
    assert (ncut.residual_[1:] < 0.01 * ncut.eigenvalues_[1:]).all()


@pytest.mark.parametrize("solver", ["exact", "nystrom"])
def test_unresolved_eigenvectors_warn(solver):
    X = np.random.default_rng(0).uniform(size=(1000, 2)).astype(np.float32)
    with pytest.warns(DegenerateWarning, match="eigenvectors have eigenvalue 0 within rounding and are arbitrary"):
        ncut = Ncut(40, sigma=100.0, solver=solver).fit(X)
    U = ncut.eigenvectors_.astype(np.float64)
    np.testing.assert_allclose(U.T @ U, np.eye(40), atol=1e-5)
    assert ncut.eigenvalues_[2] > 1e-6
    assert ncut.eigenvalues_[-1] < 1e-7
    assert np.isfinite(ncut.transform(X + 1)).all()


def test_gradients_of_small_eigenvalues_are_finite():
    X = torch.from_numpy(nodes("decaying")[:900]).requires_grad_()
    eig = Ncut(4, sigma=200.0, solver="nystrom").fit_transform(X)
    eig[:, 1].pow(4).sum().backward()
    assert X.grad.dtype == torch.float32
    assert torch.isfinite(X.grad).all()
    assert X.grad.abs().max() > 0


def test_fewer_landmarks_than_eigenvectors_raise():
    with pytest.raises(ValueError, match="`n_sample` must be at least `n_eig`, 100; got 50"):
        Ncut(100, n_sample=50).fit(torch.rand(5000, 30, generator=torch.Generator().manual_seed(0)))


def test_many_landmarks_select_exact_solver():
    X = np.random.default_rng(0).normal(size=(4200, 2)).astype(np.float32)
    assert Ncut(3, n_sample=900).fit(X).n_landmarks_ == 4200
    assert Ncut(3, n_sample=600).fit(X).n_landmarks_ == 600
    assert Ncut(3, n_sample=900, solver="nystrom").fit(X).n_landmarks_ == 900


def test_many_landmarks_are_used_only_if_needed():
    X = np.random.default_rng(0).normal(size=(3000, 2)).astype(np.float32)
    assert Ncut(3, n_sample=30_000, solver="nystrom").fit(X).n_landmarks_ == 2048


@pytest.mark.parametrize("n", [2, 5, 700])
@pytest.mark.parametrize("options", [{}, {"solver": "nystrom"}, {"sampling": "farthest"}])
def test_one_eigenvector_or_all_but_one(n, options):
    X = np.random.default_rng(0).normal(size=(n, 5)).astype(np.float32)
    for k in {1, min(n - 1, 20)}:
        ncut = Ncut(k, **options).fit(X)
        assert ncut.eigenvectors_.shape == (n, k)
        assert np.isfinite(ncut.eigenvectors_).all()
        assert np.isfinite(ncut.transform(X)).all()
