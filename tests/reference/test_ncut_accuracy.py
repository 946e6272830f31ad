"""Accuracy for many kinds of graphs, compared with dense solutions in float64 as subspaces."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from ncut_widgets.errors import NystromWarning
from ncut_widgets.ncut import Ncut
from ncut_widgets.readouts import kway_ncut


def clusters(n, k=6, channels=8, apart=3.0, seed=0):
    rng = np.random.default_rng(seed)
    return apart * rng.normal(size=(k, channels))[rng.integers(0, k, n)] + rng.normal(size=(n, channels))


def dense(X, sigma, k, affinity="rbf", copies=None):
    X = np.asarray(X, dtype=np.float64)
    copies = np.ones(len(X)) if copies is None else copies
    A = np.exp(
        -(cdist(X, X, "sqeuclidean" if affinity == "rbf" else "cosine") ** (1 if affinity == "rbf" else 2))
        / (2 * sigma**2)
    )
    root = np.sqrt(A @ copies / copies)
    values, vectors = np.linalg.eigh(A / root[:, None] / root)
    return values[::-1][:k], vectors[:, ::-1][:, :k]


def captured(U, V):
    return np.square(U.T @ np.asarray(V, dtype=np.float64)).sum() / U.shape[1]


@pytest.mark.parametrize("affinity", ["rbf", "cosine"])
@pytest.mark.parametrize("degree", [0.3, 0.1], ids=["smooth", "sharp"])
def test_auto_landmarks_reach_accuracy(affinity, degree):
    X = clusters(1500)
    ncut = Ncut(6, affinity=affinity, degree=degree, solver="nystrom").fit(X)
    values, vectors = dense(X, ncut.sigma_, 6, affinity)
    assert captured(vectors, ncut.eigenvectors_) > 0.999
    np.testing.assert_allclose(ncut.eigenvalues_, values, atol=5e-3)
    assert ncut.residual_.max() < 0.05


def test_auto_adds_landmarks_only_for_sharp_graph():
    X = clusters(2500, channels=3)
    easy, sharp = (Ncut(12, degree=degree, solver="nystrom").fit(X) for degree in (0.3, 0.003))
    with pytest.warns(NystromWarning, match="poorly approximated by 512 landmarks"):
        few = Ncut(12, sigma=sharp.sigma_, solver="nystrom", n_sample=512).fit(X)
    assert easy.n_landmarks_ == 512
    assert sharp.n_landmarks_ > 512
    assert few.n_landmarks_ == 512
    assert sharp.residual_.max() < 0.5 * few.residual_.max()


@pytest.mark.parametrize("solver", ["exact", "nystrom"])
def test_callable_matches_built_in_kernel(solver):
    X = clusters(900)
    ours = Ncut(6, sigma=2.0, solver=solver).fit(X)
    theirs = Ncut(6, affinity=lambda X, Z: np.exp(-cdist(X, Z, "sqeuclidean") / 8), solver=solver).fit(X)
    # The landmarks of a callable are nodes, not centroids.
    tolerance = 1e-9 if solver == "exact" else 5e-3
    np.testing.assert_allclose(theirs.eigenvalues_, ours.eigenvalues_, atol=tolerance)
    assert captured(ours.eigenvectors_, theirs.eigenvectors_) > 1 - tolerance


@pytest.mark.parametrize(
    ("n", "options"), [(4004, {}), (4004, {"solver": "nystrom"}), (70070, {})], ids=["exact", "whole", "sampled"]
)
def test_rare_separate_cluster_is_found(n, options):
    """Exact, with landmarks, and in two passes after a draft on a sample."""
    rng = np.random.default_rng(0)
    small = n // 1001
    centers = 30 * np.eye(4, 8)[np.append(rng.integers(0, 3, n - small), np.full(small, 3))]
    X = (centers + rng.normal(size=(n, 8))).astype(np.float32)
    eig = Ncut(4, sigma=6.0, **options).fit_transform(X)
    indicator = np.arange(n) >= n - small
    fitted = eig @ np.linalg.lstsq(eig, indicator.astype(np.float32), rcond=None)[0]
    assert np.square(fitted - indicator).sum() < 0.05 * small
    labels = kway_ncut(eig, n_clusters=4).argmax(1)
    assert (labels[-small:] == labels[-1]).all()
    assert (labels[:-small] != labels[-1]).all()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("spread", [0.1, 1.0], ids=["tight", "wide"])
def test_rare_cluster_has_accurate_eigenvalue_in_two_passes(spread, seed):
    """The sample contains about 8 of 70 such nodes, too few for their degrees."""
    rng = np.random.default_rng(seed)
    n, small, seen = 70_070, 70, 1000
    centers = 30 * np.eye(4, 8)[np.append(rng.integers(0, 3, n - small), np.full(small, 3))]
    noise = rng.normal(size=(n, 8))
    noise[-small:] *= spread
    X = (centers + noise).astype(np.float32)
    ncut = Ncut(4, sigma=3.0, random_state=seed).fit(X)
    eig = ncut.eigenvectors_
    # All nodes of the small cluster, and some of the others with larger weights.
    copies = np.append(np.full(seen, (n - small) / seen), np.ones(small))
    values, _ = dense(np.concatenate([X[:seen], X[-small:]]), 3.0, 4, copies=copies)
    np.testing.assert_allclose(ncut.eigenvalues_, values, atol=1e-2)
    assert ncut.residual_.max() < 0.1
    indicator = np.arange(n) >= n - small
    fitted = eig @ np.linalg.lstsq(eig, indicator.astype(np.float32), rcond=None)[0]
    assert np.square(fitted - indicator).sum() < 0.05 * small
    labels = kway_ncut(eig, n_clusters=4).argmax(1)
    np.testing.assert_array_equal(labels == 3, indicator)


@pytest.mark.parametrize("solver", ["exact", "nystrom"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nearly_equal_nodes_have_similar_embeddings(dtype, solver):
    once = clusters(500)
    twice = np.concatenate([once, once * (1 + 1e-7 * np.random.default_rng(0).normal(size=once.shape))]).astype(dtype)
    ncut = Ncut(6, degree=0.15, solver=solver).fit(twice)
    eig = ncut.eigenvectors_
    np.testing.assert_allclose(eig[:500], eig[500:], atol=1e-4 * np.abs(eig).max())
    _, vectors = dense(once, ncut.sigma_, 6)
    assert captured(vectors, np.sqrt(2) * eig[:500]) > 0.9999


@pytest.mark.parametrize("solver", ["exact", "nystrom"])
@pytest.mark.parametrize("channels", [1, 4096])
def test_one_and_four_thousand_channels(channels, solver):
    rng = np.random.default_rng(0)
    centers = 25 * np.arange(4)[:, None] if channels == 1 else rng.normal(size=(4, channels))
    X = (centers[rng.integers(0, 4, 600)] + rng.normal(size=(600, channels))).astype(np.float32)
    ncut = Ncut(4, solver=solver, n_sample=200).fit(X)
    values, vectors = dense(X, ncut.sigma_, 4)
    np.testing.assert_allclose(ncut.eigenvalues_, values, atol=0.02)
    assert captured(vectors, ncut.eigenvectors_) > 0.999


@pytest.mark.parametrize("solver", ["exact", "nystrom"])
@pytest.mark.parametrize("n", [2, 3, 5, 10, 33])
def test_few_nodes(n, solver):
    X = clusters(n)
    k = min(3, n - 1)
    ncut = Ncut(k, solver=solver, degree=0.7).fit(X)
    values, vectors = dense(X, ncut.sigma_, k)
    np.testing.assert_allclose(ncut.eigenvalues_, values, atol=1e-7)
    assert captured(vectors, ncut.eigenvectors_) > 1 - 1e-7
    np.testing.assert_allclose(ncut.transform(X), ncut.eigenvectors_, atol=1e-7)


def test_hundred_thousand_nodes():
    """Compared with an exact solution of some nodes: both converge to the same functions of a node."""
    rng = np.random.default_rng(0)
    sizes = np.repeat(np.arange(8), [30000, 20000, 15000, 12000, 10000, 7000, 5000, 1000])
    X = (2 * rng.normal(size=(8, 32))[sizes] + rng.normal(size=(100_000, 32))).astype(np.float32)
    eig = Ncut(8, sigma=4.0, random_state=1).fit_transform(X)
    np.testing.assert_allclose(eig.T.astype(np.float64) @ eig, np.eye(8), atol=1e-4)
    some = rng.permutation(100_000)[:1500]
    _, vectors = dense(X[some], 4.0, 8)
    Q, _ = np.linalg.qr(eig[some].astype(np.float64))
    assert captured(vectors, Q) > 0.99


@pytest.mark.parametrize("solver", ["exact", "nystrom"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_every_dtype_solves_rounded_graph(dtype, solver):
    """Half precision rounds the input and the output only."""
    X = torch.from_numpy(clusters(700)).to(dtype)
    ncut = Ncut(6, degree=0.15, solver=solver, n_sample=300).fit(X)
    assert ncut.eigenvectors_.dtype == dtype
    _, vectors = dense(X.double().numpy(), ncut.sigma_, 6)
    lost = 1 - captured(vectors, np.linalg.qr(ncut.eigenvectors_.double().numpy())[0])
    assert lost < {torch.bfloat16: 1e-4, torch.float16: 1e-5}.get(dtype, 1e-6) + (1e-3 if solver == "nystrom" else 0)


@pytest.mark.parametrize("solver", ["exact", "nystrom"])
def test_large_offset_loses_no_digits(solver):
    """The mean is 100 times the spread, in float32: squares of such features would keep only three digits."""
    X = clusters(700)
    X = (X / X.std() + 100).astype(np.float32)
    ncut = Ncut(6, degree=0.15, solver=solver, n_sample=300).fit(X)
    values, vectors = dense(X, ncut.sigma_, 6)
    assert captured(vectors, ncut.eigenvectors_) > 0.9999
    np.testing.assert_allclose(ncut.eigenvalues_, values, atol=1e-3)


@pytest.mark.parametrize("solver", ["exact", "nystrom"])
@pytest.mark.parametrize("affinity", ["rbf", "cosine"])
@pytest.mark.parametrize("unit", [1e-30, 1e-12, 1e12, 1e30])
def test_units_do_not_change_embedding(unit, affinity, solver):
    X = clusters(600).astype(np.float32)
    options = {"affinity": affinity, "degree": 0.15, "solver": solver, "n_sample": 300}
    expected = Ncut(6, **options).fit(X)
    ncut = Ncut(6, **options).fit(X * np.float32(unit))
    np.testing.assert_allclose(ncut.eigenvalues_, expected.eigenvalues_, atol=1e-4)
    assert captured(expected.eigenvectors_.astype(np.float64), ncut.eigenvectors_) > 0.9999
