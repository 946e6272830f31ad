from __future__ import annotations

import numpy as np
import pytest

from helpers.matrices import WeightedMaps
from ncut_widgets.ncut import Ncut


@pytest.fixture
def X():
    rng = np.random.default_rng(0)
    return 3 * rng.normal(size=(4, 5))[rng.integers(0, 4, 200)] + rng.normal(size=(200, 5))


@pytest.mark.parametrize("solver", ["exact", "nystrom"])
def test_sample_weight_overrides_weights_of_maps(X, solver):
    w, other = np.random.default_rng(0).uniform(0.1, 4, (2, 200))
    ncut = Ncut(3, solver=solver)
    expected = ncut.fit_transform(X, sample_weight=w)
    np.testing.assert_array_equal(ncut.fit_transform(WeightedMaps(X, w)), expected)
    np.testing.assert_array_equal(ncut.fit_transform(WeightedMaps(X, other), sample_weight=w), expected)
    np.testing.assert_array_equal(ncut.fit_transform(WeightedMaps(X, None)), ncut.fit_transform(X))


@pytest.mark.parametrize("solver", ["exact", "nystrom"])
def test_equal_weights_change_nothing(X, solver):
    once, twice = (Ncut(3, solver=solver).fit(X, sample_weight=np.full(200, w)) for w in (1.0, 2.0))
    np.testing.assert_allclose(twice.eigenvalues_, once.eigenvalues_, atol=1e-9)
    np.testing.assert_allclose(np.sqrt(2) * twice.eigenvectors_, once.eigenvectors_, atol=1e-8)


@pytest.mark.parametrize("solver", ["exact", "nystrom"])
def test_zero_weight_nodes_are_embedded_as_new(X, solver):
    kept = np.arange(200) % 3 > 0
    options = {"sigma": 3.0, "solver": solver, "n_sample": 200}
    without = Ncut(3, **options).fit(X[kept])
    eig = Ncut(3, **options).fit_transform(X, sample_weight=kept.astype(float))
    np.testing.assert_allclose(eig[kept], without.eigenvectors_, atol=1e-6)
    np.testing.assert_allclose(eig[~kept], without.transform(X[~kept]), atol=1e-6)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(7), r"`sample_weight` must be of shape \(200,\), one weight per node; got \(7,\)"),
        (np.ones((200, 1)), r"`sample_weight` must be of shape \(200,\), one weight per node; got \(200, 1\)"),
        (np.full(200, -1.0), "`sample_weight` must be finite and at least 0; got -1 to -1"),
        (np.full(200, np.nan), "`sample_weight` must be finite and at least 0"),
        (
            np.arange(200) == 3,
            "`sample_weight` must be positive for at least 2 nodes; got 1, all other weights are zero",
        ),
    ],
)
def test_invalid_weights_raise(X, weights, message):
    with pytest.raises(ValueError, match=message):
        Ncut(3).fit(X, sample_weight=weights)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"alpha": 1.5}, ValueError, r"`alpha` must be in \[0, 1\]; got 1.5"),
        ({"alpha": "1"}, TypeError, "`alpha` must be a number; got '1'"),
        ({"repulsion_weight": -1}, ValueError, r"`repulsion_weight` must be in \[0, inf\); got -1"),
        ({"repulsion_weight": 1, "repulsion_sigma": 0}, ValueError, r"`repulsion_sigma` must be in \(0, inf\); got 0"),
        ({"repulsion_sigma": 1.0}, ValueError, "`repulsion_sigma` must be None without repulsion; got 1"),
        (
            {"repulsion_weight": 1, "affinity": lambda X, Z: X @ Z.T},
            ValueError,
            "`repulsion_weight` must be 0 with a callable `affinity`; got 1",
        ),
        ({"n_sample": "all"}, ValueError, "`n_sample` must be one of 'auto'; got 'all'"),
    ],
)
def test_invalid_options_raise(X, options, error, message):
    with pytest.raises(error, match=message):
        Ncut(3, **options).fit(X)
