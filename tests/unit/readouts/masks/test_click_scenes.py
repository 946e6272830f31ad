"""Masks from clicks and boxes on synthetic scenes with known object masks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from helpers.images import iou
from ncut_widgets import Embedding, click_mask, click_ncut, embed

SIZE = (180, 240)
CORNERS = ((0.27, 0.2), (0.27, 0.7), (0.74, 0.25), (0.74, 0.78))
# Base color, pattern color, and pattern of each object.
TEXTURES = {
    "ball": ((200, 60, 50), (240, 170, 60), lambda u, v: np.sin(u / 1.6) > 0),
    "box": ((50, 90, 190), (120, 190, 220), lambda u, v: np.sin(u / 2.5) * np.sin(v / 2.5) > 0),
    "leaf": ((60, 140, 60), (150, 190, 70), lambda u, v: np.sin(u / 2) + np.sin(v / 2) > 0.8),
}
SHAPES = {
    "ball": lambda u, v, r: u**2 + v**2 < r**2,
    "box": lambda u, v, r: np.maximum(abs(u), abs(v)) < 0.85 * r,
    "leaf": lambda u, v, r: (u / 1.25) ** 2 + (v / 0.75) ** 2 < r**2,
}


class Scene(NamedTuple):
    embedding: Embedding
    pixels: dict[str, np.ndarray]
    nodes: dict[str, np.ndarray]

    @property
    def grid(self):
        return self.embedding.features.grid

    def center(self, name, image):
        y, x = np.nonzero(self.pixels[name][image])
        return self.grid.node_at(image, x.mean(), y.mean())

    def box(self, name, image, margin):
        y, x = np.nonzero(self.pixels[name][image])
        left, top = max(0, x.min() - margin), max(0, y.min() - margin)
        return (image, left, top, min(SIZE[1], x.max() + margin), min(SIZE[0], y.max() + margin))

    def cases(self):
        return [(name, image) for name in TEXTURES for image in range(4)]


def compose(seed):
    """Return four images of three objects, at random positions, angles, sizes and brightness, and the object masks."""
    rng = np.random.default_rng(seed)
    images, masks = [], {name: [] for name in TEXTURES}
    for _ in range(4):
        background = ndimage.gaussian_filter(rng.normal(size=(*SIZE, 3)), (6, 6, 0)) * 90
        canvas = np.array([150, 140, 125]) + 12 * rng.normal(size=3) + background
        for (name, (base, mark, pattern)), corner in zip(TEXTURES.items(), rng.permutation(CORNERS), strict=False):
            y, x = np.indices(SIZE) - (corner * SIZE)[:, None, None]
            angle, r = rng.uniform(-0.4, 0.4), rng.uniform(30, 40)
            u, v = np.cos(angle) * x - np.sin(angle) * y, np.sin(angle) * x + np.cos(angle) * y
            inside = SHAPES[name](u, v, r)
            texture = np.where(pattern(u, v)[..., None], mark, base) * rng.uniform(0.85, 1.15)
            canvas = np.where(inside[..., None], texture, canvas)
            masks[name].append(inside)
        canvas = ndimage.gaussian_filter(canvas, (0.6, 0.6, 0)) + 5 * rng.normal(size=canvas.shape)
        images.append(Image.fromarray(canvas.clip(0, 255).astype(np.uint8)))
    return images, {name: np.array(mask) for name, mask in masks.items()}


@pytest.fixture(scope="module", params=[0, 1])
def scene(request):
    images, pixels = compose(request.param)
    embedding = embed(images, progress=False)
    boxes = [embedding.features.grid.box(node) for node in range(embedding.features.grid.n_nodes)]
    centers = [(int((y0 + y1) / 2), int((x0 + x1) / 2)) for x0, y0, x1, y1 in boxes]
    image_of = embedding.features.grid.image_of
    nodes = {
        name: np.array([mask[i, y, x] for i, (y, x) in zip(image_of, centers, strict=True)])
        for name, mask in pixels.items()
    }
    return Scene(embedding, pixels, nodes)


def mean_iou(scene, mask_of):
    return np.mean([iou(mask_of(name, image), scene.nodes[name]) for name, image in scene.cases()])


def test_one_click_segments_the_object_in_all_images(scene):
    eig = scene.embedding.eigenvectors[:, :6]
    assert mean_iou(scene, lambda *case: click_mask(eig, [scene.center(*case)], grid=scene.grid)) > 0.75


@pytest.mark.parametrize("margin", [3, 16])
def test_one_box_with_background_segments_the_object(scene, margin):
    eig = scene.embedding.eigenvectors[:, :6]
    found = mean_iou(scene, lambda *case: click_mask(eig, positive_boxes=[scene.box(*case, margin)], grid=scene.grid))
    assert found > 0.75


def test_one_click_ncut_segments_the_object(scene):
    features = scene.embedding.features
    assert mean_iou(scene, lambda *case: click_ncut(features, [scene.center(*case)], n_sample=400) > 0.5) > 0.75


def largest_error(scene, mask, truth):
    """Return the node in the middle of the largest region in which the mask is wrong."""
    wrong = scene.grid.split(mask ^ truth)
    depth = [ndimage.distance_transform_cdt(np.pad(here, 1))[1:-1, 1:-1].ravel() for here in wrong]
    return int(np.concatenate(depth).argmax())


def test_additional_clicks_correct_the_mask(scene):
    eig = scene.embedding.eigenvectors[:, :10]
    first, best = [], []
    for name, image in scene.cases():
        truth, clicks, found = scene.nodes[name], {True: [scene.center(name, image)], False: []}, []
        for _ in range(7):
            mask = click_mask(eig, clicks[True], clicks[False], negative_threshold=0.5, grid=scene.grid)
            found.append(iou(mask, truth))
            node = largest_error(scene, mask, truth)
            clicks[bool(truth[node])].append(node)
        first.append(found[0])
        best.append(max(found))
    assert np.mean(best) > 0.9
    assert np.mean(best) > np.mean(first) + 0.3


def test_negative_click_removes_false_positives(scene):
    eig = scene.embedding.eigenvectors[:, :6]
    before, after = [], []
    for name, image in scene.cases():
        click, truth = [scene.center(name, image)], scene.nodes[name]
        # The threshold is so low that the mask covers more than the object.
        mask = click_mask(eig, click, threshold=0.01, grid=scene.grid)
        negative = largest_error(scene, mask & ~truth, np.zeros_like(truth))
        corrected = click_mask(eig, click, [negative], threshold=0.01, negative_threshold=0.5, grid=scene.grid)
        before.append(iou(mask, truth))
        after.append(iou(corrected, truth))
    assert np.mean(after) > np.mean(before) + 0.03
