"""K-way, colours and heatmaps against published code and scikit-learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from skimage.color import lab2rgb
from sklearn.cluster import SpectralClustering
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.metrics import adjusted_rand_score, pairwise_kernels, silhouette_score

from ncut_widgets.readouts import Coloring, convert_to_lab_color, kway_ncut, similarity_heatmap
from ncut_widgets.readouts.color.tsne import _joint_probabilities, tsne_layout


def moons(n=400, seed=0):
    """Return the affinity of two interleaved crescents and a blob beside them, and which is which."""
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


def test_agrees_with_scikit_learns_discretisation_and_the_truth():
    affinity, truth = moons()
    ours = kway_ncut(exact_eigenvectors(affinity, 3), n_clusters=3).argmax(1)
    theirs = SpectralClustering(3, affinity="precomputed", assign_labels="discretize", random_state=0).fit(affinity)
    assert adjusted_rand_score(ours, theirs.labels_) > 0.99
    assert adjusted_rand_score(ours, truth) > 0.99


def test_the_objective_is_at_least_that_of_known_good_rotations():
    rng = np.random.default_rng(1)
    eig = exact_eigenvectors(pairwise_kernels(rng.normal(size=(300, 4)), metric="rbf", gamma=0.5), 8)
    unit = eig / np.linalg.norm(eig, axis=1, keepdims=True)

    def objective(labels):
        return np.linalg.svd(np.eye(8)[labels].T @ unit, compute_uv=False).sum()

    ours = objective(kway_ncut(eig, n_clusters=8).argmax(1))
    for _ in range(20):
        # The alternation of the paper from a random rotation.
        rotation = np.linalg.qr(rng.normal(size=(8, 8)))[0]
        for _ in range(50):
            labels = (unit @ rotation).argmax(1)
            left, _, right = np.linalg.svd(np.eye(8)[labels].T @ unit)
            rotation = (left @ right).T
        assert ours >= objective(labels) * 0.99


def test_heatmap_gives_the_numbers_of_get_mask():
    """Four images of 12 x 20 patches and the heatmap of the prompt (0, 3, 4) by the published `get_mask`."""
    with np.load(Path(__file__).parent / "get_mask_heatmap.npz") as golden:
        eigvecs, heatmap = golden["eigvecs"], golden["heatmap_0_3_4"]
    ours = similarity_heatmap(eigvecs, eigvecs[0, 3, 4])
    np.testing.assert_allclose(ours, heatmap.clip(0, 1), atol=2e-6)
    assert heatmap.min() < 0 < 1 < heatmap.max()


def test_pca_is_scikit_learns():
    eig = np.random.default_rng(0).normal(size=(300, 6)) * [3, 1, 2, 1, 1, 1]
    unit = eig / np.linalg.norm(eig, axis=1, keepdims=True)
    ours, theirs = Coloring("pca").fit(eig).coords, PCA(3).fit_transform(unit)
    np.testing.assert_allclose(np.abs(ours), np.abs(theirs), atol=1e-9)


def test_lab_is_scikit_images():
    # Within what exists, so that it has nothing to warn of.
    rgb = np.random.default_rng(0).random((2000, 3)) * [0.6, 0.5, 0.5] + [0.35, 0.2, 0.3]
    np.testing.assert_allclose(convert_to_lab_color(rgb), lab2rgb(rgb * [100, 255, 255] - [0, 128, 128]), atol=1e-5)
    theirs = lab2rgb(rgb * 100 - [0, 50, 50])
    np.testing.assert_allclose(convert_to_lab_color(rgb, full_range=False), theirs, atol=1e-5)


def divergence(p, coords):
    """KL(P | Q) of t-SNE."""
    squared = np.square(coords[:, None] - coords).sum(2)
    q = 1 / (1 + squared)
    np.fill_diagonal(q, 0)
    q /= q.sum()
    return float((p * np.log(np.maximum(p, 1e-12) / np.maximum(q, 1e-12))).sum())


def test_tsne_is_as_good_as_scikit_learns():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(6), 25)
    rows = np.eye(10)[labels] + 0.2 * rng.normal(size=(150, 10))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    p = _joint_probabilities(rows, 20)
    ours = tsne_layout(rows, 1e-4 * PCA(3).fit_transform(rows), perplexity=20, on_step=lambda: None)
    theirs = TSNE(3, perplexity=20, init="pca", method="exact", random_state=0, max_iter=500).fit_transform(rows)
    assert divergence(p, ours) < 1.03 * divergence(p, theirs)
    assert silhouette_score(ours, labels) > 0.9 * silhouette_score(theirs, labels)


def test_tsne_neighbourhoods_have_the_perplexity_asked_for():
    rows = np.random.default_rng(0).normal(size=(80, 5))
    p = _joint_probabilities(rows, 15).astype(np.float64)
    np.testing.assert_allclose(p, p.T)
    np.testing.assert_allclose(p.sum(), 1, rtol=1e-5)
    conditional = p / p.sum(1, keepdims=True)
    entropy = -(conditional * np.log(np.maximum(conditional, 1e-300))).sum(1)
    # Symmetrised, rows are a little broader than asked for.
    assert 15 < np.exp(entropy).mean() < 22
