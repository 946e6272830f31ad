"""Clicks, boxes, sliders and objects in JupyterLab and in an exported file alike, with a real mouse and real keys.

What Python would have for the same clicks says whether a mask is right: the kernel's session in JupyterLab, one with
the same data here for the exported file.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, expect

import ncut_widgets as nw
from hosts import LabHost, PageHost, View
from ncut_widgets.export import load_clicks
from test_explorer import CELLS

# Of the photographs in use: the astronaut's suit and face, and the sky behind the temple.
SUIT, FACE, SKY = (1, 46, 24), (1, 14, 29), (3, 6, 48)


@dataclass
class Segmenter(View):
    """The segmenter of an explorer on a page."""

    name: ClassVar[str] = "click-segmenter"
    python: nw.Session

    def marks(self, image: int) -> Locator:
        return self.tile(image).locator("[data-prompt]")

    def middle(self, image: int, row: int, column: int) -> tuple[float, float]:
        """Return the middle of a patch in pixels of the image."""
        size, m = self.host.get("meta")["images"][image], self.host.maps()[image]
        return (column + 0.5) / m["columns"] * size["width"], (row + 0.5) / m["rows"] * size["height"]

    def click(self, place: tuple[int, int, int], *, button: str = "left", key: str | None = None) -> None:
        if key is not None:
            self.page.keyboard.down(key)
        self.page.mouse.click(*self.place(*place), button=button)
        if key is not None:
            self.page.keyboard.up(key)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        self.page.mouse.move(*start)
        self.page.mouse.down()
        self.page.mouse.move(*end, steps=4)
        self.page.mouse.up()

    def radio(self, name: str) -> Locator:
        return self.root.get_by_role("radio", name=name, exact=True)

    def slider(self, name: str) -> Locator:
        return self.root.get_by_role("slider", name=name, exact=True)

    def objects(self, wanted: Callable[[list[dict]], bool]) -> list[dict]:
        """Wait until Python has the objects as wanted and the page has heard so, and return them."""
        objects = self.host.wait("objects", wanted)
        self.host.next_frame()
        return objects

    def clicks(self, count: int) -> list[dict]:
        """Wait until the first object has so many clicks, and return them."""
        return self.objects(lambda objects: bool(objects) and len(objects[0]["clicks"]) == count)[0]["clicks"]

    def drawn(self, image: int) -> np.ndarray:
        """Return the overlay of an image as it is drawn, (rows, columns, 4) RGBA."""
        data, width, height = (
            self.tile(image)
            .locator("canvas")
            .evaluate(
                """(canvas) => {
              const { data, width, height } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
              return [[...data], width, height];
            }"""
            )
        )
        return np.array(data, np.uint8).reshape(height, width, 4)

    def covered(self) -> list[np.ndarray]:
        """Return where some mask is drawn, for each image."""
        return [self.drawn(image)[..., 3] > 0 for image in range(4)]

    def spill(self, image: int) -> tuple[int, int, int]:
        """Return a patch of an image in the middle of what is covered there."""
        rows, columns = np.nonzero(self.covered()[image])
        middle = len(rows) // 2
        return image, int(rows[middle]), int(columns[middle])

    def masks(self, resolution: str = "patch") -> dict[str, list[np.ndarray]]:
        """Return the masks that Python has."""
        if isinstance(self.host, LabHost):
            plain = f"explorer.session.masks(resolution={resolution!r}).items()"
            found = self.host.notebook.evaluate(f"{{name: [m.tolist() for m in masks] for name, masks in {plain}}}")
            return {name: [np.array(mask, bool) for mask in masks] for name, masks in found.items()}
        self.python.objects = self.host.get("objects")
        return self.python.masks(resolution=resolution)

    def shows_what_python_has(self) -> None:
        """Wait until the overlays are the union of Python's masks."""
        union = [np.logical_or.reduce(masks) for masks in zip(*self.masks().values(), strict=True)]
        # An exported file holds eigenvectors in half precision, and a patch may lie at the threshold.
        self.host.until(
            lambda: all((a != b).mean() < 0.005 for a, b in zip(self.covered(), union, strict=True)),
            "the masks are drawn as Python has them",
        )
        assert any(mask.any() for mask in union)

    def download(self, name: str) -> tuple[str, bytes]:
        with self.page.expect_download() as event:
            self.button(f"Export {name}").click()
        return event.value.suggested_filename, Path(event.value.path()).read_bytes()


@pytest.fixture(scope="session")
def explored() -> nw.Explorer:
    explorer = nw.explore(nw.sample_images()[:4], n_eig=8, progress=False)
    explorer.tab = "segment"
    return explorer


@pytest.fixture(scope="session")
def exported(explored, tmp_path_factory):
    return explored.to_html(tmp_path_factory.mktemp("segmenter") / "explorer.html", progress=False)


@pytest.fixture
def lab_segmenter(open_notebook, explored) -> Segmenter:
    cells = [CELLS[0], CELLS[1].replace("\nexplorer", "\nexplorer.tab = 'segment'\nexplorer", 1)]
    notebook = open_notebook(cells, shared_kernel=True)
    notebook.run_all()
    return Segmenter(LabHost(notebook, 1), explored.session)


