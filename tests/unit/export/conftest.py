"""Fixtures: images of several sizes with unusual names, and masks, some of which overlap or are empty."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

SIZES = {"cat.jpg": (20, 12), "train/dög 🐕.png": (7, 9), "cat.png": (5, 5)}


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    images = []
    for name, (width, height) in SIZES.items():
        image = Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
        image.info["name"] = name
        images.append(image)
    return images


@pytest.fixture
def infos():
    return [(name, *size) for name, size in SIZES.items()]


@pytest.fixture
def masks():
    rng = np.random.default_rng(1)
    shapes = [(height, width) for width, height in SIZES.values()]
    everything = [np.ones(shape, bool) for shape in shapes]
    once = [np.zeros(shape, bool) for shape in shapes]
    once[0][2:5, 3:11] = True
    return {"left/paw": [rng.random(shape) < 0.4 for shape in shapes], "Ohr": everything, "tail": once}


@pytest.fixture
def same():
    def check(loaded, masks):
        assert list(loaded) == list(masks)
        for name, per_image in masks.items():
            assert len(loaded[name]) == len(per_image)
            for got, expected in zip(loaded[name], per_image, strict=True):
                assert got.dtype == bool
                np.testing.assert_array_equal(got, expected)

    return check
