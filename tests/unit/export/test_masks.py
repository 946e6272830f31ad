"""Masks, overlays and label maps as PNG files: content, names and errors."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

from ncut_widgets.export import save_label_maps, save_masks, save_overlays


def read(path):
    with Image.open(path) as image:
        return np.array(image)


def test_masks_round_trip_by_index_file(images, masks, same, tmp_path):
    *_, index = save_masks(images, masks, tmp_path / "new" / "folder")
    names = [image.info["name"] for image in images]
    loaded = {name: [None] * 3 for name in masks}
    for entry in json.loads(index.read_text())["masks"]:
        pixels = read(index.parent / entry["file"])
        assert set(np.unique(pixels)) <= {0, 255}
        loaded[entry["object"]][names.index(entry["image"])] = pixels == 255
    same(loaded, masks)


def test_mask_files_are_named_by_object_and_image(images, masks, tmp_path):
    paths = save_masks(images, masks, tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in paths[:3]] == [
        "left_paw/cat.png",
        "left_paw/train_dög 🐕.png",
        "left_paw/cat-2.png",
    ]
    assert sorted(paths) == sorted(path for path in tmp_path.rglob("*") if path.is_file())


def test_image_infos_and_tensor_masks_are_accepted(infos, masks, tmp_path):
    tensors = {name: [torch.tensor(mask) for mask in per_image] for name, per_image in masks.items()}
    path = save_masks(infos, tensors, tmp_path)[0]
    np.testing.assert_array_equal(read(path) == 255, masks["left/paw"][0])


def test_overlays_blend_inside_masks_only(images, masks, tmp_path):
    del masks["Ohr"]
    colors = {"left/paw": "#ff0000", "tail": "#0000FF"}
    paths = save_overlays(images, masks, tmp_path, colors=colors, opacity=0.25)
    assert [path.name for path in paths] == ["cat.png", "train_dög 🐕.png", "cat-2.png"]
    for index, path in enumerate(paths):
        expected = np.array(images[index], float)
        for name, color in (("left/paw", (255, 0, 0)), ("tail", (0, 0, 255))):
            inside = masks[name][index]
            expected[inside] = 0.75 * expected[inside] + 0.25 * np.array(color)
        np.testing.assert_allclose(read(path), expected, atol=0.51)
        outside = ~(masks["left/paw"][index] | masks["tail"][index])
        np.testing.assert_array_equal(read(path)[outside], np.array(images[index])[outside])


def test_overlay_leaves_image_unchanged(images, masks, tmp_path):
    before = [np.array(image) for image in images]
    save_overlays(images, masks, tmp_path)
    for image, pixels in zip(images, before, strict=True):
        np.testing.assert_array_equal(np.array(image), pixels)


def test_label_maps_have_numbers_colors_and_names(images, masks, tmp_path):
    del masks["Ohr"]
    masks["tail"][0] &= ~masks["left/paw"][0]
    *maps, names = save_label_maps(images, masks, tmp_path, colors={"tail": "#ABCDEF"})
    document = json.loads(names.read_text())
    assert document["background"] == 0
    assert [(item["label"], item["name"], item["color"]) for item in document["objects"]] == [
        (1, "left/paw", "#e69f00"),
        (2, "tail", "#abcdef"),
    ]
    assert [item["file"] for item in document["images"]] == [path.name for path in maps]
    assert [item["name"] for item in document["images"]] == [image.info["name"] for image in images]
    for index, path in enumerate(maps):
        for item in document["objects"]:
            np.testing.assert_array_equal(read(path) == item["label"], masks[item["name"]][index])
        with Image.open(path) as image:
            shown = np.array(image.convert("RGB"))
        np.testing.assert_array_equal(
            shown[masks["tail"][index]], np.tile([171, 205, 239], (masks["tail"][index].sum(), 1))
        )
        assert not shown[read(path) == 0].any()


def test_overlap_in_label_map_warns_and_later_object_wins(infos, masks, tmp_path):
    hidden = sum(int(mask.sum()) for name in ("left/paw", "tail") for mask in masks[name])
    both = sum(int((a & b).sum()) for a, b in zip(masks["left/paw"], masks["tail"], strict=True))
    with pytest.warns(UserWarning, match=f"Objects overlap in {hidden - both} pixels") as caught:
        path = save_label_maps(infos, masks, tmp_path)[0]
    assert caught[0].filename == __file__
    np.testing.assert_array_equal(read(path), np.where(masks["tail"][0], 3, 2))


def test_label_map_allows_up_to_255_objects(tmp_path):
    eye = np.eye(256, dtype=bool)
    masks = {f"{row}": [eye[row : row + 1]] for row in range(255)}
    labels = read(save_label_maps([("row", 256, 1)], masks, tmp_path)[0])
    np.testing.assert_array_equal(labels[0], [*range(1, 256), 0])
    with pytest.raises(ValueError, match=r"`masks` must have at most 255 objects.*got 256.*save_coco"):
        save_label_maps([("row", 256, 1)], {**masks, "last": [eye[255:]]}, tmp_path)


@pytest.mark.parametrize("save", [save_masks, save_overlays, save_label_maps])
@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({}, ValueError, "`masks` must contain at least one object; got none"),
        ([], TypeError, "`masks` must be a dict from object names.*got list"),
        ({1: []}, TypeError, "`masks` must have names as keys; got 1"),
        ({"paw": []}, ValueError, "one mask for each of the 3 images; got 0 for 'paw'"),
        ({"paw": [np.zeros((12, 20))] * 3}, TypeError, "must be boolean; got float64 for 'paw' in image 0.*heatmap"),
        ({"paw": [np.zeros((20, 12), bool)] * 3}, ValueError, r"\(12, 20\) for image 0 .'cat.jpg'.; got \(20, 12\)"),
    ],
)
def test_invalid_masks_raise_and_nothing_is_written(images, tmp_path, save, wrong, error, message):
    with pytest.raises(error, match=message):
        save(images, wrong, tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ([], ValueError, "`images` must contain at least one image; got none"),
        (None, TypeError, "`images` must be a list of PIL images.*got NoneType"),
        (["cat.jpg"], TypeError, "got str at index 0. Open files with load_images"),
        ([("cat.jpg", 0, 3)], ValueError, "`images` must be at least 1; got 0"),
    ],
)
def test_invalid_images_raise(tmp_path, masks, wrong, error, message):
    with pytest.raises(error, match=message):
        save_masks(wrong, masks, tmp_path)


def test_overlays_reject_image_infos_and_unknown_colors(images, infos, masks, tmp_path):
    with pytest.raises(TypeError, match="must be PIL images for overlays; got tuple at index 0"):
        save_overlays(infos, masks, tmp_path)
    with pytest.raises(
        ValueError, match="must have keys from `masks`: 'left/paw', 'Ohr', 'tail'; got a color for 'ear'"
    ):
        save_overlays(images, masks, tmp_path, colors={"ear": "#ffffff"})
    with pytest.raises(ValueError, match="`colors` must have the form '#rrggbb'; got 'red'"):
        save_overlays(images, masks, tmp_path, colors={"tail": "red"})
    with pytest.raises(ValueError, match=r"`opacity` must be in \[0, 1\]; got 2"):
        save_overlays(images, masks, tmp_path, opacity=2)
