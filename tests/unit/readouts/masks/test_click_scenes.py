"""Clicks on composed scenes, where every object is known pixel by pixel."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from ncut_widgets import Embedding, click_mask, click_ncut, embed

SIZE = (180, 240)
CORNERS = ((0.27, 0.2), (0.27, 0.7), (0.74, 0.25), (0.74, 0.78))
# Colour, colour of the pattern, and how the pattern runs.
LOOKS = {
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

    def centre(self, name, image):
        y, x = np.nonzero(self.pixels[name][image])
        return self.grid.node_at(image, x.mean(), y.mean())

    def box(self, name, image, margin):
        y, x = np.nonzero(self.pixels[name][image])
        left, top = max(0, x.min() - margin), max(0, y.min() - margin)
        return (image, left, top, min(SIZE[1], x.max() + margin), min(SIZE[0], y.max() + margin))

    def cases(self):
        return [(name, image) for name in LOOKS for image in range(4)]


def compose(seed):
    """Four images of the same three objects, at other places, turned, larger and brighter; by name where they are."""
    rng = np.random.default_rng(seed)
    images, where = [], {name: [] for name in LOOKS}
    for _ in range(4):
        ground = ndimage.gaussian_filter(rng.normal(size=(*SIZE, 3)), (6, 6, 0)) * 90
        canvas = np.array([150, 140, 125]) + 12 * rng.normal(size=3) + ground
        for (name, (base, mark, pattern)), corner in zip(LOOKS.items(), rng.permutation(CORNERS), strict=False):
            y, x = np.indices(SIZE) - (corner * SIZE)[:, None, None]
            turn, r = rng.uniform(-0.4, 0.4), rng.uniform(30, 40)
            u, v = np.cos(turn) * x - np.sin(turn) * y, np.sin(turn) * x + np.cos(turn) * y
            inside = SHAPES[name](u, v, r)
            look = np.where(pattern(u, v)[..., None], mark, base) * rng.uniform(0.85, 1.15)
            canvas = np.where(inside[..., None], look, canvas)
            where[name].append(inside)
        canvas = ndimage.gaussian_filter(canvas, (0.6, 0.6, 0)) + 5 * rng.normal(size=canvas.shape)
        images.append(Image.fromarray(canvas.clip(0, 255).astype(np.uint8)))
    return images, {name: np.array(found) for name, found in where.items()}


@pytest.fixture(scope="module", params=[0, 1])
def scene(request):
    images, pixels = compose(request.param)
    embedding = embed(images, progress=False)
    centres = [embedding.features.grid.box(node) for node in range(embedding.features.grid.n_nodes)]
    at = [(int((y0 + y1) / 2), int((x0 + x1) / 2)) for x0, y0, x1, y1 in centres]
    image_of = embedding.features.grid.image_of
    nodes = {
        name: np.array([found[i, y, x] for i, (y, x) in zip(image_of, at, strict=True)])
        for name, found in pixels.items()
    }
    return Scene(embedding, pixels, nodes)


def iou(mask, truth):
    return (mask & truth).sum() / (mask | truth).sum()


def mean_iou(scene, mask_of):
    return np.mean([iou(mask_of(name, image), scene.nodes[name]) for name, image in scene.cases()])


def test_one_click_finds_the_object_in_all_images(scene):
    eig = scene.embedding.eigenvectors[:, :6]
    assert mean_iou(scene, lambda *case: click_mask(eig, [scene.centre(*case)], grid=scene.grid)) > 0.75


@pytest.mark.parametrize("margin", [3, 16])
def test_so_does_one_box_though_it_holds_background(scene, margin):
    eig = scene.embedding.eigenvectors[:, :6]
    boxed = mean_iou(scene, lambda *case: click_mask(eig, positive_boxes=[scene.box(*case, margin)], grid=scene.grid))
    assert boxed > 0.75


def test_one_click_in_the_graph_does_without_choosing_eigenvectors(scene):
    features = scene.embedding.features
    assert mean_iou(scene, lambda *case: click_ncut(features, [scene.centre(*case)], n_sample=400) > 0.5) > 0.75


def largest_mistake(scene, mask, truth):
    """The node deepest within what is wrong."""
    wrong = scene.grid.split(mask ^ truth)
    depth = [ndimage.distance_transform_cdt(np.pad(here, 1))[1:-1, 1:-1].ravel() for here in wrong]
    return int(np.concatenate(depth).argmax())


def test_further_clicks_for_and_against_make_it_right(scene):
    eig = scene.embedding.eigenvectors[:, :10]
    first, best = [], []
    for name, image in scene.cases():
        truth, clicks, found = scene.nodes[name], {True: [scene.centre(name, image)], False: []}, []
        for _ in range(7):
            mask = click_mask(eig, clicks[True], clicks[False], negative_threshold=0.5, grid=scene.grid)
            found.append(iou(mask, truth))
            node = largest_mistake(scene, mask, truth)
            clicks[bool(truth[node])].append(node)
        first.append(found[0])
        best.append(max(found))
    assert np.mean(best) > 0.9
    assert np.mean(best) > np.mean(first) + 0.3


def test_a_negative_click_takes_away_what_spilled(scene):
    eig = scene.embedding.eigenvectors[:, :6]
    spilled, cleaned = [], []
    for name, image in scene.cases():
        click, truth = [scene.centre(name, image)], scene.nodes[name]
        # So loose that other things come along.
        mask = click_mask(eig, click, threshold=0.01, grid=scene.grid)
        against = largest_mistake(scene, mask & ~truth, np.zeros_like(truth))
        cleaner = click_mask(eig, click, [against], threshold=0.01, negative_threshold=0.5, grid=scene.grid)
        spilled.append(iou(mask, truth))
        cleaned.append(iou(cleaner, truth))
    assert np.mean(cleaned) > np.mean(spilled) + 0.03
