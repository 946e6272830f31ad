"""Safe reading of zip files of arrays from untrusted sources: no code is executed, and damage raises ValueError."""

from __future__ import annotations

import math
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from ncut_widgets.export._files import reading

__all__ = ["read_array", "reading_zip"]

# Exceptions that reading a damaged zip file can raise.
_DAMAGE_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, OverflowError, struct.error)
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED_FLAG = 0x1
# The limit of numpy 1 (numpy 2: 64).
_MAX_DIMENSIONS = 32
_MAGIC = b"\x93NUMPY\x01\x00"
# The header is matched as text because numpy's reader evaluates it.
_HEADER = re.compile(
    r"\{'descr': '([<>|][biufcU][0-9]{1,6})', 'fortran_order': (True|False), 'shape': \(([0-9, ]*)\), \} *\n", re.ASCII
)


@contextmanager
def reading_zip(path: str | os.PathLike[str], what: str) -> Iterator[zipfile.ZipFile]:
    """Open a zip file for reading, and convert errors in its content to a ValueError; `what` describes the file.

    Raises
    ------
    OSError
        If the file cannot be opened.
    ValueError
        If it is damaged, encrypted or not compressed with deflate, or if the caller raises a ValueError.
    """
    with reading(path, what) as file:
        shown = os.fspath(path)
        try:
            with zipfile.ZipFile(file) as archive:
                for info in archive.infolist():
                    if info.compress_type not in _COMPRESSIONS or info.flag_bits & _ENCRYPTED_FLAG:
                        raise ValueError(f"{info.filename!r} is encrypted or not compressed with deflate.")
                yield archive
        except _DAMAGE_ERRORS as error:
            raise ValueError(
                f"`path` must be {what}; got {shown!r}, which is truncated, damaged or not a zip file "
                f"({type(error).__name__}: {error}). Save it again, or check which file it is."
            ) from error
        except NotImplementedError as error:
            raise ValueError(
                f"`path` must be {what}; got {shown!r}, an unsupported type of zip file ({error}). Check which file "
                "it is."
            ) from error
        except ValueError as error:
            raise ValueError(f"`path` must be {what}; got {shown!r}: {error}") from error


def read_array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """Return the array of numbers, booleans or text in the member ``*.npy`` of the archive."""
    if name not in archive.namelist():
        raise ValueError(f"{name!r} is missing. The file is damaged.")
    info = archive.getinfo(name)
    with archive.open(info) as member:
        start = member.read(len(_MAGIC) + 2)
        if len(start) != len(_MAGIC) + 2 or not start.startswith(_MAGIC):
            raise ValueError(f"{name!r} is not a numpy array of version 1.0. The file is damaged.")
        length = int.from_bytes(start[-2:], "little")
        header = _HEADER.fullmatch(member.read(length).decode("latin-1"))
        if header is None:
            raise ValueError(f"{name!r} is not an array of numbers, booleans or text. Do not trust the file.")
        try:
            dtype = np.dtype(header[1])
        except TypeError as error:
            raise ValueError(f"{name!r} has the dtype {header[1]!r}, which numpy does not support.") from error
        shape = tuple(int(side) for side in header[3].replace(" ", "").rstrip(",").split(",") if side)
        n_bytes, found = math.prod(shape) * dtype.itemsize, info.file_size - len(start) - length
        if found != n_bytes or len(shape) > _MAX_DIMENSIONS:
            raise ValueError(f"{name!r} must have {n_bytes} bytes for its shape {shape}; got {found}. It is damaged.")
        # Read to the end, where the checksum is verified.
        content = member.read()
    if len(content) != n_bytes:
        raise EOFError(f"{name} ends early")
    return np.ndarray(shape, dtype, content, order="F" if header[2] == "True" else "C").copy(order="C")
