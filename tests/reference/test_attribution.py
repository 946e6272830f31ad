"""`channel_attribution` against finite differences of the score, and for clusters with planted channels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import polar

from ncut_widgets import Kway, Ncut, channel_attribution

SIGMA = {"rbf": 2.0, "cosine": 0.6}


def blobs(n=72, c=5, k=3, seed=0, shift=2.5):
    """Return features and labels of overlapping clusters, each high in the channel of its number."""
    rng = np.random.default_rng(seed)
    labels = np.sort(rng.integers(k, size=n))
    X = rng.normal(size=(n, c)) + 1.0
    X[np.arange(n), labels] += shift
    return X, labels


def leading(X, affinity, q):
    """Return the leading eigenvectors by a full decomposition in numpy."""
    if affinity == "cosine":
        U = X / np.linalg.norm(X, axis=1, keepdims=True)
        A = np.exp(-np.square(1 - U @ U.T) / (2 * SIGMA[affinity] ** 2))
    else:
        A = np.exp(-np.square(X[:, None] - X).sum(-1) / (2 * SIGMA[affinity] ** 2))
    root = np.sqrt(A.sum(1))
    return np.linalg.eigh(A / root[:, None] / root)[1][:, ::-1][:, :q]


def strength_of_clusters(X, labels, affinity, q):
    V = leading(X, affinity, q)
    V = V / np.linalg.norm(V, axis=1, keepdims=True)
    H = np.eye(labels.max() + 1)[labels]
    R = polar(V.T @ H)[0]
    S = np.abs(V @ R)
    return np.array([S[labels == t, t].mean() for t in range(H.shape[1])])


def strength_of_mask(X, mask, affinity, q):
    h = mask - mask.mean()
    return np.linalg.norm(leading(X, affinity, q).T @ h) / np.linalg.norm(h)


def differences(strength, X):
    """Return d strength / dX (targets, n, c) by central differences with one Richardson extrapolation."""

    def central(step):
        derivatives = []
        for index in np.ndindex(X.shape):
            delta = np.zeros_like(X)
            delta[index] = step
            derivatives.append((strength(X + delta) - strength(X - delta)) / (2 * step))
        return np.array(derivatives)

    table = (4 * central(5e-4) - central(1e-3)) / 3
    return np.moveaxis(table.reshape(*X.shape, -1), -1, 0)


def expected(gradients, X, members, method, region):
    rows = []
    for g, inside in zip(gradients, members, strict=True):
        if method == "abs_gradient":
            part, count = np.abs(g), len(g) if region == "all" else inside.sum()
        elif method == "gradient_x_input":
            part, count = g * (X - X.mean(0)), 1
        else:
            part = np.where(inside[:, None], g, -g) if region == "all" else g
            count = len(g) if region == "all" else inside.sum()
        rows.append((part if region == "all" else part[inside]).sum(0) / count)
    return np.stack(rows)


def assert_close(found, reference):
    assert np.linalg.norm(found - reference) <= 1e-5 * np.linalg.norm(reference)


METHODS = [
    (method, region) for method in ("gradient", "abs_gradient", "gradient_x_input") for region in ("target", "all")
]


@pytest.mark.parametrize("affinity", ["rbf", "cosine"])
def test_cluster_gradients_match_finite_differences(affinity):
    X, labels = blobs()
    gradients = differences(lambda X: strength_of_clusters(X, labels, affinity, 3), X)
    members = [labels == t for t in range(3)]
    for method, region in METHODS:
        found = channel_attribution(
            X, labels, method=method, region=region, ncut=Ncut(affinity=affinity, sigma=SIGMA[affinity])
        )
        assert_close(found.raw, expected(gradients, X, members, method, region))
        np.testing.assert_allclose(found.target_scores, strength_of_clusters(X, labels, affinity, 3), rtol=1e-6)


def test_more_eigenvectors_than_clusters_and_negative_scores():
    X, labels = blobs()
    labels = np.random.default_rng(1).permutation(labels)
    V = leading(X, "rbf", 5)
    V = V / np.linalg.norm(V, axis=1, keepdims=True)
    assert ((V @ polar(V.T @ np.eye(3)[labels])[0])[np.arange(len(X)), labels] < -0.01).any()
    gradients = differences(lambda X: strength_of_clusters(X, labels, "rbf", 5), X)
    found = channel_attribution(X, labels, n_eig=5, ncut=Ncut(sigma=SIGMA["rbf"]))
    assert_close(found.raw, expected(gradients, X, [labels == t for t in range(3)], "gradient", "target"))


@pytest.mark.parametrize("affinity", ["rbf", "cosine"])
def test_mask_gradients_match_finite_differences(affinity):
    X, labels = blobs()
    mask = (labels == 1) & (np.arange(len(X)) % 4 > 0)
    gradients = differences(lambda X: np.atleast_1d(strength_of_mask(X, mask, affinity, 6)), X)
    for method, region in METHODS:
        found = channel_attribution(
            X, mask, method=method, region=region, n_eig=6, ncut=Ncut(affinity=affinity, sigma=SIGMA[affinity])
        )
        assert_close(found.raw, expected(gradients, X, [mask], method, region))


def test_gradient_with_equal_eigenvalues():
    """Use three blobs that are cyclic shifts of each other, whose eigenvectors are determined only up to rotation."""
    blob = np.random.default_rng(0).normal(size=(20, 6)) * 0.5
    blob[:, 0] += 3
    X = np.concatenate([blob, np.roll(blob, 2, 1), np.roll(blob, 4, 1)])
    labels = np.repeat([0, 1, 2], 20)
    gradients = differences(lambda X: strength_of_clusters(X, labels, "rbf", 3), X)
    found = channel_attribution(X, labels, ncut=Ncut(sigma=SIGMA["rbf"]))
    assert_close(found.raw, expected(gradients, X, [labels == t for t in range(3)], "gradient", "target"))


@pytest.mark.parametrize("affinity", ["rbf", "cosine"])
def test_ablation_is_the_decrease_of_the_score(affinity):
    X, labels = blobs()
    found = channel_attribution(X, labels, method="ablation", ncut=Ncut(affinity=affinity, sigma=SIGMA[affinity]))
    for channel in range(X.shape[1]):
        ablated = X.copy()
        ablated[:, channel] = X[:, channel].mean()
        decrease = strength_of_clusters(X, labels, affinity, 3) - strength_of_clusters(ablated, labels, affinity, 3)
        np.testing.assert_allclose(found.raw[:, channel], decrease, atol=1e-9)


def test_gradient_x_input_predicts_a_small_ablation():
    X, labels = blobs()
    rate = channel_attribution(X, labels, method="gradient_x_input", region="all", ncut=Ncut(sigma=SIGMA["rbf"])).raw[
        :, 1
    ]
    weaker = X.copy()
    weaker[:, 1] = X[:, 1].mean() + 0.999 * (X[:, 1] - X[:, 1].mean())
    decrease = strength_of_clusters(X, labels, "rbf", 3) - strength_of_clusters(weaker, labels, "rbf", 3)
    np.testing.assert_allclose(rate * 1e-3, decrease, rtol=1e-2)


@pytest.mark.parametrize("solver", ["exact", "nystrom"])
def test_cluster_strength_is_the_mean_kway_score(solver):
    X, _ = blobs(n=400, shift=5.0)
    eig = Ncut(3, solver=solver, n_sample=200).fit_transform(X)
    kway = Kway(3).fit(eig)
    scores = np.abs(kway.transform(eig))
    found = channel_attribution(X, kway.labels_, ncut=Ncut(solver=solver, n_sample=200))
    means = [scores[kway.labels_ == t, t].mean() for t in range(3)]
    np.testing.assert_allclose(found.target_scores, means, rtol=1e-4)


PLANTED = 8.0


def planted(seed, n=240, c=16):
    """Return features, labels and the channels in which clusters 0 and 1 are high and 2 is low; the rest is noise."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % 4)
    X = rng.normal(size=(n, c))
    channels = rng.permutation(c)[:3]
    for cluster, (channel, sign) in enumerate(zip(channels, (1, 1, -1), strict=True)):
        X[labels == cluster, channel] += sign * PLANTED
    return X, labels, channels


