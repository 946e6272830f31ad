"""Image loading: all supported inputs give upright RGB images with names; other inputs raise clear errors."""

from __future__ import annotations

import array
import gc
import io
import mmap
import os
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import ExifTags, Image

from ncut_widgets.errors import ImageReadError
from ncut_widgets.features import load_images, sample_images

RED, WHITE = (255, 0, 0), (255, 255, 255)


def names(images):
    return [image.info["name"] for image in images]


def pixels(image):
    return np.asarray(image)


@pytest.fixture
def rgb():
    return np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path, rgb):
    for index in (10, 2, 1):
        Image.fromarray(rgb).save(tmp_path / f"frame{index}.png")
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / "deeper").mkdir()
    Image.fromarray(rgb).save(tmp_path / "deeper" / "frame0.png")
    return tmp_path


def test_file_is_named_after_path(folder, rgb):
    for source in (folder / "frame2.png", str(folder / "frame2.png")):
        (image,) = load_images(source)
        assert image.mode == "RGB"
        assert names([image]) == ["frame2.png"]
        np.testing.assert_array_equal(pixels(image), rgb)


def test_folder_is_read_in_natural_order_without_other_files(folder):
    assert names(load_images(folder)) == ["frame1.png", "frame2.png", "frame10.png"]


def test_glob_is_read_in_natural_order(folder):
    assert names(load_images(str(folder / "frame1*.png"))) == ["frame1.png", "frame10.png"]
    assert len(load_images(str(folder / "**" / "*.png"))) == 4


def test_file_name_with_glob_characters_is_read(tmp_path, rgb):
    path = tmp_path / "cat[1].png"
    Image.fromarray(rgb).save(path)
    assert names(load_images(str(path))) == ["cat[1].png"]


def test_list_may_mix_input_types(folder, rgb):
    images = load_images([folder / "frame1.png", rgb, torch.from_numpy(rgb), Image.fromarray(rgb), folder])
    assert names(images) == ["frame1.png", "image 1", "image 2", "image 3", "frame1.png", "frame2.png", "frame10.png"]
    for image in images:
        np.testing.assert_array_equal(pixels(image), rgb)


def test_pil_images_are_copied_with_name(rgb):
    original = Image.fromarray(rgb)
    original.info["name"] = "mine"
    (image,) = load_images(original)
    image.putpixel((0, 0), (1, 2, 3))
    assert names([image]) == ["mine"]
    np.testing.assert_array_equal(pixels(original), rgb)


@pytest.mark.parametrize(
    "convert",
    [
        lambda a: a,
        lambda a: a.astype(np.uint16) * 257,
        lambda a: a.astype(np.int64),
        lambda a: a / 255,
        lambda a: (a / 255).astype(np.float32),
        lambda a: torch.from_numpy(a),
        lambda a: torch.from_numpy(a).permute(2, 0, 1),
        lambda a: torch.from_numpy(a).permute(2, 0, 1).to(torch.float64) / 255,
        lambda a: a[:, ::-1][:, ::-1],
    ],
)
def test_array_and_tensor_types_give_same_pixels(rgb, convert):
    (image,) = load_images(convert(rgb))
    np.testing.assert_array_equal(pixels(image), rgb)


def test_half_precision_tensors_are_rounded(rgb):
    (image,) = load_images(torch.from_numpy(rgb).to(torch.bfloat16) / 255)
    assert np.abs(pixels(image).astype(int) - rgb).max() <= 1


def test_gray_bool_and_alpha_arrays(rgb):
    gray = rgb[..., 0]
    np.testing.assert_array_equal(pixels(load_images(gray)[0]), np.repeat(gray[..., None], 3, axis=2))
    np.testing.assert_array_equal(pixels(load_images(gray[..., None])[0])[..., 1], gray)
    np.testing.assert_array_equal(pixels(load_images(gray > 100)[0])[..., 2], 255 * (gray > 100))
    clear = np.concatenate([rgb, np.zeros_like(rgb[..., :1])], axis=2)
    assert (pixels(load_images(clear)[0]) == 255).all()


