"""Patch grids: the image, source, row and column of each node, and conversion between pixels, patches and nodes."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ncut_widgets._validation import check_text


class PatchMap(NamedTuple):
    """The grid of one image in one source: ``rows x columns`` nodes, row by row from the top left."""

    image: int
    rows: int
    columns: int
    source: str = "features"

    @property
    def n_nodes(self) -> int:
        return self.rows * self.columns


class Patch(NamedTuple):
    """The position of a node: its image, row, column and source."""

    image: int
    row: int
    column: int
    source: str


def _with_builtin_ints(given: Any) -> PatchMap:
    """Return the map with Python integers, which JSON can encode, instead of those of numpy or torch."""
    m = PatchMap(*given)
    source = check_text(m.source, "maps: source")
    return PatchMap(operator.index(m.image), operator.index(m.rows), operator.index(m.columns), source)


@dataclass(frozen=True)
class PatchGrid:
    """The position of every node: map by map, and row by row within a map.

    A map holds the patches of one image in one source (a model, layer or resolution). Patches tile their image
    evenly, so a map of 2 x 3 patches over a 30 x 10 image has patches of 10 x 5 pixels.

    Parameters
    ----------
    image_sizes : sequence of (width, height)
        In pixels, one pair per image. Images may have any aspect ratio and different sizes.
    maps : sequence of PatchMap
        In node order. An image may have several maps, each with a different source.

    Raises
    ------
    ValueError
        If a size is not positive, a map refers to an image that does not exist, or an image appears twice with the
        same source.

    Examples
    --------
    >>> grid = PatchGrid([(30, 10), (20, 20)], [PatchMap(0, 2, 3), PatchMap(1, 2, 2)])
    >>> grid.n_nodes
    10
    >>> grid.locate(7)
    Patch(image=1, row=0, column=1, source='features')
    >>> grid.node_at(0, x=29, y=9)
    5
    >>> grid.box(7)
    (10.0, 0.0, 20.0, 10.0)
    """

    image_sizes: tuple[tuple[int, int], ...]
    maps: tuple[PatchMap, ...]

    def __init__(self, image_sizes: Sequence[tuple[int, int]], maps: Sequence[PatchMap]) -> None:
        object.__setattr__(self, "image_sizes", tuple((int(w), int(h)) for w, h in image_sizes))
        object.__setattr__(self, "maps", tuple(_with_builtin_ints(m) for m in maps))
        for index, (width, height) in enumerate(self.image_sizes):
            if width < 1 or height < 1:
                raise ValueError(
                    f"`image_sizes` must be positive (width, height) pairs; got {(width, height)} for image {index}."
                )
        seen = set()
        for m in self.maps:
            if m.rows < 1 or m.columns < 1:
                raise ValueError(f"`maps` must have at least one row and one column each; got {m.rows} x {m.columns}.")
            if not 0 <= m.image < len(self.image_sizes):
                raise ValueError(f"`maps` must refer to images 0 to {len(self.image_sizes) - 1}; got image {m.image}.")
            if (m.image, m.source) in seen:
                raise ValueError(
                    f"`maps` must have each image at most once per source; got image {m.image} twice with source "
                    f"{m.source!r}. Rename the source of one of them."
                )
            seen.add((m.image, m.source))

    @property
    def n_images(self) -> int:
        return len(self.image_sizes)

    @property
    def n_nodes(self) -> int:
        return int(self.offsets[-1])

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """The names of the sources, in the order of their first map."""
        return tuple(dict.fromkeys(m.source for m in self.maps))

    @cached_property
    def offsets(self) -> np.ndarray:
        """(len(maps) + 1,) int64: the index of the first node of each map, then the number of nodes."""
        return np.concatenate([[0], np.cumsum([m.n_nodes for m in self.maps], dtype=np.int64)]).astype(np.int64)

    @cached_property
    def image_of(self) -> np.ndarray:
        """(n,) int64: the index of the image of each node."""
        return np.repeat([m.image for m in self.maps], [m.n_nodes for m in self.maps]).astype(np.int64)

    def find(self, image: int, source: str | None = None) -> int:
        """Return the index of the map of `image` in `source`, or its first map if `source` is None."""
        for index, m in enumerate(self.maps):
            if m.image == image and source in (None, m.source):
                return index
        raise ValueError(
            f"`image` and `source` must refer to one of the {len(self.maps)} maps; got image {image}, "
            f"source {source!r}. There are images 0 to {self.n_images - 1} and sources {list(self.sources)}."
        )

    def locate(self, node: int) -> Patch:
        """Return the image, row, column and source of a node."""
        if not 0 <= node < self.n_nodes:
            raise ValueError(f"`node` must be in 0 to {self.n_nodes - 1}; got {node}.")
        index = int(np.searchsorted(self.offsets, node, side="right")) - 1
        m = self.maps[index]
        row, column = divmod(int(node - self.offsets[index]), m.columns)
        return Patch(m.image, row, column, m.source)

    def node(self, image: int, row: int, column: int, source: str | None = None) -> int:
        """Return the node at a row and column of an image."""
        index = self.find(image, source)
        m = self.maps[index]
        if not (0 <= row < m.rows and 0 <= column < m.columns):
            raise ValueError(
                f"`row` and `column` must be within {m.rows} x {m.columns} for image {image}; got ({row}, {column})."
            )
        return int(self.offsets[index]) + row * m.columns + column

    def node_at(self, image: int, x: float, y: float, source: str | None = None) -> int:
        """Return the node whose patch contains a pixel (x to the right, y down, from the top left)."""
        m = self.maps[self.find(image, source)]
        width, height = self.image_sizes[image]
        if not (0 <= x < width and 0 <= y < height):
            raise ValueError(
                f"`x` and `y` must be within the {width} x {height} pixels of image {image}; got ({x}, {y})."
            )
        return self.node(image, int(y * m.rows / height), int(x * m.columns / width), m.source)

    def box(self, node: int) -> tuple[float, float, float, float]:
        """Return the box (x0, y0, x1, y1) of a node's patch, in pixels of its image."""
        patch = self.locate(node)
        m = self.maps[self.find(patch.image, patch.source)]
        width, height = self.image_sizes[patch.image]
        dx, dy = width / m.columns, height / m.rows
        return (patch.column * dx, patch.row * dy, (patch.column + 1) * dx, (patch.row + 1) * dy)

    def split(self, values: Any) -> list[Any]:
        """Return per-node values (n, ...) as one (rows, columns, ...) view per map.

        Works for numpy arrays and torch tensors; nothing is copied.
        """
        if len(values) != self.n_nodes:
            raise ValueError(f"`values` must have one entry for each of {self.n_nodes} nodes; got {len(values)}.")
        return [
            values[start : start + m.n_nodes].reshape(m.rows, m.columns, *values.shape[1:])
            for start, m in zip(self.offsets[:-1].tolist(), self.maps, strict=True)
        ]
