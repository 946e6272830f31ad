"""Clicks, boxes, drags, keys and fingers make masks, in JupyterLab and in an exported file alike."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from segmenter import FACE, SKY, SUIT


def test_clicks_create_a_mask_and_negative_ones_shrink_it(segmenter):
    segmenter.click(SUIT)
    (click,) = segmenter.clicks(1)
    assert (click["image"], click["positive"]) == (SUIT[0], True)
    assert (click["x"], click["y"]) == pytest.approx(segmenter.middle(*SUIT), abs=1.5)
    assert segmenter.host.get("active_object") == 0
    segmenter.host.wait("layer", "masks".__eq__)
    segmenter.shows_what_python_has()
    before = sum(mask.sum() for mask in segmenter.covered())
    expect(segmenter.marks(SUIT[0])).to_have_attribute("data-sign", "+")

    # Where it spilled.
    spilled = segmenter.spill(2)
    segmenter.click(spilled, button="right")
    segmenter.click(SKY, key="Alt")
    assert [click["positive"] for click in segmenter.clicks(3)] == [True, False, False]
    segmenter.slider("Negative threshold").fill("0.9")
    segmenter.objects(lambda objects: objects[0]["negative_threshold"] == 0.9)
    segmenter.shows_what_python_has()
    assert not segmenter.drawn(2)[spilled[1], spilled[2], 3]
    assert segmenter.covered()[SUIT[0]][SUIT[1], SUIT[2]]
    assert sum(mask.sum() for mask in segmenter.covered()) < before
    expect(segmenter.marks(SKY[0])).to_have_attribute("data-sign", "-")


def test_point_edits_can_be_undone(segmenter):
    segmenter.click(SUIT)
    segmenter.clicks(1)
    segmenter.shows_what_python_has()
    segmenter.drag(segmenter.place(*SUIT), segmenter.place(*FACE))
    x, y = segmenter.middle(*FACE)
    segmenter.objects(
        lambda objects: (objects[0]["clicks"][0]["x"], objects[0]["clicks"][0]["y"]) == pytest.approx((x, y), abs=2)
    )
    segmenter.shows_what_python_has()

    segmenter.page.keyboard.press("Delete")
    segmenter.clicks(0)
    expect(segmenter.marks(FACE[0])).to_have_count(0)
    segmenter.host.until(lambda: not any(mask.any() for mask in segmenter.covered()), "no mask is left")

    for keys, count in (("Control+z", 1), ("Control+z", 1), ("Control+z", None), ("Control+Shift+z", 1)):
        segmenter.page.keyboard.press(keys)
        if count is None:
            segmenter.objects(lambda objects: objects == [])
        else:
            segmenter.clicks(count)
    x, y = segmenter.middle(*SUIT)
    (click,) = segmenter.clicks(1)
    assert (click["x"], click["y"]) == pytest.approx((x, y), abs=2)
    segmenter.shows_what_python_has()


def test_a_box_masks_its_object(segmenter):
    segmenter.radio("Box").click()
    segmenter.drag(segmenter.place(1, 34, 16), segmenter.place(1, 58, 40))
    (item,) = segmenter.objects(lambda objects: bool(objects) and bool(objects[0]["boxes"]))
    (box,) = item["boxes"]
    assert (box["x0"], box["y0"]) == pytest.approx(segmenter.middle(1, 34, 16), abs=2)
    assert (box["x1"], box["y1"]) == pytest.approx(segmenter.middle(1, 58, 40), abs=2)
    assert (box["image"], box["positive"], item["clicks"]) == (1, True, [])
    segmenter.shows_what_python_has()

    segmenter.radio("− Remove").click()
    segmenter.drag(segmenter.place(*SKY), segmenter.place(3, 14, 60))
    segmenter.objects(lambda objects: [box["positive"] for box in objects[0]["boxes"]] == [True, False])
    segmenter.shows_what_python_has()
    segmenter.page.mouse.click(*segmenter.place(1, 34, 16))
    expect(segmenter.marks(1)).to_have_attribute("data-selected", "true")
    segmenter.page.keyboard.press("Backspace")
    segmenter.objects(lambda objects: [box["positive"] for box in objects[0]["boxes"]] == [False])
    expect(segmenter.marks(1)).to_have_count(0)


def test_keyboard_covers_all_actions(segmenter):
    segmenter.root.locator("[role=application]").focus()
    keys = segmenter.page.keyboard
    keys.press("PageDown")
    node = segmenter.host.wait("hover", lambda hover: hover is not None)
    keys.press("Enter")
    segmenter.clicks(1)
    keys.press("ArrowRight")
    segmenter.host.wait("hover", lambda hover: hover == node + 1)
    keys.press("Alt+Enter")
    first, second = segmenter.clicks(2)
    assert (first["positive"], second["positive"]) == (True, False)
    assert first["y"] == second["y"]
    assert first["x"] < second["x"]
    segmenter.shows_what_python_has()
    keys.press("Shift+ArrowDown")
    assert segmenter.objects(lambda objects: objects[0]["clicks"][1]["y"] > second["y"])[0]["clicks"][0] == first
    keys.press("Delete")
    assert segmenter.clicks(1) == [first]
    keys.press("Control+z")
    segmenter.clicks(2)
    keys.press("Control+y")
    segmenter.clicks(1)
    keys.press("n")
    segmenter.host.wait("active_object", lambda active: active == 1)


def test_touch_adds_points_in_the_current_mode(segmenter):
    device = segmenter.page.context.new_cdp_session(segmenter.page)
    device.send("Emulation.setTouchEmulationEnabled", {"enabled": True})

    def tap(place: tuple[int, int, int]) -> None:
        x, y = segmenter.place(*place)
        device.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
        device.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    tap(SUIT)
    segmenter.clicks(1)
    segmenter.radio("− Remove").click()
    tap(SKY)
    assert [click["positive"] for click in segmenter.clicks(2)] == [True, False]
    device.detach()