def test_batch_gives_one_image_each(rgb):
    batch = np.stack([rgb, 255 - rgb])
    for source in (batch, torch.from_numpy(batch).permute(0, 3, 1, 2), [batch]):
        images = load_images(source)
        assert len(images) == 2
        np.testing.assert_array_equal(pixels(images[1]), 255 - rgb)


class MapStyle:
    """Map-style torch dataset: has a length and items, but iterating over it never ends."""

    def __init__(self, rgb):
        self._rgb = rgb

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return torch.from_numpy(self._rgb).permute(2, 0, 1), index


@pytest.mark.parametrize("key", ["image", "img", "pixel_values"])
def test_dataset_items(rgb, key):
    image = Image.fromarray(rgb)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    undecoded = {"bytes": buffer.getvalue(), "path": "a/b.png"}
    sources = [
        {key: image},
        [{key: image, "label": 3}],
        [(image, 3)],
        ((image, label) for image, label in [(rgb, 1)]),
        MapStyle(rgb),
        [{key: undecoded}],
        buffer.getvalue(),
    ]
    for source in sources:
        np.testing.assert_array_equal(pixels(load_images(source)[0]), rgb)
    assert len(load_images(MapStyle(rgb))) == 2
    assert names(load_images({key: undecoded})) == ["b.png"]


def test_exif_orientation_is_applied(tmp_path):
    upright = np.zeros((16, 8, 3), dtype=np.uint8)
    upright[:8] = RED
    exif = Image.Exif()
    exif[0x0112] = 6  # Stored a quarter turn counterclockwise: turn it clockwise to see it.
    Image.fromarray(np.rot90(upright)).save(tmp_path / "turned.png", exif=exif)
    (image,) = load_images(tmp_path / "turned.png")
    assert image.size == (8, 16)
    np.testing.assert_array_equal(pixels(image), upright)


@pytest.mark.parametrize("transparent", [False, True])
def test_palettes(tmp_path, transparent):
    palette = Image.new("P", (4, 4))
    palette.putpalette([*RED, 0, 0, 255])
    palette.putpixel((1, 0), 1)
    palette.save(tmp_path / "palette.png", **({"transparency": 1} if transparent else {}))
    (image,) = load_images(tmp_path / "palette.png")
    assert image.getpixel((0, 0)) == RED
    assert image.getpixel((1, 0)) == (WHITE if transparent else (0, 0, 255))


@pytest.mark.parametrize(("mode", "color"), [("RGBA", (255, 0, 0, 0)), ("LA", (0, 0))])
def test_transparency_is_composited_over_white(tmp_path, mode, color):
    Image.new(mode, (4, 4), color).save(tmp_path / "clear.png")
    assert load_images(tmp_path / "clear.png")[0].getpixel((0, 0)) == WHITE


def test_half_transparency_blends_with_white():
    assert load_images(Image.new("RGBA", (2, 2), (255, 0, 0, 51)))[0].getpixel((0, 0)) == (255, 204, 204)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bit_files(tmp_path, suffix):
    values = np.array([[0, 257 * 100], [257 * 200, 65535]], dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / f"deep.{suffix}")
    np.testing.assert_array_equal(pixels(load_images(tmp_path / f"deep.{suffix}")[0])[..., 0], [[0, 100], [200, 255]])


def test_pil_modes_beyond_eight_bits():
    unit = Image.fromarray(np.array([[0, 0.2], [0.4, 1]], dtype=np.float32))
    np.testing.assert_array_equal(pixels(load_images(unit)[0])[..., 0], [[0, 51], [102, 255]])
    wide = Image.fromarray(np.array([[0, 65535]], dtype=np.int32))
    np.testing.assert_array_equal(pixels(load_images(wide)[0])[..., 0], [[0, 255]])
    with pytest.raises(ImageReadError, match=r"^'image 0' must have gray values in 0\.\.1 or 0\.\.255 .*got -5 to 5"):
        load_images(Image.fromarray(np.array([[-5, 5]], dtype=np.float32)))


