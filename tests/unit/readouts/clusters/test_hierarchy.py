"""`hierarchy`: numbers, colors and parents are consistent across levels."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.color import rgb2lab
from sklearn.metrics import adjusted_rand_score

from ncut_widgets.readouts import Hierarchy, hierarchy, kway_ncut


def planted(n_clusters=16, n_eig=None, noise=0.1, seed=0):
    """Return eigenvectors of clusters of decreasing size, of which each pair is close, and the true labels."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(n_clusters), 20 + 7 * np.arange(n_clusters)[::-1])
    affinity = (truth[:, None] == truth) * 1.0 + 0.3 * (truth[:, None] // 2 == truth // 2) + 0.02
    affinity += noise * 0.1 * rng.uniform(size=affinity.shape)
    degree = (affinity + affinity.T).sum(1)
    _, vectors = np.linalg.eigh((affinity + affinity.T) / np.sqrt(degree[:, None] * degree))
    return vectors[:, ::-1][:, : n_eig or n_clusters].copy(), truth


def blobs(n, k, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, k)) + 2 * rng.normal(size=(12, k))[rng.integers(12, size=n)]


def pairwise_distances(rgb):
    """Return the CIELAB distance of each pair of colors."""
    lab = rgb2lab(np.asarray(rgb))
    pairwise = np.linalg.norm(lab[:, None] - lab, axis=-1)
    return pairwise[np.triu_indices(len(pairwise), 1)]


def test_each_level_is_a_renumbered_kway_cut():
    eig = blobs(500, 12)
    tree = hierarchy(eig, n_clusters=(2, 5, 12))
    for level in tree.levels_:
        assert adjusted_rand_score(kway_ncut(eig, n_clusters=level).argmax(1), tree.labels(level)) == 1
    assert isinstance(tree, Hierarchy)
    assert repr(tree) == "Hierarchy(n_clusters=(2, 5, 12))"
    np.testing.assert_array_equal(Hierarchy((2, 5, 12)).fit(eig).labels(5), tree.labels(5))


