"""Validation of mask objects: defaults, builtin types and errors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ncut_widgets.objects import check_objects

VECTORS = Path(__file__).resolve().parents[1] / "vectors"

IMAGES = [("cat.jpg", 20, 12), ("dog.jpg", 7, 9)]
COMPLETE = {
    "name": "paw",
    "color": "#ff8800",
    "visible": False,
    "clicks": [{"image": 1, "x": 6.999, "y": 0.0, "positive": False}],
    "boxes": [{"image": 0, "x0": 0.0, "y0": 0.5, "x1": 20.0, "y1": 12.0, "positive": True}],
    "threshold": 0.0,
    "gamma": 10.0,
    "negative_threshold": 1.0,
    "min_area": 0,
    "n_eig": 7,
    "method": "ncut",
    "click_weight": 1.0,
}


def test_complete_object_is_unchanged():
    assert check_objects([COMPLETE], IMAGES) == [COMPLETE]
    assert check_objects([{}], IMAGES, n_eig=4)[0]["n_eig"] == 4


def test_missing_values_get_defaults():
    assert check_objects([{"name": "object 2"}, {}], IMAGES) == [
        {
            **{"name": name, "color": color, "visible": True, "clicks": [], "boxes": [], "threshold": 0.5},
            **{
                "gamma": 1.0,
                "negative_threshold": 0.99,
                "min_area": 3,
                "n_eig": 20,
                "method": "similarity",
                "click_weight": 0.5,
            },
        }
        for name, color in (("object 2", "#e69f00"), ("object 3", "#56b4e9"))
    ]


def test_result_is_a_copy_with_builtin_types():
    clicks = [{"image": np.int64(0), "x": np.float32(1.5), "y": 2}]
    given = {"name": "paw", "clicks": clicks, "threshold": np.float64(0.25), "min_area": np.uint8(4)}
    (item,) = check_objects((given,), IMAGES)
    assert json.loads(json.dumps(item)) == item
    assert item["clicks"] == [{"image": 0, "x": 1.5, "y": 2.0, "positive": True}]
    item["clicks"][0]["x"] = 0
    assert clicks[0]["x"] == 1.5


def click(**changes):
    return {"clicks": [{"image": 0, "x": 1, "y": 1, **changes}]}


def box(**changes):
    return {"boxes": [{"image": 0, "x0": 1, "y0": 1, "x1": 2, "y1": 2, **changes}]}


@pytest.mark.parametrize(
    ("item", "error", "message"),
    [
        ("paw", TypeError, r"`objects\[1\]` must be a dict; got str"),
        (
            {"treshold": 1},
            ValueError,
            r"`objects\[1\]` may only have the keys name, .*; got 'treshold'. Check the spelling",
        ),
        ({"name": ""}, ValueError, r"`objects\[1\].name` must not be empty; got ''"),
        ({"name": "first"}, ValueError, r"`objects\[1\].name` must be unique; got 'first' twice"),
        ({"color": "red"}, ValueError, r"`objects\[1\].color` must have the form '#rrggbb'; got 'red'"),
        ({"visible": 1}, TypeError, r"`objects\[1\].visible` must be True or False; got 1"),
        ({"threshold": 1.1}, ValueError, r"`objects\[1\].threshold` must be in \[0, 1\]; got 1.1"),
        ({"gamma": 0}, ValueError, r"`objects\[1\].gamma` must be in \(0, 10\]; got 0"),
        ({"negative_threshold": float("nan")}, ValueError, "negative_threshold` must be finite"),
        ({"min_area": -1}, ValueError, "min_area` must be at least 0; got -1"),
        ({"min_area": 1.5}, TypeError, "min_area` must be an integer; got 1.5"),
        ({"method": "crf"}, ValueError, "method` must be one of 'similarity', 'ncut'; got 'crf'"),
        ({"click_weight": "1"}, TypeError, "click_weight` must be a number; got '1'"),
        ({"clicks": {}}, TypeError, r"`objects\[1\].clicks` must be a list of dicts; got dict"),
        ({"clicks": [(0, 1, 1)]}, TypeError, r"`objects\[1\].clicks\[0\]` must be a dict; got tuple"),
        (
            {"clicks": [{"image": 0, "x": 1}]},
            ValueError,
            r"clicks\[0\]` must have the keys image, x, y; 'y' is missing",
        ),
        (click(z=1), ValueError, r"clicks\[0\]` may only have the keys image, x, y, positive; got 'z'"),
        (click(image=2), ValueError, r"clicks\[0\].image` must be at most 1; got 2"),
        (click(x=20), ValueError, r"clicks\[0\].x` must be in \[0, 20\); got 20"),
        (click(image=1, y=-0.1), ValueError, r"clicks\[0\].y` must be in \[0, 9\); got -0.1"),
        (click(positive=None), TypeError, r"clicks\[0\].positive` must be True or False; got None"),
        (box(x1=21), ValueError, r"boxes\[0\].x1` must be in \(1, 20\]; got 21"),
        (box(y1=1), ValueError, r"boxes\[0\].y1` must be in \(1, 12\]; got 1"),
        (box(x0=20), ValueError, r"boxes\[0\].x0` must be in \[0, 20\); got 20"),
    ],
)
def test_invalid_object_raises(item, error, message):
    with pytest.raises(error, match=message):
        check_objects([{"name": "first"}, item], IMAGES)


def test_objects_must_be_a_list():
    with pytest.raises(TypeError, match="`objects` must be a list of dicts; got dict"):
        check_objects({"name": "paw"}, IMAGES)


def test_default_colors_match_page():
    # The front-end tests read the same file.
    colors = json.loads((VECTORS / "colors.json").read_text())
    assert len(set(colors)) == 19
    found = check_objects([{"name": str(i)} for i in range(20)], IMAGES)
    assert [item["color"] for item in found] == [*colors, colors[0]]