@pytest.mark.parametrize("mode", ["1", "L", "CMYK", "YCbCr", "HSV"])
def test_other_modes_become_rgb(mode):
    assert load_images(Image.new(mode, (3, 2)))[0].mode == "RGB"


@pytest.mark.parametrize("cut", [0, 20, 300])
def test_corrupt_file_error_names_file(tmp_path, cut):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(tmp_path / "whole.jpg")
    (tmp_path / "broken.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:cut])
    with pytest.raises(ImageReadError, match=r"broken\.jpg' cannot be read: .*skip_unreadable"):
        load_images(tmp_path)


def test_non_image_file_error_names_file(folder):
    with pytest.raises(ImageReadError, match=r"notes\.txt"):
        load_images(folder / "notes.txt")


def test_closed_pil_image_error_names_image(folder):
    with Image.open(folder / "frame1.png") as image:
        pass
    with pytest.raises(ImageReadError, match=r"frame1\.png"):
        load_images(image)


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("nowhere/at/all.png", FileNotFoundError, r"There is no image at 'nowhere/at/all\.png'. Check the path"),
        ("nowhere/*.png", FileNotFoundError, r"No file matches 'nowhere/\*\.png'"),
        ([], ValueError, "There must be at least one image; got none"),
        (3, TypeError, r"Images must be given as a path, glob or folder.*got 3 \(int\)"),
        ([np.zeros((4, 4)), "nowhere.png"], FileNotFoundError, r"nowhere\.png"),
        ([np.zeros((4, 4)), None], TypeError, r"'image 1' must be an image; got None \(NoneType\)"),
        ({"label": 3}, ValueError, r"under one of 'image'.*got keys \['label'\]"),
        (np.zeros((3, 8, 8)), ValueError, r"got shape \(3, 8, 8\).*transpose"),
        (np.zeros((0, 8, 3)), ValueError, r"got shape \(0, 8, 3\)"),
        (np.zeros(8), ValueError, r"got shape \(8,\)"),
        (np.full((4, 4), 255.0), ValueError, r"must hold floats in \[0, 1\]; got 255 to 255. Divide"),
        (np.full((4, 4), -2.1), ValueError, "undo a model's normalization"),
        (np.full((4, 4), np.nan), ValueError, "got nan to nan"),
        (np.full((4, 4), 300), ValueError, r"integers in 0\.\.255.*got 300 to 300"),
        (np.zeros((4, 4), dtype=complex), TypeError, "got complex128"),
    ],
)
def test_non_images_raise(source, error, message):
    with pytest.raises(error, match=message):
        load_images(source)


def test_empty_folder_raises(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"The folder .* is empty"):
        load_images(tmp_path)


def test_files_are_closed(folder, recwarn):
    load_images(folder)
    assert not [w for w in recwarn if issubclass(w.category, ResourceWarning)]


def test_sample_images_are_twelve_distinct_named_photographs():
    images = sample_images()
    assert len(images) == len(set(names(images))) == 12
    assert all(image.mode == "RGB" and min(image.size) >= 300 for image in images)
    assert len({image.size for image in images}) > 4
    assert not any(Path(name).suffix for name in names(images))


# -- values slightly out of range --------------------------------------------------------------------------------------


def as_pil(values):
    return Image.fromarray(np.asarray(values, dtype=np.float32)[None])


@pytest.mark.parametrize("convert", [as_pil, lambda v: np.asarray([v]), lambda v: torch.tensor([v])])
@pytest.mark.parametrize("values", [(0, 0.2, 1.0000001), (-1e-7, 0.2, 1), (-0.06, 0.2, 1.07)])
def test_resampling_overshoot_is_clipped(convert, values):
    (image,) = load_images(convert(values))
    np.testing.assert_array_equal(pixels(image)[0, :, 0], [0, 51, 255])


def test_resized_float_image_keeps_brightness():
    photograph = sample_images()[1].convert("L")
    unit = Image.fromarray(np.asarray(photograph, dtype=np.float32) / 255)
    for source in (unit, photograph.convert("F")):
        resized = source.resize((300, 300), Image.Resampling.LANCZOS)
        values = np.asarray(resized)
        assert values.min() < 0 or values.max() > (1 if source is unit else 255)
        expected = pixels(photograph.resize((300, 300), Image.Resampling.LANCZOS)).astype(int)
        # Pillow rounds 8-bit pixels between its passes along rows and columns.
        difference = np.abs(pixels(load_images(resized)[0])[..., 0] - expected)
        assert difference.max() <= 8
        assert difference.mean() < 1


