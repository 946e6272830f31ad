"""Weights, density correction and repulsion, exact and by Nyström, compared with the formulas in numpy."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from ncut_widgets.errors import NystromWarning
from ncut_widgets.ncut import Ncut

N_EIG = 5


def nodes(n=420, channels=4):
    """Five clusters of unequal size and spread."""
    rng = np.random.default_rng(0)
    sizes = np.repeat(np.arange(5), (n * np.array([40, 30, 15, 10, 5])) // 100)
    centers, spreads = 4 * rng.normal(size=(5, channels)), np.linspace(0.5, 1.5, 5)
    return centers[sizes] + spreads[sizes, None] * rng.normal(size=(len(sizes), channels))


def weights(n=420):
    return np.random.default_rng(1).uniform(0.2, 5, n)


def pair(X, Z, ncut):
    """Return the attraction and the repulsion between nodes, in float64."""
    X, Z = X.astype(np.float64), Z.astype(np.float64)
    if ncut.affinity == "rbf":
        squared = cdist(X, Z, "sqeuclidean")
        attraction = np.exp(-squared / (2 * ncut.sigma_**2))
        repulsion = 1 - np.exp(-squared / (2 * (ncut.repulsion_sigma_ or 1) ** 2))
    else:
        distance = cdist(X, Z, "cosine")
        attraction = np.exp(-(distance**2) / (2 * ncut.sigma_**2))
        repulsion = np.exp(-((2 - distance) ** 2) / (2 * (ncut.repulsion_sigma_ or 1) ** 2))
    return attraction, repulsion


class Matrix(NamedTuple):
    """M and its parts."""

    M: np.ndarray
    mass: np.ndarray
    degrees: np.ndarray


class Graph(NamedTuple):
    """M, its eigenvectors (values of single copies), and the parts of their extension."""

    M: np.ndarray
    values: np.ndarray
    vectors: np.ndarray
    mass: np.ndarray
    degrees: np.ndarray
    w: np.ndarray


def matrix(X, ncut, w):
    """M = V^1/2 D^-1/2 (A - r R) D^-1/2 V^1/2 with V = W Q^-alpha, Q = A w, D = (A + r R) v."""
    A, R = pair(X, X, ncut)
    mass = w * (A @ w) ** -ncut.alpha
    degrees = (A + ncut.repulsion_weight * R) @ mass
    scale = np.sqrt(mass / degrees)
    return Matrix(scale[:, None] * (A - ncut.repulsion_weight * R) * scale, mass, degrees)


def dense(X, ncut, w=None):
    w = np.ones(len(X)) if w is None else w
    M, mass, degrees = matrix(X, ncut, w)
    values, vectors = np.linalg.eigh(M)
    return Graph(M, values[::-1], vectors[:, ::-1] / np.sqrt(w)[:, None], mass, degrees, w)


def captured(U, V, w):
    return np.square((U * w[:, None]).T @ V).sum() / U.shape[1]


OPTIONS = {
    "alpha 0.5": {"alpha": 0.5},
    "alpha 1": {"alpha": 1.0},
    "repulsion": {"repulsion_weight": 0.3},
    "narrow repulsion": {"repulsion_weight": 1.0, "repulsion_sigma": 0.8},
    "alpha and repulsion": {"alpha": 1.0, "repulsion_weight": 0.3},
}
CASES = [
    pytest.param(options, weighted, id=f"{name}{', weights' if weighted else ''}")
    for name, options in {"plain": {}, **OPTIONS}.items()
    for weighted in (False, True)
    if options or weighted
]


@pytest.mark.parametrize("affinity", ["rbf", "cosine"])
@pytest.mark.parametrize(("options", "weighted"), CASES)
def test_exact_matches_formula(affinity, options, weighted):
    X, w = nodes(), weights() if weighted else None
    ncut = Ncut(N_EIG, affinity=affinity, degree=0.1, **options).fit(X, sample_weight=w)
    graph = dense(X, ncut, w)
    np.testing.assert_allclose(ncut.eigenvalues_, graph.values[:N_EIG], atol=1e-9)
    assert captured(graph.vectors[:, :N_EIG], ncut.eigenvectors_, graph.w) > 1 - 1e-9
    np.testing.assert_allclose(ncut.residual_, 0, atol=1e-10)


@pytest.mark.parametrize("affinity", ["rbf", "cosine"])
@pytest.mark.parametrize(("options", "weighted"), CASES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nystrom_approximates_formula(affinity, options, weighted, dtype):
    X, w = nodes().astype(dtype), weights() if weighted else None
    ncut = Ncut(N_EIG, affinity=affinity, degree=0.1, solver="nystrom", n_sample=210, **options)
    U = ncut.fit_transform(X, sample_weight=w)
    graph = dense(X, ncut, w)
    np.testing.assert_allclose(ncut.eigenvalues_, graph.values[:N_EIG], atol=0.02)
    assert captured(graph.vectors[:, :N_EIG], U, graph.w) > 0.98
    np.testing.assert_allclose((U * graph.w[:, None]).T @ U, np.eye(N_EIG), atol=1e-5)


@pytest.mark.parametrize("solver", ["exact", "nystrom"])
@pytest.mark.parametrize("affinity", ["rbf", "cosine"])
@pytest.mark.parametrize(("options", "weighted"), CASES)
def test_transform_of_training_nodes_is_embedding(affinity, options, weighted, solver):
    X, w = nodes(), weights() if weighted else None
    ncut = Ncut(N_EIG, affinity=affinity, degree=0.1, solver=solver, n_sample=210, **options)
    U = ncut.fit_transform(X, sample_weight=w)
    np.testing.assert_allclose(ncut.transform(X), U, atol=1e-7)


@pytest.mark.parametrize("affinity", ["rbf", "cosine"])
@pytest.mark.parametrize(("options", "weighted"), CASES)
def test_transform_of_new_node_matches_formula(affinity, options, weighted):
    """u(x) = (1 / lambda) sum_j m(x, x_j) u_j, where x has weight 1."""
    X = nodes()
    train, new, w = X[::2], X[1::2], weights()[::2] if weighted else None
    ncut = Ncut(N_EIG, affinity=affinity, degree=0.1, **options).fit(train, sample_weight=w)
    graph = dense(train, ncut, w)
    A, R = pair(new, train, ncut)
    r = ncut.repulsion_weight
    mass = (A @ graph.w) ** -ncut.alpha
    left = np.sqrt(mass / ((A + r * R) @ graph.mass))
    m = left[:, None] * (A - r * R) * np.sqrt(graph.mass / graph.degrees)
    expected = m @ (np.sqrt(graph.w)[:, None] * ncut.eigenvectors_) / ncut.eigenvalues_
    np.testing.assert_allclose(ncut.transform(new), expected, atol=1e-8)


def residuals(ncut, X, w=None):
    """Return the residuals of a fit, and those of the formula."""
    w = np.ones(len(X)) if w is None else w
    copies = ncut.eigenvectors_ * np.sqrt(w)[:, None]
    return ncut.residual_, np.linalg.norm(matrix(X, ncut, w).M @ copies - copies * ncut.eigenvalues_, axis=0)


@pytest.mark.parametrize("affinity", ["rbf", "cosine"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("repulsion_weight", [0, 0.3])
@pytest.mark.parametrize("alpha", [0, 0.5, 1])
@pytest.mark.filterwarnings("ignore::ncut_widgets.errors.NystromWarning")
def test_residual_approximates_true_residual(affinity, alpha, repulsion_weight, weighted):
    """Too few landmarks for a sharp graph."""
    X, w = nodes(1200, channels=6), weights(1200) if weighted else None
    options = {"affinity": affinity, "alpha": alpha, "repulsion_weight": repulsion_weight}
    worst = []
    for n_sample, seed in ((64, 0), (64, 1), (256, 0), (256, 1)):
        ncut = Ncut(N_EIG, degree=0.05, solver="nystrom", n_sample=n_sample, random_state=seed, **options)
        estimated, true = residuals(ncut.fit(X, sample_weight=w), X, w)
        worst.append(estimated.max() / true.max())
    assert 0.9 < np.median(worst) < 1.8
    assert min(worst) > 0.55
    assert max(worst) < 2.8


def test_too_few_landmarks_warn():
    with pytest.warns(NystromWarning, match=r"approximated by 30 landmarks .*a residual of 0\..* Raise `n_sample`"):
        ncut = Ncut(N_EIG, degree=0.03, solver="nystrom", n_sample=30).fit(nodes(channels=6))
    assert ncut.residual_.max() > 0.1


@pytest.mark.parametrize("solver", ["exact", "nystrom"])
@pytest.mark.parametrize("options", [{}, *OPTIONS.values()], ids=["plain", *OPTIONS])
def test_weight_equals_number_of_copies(options, solver):
    X = nodes()[::2]
    w = np.random.default_rng(2).integers(1, 5, len(X))
    copies = np.repeat(X, w, axis=0)
    ours = {"solver": solver, "n_sample": len(copies), **options}
    once = Ncut(N_EIG, **ours).fit(X, sample_weight=w)
    often = Ncut(N_EIG, **ours).fit(copies)
    assert once.sigma_ == pytest.approx(often.sigma_, rel=1e-9)
    np.testing.assert_allclose(once.eigenvalues_, often.eigenvalues_, atol=1e-6)
    assert captured(np.repeat(once.eigenvectors_, w, axis=0), often.eigenvectors_, np.ones(len(copies))) > 1 - 1e-6


def on_a_circle(n=1500):
    """Angles, most of them near 0, and positions on a circle."""
    angles = np.random.default_rng(0).vonmises(0, 1.2, n)
    return angles, np.stack([np.cos(angles), np.sin(angles)], axis=1)


@pytest.mark.parametrize("solver", ["exact", "nystrom"])
def test_alpha_removes_density_of_circle(solver):
    """For uneven sampling, the first functions are still cosine and sine of the angle."""
    angles, X = on_a_circle()
    waves = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    lost = {}
    for alpha in (0.0, 1.0):
        U = Ncut(3, alpha=alpha, sigma=0.25, solver=solver).fit_transform(X)
        functions = np.concatenate([np.ones((len(X), 1)), U[:, 1:] / U[:, :1]], axis=1)
        fitted = functions @ np.linalg.lstsq(functions, waves, rcond=None)[0]
        lost[alpha] = np.square(fitted - waves).mean() / np.square(waves - waves.mean(0)).mean()
    assert lost[1.0] < 0.01
    assert lost[0.0] > 10 * lost[1.0]


@pytest.mark.parametrize("affinity", ["rbf", "cosine"])
def test_repulsion_separates_opposites(affinity):
    """Two groups with opposite directions, and one between them that connects them."""
    rng = np.random.default_rng(0)
    X = np.array([[1, 0], [-1, 0], [0, 1]])[np.repeat([0, 1, 2], [60, 60, 20])] + 0.1 * rng.normal(size=(140, 2))
    sigma = 0.8
    together = Ncut(2, affinity=affinity, sigma=sigma).fit_transform(X)
    apart = Ncut(2, affinity=affinity, sigma=sigma, repulsion_weight=1.0).fit_transform(X)
    assert np.ptp(np.sign(together[:, 0])) == 0
    here, there = apart[:60, 0], apart[60:120, 0]
    assert (np.sign(here) == np.sign(here[0])).all()
    assert (np.sign(there) == -np.sign(here[0])).all()
