"""Properties of colors, clusters and heatmaps for generated embeddings."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ncut_widgets.readouts import Coloring, kway_ncut, similarity_heatmap
from ncut_widgets.readouts.color.sampling import farthest_points

SEEDS = st.integers(0, 2**32 - 1)
METHODS = st.sampled_from(["tsne", "pca", "mspace"])


def embedding(seed, n, k, n_directions=None):
    rng = np.random.default_rng(seed)
    if n_directions is None:
        return rng.normal(size=(n, k))
    return rng.normal(size=(n_directions, k))[rng.integers(n_directions, size=n)] + 0.01 * rng.normal(size=(n, k))


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(1, 60), st.integers(1, 6), st.data())
def test_kway_scores_are_finite_and_bounded(seed, n, k, data):
    eig = embedding(seed, n, k)
    eig[data.draw(st.lists(st.integers(0, n - 1), max_size=3))] = 0
    scores = kway_ncut(eig, n_clusters=data.draw(st.integers(1, min(n, k))))
    assert np.isfinite(scores).all()
    assert (np.abs(scores) <= 1 + 1e-9).all()


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.integers(2, 5))
def test_kway_is_equivariant_to_node_permutation(seed, k):
    rng = np.random.default_rng(seed)
    truth = np.concatenate([np.arange(k), rng.integers(k, size=60)])
    eig = np.eye(k)[truth] @ np.linalg.qr(rng.normal(size=(k, k)))[0] + 0.01 * rng.normal(size=(len(truth), k))
    order = rng.permutation(len(eig))
    labels, permuted = (kway_ncut(rows, n_clusters=k).argmax(1) for rows in (eig, eig[order]))
    pairs = set(zip(labels[order].tolist(), permuted.tolist(), strict=True))
    assert len(pairs) == k, "labels may only be renamed"


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(1, 80), st.integers(1, 6), st.floats(0.05, 20))
def test_heatmap_is_in_range_with_maximum_at_the_prompt(seed, n, k, gamma):
    eig = embedding(seed, n, k)
    heat = similarity_heatmap(eig, eig[0], gamma=gamma)
    assert ((heat >= 0) & (heat <= 1)).all()
    assert heat[0] == heat.max() == 1


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(2, 80), st.integers(2, 6), st.floats(0.01, 100))
def test_heatmap_is_invariant_to_order_scale_and_rotation(seed, n, k, scale):
    eig = embedding(seed, n, k)
    rng = np.random.default_rng(seed)
    order, rotation = rng.permutation(n), np.linalg.qr(rng.normal(size=(k, k)))[0]
    heat = similarity_heatmap(eig, eig[0])
    np.testing.assert_allclose(similarity_heatmap(eig[order], eig[0]), heat[order], atol=1e-9)
    np.testing.assert_allclose(similarity_heatmap(scale * eig @ rotation, eig[0] @ rotation), heat, atol=1e-6)


@settings(max_examples=15, deadline=None)
@given(SEEDS, st.integers(1, 70), st.integers(1, 5), METHODS, st.sampled_from([None, 1, 3]))
def test_colors_are_in_range_for_any_number_of_nodes(seed, n, k, method, n_directions):
    eig = embedding(seed, n, k, n_directions)
    coloring = Coloring(method, n_sample=30, n_neighbors=8).fit(eig)
    assert np.isfinite(coloring.coords_).all()
    assert ((coloring.rgb_ >= 0) & (coloring.rgb_ <= 1)).all()
    far = coloring.transform(100 * embedding(seed + 1, 5, k))
    assert ((far >= 0) & (far <= 1)).all()


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.integers(2, 40))
def test_farthest_points_are_distinct_and_get_closer(seed, n):
    rows = np.random.default_rng(seed).normal(size=(n, 3))
    picked = farthest_points(rows, max(1, n // 2))
    assert picked[0] == 0
    assert len(set(picked.tolist())) == len(picked)
    if len(picked) > 2:
        distances = np.linalg.norm(rows[picked][:, None] - rows[picked], axis=2)
        clearance = [distances[i, :i].min() for i in range(1, len(picked))]
        assert (np.diff(clearance) <= 1e-9).all(), "each point is at most as far from the others as the one before"
