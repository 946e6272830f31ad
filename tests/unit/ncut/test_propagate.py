from __future__ import annotations

import numpy as np
import pytest
import torch

from ncut_widgets.ncut import nystrom_propagate


@pytest.fixture(params=[3, 64], ids=["tree", "matrix"])
def sample(request):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, request.param))
    chosen = rng.permutation(400)[:60]
    return X, chosen, rng.uniform(size=(60, 3))


def test_sampled_nodes_keep_their_values(sample):
    X, chosen, values = sample
    np.testing.assert_array_equal(nystrom_propagate(values, X, X[chosen])[chosen], values)


def test_values_stay_in_range_of_column(sample):
    X, chosen, values = sample
    out = nystrom_propagate(values, 3 * X, X[chosen])
    assert (out >= values.min(0)).all()
    assert (out <= values.max(0)).all()


def test_weights_match_formula(sample):
    X, chosen, values = sample
    out = nystrom_propagate(values, X, X[chosen], n_neighbors=5)
    for i in range(0, 400, 37):
        if i in chosen:
            continue
        d = np.linalg.norm(X[i] - X[chosen], axis=1)
        near = np.argsort(d)[:5]
        w = np.exp(-(d[near] ** 2) / (2 * d[near[0]] * d[near[-1]]))
        np.testing.assert_allclose(out[i], w @ values[near] / w.sum(), rtol=1e-9)


@pytest.mark.parametrize("scale", [1e-25, 1e25])
def test_units_do_not_change_values(sample, scale):
    X, chosen, values = sample
    X = X.astype(np.float32)
    expected = nystrom_propagate(values, X, X[chosen])
    np.testing.assert_allclose(nystrom_propagate(values, X * scale, X[chosen] * scale), expected, atol=1e-5)


def test_chunk_size_does_not_change_values(sample):
    X, chosen, values = sample
    expected = nystrom_propagate(values, X, X[chosen])
    np.testing.assert_allclose(nystrom_propagate(values, X, X[chosen], chunk_size=7), expected, rtol=1e-12)


def test_large_offset_keeps_neighbors():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 64)).astype(np.float32)
    values = rng.uniform(size=200).astype(np.float32)
    expected = nystrom_propagate(values[:50], X, X[:50])
    np.testing.assert_allclose(nystrom_propagate(values[:50], X + 100, X[:50] + 100), expected, atol=1e-2)


def test_duplicate_sampled_nodes_are_averaged():
    known = np.array([[0.0], [0.0], [5.0]])
    assert nystrom_propagate(np.array([1.0, 3.0, 9.0]), np.array([[0.0]]), known)[0] == 2.0


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_torch_values_keep_type_and_dtype(dtype):
    X = torch.randn(30, 4, generator=torch.Generator().manual_seed(0))
    out = nystrom_propagate(X[:10, :2].to(dtype), X.to(dtype), X[:10].to(dtype))
    assert isinstance(out, torch.Tensor)
    assert (out.dtype, out.shape) == (dtype, (30, 2))


def test_one_dimensional_values_stay_one_dimensional():
    assert nystrom_propagate(np.arange(3.0), np.zeros((5, 2)), np.eye(3, 2)).shape == (5,)


@pytest.mark.parametrize(
    ("values", "nodes", "sampled", "message"),
    [
        (np.zeros((2, 3)), np.zeros((5, 4)), np.zeros((3, 4)), r"`nystrom_out` must have one row per node .* 3; got 2"),
        (np.zeros((3, 3)), np.zeros((5, 2)), np.zeros((3, 4)), r"`X` must have 4 columns, as `nystrom_X` has; got 2"),
        (np.zeros((3, 1, 1)), np.zeros((5, 4)), np.zeros((3, 4)), r"`nystrom_out` must be of shape \(m,\) or \(m, d\)"),
        (np.full((3, 3), np.nan), np.zeros((5, 4)), np.zeros((3, 4)), r"`nystrom_out` must be finite"),
    ],
)
def test_mismatched_shapes_raise(values, nodes, sampled, message):
    with pytest.raises(ValueError, match=message):
        nystrom_propagate(values, nodes, sampled)
