"""Loading: whatever holds a picture gives upright RGB images with names; whatever does not says why."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

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


def test_reads_one_file_under_its_name(folder, rgb):
    for source in (folder / "frame2.png", str(folder / "frame2.png")):
        (image,) = load_images(source)
        assert image.mode == "RGB"
        assert names([image]) == ["frame2.png"]
        np.testing.assert_array_equal(pixels(image), rgb)


def test_reads_a_folder_in_natural_order_and_leaves_other_files_out(folder):
    assert names(load_images(folder)) == ["frame1.png", "frame2.png", "frame10.png"]


def test_reads_globs_in_natural_order(folder):
    assert names(load_images(str(folder / "frame1*.png"))) == ["frame1.png", "frame10.png"]
    assert len(load_images(str(folder / "**" / "*.png"))) == 4


def test_reads_a_file_whose_name_looks_like_a_glob(tmp_path, rgb):
    path = tmp_path / "cat[1].png"
    Image.fromarray(rgb).save(path)
    assert names(load_images(str(path))) == ["cat[1].png"]


def test_a_list_may_mix_all_kinds(folder, rgb):
    images = load_images([folder / "frame1.png", rgb, torch.from_numpy(rgb), Image.fromarray(rgb), folder])
    assert names(images) == ["frame1.png", "image 1", "image 2", "image 3", "frame1.png", "frame2.png", "frame10.png"]
    for image in images:
        np.testing.assert_array_equal(pixels(image), rgb)


def test_pil_images_are_copied_and_keep_their_name(rgb):
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
def test_arrays_and_tensors_of_every_type_give_the_same_pixels(rgb, convert):
    (image,) = load_images(convert(rgb))
    np.testing.assert_array_equal(pixels(image), rgb)


def test_half_precision_tensors_round_to_the_nearest_value_they_hold(rgb):
    (image,) = load_images(torch.from_numpy(rgb).to(torch.bfloat16) / 255)
    assert np.abs(pixels(image).astype(int) - rgb).max() <= 1


def test_grey_bool_and_alpha_arrays(rgb):
    grey = rgb[..., 0]
    np.testing.assert_array_equal(pixels(load_images(grey)[0]), np.repeat(grey[..., None], 3, axis=2))
    np.testing.assert_array_equal(pixels(load_images(grey[..., None])[0])[..., 1], grey)
    np.testing.assert_array_equal(pixels(load_images(grey > 100)[0])[..., 2], 255 * (grey > 100))
    clear = np.concatenate([rgb, np.zeros_like(rgb[..., :1])], axis=2)
    assert (pixels(load_images(clear)[0]) == 255).all()


def test_a_batch_is_its_images(rgb):
    batch = np.stack([rgb, 255 - rgb])
    for source in (batch, torch.from_numpy(batch).permute(0, 3, 1, 2), [batch]):
        images = load_images(source)
        assert len(images) == 2
        np.testing.assert_array_equal(pixels(images[1]), 255 - rgb)


class MapStyle:
    """A torch dataset: a length and items, and no end when iterated."""

    def __init__(self, rgb):
        self._rgb = rgb

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return torch.from_numpy(self._rgb).permute(2, 0, 1), index


@pytest.mark.parametrize("key", ["image", "img", "pixel_values"])
def test_items_of_datasets(rgb, key):
    image = Image.fromarray(rgb)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    undecoded = {"bytes": buffer.getvalue(), "path": "a/b.png"}
    sources = [
        {key: image},
        [{key: image, "label": 3}],
        [(image, 3)],
        ((picture, label) for picture, label in [(rgb, 1)]),
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


@pytest.mark.parametrize(("mode", "colour"), [("RGBA", (255, 0, 0, 0)), ("LA", (0, 0))])
def test_transparency_lies_over_white(tmp_path, mode, colour):
    Image.new(mode, (4, 4), colour).save(tmp_path / "clear.png")
    assert load_images(tmp_path / "clear.png")[0].getpixel((0, 0)) == WHITE


def test_half_transparent_mixes_with_white():
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
    with pytest.raises(ImageReadError, match=r"'image 0' must be a readable image.*-5 to 5"):
        load_images(Image.fromarray(np.array([[-5, 5]], dtype=np.float32)))


@pytest.mark.parametrize("mode", ["1", "L", "CMYK", "YCbCr", "HSV"])
def test_other_modes_become_rgb(mode):
    assert load_images(Image.new(mode, (3, 2)))[0].mode == "RGB"


@pytest.mark.parametrize("cut", [0, 20, 300])
def test_a_corrupt_file_is_named(tmp_path, cut):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(tmp_path / "whole.jpg")
    (tmp_path / "broken.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:cut])
    with pytest.raises(ImageReadError, match=r"broken\.jpg' must be a readable image; got .*Replace the file"):
        load_images(tmp_path)


def test_a_file_that_is_no_image_is_named(folder):
    with pytest.raises(ImageReadError, match=r"notes\.txt"):
        load_images(folder / "notes.txt")


def test_a_closed_pil_image_is_named(folder):
    with Image.open(folder / "frame1.png") as image:
        pass
    with pytest.raises(ImageReadError, match=r"frame1\.png"):
        load_images(image)


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("nowhere/at/all.png", FileNotFoundError, r"must name an existing image; got 'nowhere/at/all\.png'"),
        ("nowhere/*.png", FileNotFoundError, r"which has none of .*\.png"),
        ([], ValueError, "must hold at least one image; got none"),
        (3, TypeError, r"`source` must be a path, glob or folder.*got 3 \(int\)"),
        ([np.zeros((4, 4)), "nowhere.png"], FileNotFoundError, r"nowhere\.png"),
        ([np.zeros((4, 4)), None], TypeError, "`image 1` must be an image; got NoneType"),
        ({"label": 3}, ValueError, r"under one of 'image'.*got keys \['label'\]"),
        (np.zeros((3, 8, 8)), ValueError, r"got shape \(3, 8, 8\).*transpose"),
        (np.zeros((0, 8, 3)), ValueError, r"got shape \(0, 8, 3\)"),
        (np.zeros(8), ValueError, r"got shape \(8,\)"),
        (np.full((4, 4), 255.0), ValueError, r"must hold floats in \[0, 1\]; got 255 to 255. Divide"),
        (np.full((4, 4), -2.1), ValueError, "undo a model's normalisation"),
        (np.full((4, 4), np.nan), ValueError, "got nan to nan"),
        (np.full((4, 4), 300), ValueError, r"integers in 0\.\.255.*got 300 to 300"),
        (np.zeros((4, 4), dtype=complex), TypeError, "got complex128"),
    ],
)
def test_what_is_not_an_image_says_why(source, error, message):
    with pytest.raises(error, match=message):
        load_images(source)


def test_an_empty_folder_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="has none of"):
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
