"""Conversions between pixels, patches and nodes are consistent for all grid and image sizes."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ncut_widgets.grid import PatchGrid, PatchMap

sides = st.integers(1, 400)
counts = st.integers(1, 23)


@st.composite
def grids(draw):
    """Draw a grid of one to four images of any size in one to three sources of any resolution."""
    sizes = draw(st.lists(st.tuples(sides, sides), min_size=1, max_size=4))
    sources = draw(st.lists(st.sampled_from("abc"), min_size=1, max_size=3, unique=True))
    maps = [PatchMap(i, draw(counts), draw(counts), source) for source in sources for i in range(len(sizes))]
    return PatchGrid(sizes, draw(st.permutations(maps)))


@st.composite
def grids_and_nodes(draw):
    grid = draw(grids())
    return grid, draw(st.integers(0, grid.n_nodes - 1))


@settings(deadline=None)
@given(grids_and_nodes())
def test_node_to_patch_round_trip(case):
    grid, node = case
    patch = grid.locate(node)
    assert grid.node(patch.image, patch.row, patch.column, patch.source) == node
    assert grid.image_of[node] == patch.image


@settings(deadline=None)
@given(grids_and_nodes())
def test_node_to_pixel_round_trip(case):
    grid, node = case
    patch = grid.locate(node)
    x0, y0, x1, y1 = grid.box(node)
    assert grid.node_at(patch.image, (x0 + x1) / 2, (y0 + y1) / 2, patch.source) == node


@settings(deadline=None)
@given(grids(), st.data())
def test_pixels_are_in_box_of_their_node(grid, data):
    m = data.draw(st.sampled_from(grid.maps))
    width, height = grid.image_sizes[m.image]
    x, y = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    node = grid.node_at(m.image, x, y, m.source)
    x0, y0, x1, y1 = grid.box(node)
    assert x0 - 1e-9 <= x < x1 + 1e-9
    assert y0 - 1e-9 <= y < y1 + 1e-9
    assert grid.locate(node)[::3] == (m.image, m.source)


@settings(deadline=None)
@given(grids())
def test_boxes_tile_every_image(grid):
    for index, m in enumerate(grid.maps):
        boxes = np.array([grid.box(n) for n in range(grid.offsets[index], grid.offsets[index + 1])])
        area = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).sum()
        width, height = grid.image_sizes[m.image]
        np.testing.assert_allclose(area, width * height)
        np.testing.assert_allclose([*boxes[:, :2].min(0), *boxes[:, 2:].max(0)], [0, 0, width, height], atol=1e-9)


@settings(deadline=None)
@given(grids())
def test_split_returns_views_per_map(grid):
    nodes = np.arange(grid.n_nodes)
    for split in (grid.split(nodes), grid.split(torch.from_numpy(nodes))):
        assert [tuple(part.shape) for part in split] == [(m.rows, m.columns) for m in grid.maps]
        assert np.concatenate([np.asarray(part).ravel() for part in split]).tolist() == nodes.tolist()
    assert all(np.shares_memory(part, nodes) for part in grid.split(nodes))
