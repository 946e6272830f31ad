from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from helpers.matrices import WeightedMaps
from ncut_widgets.ncut import Ncut
from ncut_widgets.ncut.graph.streaming import sample_of_chunks


def nodes(n=3000, channels=6, seed=0):
    rng = np.random.default_rng(seed)
    return 3 * np.random.default_rng(1).normal(size=(5, channels))[rng.integers(0, 5, n)] + rng.normal(
        size=(n, channels)
    )


def chunks_of(X, sizes=(700, 1, 1299, 1000)):
    return np.split(X, np.cumsum(sizes)[:-1])


def captured(U, V):
    return np.square(np.linalg.qr(U)[0].T @ np.linalg.qr(V)[0]).sum() / U.shape[1]


def test_sample_is_uniform():
    """Over many seeds, the sampled positions are uniform, for chunks of any size, and never repeated."""
    places = np.arange(3000.0)[:, None]
    drawn = []
    for seed in range(40):
        sample, _, _, total = sample_of_chunks(iter(chunks_of(places)), 50, torch.Generator().manual_seed(seed))
        assert total == 3000
        assert len(set(sample[:, 0].tolist())) == 50
        drawn.append(sample[:, 0].numpy())
    assert kstest(np.concatenate(drawn) / 3000, "uniform").pvalue > 0.01


def test_few_nodes_are_all_kept():
    X = nodes(200)
    sample, _, _, total = sample_of_chunks([X[:120], X[120:]], 500, torch.Generator())
    np.testing.assert_array_equal(sample, X)
    assert total == 200


def test_fit_chunks_approximates_fit():
    X = nodes()
    expected = Ncut(5, sigma=4.0).fit(X)
    ncut = Ncut(5, sigma=4.0).fit_chunks((chunk for chunk in chunks_of(X)), n_nodes=1500)
    assert ncut.eigenvectors_.shape == (1500, 5)
    np.testing.assert_allclose(ncut.eigenvalues_, expected.eigenvalues_, atol=0.02)
    embedded = np.concatenate(list(ncut.transform_chunks(chunk for chunk in chunks_of(X))))
    assert captured(expected.eigenvectors_, embedded) > 0.999
    # The weights sum to the number of all nodes, not of the sampled ones.
    np.testing.assert_allclose(embedded.T @ embedded, np.eye(5), atol=0.1)


def test_fit_chunks_of_few_nodes_equals_fit():
    X = nodes(400)
    expected = Ncut(5).fit(X)
    ncut = Ncut(5).fit_chunks([X[:150], X[150:]])
    np.testing.assert_allclose(ncut.eigenvalues_, expected.eigenvalues_, atol=1e-8)
    np.testing.assert_allclose(ncut.transform(X), expected.transform(X), atol=1e-6)


def test_weights_of_maps_are_kept():
    X, w = nodes(600), np.random.default_rng(0).uniform(0.1, 3, 600)
    expected = Ncut(4).fit(X, sample_weight=w)
    ncut = Ncut(4).fit_chunks([WeightedMaps(X[:100], w[:100]), WeightedMaps(X[100:], w[100:])])
    np.testing.assert_allclose(ncut.eigenvalues_, expected.eigenvalues_, atol=1e-8)
    np.testing.assert_allclose(ncut.transform(X), expected.transform(X), atol=1e-6)


def test_chunks_are_read_once_in_order():
    X, asked = nodes(900), []

    def stream():
        for i, chunk in enumerate(np.split(X, 3)):
            asked.append(i)
            yield chunk

    ncut = Ncut(3).fit_chunks(stream(), n_nodes=300)
    assert asked == [0, 1, 2]
    embedded = ncut.transform_chunks(stream())
    assert asked == [0, 1, 2]
    next(embedded)
    assert asked == [0, 1, 2, 0]


def test_seed_determines_sample():
    X = chunks_of(nodes())
    first, again, other = (Ncut(3, random_state=seed).fit_chunks(X, n_nodes=200).eigenvectors_ for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3


def test_torch_chunks_keep_type_and_dtype():
    X = torch.from_numpy(nodes(600)).half()
    ncut = Ncut(3).fit_chunks(X.split(200))
    assert ncut.eigenvectors_.dtype == torch.float16
    assert [part.dtype for part in ncut.transform_chunks(X.split(300))] == [torch.float16] * 2


def test_memory_map_is_read_in_slices(tmp_path):
    X = nodes().astype(np.float32)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    slices = [slice(i, i + 500) for i in range(0, 3000, 500)]
    ours, theirs = (Ncut(4).fit_chunks((table[s] for s in slices), n_nodes=800) for table in (mapped, X))
    np.testing.assert_array_equal(ours.eigenvectors_, theirs.eigenvectors_)
    parts = ours.transform_chunks(mapped[s] for s in slices)
    np.testing.assert_allclose(np.concatenate(list(parts)), ours.transform(X), atol=1e-6)


def test_invalid_chunks_raise():
    X = nodes(100)
    with pytest.raises(ValueError, match="`chunks` must hold at least one chunk of features; got none"):
        Ncut(3).fit_chunks(iter([]))
    with pytest.raises(ValueError, match=r"`chunks\[2\]` must have 6 columns, as chunks\[0\] has; got 5"):
        Ncut(3).fit_chunks([X, X, X[:, :5]])
    with pytest.raises(ValueError, match=r"`chunks\[1\]` must be finite"):
        Ncut(3).fit_chunks([X, X * np.nan])
    with pytest.raises(ValueError, match="`n_nodes` must be at least 2; got 1"):
        Ncut(3).fit_chunks([X], n_nodes=1)
    with pytest.raises(ValueError, match="`n_eig` must be at most 9 for 10 nodes; got 20"):
        Ncut(20).fit_chunks([X], n_nodes=10)
    with pytest.raises(ValueError, match="`X` must have at least 2 nodes"):
        Ncut(1).fit_chunks([X[:1]])
