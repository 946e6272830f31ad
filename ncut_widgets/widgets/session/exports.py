"""Exports of a session's masks: files that Python writes, and the content of files for the browser."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ncut_widgets._process import without_warnings
from ncut_widgets.export import (
    export_bytes,
    save_clicks,
    save_coco,
    save_label_maps,
    save_masks,
    save_npz,
    save_overlays,
)
from ncut_widgets.objects import MaskObject
from ncut_widgets.widgets.session.data import SessionData
from ncut_widgets.widgets.session.masks import Masks
from ncut_widgets.widgets.transport.jobs import Progress

__all__ = ["Exports"]

_MASK_SHARE = 0.9

Objects = Sequence[MaskObject]


class Exports:
    """Writes masks in the formats of `ncut_widgets.export`."""

    def __init__(self, data: SessionData, masks: Masks) -> None:
        self._data = data
        self._masks = masks

    def write(
        self,
        path: Path,
        *,
        format: str,
        resolution: str,
        refine: str | None,
        opacity: float,
        source: str,
        objects: Objects,
    ) -> Path:
        """Write files; see `Session.export`."""
        objects = _exported_objects(objects, format)
        if format == "clicks":
            save_clicks(self._data.scene, objects, path)
            return path
        colors = {item["name"]: item["color"] for item in objects}
        resolution = _resolution(format, resolution)
        images, masks = self._in_scene(resolution, source, self._masks.in_images(objects, resolution, refine, source))
        writers: dict[str, Callable[[], object]] = {
            "overlays": lambda: save_overlays(self._data.images, masks, path, colors=colors, opacity=opacity),
            "labels": lambda: save_label_maps(images, masks, path, colors=colors),
            "masks": lambda: save_masks(images, masks, path),
            "coco": lambda: save_coco(images, masks, path),
            "npz": lambda: save_npz(images, masks, path),
        }
        writers[format]()
        return path

    def content(
        self,
        *,
        format: str,
        resolution: str,
        refine: str | None,
        opacity: float,
        source: str,
        objects: Objects,
        progress: Progress,
    ) -> bytes:
        """Return the content of one file."""
        objects = _exported_objects(objects, format)
        resolution = _resolution(format, resolution)
        images: list[Any] = self._data.scene
        masks = None
        if format != "clicks":
            found = self._masks.in_images(
                objects, resolution, refine, source, lambda fraction: progress(_MASK_SHARE * fraction)
            )
            images, masks = self._in_scene(resolution, source, found)
        if format == "overlays":
            images = self._data.images
        # Masks that overlap in a label map: the page shows no warnings, and the user sees the overlap.
        with without_warnings(UserWarning):
            _, content = export_bytes(format, images, masks, objects, opacity=opacity)
        return content

    def _in_scene(
        self, resolution: str, source: str, masks: dict[str, list[np.ndarray]]
    ) -> tuple[list[tuple[str, int, int]], dict[str, list[np.ndarray]]]:
        """Return name, width and height of the masks of each image, and the masks.

        At the resolution "patch", without images that the source does not show.
        """
        scene = self._data.scene
        if resolution == "pixel":
            return scene, masks
        sizes = {m.image: (m.columns, m.rows) for m in self._data.grid.maps if m.source == source}
        shown = [index for index in range(len(scene)) if index in sizes]
        return (
            [(scene[index][0], *sizes[index]) for index in shown],
            {name: [of_images[index] for index in shown] for name, of_images in masks.items()},
        )


def _resolution(format: str, resolution: str) -> str:
    return "pixel" if format == "overlays" else resolution


def _exported_objects(objects: Objects, format: str) -> list[MaskObject]:
    # Overlays show what views show.
    return [item for item in objects if format != "overlays" or item["visible"]]
