"""Masks of a session's objects: from clicks and boxes to nodes, and from nodes to pixels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

from ncut_widgets._validation import to_numpy
from ncut_widgets.objects import MaskObject
from ncut_widgets.readouts import ClickMask, ClickNcut, refine_mask
from ncut_widgets.readouts.masks import box_nodes, drop_specks
from ncut_widgets.widgets.session.data import SessionData
from ncut_widgets.widgets.session.recent import Recent
from ncut_widgets.widgets.transport.jobs import Progress, no_progress

__all__ = ["REFINEMENTS", "RESOLUTIONS", "Masks", "click_weight_text", "clip_n_eig"]

# How patch masks are refined to pixels; None keeps the patches.
REFINEMENTS = ("guided", "crf")
RESOLUTIONS = ("patch", "pixel")
_CACHE_SIZE = 64
# Settings of an object that do not change its mask.
_APPEARANCE = ("name", "color", "visible")


class Masks:
    """Computes masks, and keeps the latest ones. Any thread may call any method."""

    def __init__(self, data: SessionData) -> None:
        self._data = data
        self._heatmaps: Recent[np.ndarray] = Recent(_CACHE_SIZE)
        self._node_masks: Recent[np.ndarray] = Recent(_CACHE_SIZE)

    def segmenter(self, item: MaskObject, source: str) -> ClickMask | ClickNcut:
        """Return the object's clicks as a fitted estimator."""
        if item["method"] == "ncut":
            return ClickNcut(click_weight=item["click_weight"]).fit(self._features(), *self.graph_prompts(item, source))
        data, boxes = self._data, self._boxes(item, source)
        estimator = ClickMask(
            threshold=item["threshold"],
            gamma=item["gamma"],
            negative_threshold=item["negative_threshold"],
            min_area=item["min_area"],
            n_eig=item["n_eig"],
        )
        return estimator.fit(
            data.eigenvectors,
            *self._click_nodes(item, source),
            positive_boxes=boxes[True],
            negative_boxes=boxes[False],
            grid=data.grid,
            source=source,
        )

    def node_mask(self, item: MaskObject, source: str) -> np.ndarray:
        """Return which nodes belong to the object, (n,) bool."""
        recipe = {key: value for key, value in item.items() if key not in _APPEARANCE}
        key = json.dumps([recipe, source, self._data.embedding], sort_keys=True)
        return self._node_masks.get(key, lambda: self._compute_node_mask(item, source))

    def in_images(
        self,
        objects: Sequence[MaskObject],
        resolution: str,
        refine: str | None,
        source: str,
        progress: Progress = no_progress,
    ) -> dict[str, list[np.ndarray]]:
        """Return the mask of each object in each image; see `Session.masks`."""
        grid, done = self._data.grid, 0
        masks: dict[str, list[np.ndarray]] = {}
        total = max(1, len(objects) * grid.n_images)
        for item in objects:
            nodes = grid.split(self.node_mask(item, source))
            maps = {m.image: mask for m, mask in zip(grid.maps, nodes, strict=True) if m.source == source}
            of_images = masks[item["name"]] = []
            for index, image in enumerate(self._data.images):
                patches = maps.get(index, np.zeros((0, 0), bool))
                of_images.append(patches.copy() if resolution == "patch" else _to_pixels(patches, image, refine))
                done += 1
                progress(done / total)
        return masks

    def refined(
        self,
        image: int,
        method: str | None,
        objects: Sequence[MaskObject],
        source: str,
        progress: Progress = no_progress,
    ) -> np.ndarray:
        """Return the masks of objects in one image in the size that the page shows, (k, h, w) uint8."""
        picture = self._data.thumbnail(image)
        grid, masks = self._data.grid, np.zeros((len(objects), picture.height, picture.width), np.uint8)
        for done, item in enumerate(objects):
            progress(done / len(objects))
            if self._data.shows(image, source):
                patches = grid.split(self.node_mask(item, source))[grid.find(image, source)]
                masks[done] = _to_pixels(patches, picture, method)
        return masks

    def click_heatmap(
        self, positive: Sequence[int], negative: Sequence[int], click_weight: float, progress: Progress = no_progress
    ) -> np.ndarray:
        """Return the heatmap of clicks that are cut with the graph, (n,) float32; see `ClickNcut`."""
        positive, negative = list(dict.fromkeys(positive)), list(dict.fromkeys(negative))
        # The page states the weight with as many digits.
        click_weight = float(click_weight_text(click_weight))

        def compute() -> np.ndarray:
            # With the sigma that `Ncut` chooses. With the smaller one for clusters, the masks of a click overlapped
            # human outlines by 0.28 instead of 0.53.
            estimator = ClickNcut(click_weight=click_weight).fit(self._features(), positive, negative)
            progress(0.9)
            return to_numpy(estimator.heatmap_).astype(np.float32, copy=False)

        return self._heatmaps.get(str((positive, negative, click_weight)), compute)

    def graph_prompts(
        self, item: MaskObject, source: str, eigenvectors: np.ndarray | None = None
    ) -> tuple[list[int], list[int]]:
        """Return the positive and negative nodes that are cut with the graph: of the clicks, and one for each box.

        The node of a box depends on the eigenvectors, by default those of the session.
        """
        rows = torch.from_numpy((self._data.eigenvectors if eigenvectors is None else eigenvectors)[:, : item["n_eig"]])
        boxes = self._boxes(item, source)
        positive, negative = (
            nodes + box_nodes(rows, boxes[sign], "boxes", self._data.grid, source)
            for nodes, sign in zip(self._click_nodes(item, source), (True, False), strict=True)
        )
        return positive, negative

    def _features(self) -> Any:
        return self._data.needed_features("masks of the method 'ncut'")

    def _click_nodes(self, item: MaskObject, source: str) -> tuple[list[int], list[int]]:
        """Return the nodes of positive and negative clicks, in images that the source shows."""
        signs: dict[bool, list[int]] = {True: [], False: []}
        for click in item["clicks"]:
            if self._data.shows(click["image"], source):
                node = self._data.grid.node_at(click["image"], click["x"], click["y"], source)
                signs[click["positive"]].append(node)
        return signs[True], signs[False]

    def _boxes(self, item: MaskObject, source: str) -> dict[bool, list[tuple[float, ...]]]:
        """Return positive and negative boxes as (image, x0, y0, x1, y1), in images that the source shows."""
        signs: dict[bool, list[tuple[float, ...]]] = {True: [], False: []}
        for box in item["boxes"]:
            if self._data.shows(box["image"], source):
                signs[box["positive"]].append(tuple(box[key] for key in ("image", "x0", "y0", "x1", "y1")))
        return signs

    def _compute_node_mask(self, item: MaskObject, source: str) -> np.ndarray:
        n = self._data.grid.n_nodes
        if item["method"] == "ncut":
            positive, negative = self.graph_prompts(item, source)
            if not positive:
                return np.zeros(n, bool)
            mask: np.ndarray = self.click_heatmap(positive, negative, item["click_weight"]) > item["threshold"]
            return drop_specks(mask, self._data.grid, item["min_area"]) if item["min_area"] > 1 else mask
        if not self._click_nodes(item, source)[0] and not self._boxes(item, source)[True]:
            return np.zeros(n, bool)
        found: np.ndarray = self.segmenter(item, source).predict(self._data.eigenvectors, grid=self._data.grid)
        return found


def clip_n_eig(item: MaskObject, n_eig: int) -> MaskObject:
    """Return an object that uses no more eigenvectors than there are."""
    return {**item, "n_eig": min(item["n_eig"], n_eig)}


def click_weight_text(click_weight: float) -> str:
    """Return a click weight as requests state it."""
    return f"{click_weight:.3f}"


def _to_pixels(patches: np.ndarray, image: Image.Image, refine: str | None) -> np.ndarray:
    if not patches.any():
        return np.zeros((image.height, image.width), bool)
    if refine is not None:
        return np.asarray(refine_mask(patches, image, method=refine))
    # As in `PatchGrid`, a pixel belongs to the patch that covers its top left corner.
    rows = np.arange(image.height) * patches.shape[0] // image.height
    columns = np.arange(image.width) * patches.shape[1] // image.width
    squares: np.ndarray = patches[rows[:, None], columns]
    return squares
