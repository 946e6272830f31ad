"""Opening and atomic writing of files, names that are valid on every system, and helpers for zip, PNG and JSON."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import secrets
import stat
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image

from ncut_widgets._validation import brief

__all__ = [
    "ZIP_TIMESTAMP",
    "check_path",
    "check_target",
    "field",
    "file_names",
    "png_bytes",
    "read_json",
    "reading",
    "replacing",
    "to_json",
    "write_folder",
    "zip_of",
]

# A fixed timestamp of zip members, so that equal content gives equal files.
ZIP_TIMESTAMP = (1980, 1, 1, 0, 0, 0)
_UNSAFE = frozenset('/\\:*?"<>|')
_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(\.|$)", re.IGNORECASE)
_IMAGE_SUFFIX = re.compile(r"(?<=.)\.(bmp|gif|jpe?g|png|p[gp]m|tiff?|webp|avif)$", re.IGNORECASE)
# Most file systems allow 255 bytes; this leaves room for a number and a suffix.
_MAX_BYTES = 120


_ADVICE = {
    errno.EACCES: "Check the permissions, or choose another folder",
    errno.EPERM: "Check the permissions, or choose another folder",
    errno.EROFS: "Choose another folder",
    errno.ENOSPC: "Free some space, or choose another disk",
    errno.EDQUOT: "Free some space, or choose another disk",
    errno.EFBIG: "Free some space, or choose another disk",
    errno.ENAMETOOLONG: "Shorten the name",
    errno.ELOOP: "Check where the links point",
}


def check_path(path: Any) -> Path:
    """Return `path` as a `Path`, with "~" expanded; raise TypeError or ValueError if it cannot be one."""
    if not isinstance(path, str | os.PathLike) or not isinstance(os.fspath(path), str):
        raise TypeError(f"`path` must be a path as text or a pathlib.Path; got {brief(path)}. Pass 'name.ncut', say.")
    if not os.fspath(path) or "\0" in os.fspath(path):
        raise ValueError(f"`path` must be a path without null characters; got {brief(path)}. Pass 'name.ncut', say.")
    return Path(path).expanduser()


def check_target(path: Any) -> Path:
    """Return the path of a file that can be replaced; raise an error if it is a folder or a device.

    For calls that compute for a while before they write.
    """
    path = check_path(path)
    with _explained(path, "written"):
        if os.path.isdir(path):
            raise IsADirectoryError(f"`path` must name a file; {str(path)!r} is a folder. Add a file name.")
        if os.path.exists(path) and not os.path.isfile(path):
            raise OSError(f"`path` must name a regular file; {str(path)!r} is a device or a pipe. Choose another name.")
    return path


@contextmanager
def reading(path: Any, what: str) -> Iterator[BinaryIO]:
    """Open a file for reading; an error says that it must be `what`."""
    path = check_path(path)
    with _explained(path, "read"):
        if not os.path.lexists(path):
            raise FileNotFoundError(f"`path` must be {what}; there is no file {str(path)!r}. Check the path.")
        if os.path.isdir(path):
            raise IsADirectoryError(f"`path` must be {what}; {str(path)!r} is a folder. Add the name of the file.")
        # Opening a pipe would wait for a writer.
        if os.path.exists(path) and not os.path.isfile(path):
            raise OSError(f"`path` must be {what}; {str(path)!r} is a device or a pipe. Pass a regular file.")
        file = path.open("rb")
    with file:
        yield file


@contextmanager
def _explained(path: str | os.PathLike[str], verb: str) -> Iterator[None]:
    """Word the operating system's errors for a file that is written or read, without the names of temporary files."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            # Worded already.
            raise
        shown, reason = str(path), error.strerror
        if error.errno == errno.ENOTDIR:
            reason = "part of the path is a file, not a folder"
        elif error.errno == errno.ENOENT and verb == "written":
            reason = "its folder cannot be created"
        advice = _ADVICE.get(error.errno, "Check the path")
        worded = type(error)(f"{brief(shown)} cannot be {verb}: {reason}. {advice}.")
        worded.errno = error.errno
        raise worded from error


def file_names(names: Sequence[str], *, reserved: Iterable[str] = ()) -> list[str]:
    """Return a file name without suffix for each of `names`: readable, valid on every system, and unique.

    Slashes, control characters and other invalid characters become "_"; the suffix of an image is removed. The result
    contains none of the names in `reserved`.

    Examples
    --------
    >>> file_names(["cat.jpg", "CAT.png", "../a/b", "…", "..", "nul"])
    ['cat', 'CAT-2', '_a_b', '…', 'unnamed', 'nul_']
    >>> file_names(["Masks.json"], reserved=["masks.json"])
    ['Masks.json-2']
    """
    taken = {name.casefold() for name in reserved}
    result = []
    for name in names:
        stem = _safe_stem(name)
        unique, count = stem, 1
        # On macOS and Windows, names that differ only in case are the same file.
        while unique.casefold() in taken:
            count += 1
            unique = f"{stem}-{count}"
        taken.add(unique.casefold())
        result.append(unique)
    return result


def _safe_stem(name: str) -> str:
    text = "".join(
        _safe_character(character) for character in unicodedata.normalize("NFC", _IMAGE_SUFFIX.sub("", name))
    )
    text = text.strip(" .").encode()[:_MAX_BYTES].decode(errors="ignore").strip(" .") or "unnamed"
    return _RESERVED.sub(r"\1_\2", text) if _RESERVED.match(text) else text


