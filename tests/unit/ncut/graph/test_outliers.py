"""A few nodes far from all others: the other nodes keep their clusters with every solver, and warnings appear."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.metrics import adjusted_rand_score

from ncut_widgets.errors import OutlierWarning
from ncut_widgets.ncut import Ncut
from ncut_widgets.readouts import kway_ncut

N = 800


def scaled(X, rng):
    return 10 * X


def slightly_scaled(X, rng):
    return 3 * X


def scaled_by_powers(X, rng):
    return X * np.geomspace(4, 1e6, len(X))[:, None]


def shifted(X, rng):
    return X + 100


def one_channel(X, rng):
    X = X.copy()
    X[:, 3] += rng.uniform(200, 900, len(X))
    return X


def sink(X, rng):
    return np.tile(20 * rng.normal(size=X.shape[1]), (len(X), 1))


def noisy_sink(X, rng):
    return 20 * rng.normal(size=X.shape[1]) + rng.normal(size=X.shape)


def scattered(X, rng):
    return 30 * rng.normal(size=X.shape)


def near_overflow(X, rng):
    return 1e30 * X


KINDS = (
    scaled,
    slightly_scaled,
    scaled_by_powers,
    shifted,
    one_channel,
    sink,
    noisy_sink,
    scattered,
    near_overflow,
)
PATHS = {
    "exact": {},
    "nystrom": {"solver": "nystrom"},
    "degree": {"degree": 0.1},
    "alpha": {"alpha": 1.0},
    "farthest": {"sampling": "farthest", "n_sample": 400},
}


def clusters(n=N, k=6, channels=32, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, k, n)
    return 2 * rng.normal(size=(k, channels))[y] + rng.normal(size=(n, channels)), y


def with_outliers(kind, count=16, n=N, dtype=np.float32, seed=0):
    """Features, the first `count` of which are outliers, and the clusters of all nodes."""
    X, y = clusters(n, seed=seed)
    X[:count] = kind(X[:count], np.random.default_rng(1))
    return X.astype(dtype), y


def agreement(eig, y, count, k=6):
    labels = np.asarray(kway_ncut(eig, n_clusters=k).argmax(1))
    return adjusted_rand_score(y[count:], labels[count:])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", PATHS)
def test_other_nodes_keep_their_clusters(path, kind):
    X, y = with_outliers(kind)
    ncut = Ncut(8, **PATHS[path]).fit(X)
    assert agreement(ncut.eigenvectors_, y, 16) > 0.95
    assert np.isfinite(ncut.eigenvectors_).all()
    # A few nodes of the tail of `slightly_scaled` have neighbors.
    assert ncut.outliers_[:16].mean() > 0.7
    assert not ncut.outliers_[16:].any()
    # At most one eigenvector is localized on single nodes.
    assert np.square(ncut.eigenvectors_[:16, 1:6]).sum(0).max() < 0.1
    plain = Ncut(8, **PATHS[path]).fit(X[16:])
    assert ncut.sigma_ == pytest.approx(plain.sigma_, rel=0.1)


@pytest.mark.parametrize("kind", [scaled, scaled_by_powers, scattered, near_overflow])
def test_cosine_ignores_long_nodes(kind):
    X, y = with_outliers(kind)
    ncut = Ncut(8, affinity="cosine").fit(X)
    assert agreement(ncut.eigenvectors_, y, 16) > 0.95
    assert np.isfinite(ncut.eigenvectors_).all()


@pytest.mark.parametrize("kind", [scaled, shifted, sink, scattered])
@pytest.mark.parametrize("options", [{}, {"solver": "nystrom"}], ids=["exact", "nystrom"])
def test_single_outlier(options, kind):
    X, y = with_outliers(kind, count=1)
    ncut = Ncut(8, **options).fit(X)
    assert agreement(ncut.eigenvectors_, y, 1) > 0.95
    np.testing.assert_array_equal(ncut.outliers_, np.arange(N) == 0)


@pytest.mark.parametrize("kind", [slightly_scaled, shifted])
def test_more_nodes_than_the_sample(kind):
    n, count = 66_000, 1320
    X, y = with_outliers(kind, count, n)
    ncut = Ncut(8).fit(X)
    assert agreement(ncut.eigenvectors_, y, count) > 0.95
    assert ncut.outliers_[:count].mean() > 0.7
    assert not ncut.outliers_[count:].any()


@pytest.mark.parametrize("seed", range(2))
def test_one_outlier_among_many_nodes(seed):
    """The sample that determines the scale may not contain it."""
    X, y = with_outliers(scaled, 2, 66_000, seed=seed)
    ncut = Ncut(8, random_state=seed).fit(X)
    np.testing.assert_array_equal(ncut.outliers_.nonzero()[0], [0, 1])
    assert agreement(ncut.eigenvectors_, y, 2) > 0.95


def test_weights_are_considered():
    X, y = with_outliers(scaled)
    w = np.random.default_rng(0).uniform(0.2, 3, N)
    ncut = Ncut(8).fit(X, sample_weight=w)
    plain = Ncut(8, sigma=ncut.sigma_).fit(X[16:], sample_weight=w[16:])
    np.testing.assert_allclose(ncut.eigenvalues_, plain.eigenvalues_, atol=1e-5)
    assert agreement(ncut.eigenvectors_, y, 16) > 0.95


@pytest.mark.parametrize("solver", ["exact", "nystrom"])
def test_graph_is_that_of_other_nodes(solver):
    X, _ = with_outliers(scaled, dtype=np.float64)
    options = {"solver": solver, "n_sample": N}
    ncut = Ncut(6, **options).fit(X)
    plain = Ncut(6, sigma=ncut.sigma_, **options).fit(X[16:])
    np.testing.assert_allclose(ncut.eigenvalues_, plain.eigenvalues_, atol=1e-6)
    overlap = np.abs((ncut.eigenvectors_[16:] * plain.eigenvectors_).sum(0))
    np.testing.assert_allclose(overlap, 1, atol=1e-4)
    assert np.abs(ncut.eigenvectors_[:16]).max() < 1e-3
    # New nodes of this kind are embedded equally.
    assert np.abs(ncut.transform(1.5 * X[:16])).max() < 1e-3
    np.testing.assert_allclose(ncut.coverage(X[:16]), 0, atol=1e-6)


@pytest.mark.parametrize("solver", ["exact", "nystrom"])
def test_transform_is_finite_for_any_node(solver):
    X, _ = clusters()
    ncut = Ncut(6, solver=solver).fit(X.astype(np.float32))
    for factor in (3, 1e2, 1e10, 1e30, 1e37):
        eig = ncut.transform((X[:50] * factor).astype(np.float32))
        assert np.isfinite(eig).all()
        assert np.abs(eig).max() < 1


@pytest.mark.parametrize("solver", ["exact", "nystrom"])
def test_gradients_are_those_without_outliers(solver):
    X, _ = with_outliers(scaled, count=6, n=300, dtype=np.float64)
    features = torch.from_numpy(X).requires_grad_()
    others = torch.from_numpy(X[6:]).requires_grad_()
    ncut = Ncut(5, solver=solver, n_sample=150)
    for part, start, sigma in ((features, 6, None), (others, 0, None)):
        eig = ncut.set_params(sigma=sigma).fit_transform(part)[start:]
        (eig @ eig.T)[:20, 20:60].square().sum().backward()
    assert torch.isfinite(features.grad).all()
    torch.testing.assert_close(features.grad[6:], others.grad, rtol=1e-6, atol=1e-12)
    assert ncut.set_params(sigma=None).fit(features).outliers_.nonzero().flatten().tolist() == list(range(6))


@pytest.mark.parametrize("solver", ["exact", "nystrom"])
@pytest.mark.parametrize(("kind", "spent"), [(scaled, "7 of 8 eigenvectors are"), (sink, "1 of 8 eigenvectors is")])
def test_isolating_sigma_warns(kind, spent, solver):
    X, _ = with_outliers(kind)
    X = np.roll(X, 5, axis=0)
    with pytest.warns(OutlierWarning, match=rf"{spent} spent on outliers: 16 of 800 nodes \(2 %; first 5, 6, 7, 8, 9"):
        ncut = Ncut(8, sigma=6.0, solver=solver).fit(X)
    np.testing.assert_array_equal(ncut.outliers_.nonzero()[0], np.arange(5, 21))


def test_isolating_callable_warns():
    X, _ = with_outliers(scaled, count=3)
    affinity = torch.cdist
    with pytest.warns(OutlierWarning, match="have next to no neighbors by this `affinity`. Widen"):
        ncut = Ncut(4, affinity=lambda X, Z: (-affinity(X, Z).square() / 72).exp()).fit(torch.from_numpy(X))
    assert ncut.outliers_.nonzero().flatten().tolist() == [0, 1, 2]


@pytest.mark.parametrize("as_torch", [False, True])
def test_clean_data_has_no_outliers(as_torch):
    X, _ = clusters()
    ncut = Ncut(8, sigma=6.0).fit(torch.from_numpy(X) if as_torch else X)
    assert isinstance(ncut.outliers_, torch.Tensor if as_torch else np.ndarray)
    assert tuple(ncut.outliers_.shape) == (N,)
    assert not ncut.outliers_.any()


@pytest.mark.parametrize("affinity", ["rbf", "cosine"])
@pytest.mark.parametrize("channels", [4, 8, 100])
@pytest.mark.parametrize("shares", [(1,), (0.97, 0.02, 0.01), (0.6, 0.3, 0.1)])
@pytest.mark.parametrize("spread", [0.05, 1.0])
def test_clean_clusters_keep_sigma(spread, shares, channels, affinity):
    """For clusters of any sizes and spreads, sigma^2 is an eighth of the mean squared distance."""
    rng = np.random.default_rng(0)
    y = rng.choice(len(shares), 600, p=shares)
    X = 5 + 3 * rng.normal(size=(len(shares), channels))[y] + spread * rng.normal(size=(600, channels))
    ncut = Ncut(3, affinity=affinity).fit(X)
    assert ncut.outliers_.sum() <= 3
    squared = cdist(X, X, "sqeuclidean") if affinity == "rbf" else cdist(X, X, "cosine") ** 2
    assert ncut.sigma_ == pytest.approx(np.sqrt(squared.mean() / 8), rel=0.05)


@pytest.mark.parametrize("spread", [0.01, 1.0])
def test_rare_cluster_is_no_outlier(spread):
    """One node in a thousand, as far from the other clusters as these are from each other."""
    rng = np.random.default_rng(0)
    n, small = 70_070, 70
    centers = 30 * np.eye(4, 8)[np.append(rng.integers(0, 3, n - small), np.full(small, 3))]
    noise = rng.normal(size=(n, 8))
    noise[-small:] *= spread
    ncut = Ncut(4).fit((centers + noise).astype(np.float32))
    assert not ncut.outliers_.any()
    labels = np.asarray(kway_ncut(ncut.eigenvectors_, n_clusters=4).argmax(1))
    np.testing.assert_array_equal(labels == labels[-1], np.arange(n) >= n - small)


def test_same_seed_finds_same_outliers():
    X, _ = with_outliers(scaled_by_powers, 200, 9000)
    first, second = (Ncut(8, random_state=3).fit(X) for _ in range(2))
    np.testing.assert_array_equal(first.outliers_, second.outliers_)
    np.testing.assert_array_equal(first.eigenvectors_, second.eigenvectors_)


@pytest.mark.parametrize("kind", [scaled, shifted, sink, scattered])
@pytest.mark.parametrize("share", [0.003, 0.05])
def test_any_share_of_outliers(kind, share):
    count = round(share * N)
    X, y = with_outliers(kind, count)
    ncut = Ncut(8).fit(X)
    np.testing.assert_array_equal(ncut.outliers_, np.arange(N) < count)
    assert agreement(ncut.eigenvectors_, y, count) > 0.95


@pytest.mark.parametrize("spread", [0.2, 1.0])
@pytest.mark.parametrize("share", [0.006, 0.02])
def test_rare_cluster_next_to_large_one(share, spread):
    rng = np.random.default_rng(0)
    y = np.arange(1000) < 1000 * share
    X = 10 + rng.normal(size=(1000, 16)) * np.where(y, spread, 1)[:, None] + 6 * y[:, None]
    ncut = Ncut(4).fit(X)
    assert not ncut.outliers_.any()
    labels = np.asarray(kway_ncut(ncut.eigenvectors_, n_clusters=2).argmax(1))
    assert adjusted_rand_score(y, labels) > 0.95


@pytest.mark.parametrize(
    "remedy", [{"sigma": None}, {"sigma": None, "degree": 0.1}, {"affinity": "cosine", "sigma": 0.4}]
)
def test_remedies_of_warning_help(remedy):
    X, y = with_outliers(scaled, count=6)
    with pytest.warns(OutlierWarning, match="Pass `sigma=None`, .* try affinity="):
        fixed = Ncut(8, sigma=6.0).fit(X)
    assert agreement(fixed.eigenvectors_, y, 6) < 0.9
    assert agreement(fixed.set_params(**remedy).fit(X).eigenvectors_, y, 6) > 0.95


def test_dropping_outliers_helps():
    X, y = with_outliers(scaled)
    with pytest.warns(OutlierWarning, match="drop these nodes, which `outliers_` marks"):
        fixed = Ncut(8, sigma=6.0).fit(X)
    kept = ~fixed.outliers_
    assert agreement(Ncut(8, sigma=6.0).fit_transform(X[kept]), y[kept], 0) > 0.95
    assert agreement(fixed.fit_transform(X, sample_weight=kept.astype(float)), y, 16) > 0.95
