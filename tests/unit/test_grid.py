"""`PatchGrid`: order of nodes, defaults and errors."""

from __future__ import annotations

import numpy as np
import pytest

from ncut_widgets.grid import PatchGrid, PatchMap


@pytest.fixture
def grid():
    """Return a grid of a wide and a tall image in a coarse and a fine source, with interleaved maps."""
    maps = [PatchMap(0, 2, 4, "coarse"), PatchMap(1, 3, 1, "coarse"), PatchMap(0, 4, 8, "fine")]
    return PatchGrid([(80, 40), (10, 30)], maps)


def test_counts_and_order(grid):
    assert (grid.n_images, grid.n_nodes, grid.sources) == (2, 43, ("coarse", "fine"))
    assert grid.offsets.tolist() == [0, 8, 11, 43]
    assert np.bincount(grid.image_of).tolist() == [40, 3]


def test_first_source_is_default(grid):
    assert grid.node_at(0, 79, 39) == 7
    assert grid.node_at(0, 79, 39, "fine") == 42
    assert grid.find(0, "fine") == 2


def test_grids_compare_by_value(grid):
    assert grid == PatchGrid(grid.image_sizes, grid.maps)
    assert grid != PatchGrid(grid.image_sizes, grid.maps[:2])


@pytest.mark.parametrize(
    ("sizes", "maps", "message"),
    [
        ([(0, 5)], [], r"`image_sizes` must be positive .*; got \(0, 5\) for image 0"),
        ([(5, 5)], [PatchMap(0, 0, 3)], "at least one row and one column each; got 0 x 3"),
        ([(5, 5)], [PatchMap(1, 2, 3)], "must refer to images 0 to 0; got image 1"),
        ([(5, 5)], [PatchMap(0, 2, 3), PatchMap(0, 1, 1)], "image 0 twice with source 'features'. Rename"),
    ],
)
def test_invalid_grids_raise(sizes, maps, message):
    with pytest.raises(ValueError, match=message):
        PatchGrid(sizes, maps)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda g: g.locate(43), "`node` must be in 0 to 42; got 43"),
        (lambda g: g.locate(-1), "`node` must be in 0 to 42; got -1"),
        (lambda g: g.node(0, 2, 0), r"within 2 x 4 for image 0; got \(2, 0\)"),
        (lambda g: g.node_at(0, 80, 0), r"within the 80 x 40 pixels of image 0; got \(80, 0\)"),
        (lambda g: g.node_at(0, 0, -1), r"got \(0, -1\)"),
        (lambda g: g.find(2), "got image 2, source None. There are images 0 to 1"),
        (lambda g: g.find(1, "fine"), r"source 'fine'.*sources \['coarse', 'fine'\]"),
        (lambda g: g.split(np.zeros(42)), "one entry for each of 43 nodes; got 42"),
    ],
)
def test_invalid_positions_raise(grid, ask, message):
    with pytest.raises(ValueError, match=message):
        ask(grid)
