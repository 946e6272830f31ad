"""The block Krylov eigensolver: orthonormal bases, and graphs whose eigenvalues are nearly equal."""

import numpy as np
import pytest
import torch

from ncut_widgets.ncut import Ncut, eigensolver


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_bases_are_orthonormal_when_the_operator_is_nearly_the_identity(dtype):
    generator = torch.Generator().manual_seed(0)
    v = torch.nn.functional.normalize(torch.randn(1500, 1, generator=generator, dtype=dtype), dim=0)
    block = torch.randn(1500, 18, generator=generator, dtype=dtype)
    basis, image = eigensolver.krylov_basis(lambda B: B - 3 * v @ (v.T @ B), block, 6)
    error = basis.T @ basis - torch.eye(108, dtype=dtype)
    assert float(error.abs().max()) < (1e-5 if dtype == torch.float32 else 1e-12)
    torch.testing.assert_close(image, basis - 3 * v @ (v.T @ basis))


@pytest.mark.filterwarnings("ignore::ncut_widgets.errors.OutlierWarning")
@pytest.mark.parametrize("sigma", [0.02, 0.1, 0.5])
def test_sharp_graphs_take_few_cycles_and_equal_the_dense_solution(monkeypatch, sigma):
    cycles = []
    original = eigensolver.krylov_basis
    monkeypatch.setattr(eigensolver, "krylov_basis", lambda *args: cycles.append(1) or original(*args))
    X = np.random.default_rng(0).normal(size=(700, 5))
    ncut = Ncut(10, sigma=sigma, solver="exact").fit(X)
    assert len(cycles) <= 7
    A = np.exp(-np.square(X[:, None] - X[None]).sum(-1) / (2 * sigma**2))
    d = A.sum(1)
    M = A / np.sqrt(d[:, None] * d)
    np.testing.assert_allclose(ncut.eigenvalues_, np.linalg.eigvalsh(M)[::-1][:10], atol=1e-6)
    V = ncut.eigenvectors_
    np.testing.assert_allclose(V.T @ V, np.eye(10), atol=1e-6)
    assert np.linalg.norm(M @ V - V * ncut.eigenvalues_, axis=0).max() < 1e-4