@pytest.fixture
def page_segmenter(offline_page, exported, explored) -> Segmenter:
    return Segmenter(PageHost(offline_page, exported), explored.session)


@pytest.fixture(params=["lab", "page"])
def segmenter(request) -> Segmenter:
    return request.getfixturevalue(f"{request.param}_segmenter")


def test_clicks_make_a_mask_in_all_images_and_negative_ones_take_away(segmenter):
    segmenter.click(SUIT)
    (click,) = segmenter.clicks(1)
    assert (click["image"], click["positive"]) == (SUIT[0], True)
    assert (click["x"], click["y"]) == pytest.approx(segmenter.middle(*SUIT), abs=1.5)
    assert segmenter.host.get("active") == 0
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


def test_a_point_can_be_dragged_and_removed_and_all_of_it_undone(segmenter):
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


def test_sliders_act_while_they_are_dragged(segmenter):
    segmenter.click(SUIT)
    segmenter.clicks(1)
    segmenter.shows_what_python_has()
    before = segmenter.covered()
    box = segmenter.slider("Threshold").bounding_box()
    y = box["y"] + box["height"] / 2
    segmenter.page.mouse.move(box["x"] + box["width"] / 2, y)
    segmenter.page.mouse.down()
    segmenter.page.mouse.move(box["x"] + 0.85 * box["width"], y, steps=5)
    segmenter.host.until(
        lambda: sum(mask.sum() for mask in segmenter.covered()) < sum(mask.sum() for mask in before),
        "a higher threshold leaves less, before the button is released",
    )
    segmenter.page.mouse.up()
    segmenter.objects(lambda objects: objects[0]["threshold"] > 0.7)
    segmenter.shows_what_python_has()
    for name, value, trait in (("Gamma", "0.4", "gamma"), ("Denoise", "12", "denoise")):
        segmenter.slider(name).fill(value)
        segmenter.objects(lambda objects, trait=trait: objects[0][trait] > 2)
        segmenter.shows_what_python_has()
    segmenter.slider("Opacity").fill("0.25")
    segmenter.host.wait("blend", lambda blend: blend == 0.25)
    expect(segmenter.tile(0).locator("canvas")).to_have_css("opacity", "0.25")


def test_a_drag_of_a_slider_is_one_step_to_undo(segmenter):
    segmenter.click(SUIT)
    segmenter.clicks(1)
    segmenter.shows_what_python_has()
    before = segmenter.covered()
    box = segmenter.slider("Threshold").bounding_box()
    y = box["y"] + box["height"] / 2
    segmenter.drag((box["x"] + box["width"] / 2, y), (box["x"] + 0.85 * box["width"], y))
    segmenter.objects(lambda objects: objects[0]["threshold"] > 0.7)
    segmenter.page.keyboard.press("Control+z")
    segmenter.objects(lambda objects: objects[0]["threshold"] == 0.5)
    segmenter.host.until(
        lambda: all((a == b).all() for a, b in zip(segmenter.covered(), before, strict=True)), "it is as it was"
    )


def test_objects_have_names_colours_and_clicks_of_their_own(segmenter):
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
    segmenter.host.wait("active", lambda active: active == 0)
    expect(segmenter.marks(SUIT[0])).to_have_count(1)
    expect(segmenter.marks(SKY[0])).to_have_count(0)

    segmenter.button("Show sky").click()
    segmenter.objects(lambda objects: not objects[1]["visible"])
    segmenter.host.until(lambda: not segmenter.drawn(SKY[0])[SKY[1], SKY[2], 3], "a hidden object is not drawn")
    segmenter.root.get_by_label("Colour of object 1").fill("#00ff00")
    segmenter.objects(lambda objects: objects[0]["color"] == "#00ff00")
    segmenter.host.until(
        lambda: segmenter.drawn(SUIT[0])[SUIT[1], SUIT[2], :3].tolist() == [0, 255, 0], "the new colour is drawn"
    )
    # Who hides another object goes on with their own.
    assert segmenter.host.get("active") == 0
    segmenter.button("Copy").click()
    segmenter.objects(lambda objects: [item["name"] for item in objects][2:] == ["object 1 copy 1"])
    segmenter.button("Clear").click()
    segmenter.objects(lambda objects: objects[2]["clicks"] == [])
    segmenter.button("Delete").click()
    segmenter.objects(lambda objects: [item["name"] for item in objects] == ["object 1", "sky"])


def test_a_box_finds_what_is_in_it(segmenter):
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


def test_everything_by_keys(segmenter):
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
    segmenter.host.wait("active", lambda active: active == 1)


def test_a_finger_sets_points_and_the_switch_says_which(segmenter):
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


