"""Files that are written whole or not at all, under names that every system takes."""

from __future__ import annotations

import io
import json
import os
import re
import secrets
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image

__all__ = ["field", "file_names", "png_bytes", "read_json", "replacing", "to_json", "write_folder", "zip_of"]

_UNSAFE = frozenset('/\\:*?"<>|')
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)", re.IGNORECASE)
_IMAGE_SUFFIX = re.compile(r"(?<=.)\.(bmp|gif|jpe?g|png|p[gp]m|tiff?|webp|avif)$", re.IGNORECASE)
# File systems count bytes, mostly up to 255: this leaves room for a number and a suffix.
_MAX_BYTES = 120
_EPOCH = (1980, 1, 1, 0, 0, 0)


def file_names(names: Sequence[str]) -> list[str]:
    """Return a file name, without suffix, for each of `names`: readable, safe on every system, and unique.

    Slashes, control characters and what else some system refuses become "_"; the suffix of an image goes.

    Examples
    --------
    >>> file_names(["cat.jpg", "CAT.png", "../a/b", "…", "..", "nul"])
    ['cat', 'CAT-2', '_a_b', '…', 'unnamed', 'nul_']
    """
    taken: set[str] = set()
    result = []
    for name in names:
        stem = _safe(name)
        unique, count = stem, 1
        # macOS and Windows take names that differ only in case for the same.
        while unique.casefold() in taken:
            count += 1
            unique = f"{stem}-{count}"
        taken.add(unique.casefold())
        result.append(unique)
    return result


def _safe(name: str) -> str:
    text = "".join(_plain(character) for character in unicodedata.normalize("NFC", _IMAGE_SUFFIX.sub("", name)))
    text = text.strip(" .").encode()[:_MAX_BYTES].decode(errors="ignore").strip(" .") or "unnamed"
    return _RESERVED.sub(r"\1_\2", text) if _RESERVED.match(text) else text


def _plain(character: str) -> str:
    # "C": control, format, surrogate, private, unassigned; "Zl", "Zp": ends of lines and of paragraphs.
    kind = unicodedata.category(character)
    return "_" if character in _UNSAFE or kind[0] == "C" or kind in ("Zl", "Zp") else character


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file that takes the place of `path` once it is whole; if that fails, `path` stays what it was."""
    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    # In the same folder, since only within a file system is replacing one step.
    draft = target.with_name(f".ncut-{secrets.token_hex(8)}.tmp")
    try:
        with draft.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def write_folder(folder: str | os.PathLike[str], files: Iterable[tuple[str, bytes]]) -> list[Path]:
    """Write files by their names relative to `folder`, and return their paths."""
    paths = []
    for name, content in files:
        path = Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        paths.append(path)
    return paths


def zip_of(files: Iterable[tuple[str, bytes]]) -> bytes:
    """Return a zip with these files, by name; the same files make the same bytes.

    Examples
    --------
    >>> import io, zipfile
    >>> zipfile.ZipFile(io.BytesIO(zip_of([("hand/cat.png", b"...")]))).namelist()
    ['hand/cat.png']
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files:
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content)
    return buffer.getvalue()


def png_bytes(image: Image.Image) -> bytes:
    """Return `image` as a PNG."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def to_json(value: Any) -> bytes:
    """Return a document as JSON that people can read, too."""
    return (json.dumps(value, indent=1, allow_nan=False) + "\n").encode()


def read_json(path: str | os.PathLike[str], what: str) -> dict[str, Any]:
    """Return the object in a JSON file; ValueError where the file holds something else."""
    try:
        document = json.loads(Path(path).read_bytes())
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(
            f"`path` must be {what}; got {os.fspath(path)!r}, which is not JSON ({error}). Check the path."
        ) from error
    if not isinstance(document, dict):
        raise ValueError(
            f"`path` must be {what}; got {os.fspath(path)!r}, which holds a {type(document).__name__}. "
            "Check which file it is."
        )
    return document


def field(record: Any, key: str, kind: type | tuple[type, ...], where: str) -> Any:
    """Return an entry of a record that was read from a file; ValueError where it is missing or of another kind."""
    value = record.get(key) if isinstance(record, dict) else None
    # To Python, true is a number.
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        kinds = " or ".join(k.__name__ for k in (kind if isinstance(kind, tuple) else (kind,)))
        got = f"{type(value).__name__} {value!r}"[:80] if isinstance(record, dict) and key in record else "nothing"
        raise ValueError(
            f"{where} must have a {kinds} named {key!r}; got {got}. The file is damaged or of another kind."
        )
    return value
