"""What the explorer must do in JupyterLab and in an exported file alike, with a real mouse and real keys."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from playwright.sync_api import expect

import ncut_widgets as nw
from hosts import Host, LabHost, PageHost
from samples import explorer_cells


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """The very explorer of `explorer_cells`, as a file."""
    path = tmp_path_factory.mktemp("exported") / "explorer.html"
    return nw.explore(nw.sample_images()[:4], n_eig=8, progress=False).to_html(path)


@pytest.fixture(params=["lab", "page"])
def host(request) -> Host:
    if request.param == "page":
        return PageHost(request.getfixturevalue("offline_page"), request.getfixturevalue("exported"))
    notebook = request.getfixturevalue("shared_notebook")(explorer_cells())
    notebook.run_all()
    return LabHost(notebook, 1)


def test_hovering_a_patch_shows_similarity_and_marks_its_point(host):
    host.shows("ncut")
    before = [host.overlay(image) for image in range(4)]
    node = host.node(1, 9, 11)
    host.mouse_away()
    dark = host.cloud_around(node)

    host.page.mouse.move(*host.patch_position(1, 9, 11))
    host.wait("hover", lambda hover: hover == node)
    host.shows("heatmap")
    heat = [host.overlay(image) for image in range(4)]
    assert all((a != b).any() for a, b in zip(before, heat, strict=True))
    assert heat[1][9, 11, 3] == 255
    expect(host.tile(1).locator(f".ncut-ring[data-node='{node}']")).to_be_visible()
    host.until(lambda: np.abs(host.cloud_around(node) - dark).max() > 60, "the point of the hovered patch lights up")

    host.mouse_away()
    host.wait("hover", lambda hover: hover is None)
    host.shows("ncut")
    np.testing.assert_array_equal(host.overlay(2), before[2])
    host.until(lambda: np.array_equal(host.cloud_around(node), dark), "the point goes dark again")


def test_hovering_a_point_marks_its_patch_with_a_thumbnail(host):
    node = host.a_point_in_front()
    host.page.mouse.move(*host.point_position(node))
    hovered = host.wait("hover", lambda hover: hover is not None)
    ring = host.grid.locator(f".ncut-ring[data-node='{hovered}']")
    expect(ring).to_be_visible()
    meta = host.get("meta")
    image = next(i for i in range(4) if hovered < host.first_node(i + 1))
    expect(host.tile(image).locator(".ncut-ring")).to_have_count(1)
    tooltip = host.scatter.get_by_text(meta["images"][image]["name"])
    expect(tooltip.first).to_be_visible()
    row, column = divmod(hovered - host.first_node(image), meta["maps"][image]["columns"])
    expect(host.scatter.get_by_text(re.compile(rf"row {row}.*column {column}")).first).to_be_visible()
    box, place = ring.bounding_box(), host.patch_position(image, row, column)
    assert box["x"] < place[0] < box["x"] + box["width"]
    assert box["y"] < place[1] < box["y"] + box["height"]


def test_click_pins_and_escape_unpins(host):
    host.page.mouse.click(*host.patch_position(0, 3, 4))
    first = host.node(0, 3, 4)
    host.wait("selection", lambda nodes: nodes == [first])
    host.shows("heatmap")
    pinned = host.overlay(3)

    host.page.mouse.move(*host.patch_position(2, 6, 6))
    host.wait("hover", lambda hover: hover == host.node(2, 6, 6))
    host.next_frame()
    np.testing.assert_array_equal(host.overlay(3), pinned)

    host.page.keyboard.down("Shift")
    host.page.mouse.click(*host.patch_position(2, 6, 6))
    host.page.keyboard.up("Shift")
    host.wait("selection", lambda nodes: nodes == [first, host.node(2, 6, 6)])
    host.until(lambda: (host.overlay(3) != pinned).any(), "a second pinned patch adds its heat")

    host.page.keyboard.press("Escape")
    host.wait("selection", lambda nodes: nodes == [])


def test_clicking_a_point_pins_its_patch_unlike_dragging(host):
    x, y = host.point_position(host.a_point_in_front())
    host.page.mouse.click(x, y)
    nodes = host.wait("selection", lambda nodes: len(nodes) == 1)
    expect(host.grid.locator(f".ncut-pinned[data-node='{nodes[0]}']")).to_be_visible()
    host.page.keyboard.press("Escape")
    host.wait("selection", lambda nodes: nodes == [])

    host.page.mouse.move(x, y)
    host.page.mouse.down()
    host.page.mouse.move(x + 60, y + 25, steps=4)
    host.page.mouse.up()
    assert host.wait("camera", lambda camera: camera is not None)
    assert host.get("selection") == []


def test_the_scatter_orbits_zooms_and_resets(host):
    still = host.cloud()
    box = host.scatter.locator("canvas").first.bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    host.page.mouse.move(*middle)
    host.page.mouse.down()
    host.page.mouse.move(middle[0] + 80, middle[1] + 10, steps=4)
    host.page.mouse.up()
    turned = host.wait("camera", lambda camera: camera is not None)
    host.until(lambda: (host.cloud() != still).any(), "the cloud turns")
    host.page.mouse.wheel(0, -240)
    host.wait("camera", lambda camera: camera != turned)
    host.scatter.get_by_role("button", name="Reset").click()
    host.wait("camera", lambda camera: camera is None)
    host.mouse_away()
    host.wait("hover", lambda hover: hover is None)
    host.until(lambda: np.array_equal(host.cloud(), still), "a reset frames the cloud as at first")


def test_every_layer_paints_images_and_points(host):
    seen = {}
    for layer in ("NCUT", "Eigenvector", "Clusters", "Image"):
        host.choose(layer)
        host.mouse_away()
        host.shows(layer.lower())
        host.wait("layer", layer.lower().__eq__)
        host.next_frame()
        seen[layer] = host.overlay(0), host.cloud()
    assert not seen["Image"][0].any()
    assert len(np.unique(seen["Clusters"][0].reshape(-1, 4), axis=0)) <= host.get("n_clusters")
    for one, other in itertools.pairwise(seen):
        assert (seen[one][0] != seen[other][0]).any()
        assert (seen[one][1] != seen[other][1]).any()


def test_sliders_update_the_overlays(host):
    host.choose("Eigenvector")
    slider = host.grid.get_by_role("slider", name="Eigenvector")
    slider.focus()
    first = host.wait("eigenvector", lambda index: index == 1)
    host.shows("eigenvector")
    before = host.overlay(0)
    host.page.keyboard.press("ArrowRight")
    host.wait("eigenvector", lambda index: index == first + 1)
    host.until(lambda: (host.overlay(0) != before).any(), "another eigenvector is drawn")

    host.choose("Clusters")
    host.grid.get_by_role("slider", name="Number of clusters").focus()
    host.page.keyboard.press("Home")
    host.wait("n_clusters", lambda number: number == 2)
    host.until(
        lambda: len({tuple(p) for image in range(4) for p in host.overlay(image).reshape(-1, 4)}) == 2,
        "two clusters have two colours",
    )

    host.grid.get_by_role("slider", name="Blend").focus()
    host.page.keyboard.press("End")
    host.wait("blend", lambda blend: blend == 1)
    expect(host.tile(0).locator("canvas")).to_have_css("opacity", "1")

    expect(host.tile(0).locator("canvas")).to_have_css("image-rendering", "pixelated")
    host.grid.get_by_role("checkbox", name="Smooth").check()
    host.wait("smooth", bool)
    expect(host.tile(0).locator("canvas")).to_have_css("image-rendering", "auto")


def test_escape_clears_one_selection_per_press(host):
    host.page.mouse.click(*host.patch_position(0, 3, 4))
    host.wait("selection", lambda nodes: len(nodes) == 1)
    host.grid.get_by_role("slider", name="Blend").focus()
    host.page.keyboard.press("Escape")
    host.wait("selection", lambda nodes: nodes == [])

    host.page.mouse.click(*host.patch_position(0, 3, 4))
    host.grid.locator("[role=application]").press("z")
    expect(host.tiles).to_have_count(1)
    host.page.mouse.move(*host.point_position(host.a_point_in_front()))
    host.page.keyboard.press("Escape")
    expect(host.tiles).to_have_count(4)
    host.wait("selection", lambda nodes: len(nodes) == 1)
    host.page.keyboard.press("Escape")
    host.wait("selection", lambda nodes: nodes == [])


def test_choosing_a_layer_unpins_patches(host):
    host.page.mouse.click(*host.patch_position(0, 3, 4))
    expect(host.grid.get_by_text("Similarity to the pinned patch")).to_be_visible()
    host.choose("Eigenvector")
    host.mouse_away()
    host.shows("eigenvector")
    host.wait("selection", lambda nodes: nodes == [])


def test_the_focus_stays_in_the_view_when_its_control_disappears(host):
    host.tile(2).hover()
    host.tile(2).get_by_role("button", name="Enlarge").click()
    host.grid.get_by_role("button", name="Back to all images").click()
    expect(host.grid.locator("[role=application]")).to_be_focused()


def test_the_wheel_scrolls_the_page_until_the_scatter_has_focus(host):
    host.page.set_viewport_size({"width": 420, "height": 600})
    host.next_frame()
    for view in (host.grid.locator("[role=application]"), host.scatter.locator("[role=application]")):
        view.scroll_into_view_if_needed()
        before = view.bounding_box()
        host.page.mouse.move(before["x"] + 40, before["y"] + before["height"] / 2)
        host.page.mouse.wheel(0, -120)
        host.until(lambda view=view, y=before["y"]: view.bounding_box()["y"] > y, "the page scrolls")
    assert host.get("camera") is None


def test_the_hover_heatmap_can_be_turned_off(host):
    host.grid.get_by_role("checkbox", name="Hover heatmap").uncheck()
    host.wait("hover_heatmap", lambda on: not on)
    host.shows("ncut")
    before = host.overlay(2)
    host.page.mouse.move(*host.patch_position(2, 5, 5))
    host.wait("hover", lambda hover: hover == host.node(2, 5, 5))
    host.next_frame()
    np.testing.assert_array_equal(host.overlay(2), before)


def test_an_image_can_be_enlarged_and_closed(host):
    expect(host.tiles).to_have_count(4)
    small = host.tile(2).bounding_box()
    host.tile(2).hover()
    host.tile(2).get_by_role("button", name="Enlarge").click()
    expect(host.tiles).to_have_count(1)
    large = host.tile(2).bounding_box()
    assert large["width"] > 1.5 * small["width"]
    assert large["width"] / large["height"] == pytest.approx(small["width"] / small["height"], rel=0.02)
    host.page.mouse.move(*host.patch_position(2, 7, 3))
    host.wait("hover", lambda hover: hover == host.node(2, 7, 3))
    host.grid.get_by_role("button", name="Next image").click()
    expect(host.tile(3)).to_be_visible()
    host.page.keyboard.press("Escape")
    expect(host.tiles).to_have_count(4)
    assert host.get("selection") == []


def test_keyboard_covers_all_actions(host):
    host.grid.locator("[role=application]").focus()
    host.page.keyboard.press("PageDown")
    start = host.wait("hover", lambda hover: hover is not None)
    host.page.keyboard.press("ArrowRight")
    host.page.keyboard.press("ArrowDown")
    columns = host.maps()[0]["columns"]
    host.wait("hover", lambda hover: hover == start + 1 + columns)
    host.page.keyboard.press("Enter")
    host.wait("selection", lambda nodes: nodes == [start + 1 + columns])
    expect(host.grid.locator("[aria-live]")).to_contain_text("row")
    host.page.keyboard.press("Escape")
    host.wait("selection", lambda nodes: nodes == [])
    host.page.keyboard.press("z")
    expect(host.tiles).to_have_count(1)
    host.page.keyboard.press("z")
    expect(host.tiles).to_have_count(4)

    host.scatter.locator("[role=application]").focus()
    host.page.keyboard.press("ArrowLeft")
    host.wait("camera", lambda camera: camera is not None)
    host.page.keyboard.press("Home")
    host.wait("camera", lambda camera: camera is None)


def test_images_keep_their_aspect_ratios(host):
    for image, meta in enumerate(host.get("meta")["images"]):
        box = host.tile(image).bounding_box()
        assert box["width"] / box["height"] == pytest.approx(meta["width"] / meta["height"], rel=0.02)


@pytest.mark.parametrize("width", [1400, 420])
def test_nothing_is_cut_off_in_wide_and_narrow_cells(host, width):
    host.page.set_viewport_size({"width": width, "height": 1000})
    host.next_frame()
    for view in (host.grid, host.scatter):
        outer = view.bounding_box()
        assert outer["width"] <= width
        for control in view.locator("button:visible, input:visible").all():
            inner = control.bounding_box()
            assert inner["x"] >= outer["x"]
            assert inner["x"] + inner["width"] <= outer["x"] + outer["width"] + 1
    stacked = host.scatter.bounding_box()["y"] > host.grid.bounding_box()["y"] + 100
    assert stacked == (width == 420)
