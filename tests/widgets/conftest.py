"""Fixtures: small sessions that need neither a backbone nor a solver."""

import numpy as np
import pytest
from PIL import Image

from ncut_widgets import FeatureMaps, PatchGrid, PatchMap, Session


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


@pytest.fixture
def halves():
    """Two images of 6 x 8 patches, each dark on the left and bright on the right; what is alike is so in both."""
    grid = PatchGrid([(80, 60), (80, 60)], [PatchMap(0, 6, 8), PatchMap(1, 6, 8)])
    pixels = np.zeros((60, 80, 3), np.uint8)
    pixels[:, 40:] = 220
    right = np.tile(np.arange(8) >= 4, 12).astype(float)
    noise = np.random.default_rng(0).normal(scale=0.02, size=(96, 2))
    eig = np.column_stack([np.ones(96), 2 * right - 1, noise])
    features = FeatureMaps(eig[:, 1:].astype(np.float32), grid)
    return Session([Image.fromarray(pixels)] * 2, features=features, eigenvectors=eig)
