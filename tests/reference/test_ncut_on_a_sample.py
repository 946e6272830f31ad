"""Large graphs: drafted on a sample, and corrected in two passes over all nodes."""

from __future__ import annotations

import numpy as np
import pytest

from ncut_widgets.ncut import Ncut

N_EIG = 8


def nodes(dtype=np.float64, n=3000):
    """Eight clusters of unequal size, the smallest with 30 nodes, in enough channels for a projection."""
    rng = np.random.default_rng(0)
    sizes = rng.permutation(np.repeat(np.arange(8), (n * np.array([30, 20, 15, 12, 10, 7, 5, 1])) // 100))
    return (2 * rng.normal(size=(8, 300))[sizes] + rng.normal(size=(n, 300))).astype(dtype)


@pytest.fixture
def sampled(monkeypatch):
    monkeypatch.setattr("ncut_widgets.ncut.solvers.dispatch._WHOLE_NODES", 1600)
    monkeypatch.setattr("ncut_widgets.ncut.solvers.dispatch._SAMPLE_NODES", 1600)
    return {"solver": "nystrom", "n_sample": 200}


@pytest.mark.parametrize("degree", [None, 0.1])
@pytest.mark.parametrize("affinity", ["rbf", "cosine"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_two_passes_match_exact(sampled, monkeypatch, dtype, affinity, degree):
    X = nodes(dtype)
    ncut = Ncut(N_EIG, affinity=affinity, degree=degree, **sampled).fit(X)
    monkeypatch.undo()
    whole = Ncut(N_EIG, affinity=affinity, sigma=ncut.sigma_, **sampled).fit(X)
    exact = Ncut(N_EIG, affinity=affinity, sigma=ncut.sigma_, solver="exact").fit(X)
    U = ncut.eigenvectors_.astype(np.float64)
    assert np.square(exact.eigenvectors_.T @ U).sum() / N_EIG > 0.99
    np.testing.assert_allclose(ncut.eigenvalues_, whole.eigenvalues_, atol=0.02)
    assert ncut.eigenvalues_[0] == 1
    np.testing.assert_allclose(U.T @ U, np.eye(N_EIG), atol=1e-5 if dtype is np.float32 else 1e-10)
    np.testing.assert_allclose(ncut.transform(X), U, atol=1e-5 if dtype is np.float32 else 1e-10)
    assert ncut.residual_.max() < whole.residual_.max() + 0.02


def test_residual_includes_error_of_landmarks(sampled):
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(3000, 3))
    with pytest.warns(RuntimeWarning, match="Raise `n_sample`"):
        ncut = Ncut(N_EIG, degree=0.003, **sampled).fit(X)
    squared = np.square(X[:, None] - X[None]).sum(2)
    A = np.exp(-squared / (2 * ncut.sigma_**2))
    root = np.sqrt(A.sum(1))
    U = ncut.eigenvectors_
    true = np.linalg.norm(A @ (U / root[:, None]) / root[:, None] - U * ncut.eigenvalues_, axis=0)
    assert (ncut.residual_ > 0.6 * true).all()


def test_same_seed_repeats(sampled):
    X = nodes()
    np.testing.assert_array_equal(Ncut(3, **sampled).fit_transform(X), Ncut(3, **sampled).fit_transform(X))


def test_chunk_size_does_not_change_embedding(sampled, monkeypatch):
    X = nodes()
    expected = Ncut(3, **sampled).fit(X)
    monkeypatch.setattr("ncut_widgets.ncut.graph.chunks._CPU_CHUNK_ELEMENTS", 301 * 300)
    ncut = Ncut(3, **sampled).fit(X)
    np.testing.assert_allclose(ncut.eigenvectors_, expected.eigenvectors_, atol=1e-9)
    np.testing.assert_allclose(ncut.residual_, expected.residual_, atol=1e-9)


def test_memory_map_is_not_written(sampled, tmp_path):
    X = nodes(np.float32)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    np.testing.assert_array_equal(Ncut(3, **sampled).fit_transform(mapped), Ncut(3, **sampled).fit_transform(X))
