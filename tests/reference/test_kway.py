"""`kway_ncut` against scikit-learn's discretization and against the method of the paper."""

from __future__ import annotations

import numpy as np
from sklearn.cluster import SpectralClustering
from sklearn.metrics import adjusted_rand_score, pairwise_kernels

from ncut_widgets.readouts import kway_ncut


def moons(n=400, seed=0):
    """Return the affinity of two interleaved crescents and a blob, and the true labels."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, np.pi, n)
    truth = np.repeat([0, 1], n // 2)
    points = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    points[truth == 1] = [1, 0.5] - points[truth == 1]
    points = np.concatenate([points, [3, 1] + 0.3 * rng.normal(size=(n // 2, 2))]) + 0.04 * rng.normal(
        size=(3 * n // 2, 2)
    )
    return pairwise_kernels(points, metric="rbf", gamma=40), np.concatenate([truth, np.full(n // 2, 2)])


def exact_eigenvectors(affinity, n_eig):
    root = np.sqrt(affinity.sum(1))
    _, vectors = np.linalg.eigh(affinity / root[:, None] / root)
    return vectors[:, ::-1][:, :n_eig]


def test_labels_match_scikit_learn_and_the_truth():
    affinity, truth = moons()
    ours = kway_ncut(exact_eigenvectors(affinity, 3), n_clusters=3).argmax(1)
    theirs = SpectralClustering(3, affinity="precomputed", assign_labels="discretize", random_state=0).fit(affinity)
    assert adjusted_rand_score(ours, theirs.labels_) > 0.99
    assert adjusted_rand_score(ours, truth) > 0.99


def test_objective_matches_alternation_from_random_rotations():
    rng = np.random.default_rng(1)
    eig = exact_eigenvectors(pairwise_kernels(rng.normal(size=(300, 4)), metric="rbf", gamma=0.5), 8)
    unit = eig / np.linalg.norm(eig, axis=1, keepdims=True)

    def objective(labels):
        return np.linalg.svd(np.eye(8)[labels].T @ unit, compute_uv=False).sum()

    ours = objective(kway_ncut(eig, n_clusters=8).argmax(1))
    for _ in range(20):
        # The method of the paper, from a random rotation.
        rotation = np.linalg.qr(rng.normal(size=(8, 8)))[0]
        for _ in range(50):
            labels = (unit @ rotation).argmax(1)
            left, _, right = np.linalg.svd(np.eye(8)[labels].T @ unit)
            rotation = (left @ right).T
        assert ours >= objective(labels) * 0.99
