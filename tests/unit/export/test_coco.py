"""COCO files: round trips, compatibility with pycocotools, and errors."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from ncut_widgets.export import load_coco, save_coco
from ncut_widgets.export.coco import rle_decode, rle_encode

# pycocotools 2.0 uses a deprecated numpy feature for decoding.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

SHAPES = st.tuples(st.integers(1, 40), st.integers(1, 40))


def theirs(mask):
    rle = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    return {"size": list(rle["size"]), "counts": rle["counts"].decode()}


def blob(shape):
    y, x = np.indices(shape)
    return np.hypot(x - shape[1] / 2, y - shape[0] / 3) < min(shape) / 3


@settings(deadline=None)
@given(SHAPES.flatmap(lambda shape: arrays(bool, shape)))
def test_run_lengths_match_pycocotools(mask):
    assert rle_encode(mask) == theirs(mask)
    np.testing.assert_array_equal(rle_decode(theirs(mask)), mask)


@pytest.mark.parametrize(
    "mask",
    [
        np.zeros((1, 1), bool),
        np.ones((1, 1), bool),
        np.ones((700, 900), bool),
        np.zeros((700, 900), bool),
        blob((480, 640)),
        ~blob((2000, 1500)),
        np.arange(200_000).reshape(400, 500) % 70_001 == 3,
    ],
    ids=["0", "1", "ones", "zeros", "blob", "around a blob", "long and short runs"],
)
def test_run_lengths_of_large_masks_match_pycocotools(mask):
    assert rle_encode(mask) == theirs(mask)
    np.testing.assert_array_equal(coco_mask.decode(rle_encode(mask)), mask)
    np.testing.assert_array_equal(rle_decode(rle_encode(mask)), mask)


def test_run_lengths_may_be_bytes_or_numbers():
    mask = blob((30, 20))
    as_bytes = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    np.testing.assert_array_equal(rle_decode(as_bytes), mask)
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat, prepend=False, append=flat[-1])).tolist()
    counts = np.diff([0, *edges, flat.size]).tolist()
    np.testing.assert_array_equal(rle_decode({"size": [30, 20], "counts": counts}), mask)


def test_pycocotools_reads_file(images, masks, tmp_path):
    path = save_coco(images, masks, tmp_path / "deep" / "coco.json")
    coco = COCO(str(path))
    assert [item["file_name"] for item in coco.loadImgs(coco.getImgIds())] == ["cat.jpg", "train/dög 🐕.png", "cat.png"]
    assert [item["name"] for item in coco.loadCats(coco.getCatIds())] == list(masks)
    seen = 0
    for category, per_image in enumerate(masks.values(), 1):
        for image, mask in enumerate(per_image, 1):
            (annotation,) = coco.loadAnns(coco.getAnnIds(imgIds=image, catIds=category)) or [None]
            assert (annotation is not None) == mask.any()
            if annotation is not None:
                seen += 1
                np.testing.assert_array_equal(coco.annToMask(annotation), mask)
                rle = coco.annToRLE(annotation)
                assert annotation["area"] == coco_mask.area(rle)
                assert annotation["bbox"] == coco_mask.toBbox(rle).tolist()
                assert annotation["iscrowd"] == 0
    assert seen == len(coco.anns) == 7


def test_masks_round_trip(images, infos, masks, same, tmp_path):
    loaded_images, loaded = load_coco(save_coco(images, masks, tmp_path / "coco.json"))
    assert loaded_images == infos
    same(loaded, masks)
    path = save_coco(loaded_images, loaded, tmp_path / "again.json")
    assert path.read_bytes() == (tmp_path / "coco.json").read_bytes()


def test_instances_of_category_are_combined(tmp_path):
    first, second = np.eye(3, dtype=bool), np.eye(3, dtype=bool)[::-1]
    document = {
        "images": [{"id": 7, "file_name": "a", "width": 3, "height": 3}],
        "categories": [{"id": 90, "name": "cross"}],
        "annotations": [{"image_id": 7, "category_id": 90, "segmentation": theirs(mask)} for mask in (first, second)],
    }
    (tmp_path / "x.json").write_text(json.dumps(document))
    _, masks = load_coco(tmp_path / "x.json")
    np.testing.assert_array_equal(masks["cross"][0], first | second)


def changed(document, *keys, value):
    entry = document
    for key in keys[:-1]:
        entry = entry[key]
    entry[keys[-1]] = value
    return document


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (["images"], None, "a COCO file must have a list named 'images'; got NoneType"),
        (["images", 0, "width"], "20", "an image must have a int named 'width'; got str '20'"),
        (["images", 0, "width"], True, "an image must have a int named 'width'; got bool"),
        (["images", 0, "width"], -1, "must have positive sizes"),
        (["images", 1, "id"], 1, "must have unique ids and category names"),
        (["categories", 1, "name"], "tail", "must have unique ids and category names"),
        (["categories", 0], "tail", "a category must have a int named 'id'; got nothing"),
        (["annotations", 2, "image_id"], 99, "annotation 2 must refer to an image and a category.*image 99"),
        (["annotations", 0, "segmentation"], [[0, 0, 1, 1, 2, 2]], "must be run lengths; got polygons.*annToRLE"),
        (["annotations", 0, "segmentation", "size"], [9, 9], r"must have the size of its image, \[12, 20\]; got \[9"),
        (["annotations", 0, "segmentation", "counts"], "0", r"add up to the mask.s size \[12, 20\]"),
        (["annotations", 0, "segmentation", "counts"], [-1, 241], "must be non-negative and add up to"),
        (["annotations", 0, "segmentation", "counts"], [239.0, 1], "must be non-negative and add up to"),
        (["annotations", 0, "segmentation", "counts"], "é", "must consist of the characters '0' to 'o'"),
        (["annotations", 0, "segmentation", "counts"], "0" + "o" * 40, "must consist of the characters '0' to 'o'"),
        (["annotations", 0, "segmentation", "counts"], "00P", "they end inside a number"),
        (["annotations", 0, "segmentation", "counts"], None, "run lengths must have a str or bytes or list"),
    ],
)
def test_invalid_file_raises(images, masks, tmp_path, keys, value, message):
    path = save_coco(images, masks, tmp_path / "coco.json")
    path.write_text(json.dumps(changed(json.loads(path.read_text()), *keys, value=value)))
    with pytest.raises(ValueError, match=message):
        load_coco(path)


def test_missing_file_raises(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.json"):
        load_coco(tmp_path / "none.json")


def test_invalid_masks_keep_existing_file(images, masks, tmp_path):
    path = save_coco(images, masks, tmp_path / "coco.json")
    before = path.read_bytes()
    with pytest.raises(ValueError, match="one mask for each of the 2 images"):
        save_coco(images[:2], masks, path)
    assert path.read_bytes() == before
