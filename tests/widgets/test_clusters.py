"""Clusters of a session, equal to `hierarchy`, from several threads, and merged groups."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from ncut_widgets.readouts import Kway, hierarchy
from ncut_widgets.widgets.session.clusters import Clusters, apply_groups


def rows(n=200, k=9):
    return np.random.default_rng(0).normal(size=(n, k)).astype(np.float32)


def test_arrays_of_all_levels():
    eig, rgb = rows(), np.random.default_rng(1).uniform(size=(200, 3)).astype(np.float32)
    clusters, tree = Clusters(eig, 8), hierarchy(eig, n_clusters=range(2, 9))
    assert clusters.counts == list(range(2, 9))
    for level in clusters.counts:
        labels, parents = clusters.labels(level), clusters.parents(level)
        assert labels.dtype == np.uint8
        assert parents.dtype == np.int16
        np.testing.assert_array_equal(labels, tree.labels(level))
        np.testing.assert_array_equal(parents, tree.parents(level))
    colors = clusters.colors(rgb, 8)
    np.testing.assert_array_equal(clusters.colors(rgb, 3), colors[:3])
    assert colors.dtype == np.uint8
    np.testing.assert_allclose(colors / 255, tree.colors(rgb), atol=1e-6)


def test_levels_are_computed_once_on_demand(monkeypatch):
    cut = []
    fit = Kway.fit
    monkeypatch.setattr(Kway, "fit", lambda self, eig: (cut.append(self.n_clusters), fit(self, eig))[1])
    clusters = Clusters(rows(), 8)
    assert cut == []
    clusters.labels(4)
    assert cut == [2, 3, 4]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(clusters.labels, [6] * 8))
        tables = list(pool.map(clusters.colors, [np.full((200, 3), 0.5)] * 8, [8] * 8))
    assert cut == [2, 3, 4, 5, 6, 7, 8]
    assert all(labels is found[0] for labels in found)
    assert all((table == tables[0]).all() for table in tables)


def test_one_eigenvector_makes_one_cluster():
    clusters = Clusters(rows(5, 1), 1)
    assert clusters.counts == [1]
    np.testing.assert_array_equal(clusters.labels(1), np.zeros(5))
    np.testing.assert_array_equal(clusters.parents(1), [-1])
    assert clusters.colors(np.full((5, 3), 0.5), 1).shape == (1, 3)


def test_shared_arrays_are_read_only():
    clusters = Clusters(rows(), 3)
    with pytest.raises(ValueError, match="read-only"):
        clusters.labels(3)[0] = 1


def test_unavailable_levels_raise():
    clusters = Clusters(rows(), 8)
    for level in (0, 1, 9):
        with pytest.raises(ValueError, match=f"`n_clusters` must be from 2 to 8; got {level}"):
            clusters.labels(level)
        with pytest.raises(ValueError, match=f"got {level}"):
            clusters.parents(level)


def test_group_gets_its_smallest_number():
    labels = np.array([0, 1, 2, 3, 4, 255], np.uint8)
    shown = apply_groups(labels, [[3, 1], [4], [], [255, 2]])
    np.testing.assert_array_equal(shown, [0, 1, 2, 1, 4, 2])
    assert shown.dtype == np.uint8
    np.testing.assert_array_equal(labels, [0, 1, 2, 3, 4, 255])
    np.testing.assert_array_equal(apply_groups(labels, []), labels)
