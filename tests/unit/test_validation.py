"""Argument validation and conversion between numpy and torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse

from ncut_widgets._validation import (
    check_features,
    check_in,
    check_number,
    check_positive_int,
    check_random_state,
    to_tensor,
    torch_generator,
)


class Maps:
    grid = "a grid"

    def flatten(self):
        return np.ones((6, 2), dtype=np.float32)


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (np.zeros(3), ValueError, r"`X` must be 2D.*got shape \(3,\)"),
        (np.zeros((2, 3, 4)), ValueError, r"`X` must be 2D.*got shape \(2, 3, 4\)"),
        (np.zeros((0, 3)), ValueError, "`X` must not be empty; got 0 nodes"),
        (np.zeros((3, 0)), ValueError, "`X` must have at least one channel"),
        (np.array([[0.0, np.nan], [1, 2]]), ValueError, "`X` must be finite; got NaN or inf in 1 of 2 nodes.*node 0"),
        (np.array([[0.0, 1], [np.inf, 2]]), ValueError, "`X` must be finite; got NaN or inf in 1 of 2 nodes.*node 1"),
        (np.zeros((2, 2), dtype=complex), ValueError, "`X` must be real; got complex128"),
        (torch.zeros(2, 2, dtype=torch.complex64), ValueError, "`X` must be real; got torch.complex64"),
        (sparse.eye(3).tocsr(), TypeError, "`X` must be dense; got a sparse csr_matrix|csr_array"),
        (torch.eye(3).to_sparse(), TypeError, "`X` must be dense; got a sparse tensor"),
        ([["a", "b"]], TypeError, "`X` must hold numbers"),
        (None, TypeError, "`X` must hold numbers"),
    ],
)
def test_invalid_features_raise(X, error, message):
    with pytest.raises(error, match=message):
        check_features(X)


def test_too_few_nodes_and_wrong_channels_raise():
    with pytest.raises(ValueError, match="`Z` must have at least 2 nodes; got 1 sample"):
        check_features(np.zeros((1, 3)), "Z", min_nodes=2)
    with pytest.raises(ValueError, match=r"`Z` must have 4 columns; got 3"):
        check_features(np.zeros((1, 3)), "Z", n_channels=4)


def test_finite_values_with_overflowing_sum_are_accepted():
    X = np.full((4, 4), 3e38, dtype=np.float32)
    assert check_features(X)[0].shape == (4, 4)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_numpy_dtype_is_restored(dtype):
    tensor, like = check_features(np.ones((3, 2), dtype=dtype))
    assert tensor.dtype == (torch.float64 if dtype is np.float64 else torch.float32)
    back = like.restore(tensor)
    assert isinstance(back, np.ndarray)
    assert back.dtype == dtype


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_torch_dtype_is_restored(dtype):
    tensor, like = check_features(torch.ones(3, 2, dtype=dtype))
    back = like.restore(tensor)
    assert isinstance(back, torch.Tensor)
    assert back.dtype == dtype


def test_integer_and_bool_results_keep_dtype():
    _, like = to_tensor(np.ones((2, 2), dtype=np.float16))
    assert like.restore(torch.arange(3)).dtype == np.int64
    assert like.restore(torch.tensor([True])).dtype == np.bool_


def test_unusual_memory_layouts_are_accepted():
    X = np.arange(12.0).reshape(3, 4)
    X.setflags(write=False)
    for view in (X, X[::-1], X.T, X.astype(">f8")):
        np.testing.assert_array_equal(check_features(view)[0].numpy(), view)


def test_objects_with_flatten_and_grid_are_feature_maps():
    tensor, like = check_features(Maps())
    assert tensor.shape == (6, 2)
    assert like.is_numpy


def test_check_positive_int():
    assert check_positive_int(np.int64(3), "k") == 3
    with pytest.raises(TypeError, match=r"`k` must be an integer; got 2\.5 \(float\)"):
        check_positive_int(2.5, "k")
    with pytest.raises(TypeError, match="`k` must be an integer; got True"):
        check_positive_int(True, "k")
    with pytest.raises(ValueError, match="`k` must be at least 1; got 0"):
        check_positive_int(0, "k")
    with pytest.raises(ValueError, match="`k` must be at most 5; got 6"):
        check_positive_int(6, "k", maximum=5)


def test_check_number():
    assert check_number(1, "t", low=0, high=1) == 1.0
    with pytest.raises(ValueError, match=r"`t` must be in \[0, 1\]; got 2"):
        check_number(2, "t", low=0, high=1)
    with pytest.raises(ValueError, match=r"`t` must be in \(0, 1\]; got 0"):
        check_number(0, "t", low=0, high=1, low_open=True)
    with pytest.raises(ValueError, match="`t` must be finite; got nan"):
        check_number(float("nan"), "t")
    with pytest.raises(TypeError, match="`t` must be a number; got 'x'"):
        check_number("x", "t")


def test_check_in():
    with pytest.raises(ValueError, match="`how` must be one of 'a', 'b'; got 'c'"):
        check_in("c", "how", ("a", "b"))
    with pytest.raises(TypeError, match="`how` must be one of 'a', 'b'; got 3"):
        check_in(3, "how", ("a", "b"))


def test_seed_is_reproducible_without_global_state():
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first = torch.rand(3, generator=torch_generator(7))
    assert torch.equal(first, torch.rand(3, generator=torch_generator(7)))
    assert not torch.equal(first, torch.rand(3, generator=torch_generator(8)))
    assert torch.equal(before[0], torch.random.get_rng_state())
    np.testing.assert_array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002


def test_check_random_state():
    rng = np.random.default_rng(0)
    assert check_random_state(rng) is rng
    state = np.random.RandomState(3)
    assert check_random_state(state).random() != check_random_state(state).random()
    assert check_random_state(None).random() != check_random_state(None).random()
    with pytest.raises(TypeError, match="`random_state` must be an integer; got 'x'"):
        check_random_state("x")


def test_masked_values_raise():
    features = np.ma.masked_invalid([[1.0, np.nan], [2.0, 3.0]])
    with pytest.raises(ValueError, match=r"`X` has 1 masked values.*filled"):
        check_features(features)
    tensor, _ = check_features(np.ma.masked_array(np.ones((2, 2))))
    assert tensor.shape == (2, 2)
