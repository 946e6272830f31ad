"""Objects and their settings, in JupyterLab and in an exported file alike."""

from __future__ import annotations

from playwright.sync_api import expect

from segmenter import SKY, SUIT


def test_objects_have_separate_names_colors_and_clicks(segmenter):
    segmenter.click(SUIT)
    segmenter.page.keyboard.press("n")
    segmenter.objects(lambda objects: len(objects) == 2)
    segmenter.click(SKY)
    objects = segmenter.objects(lambda objects: len(objects) == 2 and bool(objects[1]["clicks"]))
    assert [[click["image"] for click in item["clicks"]] for item in objects] == [[SUIT[0]], [SKY[0]]]
    assert objects[0]["color"] != objects[1]["color"]
    segmenter.shows_what_python_has()
    sky = [int(objects[1]["color"][i : i + 2], 16) for i in (1, 3, 5)]
    assert segmenter.drawn(SKY[0])[SKY[1], SKY[2], :3].tolist() == sky

    name = segmenter.root.get_by_role("textbox", name="Name of object 2")
    name.fill("sky")
    name.press("Enter")
    segmenter.objects(lambda objects: objects[1]["name"] == "sky")
    assert set(segmenter.masks()) == {"object 1", "sky"}
    segmenter.radio("object 1").check()
    segmenter.host.wait("active_object", lambda active: active == 0)
    expect(segmenter.marks(SUIT[0])).to_have_count(1)
    expect(segmenter.marks(SKY[0])).to_have_count(0)

    segmenter.button("Show sky").click()
    segmenter.objects(lambda objects: not objects[1]["visible"])
    segmenter.host.until(lambda: not segmenter.drawn(SKY[0])[SKY[1], SKY[2], 3], "a hidden object is not drawn")
    segmenter.root.get_by_label("Color of object 1").fill("#00ff00")
    segmenter.objects(lambda objects: objects[0]["color"] == "#00ff00")
    segmenter.host.until(
        lambda: segmenter.drawn(SUIT[0])[SUIT[1], SUIT[2], :3].tolist() == [0, 255, 0], "the new colour is drawn"
    )
    # Who hides another object goes on with their own.
    assert segmenter.host.get("active_object") == 0
    segmenter.button("Copy").click()
    segmenter.objects(lambda objects: [item["name"] for item in objects][2:] == ["object 1 copy 1"])
    segmenter.button("Clear").click()
    segmenter.objects(lambda objects: objects[2]["clicks"] == [])
    segmenter.button("Delete").click()
    segmenter.objects(lambda objects: [item["name"] for item in objects] == ["object 1", "sky"])


def test_border_marks_are_whole_and_errors_shift_nothing(segmenter):
    segmenter.click((0, 0, 0))
    segmenter.clicks(1)
    mark, tile = segmenter.marks(0).bounding_box(), segmenter.tile(0).bounding_box()
    for start, side in (("x", "width"), ("y", "height")):
        # Of the 26 pixels that answer to a finger, 16 are seen.
        assert mark[start] + mark[side] / 2 - 8 >= tile[start]
    panel = segmenter.root.locator(".ncut-panel")
    before = panel.bounding_box()
    name = segmenter.root.get_by_role("textbox", name="Name of object 1")
    name.fill("")
    name.press("Enter")
    expect(segmenter.root.get_by_role("alert")).to_contain_text("must not be empty")
    assert panel.bounding_box() == before
    segmenter.button("Dismiss").click()


def test_sliders_act_while_dragged(segmenter):
    segmenter.click(SUIT)
    segmenter.clicks(1)
    segmenter.shows_what_python_has()
    before = segmenter.covered()
    segmenter.page.mouse.move(*segmenter.on_slider("Threshold", 0.5))
    segmenter.page.mouse.down()
    segmenter.page.mouse.move(*segmenter.on_slider("Threshold", 0.85), steps=5)
    segmenter.host.until(
        lambda: sum(mask.sum() for mask in segmenter.covered()) < sum(mask.sum() for mask in before),
        "a higher threshold leaves less, before the button is released",
    )
    segmenter.page.mouse.up()
    segmenter.objects(lambda objects: objects[0]["threshold"] > 0.7)
    segmenter.shows_what_python_has()
    for name, value, trait in (("Gamma", "0.4", "gamma"), ("Min area", "12", "min_area")):
        segmenter.slider(name).fill(value)
        segmenter.objects(lambda objects, trait=trait: objects[0][trait] > 2)
        segmenter.shows_what_python_has()
    segmenter.slider("Opacity").fill("0.25")
    segmenter.host.wait("blend", lambda blend: blend == 0.25)
    expect(segmenter.tile(0).locator("canvas")).to_have_css("opacity", "0.25")


def test_a_slider_drag_is_one_undo_step(segmenter):
    segmenter.click(SUIT)
    segmenter.clicks(1)
    segmenter.shows_what_python_has()
    before = segmenter.covered()
    segmenter.drag(segmenter.on_slider("Threshold", 0.5), segmenter.on_slider("Threshold", 0.85))
    segmenter.objects(lambda objects: objects[0]["threshold"] > 0.7)
    segmenter.page.keyboard.press("Control+z")
    segmenter.objects(lambda objects: objects[0]["threshold"] == 0.5)
    segmenter.host.until(
        lambda: all((a == b).all() for a, b in zip(segmenter.covered(), before, strict=True)), "it is as it was"
    )


def test_nothing_is_cut_off_in_wide_and_narrow_cells(segmenter):
    for width in (1400, 900, 460):
        segmenter.page.set_viewport_size({"width": width, "height": 1000})
        segmenter.host.next_frame()
        outer = segmenter.root.bounding_box()
        assert outer["width"] <= width
        for control in segmenter.root.locator("button:visible, input:visible").all():
            inner = control.bounding_box()
            assert inner["x"] >= outer["x"]
            assert inner["x"] + inner["width"] <= outer["x"] + outer["width"] + 1
