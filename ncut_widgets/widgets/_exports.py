"""What leaves a session of its objects: files that Python writes, and files that the page hands to its user."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from ncut_widgets._validation import check_in
from ncut_widgets.export import (
    export_bytes,
    save_clicks,
    save_coco,
    save_label_maps,
    save_masks,
    save_npz,
    save_overlays,
)
from ncut_widgets.widgets._jobs import Progress
from ncut_widgets.widgets._masks import RESOLUTIONS, SessionMasks


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
        colors = {item["name"]: item["color"] for item in self.objects}
        resolution = "pixel" if format == "overlays" else resolution
        masks = {} if format == "clicks" else self.masks(resolution=resolution, refine=refine)
        images: list[Any] = self._scene(resolution)
        if format == "clicks":
            save_clicks(self._data.scene, self.objects, path)
        elif format == "overlays":
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

    def _exported(self, params: Any, progress: Progress) -> np.ndarray:
        """The bytes of a file."""
        format = params["format"]
        resolution = check_in(params.get("resolution", "pixel"), "resolution", RESOLUTIONS)
        resolution = "pixel" if format == "overlays" else resolution
        images, masks = self._data.images if resolution == "pixel" else self._scene(resolution), None
        if format == "clicks":
            images = self._data.scene
        else:
            masks = self._masks_of(self.objects, resolution, self.refine, lambda share: progress(0.9 * share))
        with warnings.catch_warnings():
            # Masks that overlap in a label map: nobody at the page reads a warning, and they see it there.
            warnings.simplefilter("ignore", UserWarning)
            _, content = export_bytes(format, images, masks, self.objects, opacity=self.blend)
        return np.frombuffer(content, np.uint8)

    def _scene(self, resolution: str) -> list[tuple[str, int, int]]:
        """Name, width and height of the masks of each image."""
        scene = self._data.scene
        if resolution == "pixel":
            return scene
        sizes = {m.image: (m.columns, m.rows) for m in self._data.grid.maps if m.source == self.source}
        return [(name, *sizes.get(index, (0, 0))) for index, (name, *_) in enumerate(scene)]
