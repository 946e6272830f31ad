"""The block Krylov eigensolver: orthonormal bases, and graphs whose eigenvalues are nearly equal."""

import numpy as np
import pytest
import torch

from ncut_widgets.ncut import Ncut
from ncut_widgets.ncut.graph.linalg import eigh
from ncut_widgets.ncut.solvers import eigensolver


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_basis_is_orthonormal_near_identity(dtype):
    generator = torch.Generator().manual_seed(0)
    v = torch.nn.functional.normalize(torch.randn(1500, 1, generator=generator, dtype=dtype), dim=0)
    block = torch.randn(1500, 18, generator=generator, dtype=dtype)
    basis, image = eigensolver.krylov_basis(lambda B: B - 3 * v @ (v.T @ B), block, 6)
    error = basis.T @ basis - torch.eye(108, dtype=dtype)
    assert float(error.abs().max()) < (1e-5 if dtype == torch.float32 else 1e-12)
    torch.testing.assert_close(image, basis - 3 * v @ (v.T @ basis))


@pytest.mark.filterwarnings("ignore::ncut_widgets.errors.OutlierWarning")
@pytest.mark.parametrize("sigma", [0.02, 0.1, 0.5])
def test_sharp_graphs_converge_in_few_cycles(monkeypatch, sigma):
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


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_eigh_falls_back_to_qr(monkeypatch, dtype):
    def fail(M):
        raise torch.linalg.LinAlgError("linalg.eigh: The algorithm failed to converge")

    M = torch.randn(40, 40, generator=torch.Generator().manual_seed(0), dtype=dtype)
    M = M + M.T
    expected = torch.linalg.eigvalsh(M)
    monkeypatch.setattr(torch.linalg, "eigh", fail)
    values, vectors = eigh(M)
    assert values.dtype == vectors.dtype == dtype
    torch.testing.assert_close(values, expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(M @ vectors, vectors * values, atol=1e-4, rtol=1e-4)
    with pytest.raises(torch.linalg.LinAlgError, match="failed to converge"):
        eigh(M * torch.nan)


def test_channels_of_all_scales_are_solved():
    # LAPACK's divide-and-conquer algorithm does not converge for this graph.
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(300, 3)) * np.logspace(-30, 30, 3)).astype(np.float32)
    weights = (np.random.default_rng(0).random(300) < 0.5).astype(float)

    def by_angle(X, Z):
        unit = torch.nn.functional.normalize
        return torch.exp(-((unit(torch.as_tensor(X).double()) @ unit(torch.as_tensor(Z).double()).T - 1) ** 2))

    ncut = Ncut(2, affinity=by_angle, exact_gradient=True).fit(X, sample_weight=weights)
    assert np.isfinite(ncut.eigenvectors_).all()
