from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from ncut_widgets.errors import DegenerateWarning, NystromWarning
from ncut_widgets.ncut import Ncut


@pytest.fixture
def X():
    generator = torch.Generator().manual_seed(0)
    centers = torch.tensor([[0.0, 0, 0], [2, 0, 0], [0, 3, 0]], dtype=torch.float64)
    return centers.repeat_interleave(8, 0) + 0.7 * torch.randn(24, 3, dtype=torch.float64, generator=generator)


@pytest.fixture
def weights():
    return torch.rand(24, dtype=torch.float64, generator=torch.Generator().manual_seed(2)) + 0.2


def gradient_of(ncut, X, value=None):
    X = X.clone().requires_grad_()
    vectors = ncut.fit_transform(X)
    weights = torch.randn(vectors.shape, generator=torch.Generator().manual_seed(1)).to(vectors)
    value = (weights * vectors).sum() + ncut.eigval.sum() if value is None else value(vectors)
    return torch.autograd.grad(value, X)[0]


@pytest.mark.parametrize("affinity", ["rbf", "cosine", lambda X, Z: 1 / (1 + (X[:, None] - Z).square().sum(-1))])
@pytest.mark.parametrize("n_eig", [1, 4, 23])
def test_gradcheck(X, affinity, n_eig):
    sigma = {"rbf": 1.5, "cosine": 0.5}.get(affinity) if isinstance(affinity, str) else None
    ncut = Ncut(n_eig, affinity=affinity, sigma=sigma, exact_gradient=True)

    def embed(X):
        vectors = ncut.fit_transform(X)
        return vectors, ncut.eigval

    assert torch.autograd.gradcheck(embed, X.requires_grad_(), atol=1e-4, rtol=1e-3)


def test_gradcheck_of_transform(X):
    ncut = Ncut(4).fit(X)
    assert torch.autograd.gradcheck(ncut.transform, (X[:5] + 0.1).requires_grad_())