def test_overshot_integer_image_is_not_read_as_16_bit():
    (image,) = load_images(Image.fromarray(np.array([[-4, 51, 259]], dtype=np.int32)))
    np.testing.assert_array_equal(pixels(image)[0, :, 0], [0, 51, 255])


@pytest.mark.parametrize("values", [(0, 1.5), (0, 3), (0, 20), (-0.3, 1), (-5, 5), (0, 300), (0, np.nan), (0, np.inf)])
def test_ambiguous_pil_float_scale_raises(values):
    with pytest.raises(ImageReadError, match=r"^'image 0' must have gray values in 0\.\.1 or 0\.\.255.*Scale them"):
        load_images(as_pil(values))


@pytest.mark.parametrize("values", [(0, 400), (0, 1000), (-60, 255), (0, 1 << 20)])
def test_ambiguous_pil_integer_scale_raises(values):
    with pytest.raises(ImageReadError, match=r"^'image 0' must have gray values in 0\.\.255 or 0\.\.65535.*Scale them"):
        load_images(Image.fromarray(np.array([values], dtype=np.int32)))


@pytest.mark.parametrize("values", [(0, 1.5), (0, 3), (-0.3, 1)])
def test_ambiguous_float_array_scale_raises(values):
    with pytest.raises(ValueError, match=r"'image 0' must hold floats in \[0, 1\]; got"):
        load_images(np.array([values], dtype=np.float64))


def test_out_of_range_float_file_error_names_file(tmp_path):
    as_pil((-5, 5)).save(tmp_path / "depth.tif")
    with pytest.raises(ImageReadError, match=r"^'[^']*depth\.tif' must have gray values"):
        load_images(tmp_path)


@pytest.mark.parametrize("wrap", [lambda m: m, lambda m: [m], lambda m: np.ma.stack([m, m]), lambda m: {"image": m}])
def test_masked_values_raise(rgb, wrap):
    with pytest.raises(ValueError, match=r"'image 0(\.0)?' has 3 masked values.*filled"):
        load_images(wrap(np.ma.masked_array(rgb, mask=np.arange(rgb.size).reshape(rgb.shape) < 3)))
    (image, *_) = load_images(wrap(np.ma.masked_array(rgb)))
    np.testing.assert_array_equal(pixels(image), rgb)


# -- folders and patterns ----------------------------------------------------------------------------------------------


def test_hidden_files_and_folders_are_ignored(folder):
    (folder / "._frame1.png").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X        ")
    (folder / ".thumbnail.jpg").write_bytes(b"damaged")
    for name in ("crops.png", ".hidden"):
        (folder / name).mkdir()
        Image.new("RGB", (2, 2)).save(folder / name / "inner.png")
    os.mkfifo(folder / "pipe.jpg")
    assert names(load_images(folder)) == ["frame1.png", "frame2.png", "frame10.png"]
    assert len(load_images(str(folder / "*"))) == 3


@pytest.mark.parametrize(
    "suffix",
    [
        "jfif",
        "jpe",
        "jp2",
        "apng",
        "tga",
        "JPG",
        "webp",
        "avif",
        "ico",
        "pcx",
        "pnm",
        "qoi",
        "dds",
        "sgi",
        "j2k",
        "dib",
    ],
)
def test_folder_finds_every_extension_that_pillow_opens(tmp_path, suffix):
    Image.init()
    path = tmp_path / f"a.{suffix}"
    Image.new("RGB", (16, 16), RED).save(path, format=Image.registered_extensions()[f".{suffix.lower()}"])
    for source in (tmp_path, str(tmp_path / "*"), path):
        assert names(load_images(source)) == [path.name]


