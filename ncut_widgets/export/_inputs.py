"""Inputs of the exports: names and sizes of images, and checks of masks and colors of named objects."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image

from ncut_widgets._validation import brief, check_positive_int, to_numpy, valid_text

__all__ = ["ImageInfo", "check_color", "check_colors", "check_masks", "default_color", "describe_images"]

# The colorblind-safe palette of Okabe and Ito without black (a black mask looks like a shadow), then the colors that
# are farthest from all previous ones and not too dark, dull or bright. The front end has the same palette:
# tests/vectors/colors.json checks both.
_PALETTE = (
    *("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7"),
    *("#662299", "#cc0044", "#eecc99", "#559900", "#aa99ff", "#44ee88"),
    *("#cc1188", "#55eeee", "#665522", "#ff8877", "#883322", "#ee77ee"),
)
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")


class ImageInfo(NamedTuple):
    """The name of an image and its size in pixels; replaces the image if the pixels are not needed."""

    name: str
    width: int
    height: int


def describe_images(images: Any) -> list[ImageInfo]:
    """Return the name and size of each image; raise TypeError or ValueError for anything else.

    Examples
    --------
    >>> describe_images([Image.new("L", (40, 30)), ("cat.jpg", 20, 10)])
    [ImageInfo(name='image 0', width=40, height=30), ImageInfo(name='cat.jpg', width=20, height=10)]
    """
    if not isinstance(images, Sequence) or isinstance(images, str | bytes):
        raise TypeError(
            f"`images` must be a list of PIL images or (name, width, height); got {type(images).__name__}. "
            "Pass `session.images`, or the result of load_images."
        )
    if not images:
        raise ValueError("`images` must contain at least one image; got none. Pass the images of the masks.")
    return [_describe(image, index) for index, image in enumerate(images)]


def _describe(image: Any, index: int) -> ImageInfo:
    if isinstance(image, Image.Image):
        return ImageInfo(valid_text(str(image.info.get("name", f"image {index}"))), image.width, image.height)
    if isinstance(image, Sequence) and len(image) == 3 and isinstance(image[0], str):
        name, width, height = image
        return ImageInfo(valid_text(name), check_positive_int(width, "images"), check_positive_int(height, "images"))
    raise TypeError(
        f"`images` must contain PIL images or (name, width, height); got {type(image).__name__} at index {index}. "
        "Open files with load_images."
    )


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


def default_color(index: int) -> str:
    """Return the default color of the object with this index, as "#rrggbb".

    Examples
    --------
    >>> default_color(0), default_color(7), default_color(19)
    ('#e69f00', '#662299', '#e69f00')
    """
    return _PALETTE[index % len(_PALETTE)]


def check_color(color: Any, name: str) -> str:
    """Return a color of the form "#rrggbb" in lower case; raise ValueError for other values."""
    if not isinstance(color, str) or not _COLOR.fullmatch(color):
        raise ValueError(f"`{name}` must have the form '#rrggbb'; got {brief(color)}. For example, red is '#ff0000'.")
    return color.lower()


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
