"""Damaged image files: each gives an image, or an error that names the file, and none is left open."""

from __future__ import annotations

import gc
import io
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from ncut_widgets.errors import ImageReadError
from ncut_widgets.features import load_images

pytestmark = pytest.mark.fuzz


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.XResolution] = 72.0
    exif[ExifTags.Base.Artist] = "nobody"
    exif[ExifTags.Base.WhitePoint] = (0.3, 0.3)
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExposureTime] = 0.01
    return exif


def _encode(mode: str, format: str, **options: object) -> bytes:
    values = np.random.default_rng(0).integers(0, 256, (12, 16, 4), dtype=np.uint8)
    values[:, :, 3] = 255
    buffer = io.BytesIO()
    Image.fromarray(values).convert({"P": "RGB", "I;16": "I"}.get(mode, mode)).convert(mode).save(
        buffer, format, **options
    )
    return buffer.getvalue()


def _animation(format: str) -> bytes:
    frames = [Image.new("RGB", (8, 6), color) for color in ("red", "green", "blue")]
    buffer = io.BytesIO()
    frames[0].save(buffer, format, save_all=True, append_images=frames[1:])
    return buffer.getvalue()


WHOLE = {
    "png": _encode("RGBA", "PNG", exif=_exif(), icc_profile=bytes(200)),
    "palette.png": _encode("P", "PNG", transparency=3),
    "deep.png": _encode("I;16", "PNG"),
    "apng": _animation("PNG"),
    "jpg": _encode("RGB", "JPEG", exif=_exif(), comment="a comment"),
    "progressive.jpg": _encode("CMYK", "JPEG", progressive=True),
    "webp": _encode("RGBA", "WEBP", exif=_exif()),
    "lossless.webp": _encode("RGB", "WEBP", lossless=True),
    "animated.webp": _animation("WEBP"),
    "gif": _animation("GIF"),
    "tif": _encode("RGB", "TIFF", exif=_exif()),
    "deflated.tif": _encode("RGB", "TIFF", compression="tiff_adobe_deflate"),
    "lzw.tif": _encode("L", "TIFF", compression="tiff_lzw"),
    "float.tif": _encode("F", "TIFF"),
    "pages.tif": _animation("TIFF"),
    "bmp": _encode("RGB", "BMP"),
    "palette.bmp": _encode("P", "BMP"),
    "avif": _encode("RGB", "AVIF", exif=_exif()),
    "animated.avif": _animation("AVIF"),
    "jp2": _encode("RGB", "JPEG2000"),
    "j2k": _encode("RGBA", "JPEG2000", no_jp2=True),
    "tga": _encode("RGBA", "TGA", compression="tga_rle"),
    "ico": _encode("RGBA", "ICO"),
    "pcx": _encode("RGB", "PCX"),
    "ppm": _encode("RGB", "PPM"),
    "qoi": _encode("RGBA", "QOI"),
    "dds": _encode("RGBA", "DDS"),
    "sgi": _encode("RGB", "SGI"),
    "icns": _encode("RGBA", "ICNS"),
}


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, bytes]:
    """A file's name and its content: a whole file, changed in one to four ways."""
    name = draw(st.sampled_from(sorted(WHOLE)))
    content = bytearray(WHOLE[name])
    for _ in range(draw(st.integers(1, 4))):
        if not content:
            break
        # Most of what decoders trust is at the beginning of a file.
        last = len(content) - 1
        start = draw(st.integers(0, min(last, 100)) | st.integers(0, last))
        stop = min(len(content), start + draw(st.integers(1, 8) | st.integers(1, 200)))
        match draw(st.sampled_from(["flip", "set", "truncate", "delete", "repeat", "insert", "splice"])):
            case "flip":
                content[start] ^= 1 << draw(st.integers(0, 7))
            case "set":
                content[start] = draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]) | st.integers(0, 255))
            case "truncate":
                del content[start:]
            case "delete":
                del content[start:stop]
            case "repeat":
                content[start:start] = content[start:stop]
            case "insert":
                content[start:start] = draw(st.binary(min_size=1, max_size=16))
            case "splice":
                other = WHOLE[draw(st.sampled_from(sorted(WHOLE)))]
                begin = draw(st.integers(0, len(other) - 1))
                content[start:stop] = other[begin : begin + stop - start]
    return f"damaged.{name}", bytes(content)


def outcome(source: object) -> Image.Image | str:
    """The image in the source, or the message of the error."""
    try:
        return load_images(source)[0]
    except ImageReadError as error:
        return str(error)


def check(source: object, name: str) -> None:
    result = outcome(source)
    event("refused" if isinstance(result, str) else "read")
    if isinstance(result, str):
        assert name in result
    else:
        assert result.mode == "RGB"
        assert result.info == {"name": name}
        assert np.asarray(result).shape == (result.height, result.width, 3)


@pytest.fixture(scope="module")
def folder():
    with tempfile.TemporaryDirectory() as path:
        yield Path(path)
    # A file that a failure left open is a ResourceWarning here.
    gc.collect()


@settings.get_profile("fuzz")
@given(damaged())
def test_a_damaged_file_gives_an_image_or_an_error_that_names_it(folder, case):
    name, content = case
    (folder / name).write_bytes(content)
    check(folder / name, name)
    check({name: content}, name)


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_whole_files_are_read(folder, name):
    (folder / name).write_bytes(WHOLE[name])
    assert len(load_images(folder / name)) == 1
