"""Layouts and color conversions against scikit-learn and scikit-image."""

from __future__ import annotations

import numpy as np
from skimage.color import lab2rgb
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.metrics import silhouette_score

from ncut_widgets.readouts import Coloring, convert_to_lab_color
from ncut_widgets.readouts.color.tsne import _joint_probabilities, tsne_layout


def test_pca_matches_scikit_learn():
    eig = np.random.default_rng(0).normal(size=(300, 6)) * [3, 1, 2, 1, 1, 1]
    unit = eig / np.linalg.norm(eig, axis=1, keepdims=True)
    ours, theirs = Coloring("pca").fit(eig).coords_, PCA(3).fit_transform(unit)
    np.testing.assert_allclose(np.abs(ours), np.abs(theirs), atol=1e-9)


def test_lab_conversion_matches_scikit_image():
    # Only colors that exist in CIELAB, because scikit-image warns about others.
    rgb = np.random.default_rng(0).random((2000, 3)) * [0.6, 0.5, 0.5] + [0.35, 0.2, 0.3]
    np.testing.assert_allclose(convert_to_lab_color(rgb), lab2rgb(rgb * [100, 255, 255] - [0, 128, 128]), atol=1e-5)
    theirs = lab2rgb(rgb * 100 - [0, 50, 50])
    np.testing.assert_allclose(convert_to_lab_color(rgb, full_range=False), theirs, atol=1e-5)


def divergence(p, coords):
    """Return KL(P | Q), the objective of t-SNE."""
    squared = np.square(coords[:, None] - coords).sum(2)
    q = 1 / (1 + squared)
    np.fill_diagonal(q, 0)
    q /= q.sum()
    return float((p * np.log(np.maximum(p, 1e-12) / np.maximum(q, 1e-12))).sum())


def test_tsne_is_as_good_as_scikit_learn():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(6), 25)
    rows = np.eye(10)[labels] + 0.2 * rng.normal(size=(150, 10))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    p = _joint_probabilities(rows, 20)
    ours = tsne_layout(rows, 1e-4 * PCA(3).fit_transform(rows), perplexity=20, on_step=lambda: None)
    theirs = TSNE(3, perplexity=20, init="pca", method="exact", random_state=0, max_iter=500).fit_transform(rows)
    assert divergence(p, ours) < 1.03 * divergence(p, theirs)
    assert silhouette_score(ours, labels) > 0.9 * silhouette_score(theirs, labels)


def test_tsne_neighborhoods_have_the_given_perplexity():
    rows = np.random.default_rng(0).normal(size=(80, 5))
    p = _joint_probabilities(rows, 15).astype(np.float64)
    np.testing.assert_allclose(p, p.T)
    np.testing.assert_allclose(p.sum(), 1, rtol=1e-5)
    conditional = p / p.sum(1, keepdims=True)
    entropy = -(conditional * np.log(np.maximum(conditional, 1e-300))).sum(1)
    # Symmetrization increases the perplexity slightly.
    assert 15 < np.exp(entropy).mean() < 22
