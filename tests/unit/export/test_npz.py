"""Masks as ``.npz`` files: round trips and errors."""

from __future__ import annotations

import pickle
import zipfile

import numpy as np
import pytest

from ncut_widgets.export import load_npz, save_npz


@pytest.fixture
def path(images, masks, tmp_path):
    return save_npz(images, masks, tmp_path / "deep" / "masks.npz")


def test_masks_round_trip(path, infos, masks, same):
    loaded_images, loaded = load_npz(path)
    assert loaded_images == infos
    same(loaded, masks)


def test_numpy_can_load_file(path, masks):
    with np.load(path, allow_pickle=False) as arrays:
        assert arrays["objects"].tolist() == list(masks)
        assert arrays["images"].tolist() == ["cat.jpg", "train/dög 🐕.png", "cat.png"]
        assert arrays["sizes"].tolist() == [[20, 12], [7, 9], [5, 5]]
        np.testing.assert_array_equal(arrays["mask_2_0"], masks["tail"][0])


def rewrite(path, **changes):
    with np.load(path) as arrays:
        content = {**arrays, **changes}
    np.savez(path, **{key: value for key, value in content.items() if value is not None})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objects": None}, "'objects.npy' is missing"),
        ({"mask_1_2": None}, "'mask_1_2.npy' is missing"),
        ({"mask_1_2": np.zeros((5, 4), bool)}, r"\(5, 5\) for image 2"),
        ({"mask_1_2": np.zeros((5, 5))}, "must be boolean; got float64"),
        ({"sizes": np.zeros((3, 2), int)}, "must be at least 1; got 0"),
        ({"sizes": np.zeros((2, 2), int)}, "do not match"),
        ({"sizes": np.zeros(3, int)}, "do not match"),
        ({"objects": np.array([print], object)}, "not an array of numbers"),
    ],
)
def test_invalid_file_raises(path, changes, message):
    rewrite(path, **changes)
    with pytest.raises(ValueError, match=f"`path` must be a file written by save_npz.*{message}"):
        load_npz(path)


@pytest.mark.parametrize("content", [b"", b"PK", pickle.dumps([1]), b"\x93NUMPY\x01\x00"])
def test_other_files_raise_without_unpickling(tmp_path, content):
    path = tmp_path / "x.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"damaged|is missing"):
        load_npz(path)


def test_other_zip_raises(tmp_path):
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(ValueError, match=r"damaged|is missing"):
        load_npz(path)


def test_truncated_or_changed_file_raises(path):
    content = path.read_bytes()
    path.write_bytes(content[:-40])
    with pytest.raises(ValueError, match=r"damaged|is missing"):
        load_npz(path)
    path.write_bytes(content[:200] + bytes([content[200] ^ 255]) + content[201:])
    with pytest.raises(ValueError, match=r"damaged|is missing"):
        load_npz(path)


def test_missing_file_raises(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.npz"):
        load_npz(tmp_path / "none.npz")