def test_masks_overlays_and_clicks_are_exported(segmenter, tmp_path):
    segmenter.click(SUIT)
    segmenter.page.keyboard.press("n")
    segmenter.objects(lambda objects: len(objects) == 2)
    segmenter.click(SKY)
    segmenter.objects(lambda objects: len(objects) == 2 and bool(objects[1]["clicks"]))
    images = segmenter.python.images
    name, content = segmenter.download("Masks")
    assert name == "masks.zip"
    archive = zipfile.ZipFile(io.BytesIO(content))
    assert archive.testzip() is None
    segmenter.python.objects = segmenter.host.get("objects")
    masks = segmenter.python.masks(resolution="pixel")
    entries = json.loads(archive.read("masks.json"))["masks"]
    assert [entry["object"] for entry in entries] == ["object 1"] * 4 + ["object 2"] * 4
    for entry, image in zip(entries, [*range(4)] * 2, strict=True):
        assert entry["image"] == segmenter.host.get("meta")["images"][image]["name"]
        with Image.open(io.BytesIO(archive.read(entry["file"]))) as png:
            found = np.asarray(png.convert("L"))
        assert set(np.unique(found)) <= {0, 255}
        assert ((found > 0) != masks[entry["object"]][image]).mean() < 0.005

    name, content = segmenter.download("Overlays")
    assert name == "overlays.zip"
    archive = zipfile.ZipFile(io.BytesIO(content))
    color = np.array([int(segmenter.host.get("objects")[1]["color"][i : i + 2], 16) for i in (1, 3, 5)])
    with Image.open(io.BytesIO(archive.read(archive.namelist()[SKY[0]]))) as png:
        assert png.size == images[SKY[0]].size
        x, y = (int(value) for value in segmenter.middle(*SKY))
        expected = 0.3 * np.array(images[SKY[0]].getpixel((x, y))) + 0.7 * color
        assert np.abs(np.array(png.convert("RGB").getpixel((x, y))) - expected).max() < 6

    name, content = segmenter.download("Clicks")
    assert name == "clicks.json"
    (tmp_path / name).write_bytes(content)
    assert load_clicks(tmp_path / name, images) == segmenter.host.get("objects")


def test_the_kernel_exports_to_other_tools_as_well(lab_segmenter):
    lab_segmenter.click(SUIT)
    lab_segmenter.clicks(1)
    lab_segmenter.root.get_by_role("combobox", name="Resolution").select_option("patch")
    masks = lab_segmenter.masks()["object 1"]
    name, content = lab_segmenter.download("COCO")
    document = json.loads(content)
    assert (name, [category["name"] for category in document["categories"]]) == ("coco.json", ["object 1"])
    assert {image["id"]: (image["height"], image["width"]) for image in document["images"]} == {
        image["id"]: mask.shape for image, mask in zip(document["images"], masks, strict=True)
    }
    name, content = lab_segmenter.download("NPZ")
    assert name == "masks.npz"
    with np.load(io.BytesIO(content)) as arrays:
        assert sum(int(np.sum(arrays[key])) for key in arrays if arrays[key].dtype == bool) == sum(
            m.sum() for m in masks
        )
    name, content = lab_segmenter.download("Labels")
    assert name == "labels.zip"
    with Image.open(io.BytesIO(zipfile.ZipFile(io.BytesIO(content)).read("astronaut.png"))) as png:
        np.testing.assert_array_equal(np.asarray(png), masks[1])


def test_python_sets_clicks_and_the_page_follows(lab_segmenter):
    notebook = lab_segmenter.host.notebook
    x, y = lab_segmenter.middle(*SUIT)
    notebook.execute(f"explorer.session.clicks = [{{'image': {SUIT[0]}, 'x': {x}, 'y': {y}}}]")
    expect(lab_segmenter.marks(SUIT[0])).to_have_count(1)
    lab_segmenter.shows_what_python_has()
    notebook.execute("seen = []; explorer.session.observe(lambda change: seen.append(len(change.new)), 'clicks')")
    lab_segmenter.click(SKY)
    notebook.wait_for("seen == [2]")
    lab_segmenter.page.keyboard.press("Control+z")
    lab_segmenter.page.keyboard.press("Control+z")
    lab_segmenter.objects(lambda objects: objects == [])
    expect(lab_segmenter.marks(SUIT[0])).to_have_count(0)


def test_the_kernel_refines_masks_and_cuts_with_the_clicks(lab_segmenter):
    lab_segmenter.click(SUIT)
    lab_segmenter.clicks(1)
    lab_segmenter.shows_what_python_has()
    lab_segmenter.radio("Graph").click()
    lab_segmenter.objects(lambda objects: objects[0]["method"] == "ncut")
    lab_segmenter.shows_what_python_has()
    lab_segmenter.radio("Guided").click()
    lab_segmenter.host.wait("refine", "guided".__eq__)
    columns = lab_segmenter.host.maps()[SUIT[0]]["columns"]
    lab_segmenter.host.until(lambda: lab_segmenter.drawn(SUIT[0]).shape[1] > 4 * columns, "a mask of pixels is drawn")
    refined = lab_segmenter.masks("pixel")["object 1"][SUIT[0]]
    assert ((lab_segmenter.drawn(SUIT[0])[..., 3] > 0) == refined).mean() > 0.99
    # Patches have edges, pixels none.
    expect(lab_segmenter.tile(SUIT[0]).locator(".ncut-outlines")).to_have_count(0)


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
