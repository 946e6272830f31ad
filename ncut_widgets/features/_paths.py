"""Paths, folders and patterns -> the image files that they name."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from PIL import Image

from ._pixels import shorten

__all__ = ["few_names", "has_image_extension", "image_files"]

_URL = re.compile(r"([a-z][a-z0-9+.-]+):/|data:", re.IGNORECASE)
# Formats that Pillow registers, but whose pixels it cannot decode by itself.
_NOT_DECODED = frozenset(("BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"))
# How files begin that hold images, whatever they are called.
_BEGINNINGS = re.compile(
    rb"\x89PNG\r\n|\xff\xd8\xff|GIF8[79]a|RIFF....WEBP|II\*\0|MM\0\*|II\+\0|MM\0\+|\xff\x0a|\0\0\0\x0c(jP  |JXL )"
    rb"|....ftyp(avif|avis|heic|heix|hevc|mif1|msf1|crx )|\s*<svg|%!PS-Adobe-\S+ EPSF",
    re.DOTALL,
)


def image_files(source: str) -> tuple[list[str], list[str]]:
    """Return the image files that a path, folder or pattern names, and those whose extension Pillow does not open.

    Natural order, 2 before 10. A path that exists is taken literally, also as the beginning of a pattern. In a folder,
    hidden files and folders are no images.
    """
    path = os.path.expanduser(source)
    if os.path.isdir(path):
        found = [os.path.join(path, name) for name in os.listdir(path) if not name.startswith(".")]
    elif not os.path.lexists(path) and _URL.match(source):
        raise ValueError(
            f"{shorten(source)} is a URL, and `load_images` downloads nothing. Download the image first, and pass its "
            "path or its bytes: `urllib.request.urlopen(url).read()`."
        )
    elif not os.path.lexists(path) and glob.has_magic(path):
        whole = Path(path)
        found = list(dict.fromkeys(_matches(whole.anchor, whole.relative_to(whole.anchor).parts)))
    elif source:
        return [source], []
    else:
        raise FileNotFoundError("The path is empty. Pass that of an image, or '.' for the current folder.")
    files, left_out = _sort_out(found)
    if not files:
        raise FileNotFoundError(_nothing_in(source, found, left_out))
    return sorted(files, key=_natural), left_out


def _nothing_in(source: str, found: Sequence[str], left_out: Sequence[str]) -> str:
    if left_out:
        return (
            f"{shorten(source)} has no images with an extension that Pillow can open here; got {few_names(left_out)}. "
            "Convert or rename them, or install the Pillow plugin for their format."
        )
    if found:
        return f"{shorten(source)} has no images; got {few_names(found)}. Check the path, or pass the files themselves."
    if os.path.isdir(os.path.expanduser(source)):
        return f"The folder {shorten(source)} is empty, but for hidden files. Check the path."
    return f"No file matches {shorten(source)}. Check the path."


def _matches(base: str, parts: Sequence[str]) -> Iterator[str]:
    """Paths below `base` that match the parts of a pattern; a part that exists is taken literally."""
    if not parts:
        yield base
        return
    head, rest = parts[0], parts[1:]
    if os.path.lexists(os.path.join(base, head)):
        yield from _matches(os.path.join(base, head), rest)
    elif head == "**" and rest:
        yield from _matches(base, rest)
        for folder in glob.glob("**/", root_dir=base or None, recursive=True):
            yield from _matches(os.path.join(base, folder), rest)
    else:
        for name in glob.glob(head, root_dir=base or None, recursive=True):
            yield from _matches(os.path.join(base, name), rest)


def has_image_extension(path: str) -> bool:
    """Whether Pillow, or a plugin of it that is registered by now, decodes files of this extension."""
    Image.init()
    name = Image.registered_extensions().get(os.path.splitext(path)[1].lower())
    return name in Image.OPEN and name not in _NOT_DECODED


def _sort_out(paths: Iterable[str]) -> tuple[list[str], list[str]]:
    """Split the paths into image files that Pillow opens, and image files with an extension that it does not."""
    files: list[str] = []
    left_out: list[str] = []
    for path in paths:
        # A broken link is kept, so that reading it names it.
        if has_image_extension(path) and (os.path.isfile(path) or not os.path.exists(path)):
            files.append(path)
        elif not has_image_extension(path) and os.path.isfile(path) and _begins_like_an_image(path):
            (left_out if os.path.splitext(path)[1] else files).append(path)
    return files, left_out


def _begins_like_an_image(path: str) -> bool:
    if not os.access(path, os.R_OK):
        return False
    with open(path, "rb") as file:
        return _BEGINNINGS.match(file.read(256)) is not None


def _natural(path: str) -> list[tuple[int, str]]:
    """Sort key under which numbers count by value: a2 before a10."""
    return [(int(part), "") if part.isdecimal() else (-1, part.lower()) for part in re.split(r"(\d+)", path)]


def few_names(paths: Sequence[str]) -> str:
    """Return the first names of the files, and how many more there are."""
    names = [repr(os.path.basename(path)) for path in sorted(paths, key=_natural)]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
