"""Resolves paths, folders and glob patterns to image files."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from PIL import Image

from ._pixels import shorten

__all__ = ["has_image_extension", "image_files", "list_names"]

_URL = re.compile(r"([a-z][a-z0-9+.-]+):/|data:", re.IGNORECASE)
# Formats that Pillow registers but cannot decode without external programs.
_NOT_DECODABLE = frozenset(("BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"))
# First bytes of image files.
_IMAGE_SIGNATURES = re.compile(
    rb"\x89PNG\r\n|\xff\xd8\xff|GIF8[79]a|RIFF....WEBP|II\*\0|MM\0\*|II\+\0|MM\0\+|\xff\x0a|\0\0\0\x0c(jP  |JXL )"
    rb"|....ftyp(avif|avis|heic|heix|hevc|mif1|msf1|crx )|\s*<svg|%!PS-Adobe-\S+ EPSF",
    re.DOTALL,
)


def image_files(source: str) -> tuple[list[str], list[str]]:
    """Return the image files of a path, folder or glob pattern, and those with an extension that Pillow cannot open.

    Files are in natural order (2 before 10). An existing path is never treated as a pattern, even if it contains glob
    characters; the same holds for the leading folders of a pattern. Hidden files and subfolders of a folder are
    ignored.
    """
    path = os.path.expanduser(source)
    if os.path.isdir(path):
        found = [os.path.join(path, name) for name in os.listdir(path) if not name.startswith(".")]
    elif not os.path.lexists(path) and _URL.match(source):
        raise ValueError(
            f"{shorten(source)} is a URL, and `load_images` does not download files. Download the image first, and "
            "pass its path or its bytes: `urllib.request.urlopen(url).read()`."
        )
    elif not os.path.lexists(path) and glob.has_magic(path):
        whole = Path(path)
        found = list(dict.fromkeys(_matches(whole.anchor, whole.relative_to(whole.anchor).parts)))
    elif source:
        return [source], []
    else:
        raise FileNotFoundError("The path is empty. Pass the path of an image, or '.' for the current folder.")
    files, unsupported = _select_images(found)
    if not files:
        raise FileNotFoundError(_no_images_message(source, found, unsupported))
    return sorted(files, key=_natural_order), unsupported


def _no_images_message(source: str, found: Sequence[str], unsupported: Sequence[str]) -> str:
    if unsupported:
        return (
            f"{shorten(source)} has no images with an extension that Pillow can open here; got "
            f"{list_names(unsupported)}. Convert or rename them, or install the Pillow plugin for their format."
        )
    if found:
        return (
            f"{shorten(source)} has no images; got {list_names(found)}. Check the path, or pass the files themselves."
        )
    if os.path.isdir(os.path.expanduser(source)):
        return f"The folder {shorten(source)} is empty or has only hidden files. Check the path."
    return f"No file matches {shorten(source)}. Check the path."


def _matches(base: str, parts: Sequence[str]) -> Iterator[str]:
    """Yield the paths below `base` that match the parts of a pattern; a part that exists is not a pattern."""
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
    """Return whether Pillow, with the plugins registered so far, can decode files with this extension."""
    Image.init()
    name = Image.registered_extensions().get(os.path.splitext(path)[1].lower())
    return name in Image.OPEN and name not in _NOT_DECODABLE


def _select_images(paths: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the image files that Pillow can open, and the image files with an extension that it cannot open."""
    files: list[str] = []
    unsupported: list[str] = []
    for path in paths:
        # A broken link is kept: reading it raises an error with its name.
        if has_image_extension(path) and (os.path.isfile(path) or not os.path.exists(path)):
            files.append(path)
        elif not has_image_extension(path) and os.path.isfile(path) and _has_image_signature(path):
            (unsupported if os.path.splitext(path)[1] else files).append(path)
    return files, unsupported


def _has_image_signature(path: str) -> bool:
    if not os.access(path, os.R_OK):
        return False
    with open(path, "rb") as file:
        return _IMAGE_SIGNATURES.match(file.read(256)) is not None


def _natural_order(path: str) -> list[tuple[int, str]]:
    """Sort key that compares numbers by value: a2 before a10."""
    return [(int(part), "") if part.isdecimal() else (-1, part.lower()) for part in re.split(r"(\d+)", path)]


def list_names(paths: Sequence[str]) -> str:
    """Return the first three file names and the number of the others, for a message."""
    names = [repr(os.path.basename(path)) for path in sorted(paths, key=_natural_order)]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
