"""Mask objects: the types of named masks with their clicks, boxes and settings, and their checks.

Positions are in pixels (x, y) from the top left corner of the original image, never in patches.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypedDict, cast, get_args

from PIL import Image

from ncut_widgets._validation import (
    brief,
    check_flag,
    check_in,
    check_number,
    check_positive_int,
    check_text,
    valid_text,
)

__all__ = [
    "Box",
    "Click",
    "ImageInfo",
    "MaskMethod",
    "MaskObject",
    "check_color",
    "check_objects",
    "default_color",
    "describe_images",
]

# The colorblind-safe palette of Okabe and Ito without black (a black mask looks like a shadow), then the colors that
# are farthest from all previous ones and not too dark, dull or bright. The front end has the same palette:
# tests/vectors/colors.json checks both.
_PALETTE = (
    *("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7"),
    *("#662299", "#cc0044", "#eecc99", "#559900", "#aa99ff", "#44ee88"),
    *("#cc1188", "#55eeee", "#665522", "#ff8877", "#883322", "#ee77ee"),
)
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
# The largest integer that JavaScript represents exactly.
_LARGEST_INTEGER = 2**53 - 1

MaskMethod = Literal["similarity", "ncut"]


class Click(TypedDict):
    """A click in an image: pixel (x, y) of the original image, 0 <= x < width and 0 <= y < height."""

    image: int
    x: float
    y: float
    positive: bool


class Box(TypedDict):
    """A box in an image, in pixels of the original image: 0 <= x0 < x1 <= width, 0 <= y0 < y1 <= height."""

    image: int
    x0: float
    y0: float
    x1: float
    y1: float
    positive: bool


class MaskObject(TypedDict):
    """A named mask over all images: how it looks, and how it is made. `check_objects` lists ranges and defaults."""

    name: str
    color: str
    visible: bool
    clicks: list[Click]
    boxes: list[Box]
    threshold: float
    gamma: float
    negative_threshold: float
    min_area: int
    n_eig: int
    method: MaskMethod
    click_weight: float


_FIELDS, _CLICK_FIELDS, _BOX_FIELDS = (tuple(kind.__annotations__) for kind in (MaskObject, Click, Box))


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


def check_objects(objects: Any, images: Any, *, n_eig: int = 20) -> list[MaskObject]:
    """Return copies of the objects with defaults for missing values; raise TypeError or ValueError if one is invalid.

    Parameters
    ----------
    objects : list of dict
        Each with any of

        - ``name``: text, unique; "object 3" if missing,
        - ``color``: "#rrggbb"; by the object's index if missing,
        - ``visible``: bool, True,
        - ``clicks``: list of ``{"image", "x", "y", "positive"}``, pixels of the original image from its top left,
          0 <= x < width and 0 <= y < height; ``positive`` is True if missing,
        - ``boxes``: list of ``{"image", "x0", "y0", "x1", "y1", "positive"}``, 0 <= x0 < x1 <= width, same for y,
        - ``threshold`` in [0, 1], 0.5, ``gamma`` in (0, 10], 1.0, ``negative_threshold`` in [0, 1], 0.99,
        - ``min_area``: smallest connected component of the mask in patches, 3,
        - ``n_eig``: number of eigenvectors used; the argument `n_eig` if missing,
        - ``method``: "similarity" or "ncut"; with "ncut", ``click_weight`` in [0, 1], 0.5.
    images : list of PIL.Image or (name, width, height)
        The images that the clicks refer to.
    n_eig : int
        Default for the ``n_eig`` of an object.

    Returns
    -------
    list of MaskObject
        Dicts with values that JSON can encode.

    Raises
    ------
    TypeError, ValueError
        If a value has the wrong type or is out of range, a key is unknown, or a name is not unique.

    Examples
    --------
    >>> (paw,) = check_objects([{"clicks": [{"image": 0, "x": 12, "y": 3}]}], [("cat.jpg", 40, 30)])
    >>> paw["name"], paw["color"], paw["threshold"], paw["clicks"]
    ('object 1', '#e69f00', 0.5, [{'image': 0, 'x': 12.0, 'y': 3.0, 'positive': True}])
    """
    infos = describe_images(images)
    if not _is_list(objects):
        raise TypeError(f"`objects` must be a list of dicts; got {type(objects).__name__}. Pass `session.objects`.")
    given = [_record(item, f"objects[{index}]", _FIELDS) for index, item in enumerate(objects)]
    taken = [item["name"] for item in given if "name" in item]
    checked: list[MaskObject] = []
    for index, item in enumerate(given):
        where = f"objects[{index}]"
        name = check_text(item.get("name", _free_name(index, taken)), f"{where}.name")
        if not name:
            raise ValueError(f"`{where}.name` must not be empty; got ''. Name the object.")
        if name in (other["name"] for other in checked):
            raise ValueError(f"`{where}.name` must be unique; got {brief(name)} twice. Rename one of them.")
        taken.append(name)
        checked.append(
            {
                "name": name,
                "color": check_color(item.get("color", default_color(index)), f"{where}.color"),
                "visible": check_flag(item.get("visible", True), f"{where}.visible"),
                "clicks": [_click(*prompt, infos) for prompt in _prompts(item, "clicks", where)],
                "boxes": [_box(*prompt, infos) for prompt in _prompts(item, "boxes", where)],
                "threshold": check_number(item.get("threshold", 0.5), f"{where}.threshold", low=0, high=1),
                "gamma": check_number(item.get("gamma", 1.0), f"{where}.gamma", low=0, high=10, low_open=True),
                "negative_threshold": check_number(
                    item.get("negative_threshold", 0.99), f"{where}.negative_threshold", low=0, high=1
                ),
                "min_area": check_positive_int(
                    item.get("min_area", 3), f"{where}.min_area", minimum=0, maximum=_LARGEST_INTEGER
                ),
                "n_eig": check_positive_int(item.get("n_eig", n_eig), f"{where}.n_eig"),
                "method": cast(
                    MaskMethod, check_in(item.get("method", "similarity"), f"{where}.method", get_args(MaskMethod))
                ),
                "click_weight": check_number(item.get("click_weight", 0.5), f"{where}.click_weight", low=0, high=1),
            }
        )
    return checked


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _record(item: Any, where: str, fields: Sequence[str]) -> dict[str, Any]:
    if not isinstance(item, Mapping):
        raise TypeError(
            f"`{where}` must be a dict; got {type(item).__name__}. Pass a dict with keys from {', '.join(fields)}."
        )
    unknown = [key for key in item if key not in fields]
    if unknown:
        raise ValueError(
            f"`{where}` may only have the keys {', '.join(fields)}; got {brief(unknown[0])}. Check the spelling."
        )
    return dict(item)


def _free_name(index: int, taken: Sequence[str]) -> str:
    count = index + 1
    while f"object {count}" in taken:
        count += 1
    return f"object {count}"


def _prompts(item: Mapping[str, Any], key: str, where: str) -> list[tuple[Any, str]]:
    prompts = item.get(key, [])
    if not _is_list(prompts):
        raise TypeError(f"`{where}.{key}` must be a list of dicts; got {type(prompts).__name__}. Pass a list.")
    return [(prompt, f"{where}.{key}[{index}]") for index, prompt in enumerate(prompts)]


def _click(prompt: Any, where: str, images: Sequence[ImageInfo]) -> Click:
    click, image = _prompt(prompt, where, _CLICK_FIELDS, images)
    return {
        "image": click["image"],
        "x": check_number(click["x"], f"{where}.x", low=0, high=image.width, high_open=True),
        "y": check_number(click["y"], f"{where}.y", low=0, high=image.height, high_open=True),
        "positive": check_flag(click.get("positive", True), f"{where}.positive"),
    }


def _box(prompt: Any, where: str, images: Sequence[ImageInfo]) -> Box:
    box, image = _prompt(prompt, where, _BOX_FIELDS, images)
    x0 = check_number(box["x0"], f"{where}.x0", low=0, high=image.width, high_open=True)
    y0 = check_number(box["y0"], f"{where}.y0", low=0, high=image.height, high_open=True)
    return {
        "image": box["image"],
        "x0": x0,
        "y0": y0,
        "x1": check_number(box["x1"], f"{where}.x1", low=x0, high=image.width, low_open=True),
        "y1": check_number(box["y1"], f"{where}.y1", low=y0, high=image.height, low_open=True),
        "positive": check_flag(box.get("positive", True), f"{where}.positive"),
    }


def _prompt(
    prompt: Any, where: str, fields: Sequence[str], images: Sequence[ImageInfo]
) -> tuple[dict[str, Any], ImageInfo]:
    """Return the prompt, which must have all required fields, and its image."""
    record = _record(prompt, where, fields)
    missing = [key for key in fields if key not in record and key != "positive"]
    if missing:
        raise ValueError(f"`{where}` must have the keys {', '.join(fields[:-1])}; {missing[0]!r} is missing. Add it.")
    record["image"] = check_positive_int(record["image"], f"{where}.image", minimum=0, maximum=len(images) - 1)
    return record, images[record["image"]]