def _safe_character(character: str) -> str:
    # "C": control, format, surrogate, private, unassigned; "Zl", "Zp": line and paragraph separators.
    kind = unicodedata.category(character)
    return "_" if character in _UNSAFE or kind[0] == "C" or kind in ("Zl", "Zp") else character


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file that replaces `path` when the block completes; if the block raises, `path` is unchanged.

    A new file has default permissions; a replaced file keeps its permissions.
    """
    path = check_target(path)
    with _explained(path, "written"), ExitStack() as stack:
        draft = _Draft(path)
        stack.callback(draft.remove)
        yield draft.open()
        draft.finish()
        draft.replace_target()


def write_folder(folder: str | os.PathLike[str], files: Iterable[tuple[str, bytes]]) -> list[Path]:
    """Write files, named relative to `folder`, and return their paths.

    All files are written before the first one replaces an existing file, so a full disk changes no existing file.
    """
    folder = check_path(folder)
    with _explained(folder, "written"), ExitStack() as stack:
        if os.path.exists(folder) and not os.path.isdir(folder):
            raise NotADirectoryError(f"`path` must name a folder; {str(folder)!r} is a file. Choose another name.")
        drafts = []
        for name, content in files:
            draft = _Draft(check_target(folder / name))
            stack.callback(draft.remove)
            draft.open().write(content)
            draft.finish()
            drafts.append(draft)
        for draft in drafts:
            draft.replace_target()
    return [draft.path for draft in drafts]


class _Draft:
    """A temporary file next to its target, which replaces the target in one step or is deleted.

    Register `remove` before calling `open`, so that Ctrl-C between the two leaves no file.
    """

    file: BinaryIO | None = None

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._target = Path(os.path.realpath(path))
        # In the same folder, because a rename is atomic only within a file system.
        self._draft = self._target.with_name(f".ncut-{secrets.token_hex(8)}.tmp")

    def open(self) -> BinaryIO:
        """Open the draft. May be called only once."""
        self._target.parent.mkdir(parents=True, exist_ok=True)
        self.file = _open_unnamed(self._target.parent) or self._draft.open("xb")
        return self.file

    def finish(self) -> None:
        """Flush everything to disk and close the file, which then has the name of the draft."""
        file = self.file
        if file is None:
            raise RuntimeError("A draft must be opened before it is finished.")
        file.flush()
        with suppress(FileNotFoundError):
            os.chmod(file.fileno(), stat.S_IMODE(self._target.stat().st_mode))
        os.fsync(file.fileno())
        if not self._draft.exists():
            # `src_dir_fd` has no meaning for an absolute path, but makes `os.link` follow the link in /proc.
            os.link(f"/proc/self/fd/{file.fileno()}", self._draft, src_dir_fd=0, follow_symlinks=True)
        file.close()

    def replace_target(self) -> None:
        self._draft.replace(self._target)

    def remove(self) -> None:
        """Close the draft, and delete it unless it has replaced the target."""
        # Closing may try to write the buffer again; ignore a failure.
        with suppress(OSError):
            if self.file is not None:
                self.file.close()
        self._draft.unlink(missing_ok=True)


def _open_unnamed(folder: Path) -> BinaryIO | None:
    """Open an unnamed file, which disappears if the process is killed; None if the system does not support it."""
    if not hasattr(os, "O_TMPFILE") or not os.path.isdir("/proc/self/fd"):
        return None
    try:
        return open(folder, "w+b", opener=lambda path, _: os.open(path, os.O_TMPFILE | os.O_RDWR, 0o666))
    except OSError as error:
        # The file system does not support unnamed files.
        if error.errno in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
            return None
        raise


def zip_of(files: Iterable[tuple[str, bytes]]) -> bytes:
    """Return a zip of files given as (name, content); the same files give the same bytes.

    Examples
    --------
    >>> import io, zipfile
    >>> zipfile.ZipFile(io.BytesIO(zip_of([("hand/cat.png", b"...")]))).namelist()
    ['hand/cat.png']
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files:
            archive.writestr(zipfile.ZipInfo(name, ZIP_TIMESTAMP), content)
    return buffer.getvalue()


def png_bytes(image: Image.Image) -> bytes:
    """Return `image` encoded as PNG."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def to_json(value: Any) -> bytes:
    """Return a document as indented JSON."""
    return (json.dumps(value, indent=1, allow_nan=False) + "\n").encode()


def read_json(path: str | os.PathLike[str], what: str) -> dict[str, Any]:
    """Return the object in a JSON file; raise ValueError for other content. `what` describes the expected file."""
    with reading(path, what) as file:
        content = file.read()
    try:
        document = json.loads(content)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(
            f"`path` must be {what}; got {os.fspath(path)!r}, which is not JSON ({error}). Check the path."
        ) from error
    if not isinstance(document, dict):
        raise ValueError(
            f"`path` must be {what}; got {os.fspath(path)!r}, which contains a {type(document).__name__}. "
            "Check which file it is."
        )
    return document


def field(record: Any, key: str, kind: type | tuple[type, ...], where: str) -> Any:
    """Return an entry of a record read from a file; raise ValueError if it is missing or has the wrong type."""
    value = record.get(key) if isinstance(record, dict) else None
    # In Python, bool is a subclass of int.
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        kinds = " or ".join(k.__name__ for k in (kind if isinstance(kind, tuple) else (kind,)))
        got = f"{type(value).__name__} {value!r}"[:80] if isinstance(record, dict) and key in record else "nothing"
        raise ValueError(
            f"{where} must have a {kinds} named {key!r}; got {got}. The file is damaged or of a different type."
        )
    return value