@pytest.mark.parametrize("method", ["gradient", "abs_gradient", "gradient_x_input", "ablation"])
@pytest.mark.parametrize("kind", ["labels", "masks"])
def test_planted_channels_rank_first_for_their_clusters(method, kind):
    for seed in range(20):
        X, labels, channels = planted(seed)
        target = labels if kind == "labels" else {str(t): labels == t for t in range(4)}
        found = channel_attribution(X, target, method=method, ncut=Ncut(degree=0.2))
        first = found.ranking()[:3, 0]
        np.testing.assert_array_equal(first, channels, err_msg=f"seed {seed}")
        # The sign of "gradient" is a direction: the third cluster is low in its channel.
        signs = [1, 1, -1 if method == "gradient" else 1]
        np.testing.assert_array_equal(np.sign(found.raw[np.arange(3), first]), signs, err_msg=f"seed {seed}")


def test_channel_that_separates_two_clusters_ranks_first():
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 2
    X = rng.normal(size=(200, 12))
    X[labels == 1, 7] += 6
    found = channel_attribution(X, labels)
    np.testing.assert_array_equal(found.ranking()[:, 0], [7, 7])
    np.testing.assert_array_equal(np.sign(found.raw[:, 7]), [-1, 1])


@pytest.mark.parametrize("method", ["gradient", "abs_gradient", "gradient_x_input", "ablation"])
def test_planted_channels_rank_first_with_landmarks(method):
    """Use more nodes than the exact solver and the sample of the checks allow."""
    X, labels, channels = planted(0, n=5000)
    found = channel_attribution(X.astype(np.float32), labels, method=method, ncut=Ncut(degree=0.2))
    np.testing.assert_array_equal(found.ranking()[:3, 0], channels)
    assert (found.faithfulness(1, n_random=2, target=0).area > 0.05).all()


def test_landmarks_match_the_exact_graph():
    X, labels, _ = planted(1, n=1500)
    exact, low_rank = (
        channel_attribution(X, labels, ncut=Ncut(degree=0.2, solver=solver, n_sample=400))
        for solver in ("exact", "nystrom")
    )
    for row in range(4):
        assert np.corrcoef(exact.scores[row], low_rank.scores[row])[0, 1] > 0.99


def test_torch_float32_matches_numpy_float64():
    X, labels = blobs(n=300)
    exact = channel_attribution(X, labels, ncut=Ncut(sigma=2.0)).raw
    found = channel_attribution(torch.from_numpy(X).float(), labels, ncut=Ncut(sigma=2.0)).raw
    assert np.linalg.norm(found - exact) < 1e-3 * np.linalg.norm(exact)