def test_larger_half_of_a_split_keeps_the_number():
    eig, truth = planted(4)
    tree = hierarchy(eig, n_clusters=(2, 4))
    np.testing.assert_array_equal(tree.labels(2), truth // 2)
    assert adjusted_rand_score(truth, tree.labels(4)) == 1
    # Planted clusters 0 and 2 are the larger halves. The smaller halves get new numbers, the larger one first.
    np.testing.assert_array_equal(tree.labels(4), np.array([0, 2, 1, 3])[truth])
    np.testing.assert_array_equal(tree.parents(4), [0, 1, 0, 1])
    np.testing.assert_array_equal(tree.parents(2), [-1, -1])
    assert tree.children(2) == ((0, 2), (1, 3))
    assert tree.children(4) == ((), (), (), ())
    np.testing.assert_allclose(tree.shares(4), np.bincount(tree.labels(4)) / len(truth))


def test_next_level_keeps_as_many_numbers_as_possible():
    eig, _ = planted(16)
    tree = hierarchy(eig, n_clusters=range(2, 17))
    for level in tree.levels_[1:]:
        before, after = tree.labels(level - 1), tree.labels(level)
        kept = np.array([[((before == a) & (after == b)).sum() for b in range(level)] for a in range(level - 1)])
        # Swapping two numbers would not leave more nodes with their number.
        own = kept.diagonal()
        gain = kept[:, : level - 1] + kept[:, : level - 1].T - own[:, None] - own
        assert gain.max() <= 0
        # The new cluster is not a better match for any old number.
        assert (kept[:, -1] <= own).all()


@settings(max_examples=25, deadline=None)
@given(
    eig=arrays(np.float32, (40, 8), elements=st.floats(-4, 4, width=16)),
    levels=st.sets(st.integers(1, 8), min_size=1).map(sorted),
)
def test_any_eigenvectors_give_a_valid_hierarchy(eig, levels):
    tree = hierarchy(eig, n_clusters=levels)
    previous = None
    for index, level in enumerate(levels):
        labels, parents, shares = tree.labels(level), tree.parents(level), tree.shares(level)
        assert labels.dtype == np.uint8
        assert labels.shape == (40,)
        assert labels.max() < level
        assert parents.shape == shares.shape == (level,)
        assert shares.sum() == pytest.approx(1)
        for cluster in range(level):
            inside = labels == cluster
            assert shares[cluster] == pytest.approx(inside.mean())
            if index == 0 or not inside.any():
                assert parents[cluster] == -1
                continue
            shared = np.bincount(previous[inside], minlength=levels[index - 1])
            assert parents[cluster] == shared.argmax()
            assert cluster in tree.children(levels[index - 1])[parents[cluster]]
        previous = labels
    colors = tree.colors(np.abs(eig[:, :3]) / 4)
    assert colors.shape == (levels[-1], 3)
    assert ((colors >= 0) & (colors <= 1)).all()
    assert pairwise_distances(colors).min(initial=99) >= 12


def test_numbers_are_those_below_the_level():
    eig, _ = planted(16)
    tree = hierarchy(eig, n_clusters=range(2, 17))
    for level in tree.levels_:
        np.testing.assert_array_equal(np.unique(tree.labels(level)), np.arange(level))


def test_additional_levels_do_not_change_earlier_ones():
    eig, rgb = blobs(600, 16), np.random.default_rng(1).uniform(size=(600, 3))
    short, long = hierarchy(eig, n_clusters=(2, 4, 8)), hierarchy(eig, n_clusters=(2, 4, 8, 16))
    np.testing.assert_array_equal(long.labels(16), hierarchy(eig, n_clusters=(2, 4, 8, 16)).labels(16))
    for level in short.levels_:
        np.testing.assert_array_equal(short.labels(level), long.labels(level))
        np.testing.assert_array_equal(short.parents(level), long.parents(level))
    np.testing.assert_array_equal(long.colors(rgb)[:8], short.colors(rgb))


def test_labels_do_not_depend_on_the_order_of_calls():
    eig = blobs(300, 8)
    first, second = (hierarchy(eig, n_clusters=range(2, 9)) for _ in range(2))
    ascending = [first.labels(level) for level in range(2, 9)]
    descending = [second.labels(level) for level in range(8, 1, -1)][::-1]
    for labels, expected in zip(descending, ascending, strict=True):
        np.testing.assert_array_equal(labels, expected)
    shared = hierarchy(eig, n_clusters=range(2, 9))
    with ThreadPoolExecutor(4) as pool:
        for labels in pool.map(shared.labels, [8] * 8):
            np.testing.assert_array_equal(labels, ascending[-1])


@pytest.mark.parametrize("seed", range(3))
def test_node_permutation_permutes_labels_only(seed):
    eig, truth = planted(8)
    rgb = np.random.default_rng(5).uniform(size=(8, 3))[truth]
    order = np.random.default_rng(seed).permutation(len(eig))
    tree, permuted = hierarchy(eig, n_clusters=(2, 4, 8)), hierarchy(eig[order], n_clusters=(2, 4, 8))
    for level in tree.levels_:
        np.testing.assert_array_equal(permuted.labels(level), tree.labels(level)[order])
        np.testing.assert_array_equal(permuted.parents(level), tree.parents(level))
    np.testing.assert_allclose(permuted.colors(rgb[order]), tree.colors(rgb))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_torch_input_gives_torch_output(dtype):
    eig = torch.from_numpy(planted(4)[0]).to(dtype).requires_grad_()
    tree = hierarchy(eig, n_clusters=(2, 4))
    assert tree.labels(4).dtype == torch.uint8
    assert tree.parents(4).dtype == torch.int64
    assert tree.shares(4).dtype == dtype
    array = hierarchy(eig.detach().numpy(), n_clusters=(2, 4))
    np.testing.assert_array_equal(tree.labels(4).numpy(), array.labels(4))
    rgb = torch.rand(len(eig), 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert tree.colors(rgb.to(dtype)).dtype == dtype
    np.testing.assert_allclose(tree.colors(rgb).numpy(), array.colors(rgb.numpy()))


def test_changing_input_or_output_has_no_effect():
    eig, truth = planted(4)
    tree, same = hierarchy(eig, n_clusters=(2, 4)), hierarchy(eig.copy(), n_clusters=(2, 4))
    eig[:] = 0
    tree.labels(4)[:] = 7
    np.testing.assert_array_equal(tree.labels(4), same.labels(4))
    assert adjusted_rand_score(truth, pickle.loads(pickle.dumps(tree)).labels(4)) == 1


def test_is_deterministic_for_seeds_and_generators():
    eig = np.random.default_rng(0).normal(size=(300, 8))
    for make in (lambda: 3, lambda: np.random.default_rng(3)):
        once, again = (hierarchy(eig, n_clusters=(4, 8), random_state=make()) for _ in range(2))
        np.testing.assert_array_equal(once.labels(8), again.labels(8))
    other = hierarchy(eig, n_clusters=(4, 8), random_state=4)
    assert adjusted_rand_score(once.labels(8), other.labels(8)) < 1


def test_empty_clusters_keep_their_numbers():
    eig = np.repeat(np.eye(2, 5), [6, 3], axis=0)
    tree = hierarchy(eig, n_clusters=(2, 3, 5))
    np.testing.assert_array_equal(tree.labels(2), np.repeat([0, 1], [6, 3]))
    for level in (3, 5):
        np.testing.assert_array_equal(tree.labels(level), tree.labels(2))
        np.testing.assert_array_equal(tree.parents(level), [0, 1] + [-1] * (level - 2))
        np.testing.assert_allclose(tree.shares(level), [2 / 3, 1 / 3] + [0] * (level - 2))
    assert pairwise_distances(tree.colors(np.full((9, 3), 0.5))).min() >= 12


def test_single_cluster_holds_all_nodes():
    tree = hierarchy(np.ones((3, 2)), n_clusters=(1, 2))
    np.testing.assert_array_equal(tree.labels(1), [0, 0, 0])
    np.testing.assert_array_equal(tree.shares(1), [1])


def test_colors_are_near_distinct_cluster_colors():
    eig, truth = planted(8)
    wanted = np.stack(np.meshgrid([0.2, 0.8], [0.3, 0.7], [0.1, 0.9], indexing="ij"), axis=-1).reshape(8, 3)
    tree = hierarchy(eig, n_clusters=(8,))
    colors = tree.colors(wanted[truth])
    mean = np.stack([wanted[truth[tree.labels(8) == cluster][0]] for cluster in range(8)])
    assert pairwise_distances(mean).min() > 20
    assert np.linalg.norm(rgb2lab(colors) - rgb2lab(mean), axis=1).max() < 6


@pytest.mark.parametrize("level", [0.0, 0.03, 0.5, 1.0])
def test_colors_are_distinct_if_all_nodes_have_one_color(level):
    eig = np.random.default_rng(0).normal(size=(400, 16))
    colors = hierarchy(eig, n_clusters=range(2, 17)).colors(np.full((400, 3), level))
    assert pairwise_distances(colors).min() >= 12
    # They are still shades of that color.
    assert np.linalg.norm(rgb2lab(colors) - rgb2lab(np.full(3, level)), axis=1).max() <= 42


def test_color_comes_from_the_first_level_with_its_number():
    eig, truth = planted(4)
    rgb = np.array([[0.9, 0.1, 0.1], [0.1, 0.1, 0.9], [0.1, 0.8, 0.1], [0.9, 0.9, 0.2]])[truth]
    tree = hierarchy(eig, n_clusters=(2, 4))
    mean = [rgb[tree.labels(level) == cluster].mean(0) for level, cluster in ((2, 0), (2, 1), (4, 2), (4, 3))]
    np.testing.assert_allclose(tree.colors(rgb), mean, atol=1 / 31)


@pytest.mark.parametrize(
    ("n_clusters", "error", "message"),
    [
        ((2, 9), ValueError, "`n_clusters` must be at most the number of eigenvectors, 8; got 9. .* larger `n_eig`"),
        ((2, 65), ValueError, "`n_clusters` must be at most 64; got 65"),
        ((0, 2), ValueError, "`n_clusters` must be at least 1; got 0"),
        ((4, 2), ValueError, r"`n_clusters` must be ascending; got \(4, 2\)"),
        ((2, 2), ValueError, "`n_clusters` must be ascending"),
        ((), ValueError, "`n_clusters` must be ascending"),
        ((2, 2.5), TypeError, "`n_clusters` must be an integer; got 2.5"),
        (9, ValueError, "`n_clusters` must be at most the number of eigenvectors, 8; got 9"),
        ("28", TypeError, "`n_clusters` must be an integer or a sequence of integers; got '28'"),
    ],
)
def test_invalid_levels_raise(n_clusters, error, message):
    with pytest.raises(error, match=message):
        hierarchy(np.eye(9, 8), n_clusters=n_clusters)


def test_invalid_inputs_raise():
    with pytest.raises(ValueError, match="at most the number of nodes, 3; got 4"):
        hierarchy(np.eye(3, 5), n_clusters=(2, 4))
    with pytest.raises(ValueError, match="`eigenvectors` must be finite"):
        hierarchy(np.full((5, 5), np.nan), n_clusters=(2, 4))
    tree = hierarchy(np.eye(5), n_clusters=(2, 4))
    for method in (tree.labels, tree.parents, tree.children, tree.shares):
        with pytest.raises(ValueError, match="`level` must be one of 2, 4; got 3"):
            method(3)
        with pytest.raises(TypeError, match="`level` must be an integer; got '2'"):
            method("2")
    with pytest.raises(ValueError, match="`rgb` must have a row for each of the 5 nodes; got 4"):
        tree.colors(np.zeros((4, 3)))
    with pytest.raises(ValueError, match=r"`rgb` must be in \[0, 1\]; got values from 0 to 255"):
        tree.colors(np.full((5, 3), 255.0) * np.eye(5, 3))
    with pytest.raises(ValueError, match="`rgb` must have 3 columns, red, green and blue; got"):
        tree.colors(np.zeros((5, 4)))


def test_all_levels_can_use_the_same_eigenvectors():
    eig = np.random.default_rng(0).normal(size=(80, 6))
    tree = hierarchy(eig, n_clusters=(2, 4, 9), n_eig=5)
    for level in (2, 4, 9):
        expected = kway_ncut(eig, n_clusters=level, n_eig=5).argmax(1)
        assert adjusted_rand_score(tree.labels(level), expected) == 1
    with pytest.raises(ValueError, match=r"`n_eig` must be at most the number of eigenvectors passed, 6 .*; got 7"):
        hierarchy(eig, n_clusters=(2, 3), n_eig=7)
    with pytest.raises(TypeError, match=r"`n_eig` must be an integer; got 2\.5"):
        hierarchy(eig, n_clusters=(2, 3), n_eig=2.5)
