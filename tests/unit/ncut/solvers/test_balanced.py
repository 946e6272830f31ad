"""sampling="farthest": the graph of evenly spread nodes, extended to all nodes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ncut_widgets.ncut import Ncut
from ncut_widgets.ncut.graph.sampling import farthest_nodes


def groups(n=3000, rare=15):
    """Two large groups, not far from each other, and a small one."""
    rng = np.random.default_rng(0)
    centers = np.array([[0, 0, 0], [7, 0, 0], [0, 9, 0]])
    which = np.repeat([0, 1, 2], [(n - rare) // 2, n - rare - (n - rare) // 2, rare])
    return centers[which] + rng.normal(size=(n, 3)), which == 2


def missed_share(U, indicator):
    """The share of the indicator of a group that the eigenvectors do not span."""
    fitted = U @ np.linalg.lstsq(U, indicator.astype(float), rcond=None)[0]
    return np.square(fitted - indicator).sum() / indicator.sum()


def test_rare_group_has_early_eigenvector():
    X, rare = groups()
    uniform = Ncut(2, sigma=2.0).fit_transform(X)
    balanced = Ncut(2, sigma=2.0, sampling="farthest", n_sample=200).fit_transform(X)
    assert missed_share(uniform, rare) > 0.9
    assert missed_share(balanced, rare) < 0.05


def test_all_nodes_are_embedded_through_sample():
    X, _ = groups(1000)
    ncut = Ncut(4, sampling="farthest", n_sample=150).fit(X)
    assert ncut.n_landmarks_ == 150
    assert ncut.eigenvectors_.shape == (1000, 4)
    np.testing.assert_allclose(ncut.transform(X), ncut.eigenvectors_, atol=1e-8)
    # Orthonormal over the sampled nodes.
    assert (np.square(ncut.eigenvectors_).sum(0) > 1.1).all()
    np.testing.assert_allclose(ncut.residual_, 0, atol=1e-8)


@pytest.mark.parametrize("n_sample", [400, 1000, "auto"])
def test_sample_of_all_nodes_equals_exact(n_sample):
    X, _ = groups(400)
    exact = Ncut(4, solver="exact").fit(X)
    balanced = Ncut(4, sampling="farthest", n_sample=n_sample).fit(X)
    np.testing.assert_allclose(balanced.eigenvalues_, exact.eigenvalues_, atol=1e-8)
    np.testing.assert_allclose(balanced.eigenvectors_ * exact.eigenvectors_ > -1e-9, True)
    np.testing.assert_allclose(np.abs(balanced.eigenvectors_), np.abs(exact.eigenvectors_), atol=1e-6)


def test_more_nodes_than_are_searched():
    X, _ = groups(70_000, rare=350)
    ncut = Ncut(3, sampling="farthest", n_sample=100).fit(X.astype(np.float32))
    assert ncut.eigenvectors_.shape == (70_000, 3)
    assert ncut.n_landmarks_ == 100
    assert np.isfinite(ncut.eigenvectors_).all()


def test_farthest_points_cover_all_nodes():
    """Guarantee of Gonzalez: the covering radius is at most twice the optimum."""
    X = torch.from_numpy(groups(800)[0])
    chosen = X[farthest_nodes(X, 40, torch.Generator())]
    within = torch.cdist(chosen, chosen) + 1e9 * torch.eye(40)
    assert float(torch.cdist(X, chosen).amin(1).amax()) <= float(within.min()) + 1e-9
    assert len(torch.unique(farthest_nodes(torch.ones(30, 2), 10, torch.Generator()))) == 10


@pytest.mark.parametrize("options", [{"alpha": 1.0}, {"repulsion_weight": 0.3}, {"affinity": "cosine"}])
def test_works_with_other_options(options):
    X, _ = groups(600)
    ncut = Ncut(3, sampling="farthest", n_sample=120, **options).fit(X)
    np.testing.assert_allclose(ncut.transform(X), ncut.eigenvectors_, atol=1e-8)


def test_works_with_callable_and_chunks():
    X, _ = groups(600)
    ncut = Ncut(3, sigma=2.0, sampling="farthest", n_sample=600).fit(X)
    called = Ncut(3, affinity=lambda X, Z: np.exp(-np.square(X[:, None] - Z).sum(2) / 8), sampling="farthest")
    np.testing.assert_allclose(called.fit(X).eigenvalues_, ncut.eigenvalues_, atol=1e-8)
    assert Ncut(3, sampling="farthest", n_sample=50).fit_chunks(np.split(X, 3)).n_landmarks_ == 50


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"solver": "exact"}, '`solver` must be "auto" with sampling="farthest"; got \'exact\''),
        ({"solver": "nystrom"}, '`solver` must be "auto" with sampling="farthest"; got \'nystrom\''),
        ({"exact_gradient": True}, '`sampling` must be "uniform" with `exact_gradient`; got "farthest"'),
        ({"n_sample": 2}, "`n_sample` must be at least `n_eig`, 3; got 2"),
    ],
)
def test_incompatible_options_raise(options, message):
    with pytest.raises(ValueError, match=message):
        Ncut(3, sampling="farthest", **options).fit(groups(100)[0])


def test_sample_weight_raises():
    X, _ = groups(100)
    with pytest.raises(ValueError, match='`sample_weight` must be None with sampling="farthest"; got weights'):
        Ncut(3, sampling="farthest").fit(X, sample_weight=np.ones(100))


def test_unknown_sampling_raises():
    with pytest.raises(ValueError, match="`sampling` must be one of 'uniform', 'farthest'; got 'dense'"):
        Ncut(3, sampling="dense").fit(groups(100)[0])
