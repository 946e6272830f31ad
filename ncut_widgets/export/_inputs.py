"""Inputs of the exports: checks of the masks and colors of named objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from ncut_widgets._validation import to_numpy
from ncut_widgets.objects import ImageInfo, check_color, default_color

__all__ = ["check_colors", "check_masks"]


def check_masks(images: Sequence[ImageInfo], masks: Any) -> dict[str, list[np.ndarray]]:
    """Return the masks as numpy arrays, one per object and image; raise TypeError or ValueError if one is invalid."""
    if not isinstance(masks, Mapping):
        raise TypeError(
            f"`masks` must be a dict from object names to lists of (height, width) masks; "
            f"got {type(masks).__name__}. Pass {{'name': [mask of each image]}}."
        )
    if not masks:
        raise ValueError("`masks` must contain at least one object; got none. Click on an object in an image first.")
    checked = {}
    for name, per_image in masks.items():
        if not isinstance(name, str) or not name:
            raise TypeError(f"`masks` must have names as keys; got {name!r} ({type(name).__name__}). Name the object.")
        if len(per_image) != len(images):
            raise ValueError(
                f"`masks` must have one mask for each of the {len(images)} images; got {len(per_image)} for {name!r}. "
                "Pass an empty mask for an image without the object."
            )
        checked[name] = [_mask(mask, name, i, images[i]) for i, mask in enumerate(per_image)]
    return checked


def _mask(mask: Any, name: str, index: int, image: ImageInfo) -> np.ndarray:
    array = to_numpy(mask) if isinstance(mask, torch.Tensor) else np.asarray(mask)
    if array.dtype != bool:
        raise TypeError(
            f"`masks` must be boolean; got {array.dtype} for {name!r} in image {index}. "
            "Compare it with a threshold or label: `heatmap > 0.5`, `labels == 3`."
        )
    if array.shape != (image.height, image.width):
        raise ValueError(
            f"`masks` must have shape (height, width), ({image.height}, {image.width}) for image {index} "
            f"({image.name!r}); got {array.shape} for {name!r}. Pass masks at the resolution of the images."
        )
    return array


def check_colors(colors: Mapping[str, str] | None, names: Sequence[str]) -> np.ndarray:
    """Return the (len(names), 3) uint8 colors of the objects: the given ones, and defaults for the others."""
    given = {} if colors is None else dict(colors)
    unknown = [name for name in given if name not in names]
    if unknown:
        raise ValueError(
            f"`colors` must have keys from `masks`: {', '.join(map(repr, names))}; got a color for {unknown[0]!r}. "
            "Check the name."
        )
    chosen = [check_color(given.get(name, default_color(index)), "colors") for index, name in enumerate(names)]
    return np.array([list(bytes.fromhex(color[1:])) for color in chosen], np.uint8).reshape(-1, 3)