@pytest.mark.parametrize("affinity", ["rbf", "cosine"])
@pytest.mark.parametrize("alpha", [0.0, 0.4, 1.0])
def test_gradcheck_with_weights_and_density(X, weights, alpha, affinity):
    ncut = Ncut(4, affinity=affinity, sigma=1.0, alpha=alpha, exact_gradient=True)

    def embed(X):
        return ncut.fit(X, sample_weight=weights).eigenvectors_, ncut.eigval

    assert torch.autograd.gradcheck(embed, X.requires_grad_(), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("solver", ["exact", "nystrom"])
def test_gradcheck_of_transform_with_weights_and_density(X, weights, solver):
    ncut = Ncut(4, alpha=0.7, solver=solver, n_sample=12).fit(X, sample_weight=weights)
    assert torch.autograd.gradcheck(ncut.transform, (X[:5] + 0.1).requires_grad_())


def test_weight_two_has_gradient_of_two_nodes(X):
    twice = torch.ones(24, dtype=torch.float64)
    twice[3] = 2

    def value(U):
        return U[:24, 1:].pow(4).sum()

    once, both = X.clone().requires_grad_(), torch.cat([X, X[3:4]]).requires_grad_()
    (found,) = torch.autograd.grad(value(Ncut(3, sigma=1.5).fit_transform(once, sample_weight=twice)), once)
    (expected,) = torch.autograd.grad(value(Ncut(3, sigma=1.5).fit_transform(both)), both)
    expected[3] += expected[24]
    torch.testing.assert_close(found, expected[:24])


def test_options_without_gradient_raise(X, weights):
    requires, weights[2] = X.clone().requires_grad_(), 0
    with pytest.raises(ValueError, match="`sample_weight` must be above 0 if features require gradients"):
        Ncut(3).fit(requires, sample_weight=weights)
    with pytest.raises(ValueError, match="`repulsion_weight` must be 0 if features require gradients"):
        Ncut(3, repulsion_weight=0.2).fit(requires)
    with pytest.raises(ValueError, match="`repulsion_weight` must be 0 if features require gradients"):
        Ncut(3, repulsion_weight=0.2).fit(X).transform(requires)
    with pytest.raises(ValueError, match='`sampling` must be "uniform" if features require gradients'):
        Ncut(3, sampling="farthest").fit(requires)


def test_backward_frees_graph_unless_retained(X):
    X = X.requires_grad_()
    value = Ncut(3).fit_transform(X)[0, 1]
    (first,) = torch.autograd.grad(value, X, retain_graph=True)
    (second,) = torch.autograd.grad(value, X)
    torch.testing.assert_close(first, second)
    with pytest.raises(RuntimeError, match="second time"):
        torch.autograd.grad(value, X)


def test_gradients_only_if_required(X):
    ncut = Ncut(3).fit(X)
    assert not ncut.eigenvectors_.requires_grad
    assert not ncut.transform(X).requires_grad
    with torch.no_grad():
        assert not Ncut(3).fit_transform(X.clone().requires_grad_()).requires_grad
    assert Ncut(3).fit(X.clone().requires_grad_()).eigval.requires_grad


def test_requires_grad_does_not_change_embedding(X):
    for solver in ("exact", "nystrom"):
        plain = Ncut(3, solver=solver, n_sample=12).fit(X)
        with_gradients = Ncut(3, solver=solver, n_sample=12).fit(X.clone().requires_grad_())
        assert torch.equal(plain.eigenvectors_, with_gradients.eigenvectors_.detach())
        assert torch.equal(plain.transform(X), with_gradients.transform(X.clone().requires_grad_()).detach())


def test_trivial_eigenvalue_is_constant(X):
    ncut = Ncut(3)
    assert not gradient_of(ncut, X, value=lambda _: ncut.eigval[0]).any()
    assert gradient_of(ncut, X, value=lambda _: ncut.eigval[1]).any()


def test_inplace_change_keeps_gradient(X):
    expected = gradient_of(Ncut(3), X, value=lambda U: (3 * U).sum())
    torch.testing.assert_close(gradient_of(Ncut(3), X, value=lambda U: U.mul_(3).sum()), expected)


def test_exact_gradient_selects_exact_solver():
    X = torch.randn(4200, 2, generator=torch.Generator().manual_seed(0))
    assert Ncut(2).fit(X).n_landmarks_ == 512
    assert Ncut(2, exact_gradient=True).fit(X).n_landmarks_ == 4200


def test_exact_gradient_with_nystrom_raises(X):
    with pytest.raises(ValueError, match='`solver` must be "exact" or "auto" with `exact_gradient`; got "nystrom"'):
        Ncut(2, exact_gradient=True, solver="nystrom").fit(X)


def test_callable_without_gradient_raises(X):
    ncut = Ncut(2, affinity=lambda X, Z: torch.exp(-torch.cdist(X, Z).square()).detach())
    with pytest.raises(ValueError, match="`affinity` must be differentiable if features require gradients"):
        gradient_of(ncut, X)


def test_second_derivative_raises(X):
    X = X.requires_grad_()
    (first,) = torch.autograd.grad(Ncut(2).fit_transform(X)[0].square().sum(), X, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


def duplicates(X):
    return X.repeat(3, 1)


def constant_channel(X):
    return torch.cat([X, torch.full((len(X), 1), 7.0).to(X)], dim=1)


def zero_nodes(X):
    return torch.cat([X, torch.zeros(3, X.shape[1]).to(X)])


def identical(X):
    return torch.ones_like(X)


def symmetric(X):
    """Corners of a square: a double eigenvalue, one of which is kept with n_eig=2."""
    return torch.tensor([[0.0, 0], [1, 0], [0, 1], [1, 1]]).to(X).repeat(4, 1)


def disconnected(X):
    return X + 100 * torch.arange(3).repeat_interleave(8)[:, None]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("affinity", ["rbf", "cosine"])
@pytest.mark.parametrize("solver", ["exact", "nystrom"])
@pytest.mark.parametrize("n_eig", [2, 3])
@pytest.mark.parametrize(
    "spoil", [duplicates, constant_channel, zero_nodes, identical, symmetric, disconnected], ids=lambda f: f.__name__
)
def test_gradients_are_finite(X, spoil, n_eig, solver, affinity, dtype):
    if solver == "nystrom" and spoil in (identical, symmetric):
        n_eig = 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateWarning)
        warnings.simplefilter("ignore", NystromWarning)
        gradient = gradient_of(Ncut(n_eig, affinity=affinity, solver=solver, n_sample=14), spoil(X).to(dtype))
    assert gradient.isfinite().all()
    assert gradient.abs().max() < 1e6


def test_constant_channel_has_zero_gradient(X):
    gradient = gradient_of(Ncut(3), constant_channel(X))
    assert gradient[:, :3].any()
    assert gradient[:, 3].abs().max() < 1e-12


def test_equal_nodes_have_equal_gradients(X):
    ncut = Ncut(3)
    gradient = gradient_of(ncut, duplicates(X), value=lambda U: (U[:, 1:] ** 3).sum())
    torch.testing.assert_close(gradient[:24], gradient[24:48])
    assert gradient.norm() > 1e-3


def test_gradient_of_degenerate_subspace():
    """Moved corners of a square: the projector on the double eigenspace is smooth, single eigenvectors are not."""
    corners = torch.tensor([[0.0, 0], [1, 0], [0, 1], [1, 1]], dtype=torch.float64).repeat_interleave(6, 0)
    weights = torch.randn(24, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    direction = torch.randn(24, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    ncut = Ncut(3, sigma=0.7)

    def value(U):
        return (weights * (U[:, 1:] @ U[:, 1:].T)).sum()

    assert abs(float(np.diff(ncut.fit(corners).eigval[1:]).item())) < 1e-12
    found = (gradient_of(ncut, corners, value) * direction).sum()
    ends = [value(ncut.fit_transform(corners + s * 1e-5 * direction)) for s in (1, -1)]
    torch.testing.assert_close(found, (ends[0] - ends[1]) / 2e-5, rtol=1e-6, atol=0)


def test_gradient_of_trivial_vector_of_disconnected_graph(X):
    """The trivial vector is the square root of the degrees, so its gradient needs no gap."""
    X = disconnected(X)
    weights = torch.arange(24, dtype=torch.float64)
    found = gradient_of(Ncut(3, sigma=1.0), X, value=lambda U: U[:, 0] @ weights)
    X.requires_grad_()
    root = torch.exp(-(X[:, None] - X).square().sum(-1) / 2).sum(1).sqrt()
    (expected,) = torch.autograd.grad(root @ weights / root.norm(), X)
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-9)


def test_gradient_descent_moves_node_across_cut():
    """A feature follows the gradient of a loss until the cut has moved past it."""
    X = torch.cat([torch.zeros(10), torch.ones(10), torch.tensor([0.3])])[:, None].double()
    X[:20, 0] += 0.05 * torch.linspace(-1, 1, 10).repeat(2)
    X.requires_grad_()
    side = Ncut(2, sigma=0.4).fit_transform(X.detach())[[0, 19, 20], 1]
    assert (side[2] - side[0]).abs() < (side[2] - side[1]).abs()
    for _ in range(30):
        U = Ncut(2, sigma=0.4).fit_transform(X)[:, 1]
        (gradient,) = torch.autograd.grad((U[20] - U[19].detach()).square(), X)
        with torch.no_grad():
            X[20] -= 0.05 * gradient[20].sign()
    side = Ncut(2, sigma=0.4).fit_transform(X.detach())[[0, 19, 20], 1]
    assert (side[2] - side[0]).abs() > (side[2] - side[1]).abs()
