"""Every kernel: its affinity, its repulsion, and the derivative that it promises."""

from __future__ import annotations

import pytest
import torch

from ncut_widgets.ncut.graph.build_kernel import KERNELS, build_kernel
from ncut_widgets.ncut.graph.symmetric import SymmetricMatrix, row_blocks


def features(n, seed):
    return torch.randn(n, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def laplacian(X, Z):
    return (-0.5 * (X[:, None] - Z).square().sum(2).add(1).sqrt()).exp()


def formula(affinity, X, Z, kernel):
    """The affinities and the repulsion of features, as documented in `Ncut`."""
    if callable(affinity):
        return affinity(X, Z), None
    sigma, s = kernel.sigma, kernel.repulsion_sigma or 1.0
    if affinity == "rbf":
        squared = (X[:, None] - Z).square().sum(2)
        return (-squared / (2 * sigma**2)).exp(), 1 - (-squared / (2 * s**2)).exp()
    assert affinity == "cosine", f"there is no formula for {affinity!r}"
    cosine = torch.nn.functional.cosine_similarity(X[:, None], Z, dim=2)
    return (-((1 - cosine) ** 2) / (2 * sigma**2)).exp(), (-((1 + cosine) ** 2) / (2 * s**2)).exp()


AFFINITIES = pytest.mark.parametrize("affinity", [*KERNELS, laplacian])


@AFFINITIES
def test_affinities_match_formula(affinity):
    X, Z = features(40, 0), features(7, 1)
    kernel = build_kernel(X, affinity)
    found = kernel(kernel.encode(X), kernel.encode(Z))
    torch.testing.assert_close(found, formula(affinity, X, Z, kernel)[0])
    E = kernel.encode(X)
    torch.testing.assert_close(kernel.own_affinities(E), kernel(E, E).diagonal())
    assert kernel.has_unit_diagonal == bool((kernel.own_affinities(E) == 1).all())


@pytest.mark.parametrize("affinity", [*KERNELS])
def test_repulsion_matches_formula(affinity):
    X, Z = features(40, 0), features(7, 1)
    kernel = build_kernel(X, affinity, repulsion_weight=0.2)
    attraction, repulsion = kernel.parts(kernel.encode(X), kernel.encode(Z))
    for found, expected in zip((attraction, repulsion), formula(affinity, X, Z, kernel), strict=True):
        torch.testing.assert_close(found, expected)
    assert kernel.n_parts == 2


@AFFINITIES
def test_float64_kernel_is_the_same_kernel(affinity):
    X = features(40, 0).float()
    kernel = build_kernel(X, affinity)
    fine = kernel.in_float64()
    assert fine.is_finest
    assert not kernel.is_finest
    assert fine.has_automatic_sigma == kernel.has_automatic_sigma
    E, F = kernel.encode(X), fine.encode(X)
    torch.testing.assert_close(kernel(E, E).double(), fine(F, F), atol=1e-5, rtol=1e-5)


@AFFINITIES
def test_gradient_matches_autograd(affinity):
    X, Z = features(30, 0).requires_grad_(), features(6, 1)
    kernel = build_kernel(X.detach(), affinity)
    weights = features(30, 2) @ features(6, 3).T
    (expected,) = torch.autograd.grad((weights * formula(affinity, X, Z, kernel)[0]).sum(), X)
    landmarks = kernel.encode(Z)
    A = kernel(kernel.encode(X.detach()), landmarks)
    torch.testing.assert_close(kernel.gradient(X.detach(), landmarks, A, weights.clone()), expected)


@AFFINITIES
def test_symmetric_gradient_matches_autograd(affinity):
    X = features(30, 0).requires_grad_()
    kernel = build_kernel(X.detach(), affinity)
    left, right = features(30, 2), features(30, 3)
    left, right = torch.cat([left, right], dim=1), torch.cat([right, left], dim=1)
    (expected,) = torch.autograd.grad((left @ right.T * formula(affinity, X, X, kernel)[0]).sum() / 2, X)
    E = kernel.encode(X.detach())
    A = SymmetricMatrix([kernel(E[here], E[here.start :]) for here in row_blocks(len(E), E.device)])
    torch.testing.assert_close(kernel.symmetric_gradient(X.detach(), E, A, left, right), expected)


def test_zero_nodes_have_no_gradient_of_cosine():
    X, Z = features(10, 0), features(6, 1)
    X[0] = 0
    kernel = build_kernel(X, "cosine")
    landmarks = kernel.encode(Z)
    gradient = kernel.gradient(X, landmarks, kernel(kernel.encode(X), landmarks), torch.ones(10, 6).double())
    assert (gradient[0] == 0).all()
    assert torch.isfinite(gradient).all()
