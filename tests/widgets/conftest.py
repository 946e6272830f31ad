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
    """Two clear clusters in the first two columns, noise in the others."""
    rng = np.random.default_rng(1)
    vectors = rng.normal(scale=0.02, size=(grid.n_nodes, 5))
    vectors[:, 0] += 0.2
    vectors[:, 1] += np.where(np.arange(grid.n_nodes) < 12, 0.2, -0.3)
    return vectors


@pytest.fixture
def session(images, grid, eigenvectors):
    return Session(images, grid=grid, eigenvectors=eigenvectors, eigenvalues=[1, 0.9, 0.2, 0.1, 0])