def test_other_data_files_are_ignored(folder):
    for name, content in (
        ("x.h5", b"\x89HDF\r\n\x1a\n"),
        ("y.npy", b"\x93NUMPY"),
        ("z.grib", b"GRIB"),
        ("LICENSE", b"MIT"),
    ):
        (folder / name).write_bytes(content)
    assert len(load_images(folder)) == 3


def test_images_without_extension_are_found(folder, rgb):
    Image.fromarray(rgb).save(folder / "0123abcd", "PNG")
    assert names(load_images(folder))[0] == "0123abcd"


@pytest.mark.parametrize("name", ["photo.heic", "scan.jpg_large", "drawing.svg", "raw.nef"])
def test_unsupported_extensions_warn(folder, name):
    beginnings = {".heic": b"\0\0\0\x18ftypheic", ".jpg_large": b"\xff\xd8\xff\xe0", ".svg": b"<svg ", ".nef": b"II*\0"}
    (folder / name).write_bytes(beginnings[Path(name).suffix] + bytes(100))
    with pytest.warns(
        UserWarning, match=rf"Skipped '{name}': Pillow cannot open image files with this extension"
    ) as caught:
        assert len(load_images(folder)) == 3
    assert caught[0].filename == __file__
    (folder / "only").mkdir()
    (folder / name).rename(folder / "only" / name)
    with pytest.raises(FileNotFoundError, match=rf"only' has no images with an extension.*got '{name}'"):
        load_images(folder / "only")


@pytest.mark.parametrize("name", ["run[1]", "a*b", "what?", "[x]"])
def test_existing_path_is_not_a_pattern(tmp_path, monkeypatch, name):
    folder = tmp_path / name / "[deeper]"
    folder.mkdir(parents=True)
    (tmp_path / "run1").mkdir()
    for path in (folder / "z[0].jpg", folder / "z0.jpg", tmp_path / "run1" / "other.jpg"):
        Image.new("RGB", (2, 2)).save(path)
    assert names(load_images(str(folder / "*.jpg"))) == ["z0.jpg", "z[0].jpg"]
    assert names(load_images(str(tmp_path / "**" / "[deeper]" / "*.jpg"))) == ["z0.jpg", "z[0].jpg"]
    assert names(load_images(str(tmp_path / name / "**" / "z[0].jpg"))) == ["z[0].jpg"]
    monkeypatch.chdir(tmp_path)
    assert names(load_images(f"{name}/[[]deeper]/z0*")) == ["z0.jpg"]
    assert names(load_images("run[0-9]/*.jpg")) == ["other.jpg"]


def test_damaged_files_are_skipped_on_request(folder):
    whole = (folder / "frame1.png").read_bytes()
    (folder / "half.png").write_bytes(whole[:60])
    (folder / "empty.gif").write_bytes(b"")
    with pytest.raises(ImageReadError, match=r"empty\.gif' cannot be read: it is empty.*skip_unreadable=True"):
        load_images(folder)
    with pytest.warns(UserWarning, match=r"Skipped 2 of 5 images.*'empty\.gif', 'half\.png'"):
        assert names(load_images(folder, skip_unreadable=True)) == ["frame1.png", "frame2.png", "frame10.png"]
    with pytest.warns(UserWarning, match="Skipped 1 of 2 images.*'image 1'"):
        assert names(load_images([whole, whole[:60]], skip_unreadable=True)) == ["image 0"]
    with pytest.raises(ImageReadError, match=r"half\.png"):
        load_images(folder / "half.png", skip_unreadable=True)


def test_broken_link_error_names_link(folder):
    (folder / "frame3.png").symlink_to(folder / "gone.png")
    with pytest.raises(FileNotFoundError, match=r"frame3\.png', which is a broken link"):
        load_images(folder)


# -- input types -------------------------------------------------------------------------------------------------------


@pytest.fixture
def encoded(rgb):
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "PNG")
    return buffer.getvalue()


class Pipe(io.RawIOBase):
    """Stream that cannot seek, like a network connection."""

    def __init__(self, content):
        self._content = io.BytesIO(content)

    def readable(self):
        return True

    def readinto(self, buffer):
        return self._content.readinto(buffer)


