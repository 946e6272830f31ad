"""Gradients of the embedding compared with autograd through a full decomposition, and with finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ncut_widgets.ncut import Ncut
from ncut_widgets.ncut.graph.low_rank import core_of, inverse_root

K = 5


def random():
    return torch.randn(150, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def clusters():
    X = random()
    X[:70] += 3
    X[70:110, :3] -= 3
    return X


def nearly_degenerate():
    """Three blobs that a cyclic shift of channels maps to each other, slightly moved."""
    blob = 0.5 * random()[:50]
    blob[:, 0] += 3
    X = torch.cat([blob, blob.roll(2, 1), blob.roll(4, 1)])
    X[100:, 4] += 1e-5
    return X


GRAPHS = {f.__name__: f for f in (random, clusters, nearly_degenerate)}
KINDS = ["rbf", "cosine", "callable"]


def affinities(X, Z, kind, sigma):
    if kind == "callable":
        return laplacian(X, Z)
    if kind == "cosine":
        X, Z = (Y / Y.norm(dim=1, keepdim=True) for Y in (X, Z))
        return torch.exp(-(1 - X @ Z.T).square() / (2 * sigma**2))
    return torch.exp(-(X[:, None] - Z).square().sum(-1) / (2 * sigma**2))


def laplacian(X, Z):
    """A Laplacian kernel that is smooth at equal nodes."""
    return torch.exp(-((X[:, None] - Z).square().sum(-1) + 1).sqrt())


def approximated(X, ncut, kind):
    """C W^+ C^T, computed from encoded nodes."""
    E, Z = ncut._extension.kernel.encode(X), ncut._extension.landmarks
    core, _ = core_of(ncut._extension.kernel, Z, n_eig=K)
    B = encoded_affinities(E, Z, kind) @ core.root
    return (B * core.signs) @ B.T


def encoded_affinities(E, F, kind):
    if kind == "callable":
        return laplacian(E, F)
    squared = (E[:, None] - F).square().sum(-1)
    return torch.exp(-(squared.square() if kind == "cosine" else squared))


def decomposed(A, signs, weights=None, alpha=0.0):
    w = torch.ones_like(A[0]) if weights is None else weights
    mass = w * (A @ w).pow(-alpha)
    scale = (mass / (A @ mass)).sqrt()
    M = A * scale[:, None] * scale
    values, vectors = torch.linalg.eigh((M + M.T) / 2)
    values, vectors = values.flip(0)[:K], vectors.flip(1)[:, :K] / w.sqrt()[:, None]
    return values, vectors * torch.sign((vectors * signs).sum(0)).detach()


def fitted(X, kind, weights=None, **options):
    ncut = Ncut(K, affinity=laplacian if kind == "callable" else kind, **options)
    vectors = ncut.fit_transform(X, sample_weight=weights)
    return ncut, vectors


def positive(n):
    return 0.2 + torch.rand(n, dtype=torch.float64, generator=torch.Generator().manual_seed(4))


def loss(values, vectors):
    """Depends on every entry of both, and on the signs."""
    generator = torch.Generator().manual_seed(1)
    weights = torch.randn(vectors.shape, generator=generator, dtype=torch.float64).to(vectors)
    return (weights * vectors).sum() + values @ torch.arange(K).to(values)


def gradient(value, X):
    return torch.autograd.grad(value, X)[0]


def relative_error(found, expected):
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("graph", GRAPHS)
def test_exact_gradient_matches_full_decomposition(graph, kind):
    X = GRAPHS[graph]().requires_grad_()
    ncut, vectors = fitted(X, kind, exact_gradient=True)
    reference = decomposed(affinities(X, X, kind, ncut.sigma_), vectors.detach())
    assert relative_error(gradient(loss(ncut.eigval, vectors), X), gradient(loss(*reference), X)) < 1e-7


def test_nearly_degenerate_graph_has_small_gap():
    values = Ncut(K).fit(nearly_degenerate()).eigval
    assert 1e-8 < values[1] - values[2] < 1e-5


@pytest.mark.parametrize("alpha", [0.0, 0.5])
@pytest.mark.parametrize("kind", KINDS)
def test_gradient_of_iterative_solution(kind, alpha):
    generator = torch.Generator().manual_seed(2)
    X = clusters().repeat(5, 1)
    X = (X + 0.3 * torch.randn(X.shape, generator=generator)).requires_grad_()
    weights = positive(len(X)) if alpha else None
    ncut, vectors = fitted(X, kind, weights, alpha=alpha)
    reference = decomposed(affinities(X, X, kind, ncut.sigma_), vectors.detach(), weights, alpha)
    assert relative_error(gradient(loss(ncut.eigval, vectors), X), gradient(loss(*reference), X)) < 1e-6


@pytest.mark.parametrize("alpha", [0.0, 0.5])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_sample", [60, 100])
@pytest.mark.filterwarnings("ignore::ncut_widgets.errors.NystromWarning")
def test_nystrom_gradient_has_fixed_landmarks(kind, n_sample, alpha):
    X = clusters().requires_grad_()
    weights = positive(len(X)) if alpha else None
    ncut, vectors = fitted(X, kind, weights, solver="nystrom", n_sample=n_sample, alpha=alpha)
    reference = decomposed(approximated(X, ncut, kind), vectors.detach(), weights, alpha)
    assert relative_error(gradient(loss(ncut.eigval, vectors), X), gradient(loss(*reference), X)) < 1e-6


def test_small_gap_after_last_eigenvalue_converges():
    """A sharp graph with gaps of a thousandth, on which short cycles stall."""
    X = torch.randn(900, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    ncut, vectors = fitted(X, "rbf", sigma=0.2)
    assert 0 < ncut.eigval[-1] - Ncut(K + 1, sigma=0.2).fit(X.detach()).eigval[-1] < 5e-3
    reference = decomposed(affinities(X, X, "rbf", 0.2), vectors.detach())
    assert relative_error(gradient(loss(ncut.eigval, vectors), X), gradient(loss(*reference), X)) < 1e-5


def test_very_sharp_graph_is_solved():
    X = torch.randn(900, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    ncut, _ = fitted(X, "rbf", sigma=0.1, solver="exact")
    A = affinities(X, X, "rbf", 0.1)
    root = A.sum(1).sqrt()
    expected = torch.linalg.eigvalsh(A / root[:, None] / root).flip(0)[:K]
    torch.testing.assert_close(ncut.eigval, expected, atol=1e-9, rtol=0)


def test_nystrom_gradient_of_many_nodes():
    """So many nodes that a fit without gradients would draft them on a sample."""
    X = torch.randn(66_000, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    ncut, vectors = fitted(X, "rbf", sigma=1.0, n_sample=30)
    E, Z = ncut._extension.kernel.encode(X), ncut._extension.landmarks
    B = torch.exp(-torch.cdist(E, Z, compute_mode="donot_use_mm_for_euclid_dist").square())
    B = B @ inverse_root(encoded_affinities(Z, Z, "rbf"), torch.float64)
    B = B / (B @ B.sum(0)).sqrt()[:, None]
    values, small = torch.linalg.eigh(B.T @ B)
    values, small = values.flip(0)[:K], small.flip(1)[:, :K]
    expected = B @ small / values.sqrt()
    expected = expected * torch.sign((expected * vectors).sum(0)).detach()
    assert relative_error(gradient(loss(ncut.eigval, vectors), X), gradient(loss(values, expected), X)) < 1e-6


@pytest.mark.parametrize("kind", ["rbf", "callable"])
def test_nystrom_gradient_with_all_landmarks_is_exact(kind):
    found = []
    for solver in ("exact", "nystrom"):
        X = clusters().requires_grad_()
        ncut, vectors = fitted(X, kind, solver=solver)
        found.append(gradient(loss(ncut.eigval, vectors), X))
    assert relative_error(found[1], found[0]) < 1e-6


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", ["exact", "nystrom"])
@pytest.mark.filterwarnings("ignore::ncut_widgets.errors.NystromWarning")
def test_gradient_of_transform(kind, solver):
    X, new = clusters(), random()[:9].requires_grad_()
    ncut, _ = fitted(X, kind, solver=solver, n_sample=60)
    weights = torch.randn(9, K, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    found = gradient((weights * ncut.transform(new)).sum(), new)
    differences = torch.empty_like(new)
    for i in range(9):
        for j in range(new.shape[1]):
            step = torch.zeros_like(new)
            step[i, j] = 1e-5
            ends = [float((weights * ncut.transform((new + s * step).detach())).sum()) for s in (1, -1)]
            differences[i, j] = (ends[0] - ends[1]) / 2e-5
    assert relative_error(found, differences) < 1e-6


@pytest.mark.parametrize("kind", ["rbf", "cosine"])
def test_lower_precision_approximates_float64(kind):
    expected = None
    for dtype, tolerance in ((torch.float64, 0), (torch.float32, 1e-3), (torch.float16, 2e-2)):
        X = clusters().half().to(dtype).requires_grad_()
        _, vectors = fitted(X, kind, sigma=2.0 if kind == "rbf" else 0.5)
        found = gradient(vectors[:, 1:3].double().square().T.matmul(X.detach().double()).sum(), X)
        assert found.dtype == dtype
        expected = found if expected is None else expected
        assert relative_error(found.double(), expected) <= tolerance


@pytest.mark.parametrize("kind", ["rbf", "cosine"])
def test_float32_gradient_matches_finite_differences(kind):
    sigma = 2.0 if kind == "rbf" else 0.5
    X = clusters().float().requires_grad_()
    weights = torch.randn(len(X), 3, generator=torch.Generator().manual_seed(1))

    def value(X):
        return (weights * Ncut(3, affinity=kind, sigma=sigma).fit_transform(X)).sum()

    found = gradient(value(X), X)
    direction = found / found.norm()
    step = 0.05
    ends = [float(value((X + s * step * direction).detach())) for s in (1, -1)]
    np.testing.assert_allclose((ends[0] - ends[1]) / (2 * step), float(found.norm()), rtol=0.02)
