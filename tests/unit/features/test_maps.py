"""`FeatureMaps`: selection, weights and validation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ncut_widgets.features import FeatureMaps
from ncut_widgets.grid import PatchGrid, PatchMap


@pytest.fixture
def grid():
    return PatchGrid([(8, 8)], [PatchMap(0, 1, 2)])


@pytest.fixture
def interleaved():
    grid = PatchGrid([(8, 8), (8, 8)], [PatchMap(0, 1, 1, "a"), PatchMap(0, 1, 1, "b"), PatchMap(1, 1, 1, "a")])
    return FeatureMaps(torch.tensor([[1.0], [2.0], [3.0]]), grid, weights=torch.tensor([1.0, 2.0, 4.0]))


def test_select_collects_interleaved_maps(interleaved):
    assert interleaved.select("a").values.ravel().tolist() == [1, 3]
    with pytest.raises(ValueError, match=r"`source` must be one of \['a', 'b'\]; got 'c'"):
        interleaved.select("c")


def test_select_keeps_weights_of_nodes(interleaved, grid):
    assert interleaved.select("a").weights.tolist() == [1, 4]
    assert interleaved.select("b").weights.tolist() == [2]
    assert "weighted" in repr(interleaved)
    plain = FeatureMaps(np.zeros((2, 1)), grid)
    assert plain.weights is None
    assert plain.select("features").weights is None
    assert "weighted" not in repr(plain)


def test_mismatched_values_grid_and_names_raise(grid):
    for values, names, error, message in [
        (np.zeros((3, 4)), None, ValueError, r"must have shape \(2, channels\).*got \(3, 4\)"),
        ([[1], [2]], None, TypeError, "must be a numpy array or a tensor; got list"),
        (np.zeros((2, 4)), ["a"], ValueError, "must name each of 4 channels; got 1 names"),
        (np.zeros((2, 4)), "abcd", TypeError, "must be a sequence of names; got 'abcd'"),
    ]:
        with pytest.raises(error, match=message):
            FeatureMaps(values, grid, names)


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ([1.0, 2.0], TypeError, "`weights` must be a numpy array, as `values` are; got list"),
        (torch.ones(2), TypeError, "`weights` must be a numpy array, as `values` are; got Tensor"),
        (np.ones((2, 1)), ValueError, r"`weights` must have shape \(2,\), one for each node; got \(2, 1\)"),
        (np.array([1.0, 0.0]), ValueError, "must be positive and finite; got 0 for node 1"),
        (np.array([np.nan, 1.0]), ValueError, "must be positive and finite; got nan for node 0"),
        (np.array([1.0, np.inf]), ValueError, "must be positive and finite; got inf for node 1"),
        (np.array(["a", "b"]), TypeError, "`weights` must hold numbers"),
    ],
)
def test_invalid_weights_raise(grid, weights, error, message):
    with pytest.raises(error, match=message):
        FeatureMaps(np.zeros((2, 4)), grid, weights=weights)