@pytest.mark.parametrize(
    "kind",
    [
        bytes,
        bytearray,
        memoryview,
        io.BytesIO,
        lambda b: array.array("B", b),
        lambda b: np.frombuffer(b, np.uint8),
        lambda b: torch.frombuffer(bytearray(b), dtype=torch.uint8),
        Pipe,
        lambda b: io.BufferedReader(Pipe(b)),
    ],
)
def test_encoded_images_in_memory(kind, encoded, rgb):
    for wrap in (lambda x: x, lambda x: [x], lambda x: {"image": x}, lambda x: ((x, 3) for x in [x])):
        (image,) = load_images(wrap(kind(encoded)))
        np.testing.assert_array_equal(pixels(image), rgb)


def test_buffer_is_read_from_start(rgb):
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "PNG")
    np.testing.assert_array_equal(pixels(load_images(buffer)[0]), rgb)


def test_open_files_stay_open_and_keep_name(folder, encoded):
    with open(folder / "frame2.png", "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert names(load_images([file, mapped])) == ["frame2.png", "image 1"]
        assert not file.closed
        assert not mapped.closed
        assert len(file.read()) + file.tell() > 0
    with zipfile.ZipFile(folder / "images.zip", "w") as archive:
        archive.writestr("inner/a.png", encoded)
        with archive.open("inner/a.png") as member:
            assert names(load_images(member)) == ["a.png"]
    with open(folder / "frame2.png") as text, pytest.raises(TypeError, match=r"opened as text\. Open it in binary"):
        load_images(text)
    with pytest.raises(ImageReadError, match=r"frame2\.png' cannot be read.*closed file"):
        load_images(file)


@pytest.mark.parametrize(
    "kind",
    [
        np.array,
        lambda p: np.array(p, dtype=object),
        lambda p: np.array([Path(x) for x in p]),
        pd.Series,
        pd.Index,
        set,
        iter,
        tuple,
        lambda p: pd.Series(p, index=[7, 3]),
        lambda p: pd.Series(p, dtype="category"),
        lambda p: {str(x): x for x in p}.values(),
        lambda p: pd.DataFrame({"id": [4, 5], "path": p}),
        lambda p: pd.DataFrame({"id": [4, 5], "which": p, "label": ["cat", "dog"]}),
        lambda p: pd.DataFrame({"Image": [1, 2], "File": p}),
        lambda p: list(pd.DataFrame({"n": 1, "path": p}).itertuples()),
        lambda p: [row for _, row in pd.DataFrame({"n": 1, "path": p}).iterrows()],
    ],
)
def test_collections_of_paths(folder, kind):
    paths = [str(folder / "frame1.png"), str(folder / "frame2.png")]
    assert sorted(names(load_images(kind(paths)))) == ["frame1.png", "frame2.png"]


@pytest.mark.parametrize(
    "kind",
    [
        lambda names, items: dict(zip(names, items, strict=True)),
        lambda names, items: pd.Series(items, index=names),
        lambda names, items: pd.DataFrame({"name": names, "image": items}),
        lambda names, items: [{"name": name, "img": item} for name, item in zip(names, items, strict=True)],
    ],
)
def test_given_names_are_kept(folder, encoded, rgb, kind):
    items = [str(folder / "frame1.png"), rgb, Image.fromarray(rgb), encoded, io.BytesIO(encoded), torch.from_numpy(rgb)]
    given = [f"the {index}th" for index in range(len(items))]
    images = load_images(kind(given, items))
    assert names(images) == given
    assert {image.size for image in images} == {(9, 6)}


def test_dataset_slice(rgb, encoded):
    batch = {"image": [Image.fromarray(rgb), {"bytes": encoded, "path": "a/b.png"}], "label": [1, 2]}
    assert names(load_images(batch)) == ["image 0.0", "b.png"]
    collated = [{"pixel_values": torch.rand(2, 3, 4, 5)}, {"pixel_values": torch.rand(1, 3, 4, 5)}]
    assert [image.size for image in load_images(collated)] == [(5, 4)] * 3


class Foreign:
    """Array type of another library."""

    def __init__(self, values):
        self._values = values

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self._values, dtype=dtype)


