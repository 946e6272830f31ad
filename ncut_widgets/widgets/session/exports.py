"""What leaves a session of its objects: files that Python writes, and files that the page hands to its user."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from ncut_widgets._process import without_warnings
from ncut_widgets._validation import check_in, check_number
from ncut_widgets.export import (
    export_bytes,
    save_clicks,
    save_coco,
    save_label_maps,
    save_masks,
    save_npz,
    save_overlays,
)
from ncut_widgets.export.download import FORMATS
from ncut_widgets.widgets.session.masks import RESOLUTIONS, SessionMasks, quiet
from ncut_widgets.widgets.session.traits import REFINE
from ncut_widgets.widgets.transport.jobs import Progress


class SessionExports(SessionMasks):
    """The exports of a session."""

    def export(
        self,
        path: str | os.PathLike[str],
        *,
        format: str = "masks",
        resolution: str = "pixel",
        refine: str | None = None,
    ) -> Path:
        """Write the masks of all objects, as `ncut_widgets.export` has it, and return the path.

        Parameters
        ----------
        path : path
            A folder for "masks", "overlays" and "labels"; a file for the others.
        format : "masks", "overlays", "labels", "coco", "npz" or "clicks"
            PNGs of each mask, the images with the masks over them, one indexed PNG per image, COCO instances with
            RLE, arrays, or the clicks themselves with names and settings as JSON.
        resolution : "pixel" or "patch"
            As in `masks`; overlays are of pixels always.
        refine
            As in `masks`.

        Returns
        -------
        pathlib.Path
        """
        check_in(format, "format", ("masks", "overlays", "labels", "coco", "npz", "clicks"))
        if format == "clicks":
            save_clicks(self._data.scene, self.objects, path)
            return Path(path)
        resolution = check_in("pixel" if format == "overlays" else resolution, "resolution", RESOLUTIONS)
        refine = check_in(self.refine if refine is None else refine, "refine", REFINE)
        objects, source = _exported_objects(self.objects, format), self.source
        colors = {item["name"]: item["color"] for item in objects}
        masks = self._masks_of(objects, resolution, refine, source, quiet)
        images, masks = self._patched(resolution, source, masks)
        if format == "overlays":
            save_overlays(self._data.images, masks, path, colors=colors, opacity=self.blend)
        elif format == "labels":
            save_label_maps(images, masks, path, colors=colors)
        elif format == "masks":
            save_masks(images, masks, path)
        elif format == "coco":
            save_coco(images, masks, path)
        else:
            save_npz(images, masks, path)
        return Path(path)

    def _exported(self, params: dict[str, Any], progress: Progress) -> np.ndarray:
        """The bytes of a file."""
        format = check_in(params.get("format"), "format", tuple(FORMATS))
        resolution = check_in(params.get("resolution", "pixel"), "resolution", RESOLUTIONS)
        resolution = "pixel" if format == "overlays" else resolution
        refine = check_in(params["refine"], "refine", REFINE)
        opacity = check_number(params["opacity"], "opacity", low=0, high=1)
        source, objects = params["source"], _exported_objects(params["objects"], format)
        images: list[Any] = self._data.scene
        masks = None
        if format != "clicks":
            masks = self._masks_of(objects, resolution, refine, source, lambda share: progress(0.9 * share))
            images, masks = self._patched(resolution, source, masks)
        if format == "overlays":
            images = self._data.images
        # Masks that overlap in a label map: nobody at the page reads a warning, and they see it there.
        with without_warnings(UserWarning):
            _, content = export_bytes(format, images, masks, objects, opacity=opacity)
        return np.frombuffer(content, np.uint8)

    def _patched(
        self, resolution: str, source: str, masks: dict[str, list[np.ndarray]]
    ) -> tuple[list[tuple[str, int, int]], dict[str, list[np.ndarray]]]:
        """Name, width and height of the masks of each image, and the masks; of patches, where an image has any."""
        scene = self._data.scene
        if resolution == "pixel":
            return scene, masks
        sizes = {m.image: (m.columns, m.rows) for m in self._data.grid.maps if m.source == source}
        shown = [index for index in range(len(scene)) if index in sizes]
        return (
            [(scene[index][0], *sizes[index]) for index in shown],
            {name: [of_images[index] for index in shown] for name, of_images in masks.items()},
        )


def _exported_objects(objects: list[dict[str, Any]], format: str) -> list[dict[str, Any]]:
    # A picture shows what the views show.
    return [item for item in objects if format != "overlays" or item["visible"]]
