"""A small session made of numbers, so that widget tests need neither a backbone nor a solver."""

import numpy as np
import pytest
from PIL import Image

from ncut_widgets import PatchGrid, PatchMap, Session


@pytest.fixture
def grid():
    return PatchGrid([(40, 30), (24, 48)], [PatchMap(0, 3, 4), PatchMap(1, 4, 2)])


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 255, (h, w, 3), np.uint8)) for w, h in [(40, 30), (24, 48)]]


@pytest.fixture
def eigenvectors(grid):
    """A trivial column, one that tells the images apart, and noise."""
    rng = np.random.default_rng(1)
    columns = [np.full(grid.n_nodes, 0.2), np.where(np.arange(grid.n_nodes) < 12, 0.2, -0.3)]
    return np.linalg.qr(np.column_stack([*columns, rng.normal(size=(grid.n_nodes, 3))]))[0]


@pytest.fixture
def session(images, grid, eigenvectors):
    return Session(images, grid=grid, eigenvectors=eigenvectors, eigenvalues=[1, 0.9, 0.2, 0.1, 0])
