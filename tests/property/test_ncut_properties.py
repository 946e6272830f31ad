from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncut_widgets.ncut import Ncut

N_EIG = 4
seeds = st.integers(0, 2**16)
solvers = st.sampled_from(["exact", "nystrom"])

# Some of the random graphs have isolated nodes, on which eigenvectors are localized at a fixed sigma.
pytestmark = pytest.mark.filterwarnings("ignore::ncut_widgets.errors.OutlierWarning")


def features(seed, n=90, c=5):
    """Three unequal groups with separate eigenvalues, so that single columns can be compared."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(3, c)) * 2
    return centers[rng.choice(3, n, p=[0.6, 0.3, 0.1])] + rng.normal(size=(n, c))


def projector(U):
    return U @ U.T


@given(seeds, st.integers(2, 120), st.sampled_from([np.float32, np.float64]), st.data())
@settings(max_examples=40, deadline=None)
def test_columns_are_orthonormal_and_eigenvalues_descend(seed, n, dtype, data):
    X = features(seed, n).astype(dtype)
    k = data.draw(st.integers(1, min(n - 1, 12)))
    ncut = Ncut(k, solver="exact", sigma=1.0).fit(X)
    U = ncut.eigenvectors_.astype(np.float64)
    np.testing.assert_allclose(U.T @ U, np.eye(k), atol=1e-5 if dtype is np.float32 else 1e-10)
    assert (np.diff(ncut.eigenvalues_) <= 1e-6).all()
    assert ncut.eigenvalues_[0] == pytest.approx(1, abs=1e-6)
    assert (U[:, 0] > 0).all()


@given(seeds)
@settings(max_examples=15, deadline=None)
def test_nystrom_columns_are_orthonormal(seed):
    X = features(seed, 200).astype(np.float32)
    U = Ncut(N_EIG, solver="nystrom", n_sample=60).fit_transform(X).astype(np.float64)
    np.testing.assert_allclose(U.T @ U, np.eye(N_EIG), atol=2e-6)


@given(seeds, solvers)
@settings(max_examples=20, deadline=None)
def test_order_of_nodes_does_not_matter(seed, solver):
    X = features(seed)
    order = np.random.default_rng(seed + 1).permutation(len(X))
    straight = Ncut(N_EIG, solver=solver).fit_transform(X)
    shuffled = Ncut(N_EIG, solver=solver).fit_transform(X[order])
    np.testing.assert_allclose(projector(shuffled), projector(straight[order]), atol=1e-5)


@given(seeds, solvers, st.floats(-20, 20), st.sampled_from([None, 0.2]))
@settings(max_examples=20, deadline=None)
def test_units_and_origin_do_not_matter(seed, solver, exponent, degree):
    X = features(seed)
    plain = Ncut(N_EIG, solver=solver, degree=degree).fit(X)
    moved = Ncut(N_EIG, solver=solver, degree=degree).fit((X + 3) * 10**exponent)
    np.testing.assert_allclose(projector(moved.eigenvectors_), projector(plain.eigenvectors_), atol=1e-4)
    assert moved.sigma_ == pytest.approx(plain.sigma_ * 10**exponent, rel=1e-6)


@given(seeds, solvers, st.sampled_from(["rbf", "cosine"]))
@settings(max_examples=20, deadline=None)
def test_transform_of_training_nodes_is_embedding(seed, solver, affinity):
    X = features(seed)
    ncut = Ncut(N_EIG, solver=solver, affinity=affinity, n_sample=80)
    np.testing.assert_allclose(ncut.fit_transform(X), ncut.transform(X), atol=1e-6)


@given(seeds, st.floats(0.05, 0.9))
@settings(max_examples=20, deadline=None)
def test_degree_is_the_mean_affinity(seed, degree):
    X = features(seed)
    ncut = Ncut(2, degree=degree).fit(X)
    X = X[~ncut.outliers_]
    squared = np.square(X[:, None] - X[None]).sum(2)
    assert np.exp(-squared / (2 * ncut.sigma_**2)).mean() == pytest.approx(degree, rel=1e-6)
