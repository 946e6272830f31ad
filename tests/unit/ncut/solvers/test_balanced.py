"""sampling="farthest": the graph of nodes spread evenly, extended to all."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ncut_widgets.ncut import Ncut
from ncut_widgets.ncut.graph.sampling import farthest_nodes


def crowds(n=3000, rare=15):
    """Two large crowds, not far from each other, and a small one."""
    rng = np.random.default_rng(0)
    centres = np.array([[0, 0, 0], [7, 0, 0], [0, 9, 0]])
    which = np.repeat([0, 1, 2], [(n - rare) // 2, n - rare - (n - rare) // 2, rare])
    return centres[which] + rng.normal(size=(n, 3)), which == 2


def lost(U, indicator):
    """The share of a group that no combination of the eigenvectors tells."""
    fitted = U @ np.linalg.lstsq(U, indicator.astype(float), rcond=None)[0]
    return np.square(fitted - indicator).sum() / indicator.sum()


def test_what_is_rare_gets_its_eigenvector_early():
    X, rare = crowds()
    uniform = Ncut(2, sigma=2.0).fit_transform(X)
    balanced = Ncut(2, sigma=2.0, sampling="farthest", n_sample=200).fit_transform(X)
    assert lost(uniform, rare) > 0.9
    assert lost(balanced, rare) < 0.05


def test_all_nodes_are_embedded_through_those_that_were_sampled():
    X, _ = crowds(1000)
    ncut = Ncut(4, sampling="farthest", n_sample=150).fit(X)
    assert ncut.n_landmarks_ == 150
    assert ncut.eigenvectors_.shape == (1000, 4)
    np.testing.assert_allclose(ncut.transform(X), ncut.eigenvectors_, atol=1e-8)
    # Orthonormal over the sampled nodes, which are those that farthest-point sampling leaves no node far from.
    assert (np.square(ncut.eigenvectors_).sum(0) > 1.1).all()
    np.testing.assert_allclose(ncut.residual_, 0, atol=1e-8)


@pytest.mark.parametrize("n_sample", [400, 1000, "auto"])
def test_a_sample_of_all_nodes_is_the_exact_graph(n_sample):
    X, _ = crowds(400)
    exact = Ncut(4, solver="exact").fit(X)
    balanced = Ncut(4, sampling="farthest", n_sample=n_sample).fit(X)
    np.testing.assert_allclose(balanced.eigenvalues_, exact.eigenvalues_, atol=1e-8)
    np.testing.assert_allclose(balanced.eigenvectors_ * exact.eigenvectors_ > -1e-9, True)
    np.testing.assert_allclose(np.abs(balanced.eigenvectors_), np.abs(exact.eigenvectors_), atol=1e-6)


def test_more_nodes_than_are_searched():
    X, _ = crowds(70_000, rare=350)
    ncut = Ncut(3, sampling="farthest", n_sample=100).fit(X.astype(np.float32))
    assert ncut.eigenvectors_.shape == (70_000, 3)
    assert ncut.n_landmarks_ == 100
    assert np.isfinite(ncut.eigenvectors_).all()


def test_no_node_is_farther_from_the_sample_than_two_of_it_are_from_each_other():
    """Gonzalez' guarantee: the sample covers within twice the least radius."""
    X = torch.from_numpy(crowds(800)[0])
    chosen = X[farthest_nodes(X, 40, torch.Generator())]
    within = torch.cdist(chosen, chosen) + 1e9 * torch.eye(40)
    assert float(torch.cdist(X, chosen).amin(1).amax()) <= float(within.min()) + 1e-9
    assert len(torch.unique(farthest_nodes(torch.ones(30, 2), 10, torch.Generator()))) == 10


@pytest.mark.parametrize("options", [{"alpha": 1.0}, {"repulsion_weight": 0.3}, {"affinity": "cosine"}])
def test_it_goes_with_every_other_option(options):
    X, _ = crowds(600)
    ncut = Ncut(3, sampling="farthest", n_sample=120, **options).fit(X)
    np.testing.assert_allclose(ncut.transform(X), ncut.eigenvectors_, atol=1e-8)


def test_it_goes_with_a_callable_and_with_chunks():
    X, _ = crowds(600)
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
def test_what_does_not_go_with_it_is_said(options, message):
    with pytest.raises(ValueError, match=message):
        Ncut(3, sampling="farthest", **options).fit(crowds(100)[0])


def test_weights_do_not_go_with_it():
    X, _ = crowds(100)
    with pytest.raises(ValueError, match='`sample_weight` must be None with sampling="farthest"; got weights'):
        Ncut(3, sampling="farthest").fit(X, sample_weight=np.ones(100))


def test_unknown_samplings_are_listed():
    with pytest.raises(ValueError, match="`sampling` must be one of 'uniform', 'farthest'; got 'dense'"):
        Ncut(3, sampling="dense").fit(crowds(100)[0])
