"""Clicks as JSON: round trips, matching of images, and errors."""

from __future__ import annotations

import json

import pytest

from ncut_widgets.export import check_objects, load_clicks, save_clicks


@pytest.fixture
def objects(images):
    return check_objects(
        [
            {
                "name": "left/paw 🐾",
                "clicks": [
                    {"image": 0, "x": 0.1 + 0.2, "y": 1 / 3, "positive": True},
                    {"image": 2, "x": 4.999999999999999, "y": 0, "positive": False},
                ],
                "threshold": 0.1,
                "method": "ncut",
            },
            {"boxes": [{"image": 0, "x0": 0, "y0": 1e-17, "x1": 19.5, "y1": 12}], "visible": False},
        ],
        images,
    )


@pytest.fixture
def path(images, objects, tmp_path):
    return save_clicks(images, objects, tmp_path / "deep" / "clicks.json")


def test_objects_round_trip_exactly(path, images, infos, objects):
    assert load_clicks(path, images) == objects
    assert load_clicks(path, infos) == objects


def test_file_has_format_version_and_images(path):
    document = json.loads(path.read_text())
    assert document["format"] == "ncut-widgets clicks"
    assert document["version"] == 1
    assert document["images"][1] == {"name": "train/dög 🐕.png", "width": 7, "height": 9}


def test_clicks_follow_reordered_images(path, infos, objects):
    loaded = load_clicks(path, [("new", 5, 5), infos[2], infos[0]])
    assert [click["image"] for click in loaded[0]["clicks"]] == [2, 1]
    assert [box["image"] for box in loaded[1]["boxes"]] == [2]
    assert loaded[0]["clicks"][1]["x"] == objects[0]["clicks"][1]["x"]


def test_images_with_equal_names_are_matched_by_index(tmp_path):
    twins = [("cat", 5, 5)] * 3
    objects = check_objects([{"clicks": [{"image": 1, "x": 1, "y": 1}]}], twins)
    path = save_clicks(twins, objects, tmp_path / "clicks.json")
    assert load_clicks(path, twins) == objects
    with pytest.raises(ValueError, match=r"must have one image named 'cat' of 5 x 5 pixels.*got 2 of them"):
        load_clicks(path, [("cat", 5, 5), ("dog", 5, 5), ("cat", 5, 5)])


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ([("cat.png", 5, 5)], "must have one image named 'cat.jpg' of 20 x 12 pixels.*got none with that name"),
        ([("cat.jpg", 40, 24), ("cat.png", 5, 5)], "named 'cat.jpg' of 20 x 12 pixels.*got one of 40 x 24 pixels"),
    ],
)
def test_missing_image_raises(path, others, message):
    with pytest.raises(ValueError, match=message):
        load_clicks(path, others)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "COCO"}, "which is a different type of JSON"),
        ({"version": 2}, "must have version 1 or older; got version 2. Upgrade ncut_widgets"),
        ({"version": None}, "the file must have a int named 'version'"),
        ({"images": [{"name": "cat.jpg"}]}, "an image must have a int named 'width'; got nothing"),
        ({"images": []}, "which is damaged: `images` must contain at least one image"),
        ({"objects": None}, "which is damaged: `objects` must be a list of dicts; got NoneType"),
        ({"objects": [{"gamma": 11}]}, r"which is damaged: `objects\[0\].gamma` must be in \(0, 10\]; got 11"),
    ],
)
def test_invalid_file_raises(path, images, changes, message):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(ValueError, match=message):
        load_clicks(path, images)


def test_missing_file_raises(images, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.json"):
        load_clicks(tmp_path / "none.json", images)


def test_invalid_objects_keep_existing_file(path, images):
    before = path.read_bytes()
    with pytest.raises(ValueError, match="click_weight"):
        save_clicks(images, [{"click_weight": 2}], path)
    assert path.read_bytes() == before