def test_arrays_of_other_libraries(rgb):
    for source in (Foreign(rgb), [Foreign(rgb)], memoryview(rgb)):
        np.testing.assert_array_equal(pixels(load_images(source)[0]), rgb)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/a.jpg",
        Path("https://example.org/a.jpg"),
        "s3://bucket/*.png",
        "data:image/png;base64,AAAA",
        "file:///tmp/a.png",
        "HTTP://example.org/a.jpg?size=[1]",
    ],
)
def test_url_raises_with_remedy(url):
    for source in (url, [url], {"image": url}, {"mine": url}, np.array([str(url)])):
        with pytest.raises(ValueError, match=r"is a URL, and `load_images` does not download files\. Download"):
            load_images(source)


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("", FileNotFoundError, "The path is empty"),
        ("a\0b.png", FileNotFoundError, r"There is no image at 'a\\x00b\.png'"),
        ("x" * 5000, FileNotFoundError, r"There is no image at 'x+ \.\.\. x+'"),
        (
            pd.DataFrame({"id": [1], "label": ["cat"]}),
            ValueError,
            r"one column of images.*got columns \['id', 'label'\]",
        ),
        (pd.DataFrame({"left": ["a.png"], "right": ["b.png"]}), ValueError, r"got columns \['left', 'right'\]"),
        (pd.Series([np.zeros((2, 2)), None]), TypeError, "'image 1' must be an image; got None"),
        ([[np.zeros((2, 2))]], TypeError, r"'image 0' must be an image; got \[.*\(list\)"),
        (Image.new("RGB", (0, 5)), ValueError, r"'image 0' has no pixels; got an image of size \(0, 5\)"),
        (torch.zeros(4, 4).to_sparse(), TypeError, "must be a dense tensor.*to_dense"),
        (b"", ImageReadError, "'image 0' cannot be read: it is empty"),
        ({}, ValueError, "There must be at least one image"),
    ],
)
def test_other_non_images_raise(source, error, message):
    with pytest.raises(error, match=message):
        load_images(source)


# -- damaged files -----------------------------------------------------------------------------------------------------


def test_damaged_metadata_do_not_prevent_reading(tmp_path, rgb):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 3
    exif[ExifTags.Base.ImageWidth] = 7
    image = Image.fromarray(rgb)
    for name, data in (
        ("short", exif.tobytes()[:12]),
        ("noise", b"Exif\0\0" + bytes(range(64))),
        ("none", b"Exif\0\0"),
    ):
        image.save(tmp_path / f"{name}.png", exif=data)
        np.testing.assert_array_equal(pixels(load_images(tmp_path / f"{name}.png")[0]), rgb)
    # Damage the type of an entry unrelated to the orientation: text instead of a number.
    wrong = exif.tobytes().replace(b"\0\x01\x04\0", b"\0\x01\x02\0").replace(b"\x01\0\0\x04", b"\x01\0\0\x02")
    image.save(tmp_path / "wrong.png", exif=wrong)
    np.testing.assert_array_equal(pixels(load_images(tmp_path / "wrong.png")[0]), rgb[::-1, ::-1])


def test_decompression_bomb_error_names_file(tmp_path, monkeypatch):
    Image.new("L", (64, 64)).save(tmp_path / "large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 3000)
    assert len(load_images(tmp_path)) == 1
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ImageReadError, match=r"large\.png' cannot be read: .*exceeds limit.*MAX_IMAGE_PIXELS"):
        load_images(tmp_path)


@pytest.mark.parametrize(
    "error", [RuntimeError("no luck"), KeyError(3), ZeroDivisionError(), NotImplementedError("later")]
)
def test_decoder_errors_become_image_read_error(folder, monkeypatch, error):
    def decode(*_):
        raise error

    monkeypatch.setitem(Image.OPEN, "PNG", (decode, None))
    with pytest.raises(ImageReadError, match=rf"frame1\.png' cannot be read: .*\({type(error).__name__}\)"):
        load_images(folder / "frame1.png")
    gc.collect()
