"""An exported file at every width, in light and dark: nothing overlaps or is cut off, and axe finds no violation."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

import ncut_widgets as nw
from hosts import PageHost
from page_checks import no_uncaught_errors, standing_alone

HERE = Path(__file__).parent
OVERLAPS = (HERE / "overlaps.js").read_text("utf-8")
AXE = (HERE.parents[1] / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")
TABS = ("explore", "segment", "clusters", "channels")
PHONE = 500


@pytest.fixture(scope="module")
def explorer() -> nw.Explorer:
    return nw.explore(nw.sample_images()[:4], n_eig=8, coloring="pca", progress=False)


@pytest.fixture(scope="module")
def exported(explorer, tmp_path_factory) -> Path:
    return explorer.to_html(tmp_path_factory.mktemp("layout") / "all.html", attributions=[4, 8], progress=False)


@pytest.fixture
def open_at(browser: Browser, exported: Path) -> Iterator:
    """Open the file in a window of some width; of a phone, if it is narrow."""
    contexts = []

    def open_at(width: int) -> PageHost:
        is_phone = width < PHONE
        contexts.append(
            browser.new_context(viewport={"width": width, "height": 800}, has_touch=is_phone, is_mobile=is_phone)
        )
        return PageHost(contexts[-1].new_page(), exported)

    yield open_at
    for context in contexts:
        context.close()


def open_tab(page: Page, tab: str) -> None:
    page.locator(f"[data-tab={tab}]").click()
    page.locator("[role=tabpanel]:visible [data-ready=true]").wait_for()
    if tab == "channels":
        page.get_by_role("option").and_(page.locator("[data-channel]")).first.wait_for()


def problems(page: Page) -> list[str]:
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return page.evaluate(OVERLAPS)


@pytest.mark.parametrize("widths", [(390, 320, 480), (820,)], ids=["phone", "tablet"])
def test_every_tab_fits_and_is_accessible(open_at, widths):
    host = open_at(widths[0])
    page = host.page
    with no_uncaught_errors(page), standing_alone(page):
        for tab in TABS:
            open_tab(page, tab)
            for theme, width in itertools.product(("light", "dark"), widths):
                page.emulate_media(color_scheme=theme)
                page.set_viewport_size({"width": width, "height": 800})
                expect(host.root).to_have_attribute("data-theme", theme)
                assert problems(page) == [], f"{tab}, {theme}, {width} px"
                if width == widths[0]:
                    assert violations(page) == [], f"{tab}, {theme}"
    expect(page.get_by_role("main")).to_have_count(1)


def violations(page: Page) -> list:
    """Return what axe finds, by its rule and the first element of each."""
    page.evaluate(AXE)
    return page.evaluate("async () => (await axe.run()).violations.map(({ id, nodes }) => [id, nodes[0].html])")


def test_nothing_overlaps_at_intermediate_widths_and_in_use(open_at):
    host = open_at(340)
    page = host.page
    for tab in TABS:
        open_tab(page, tab)
        for width in range(320, 1000, 60):
            page.set_viewport_size({"width": width, "height": 800})
            assert problems(page) == [], f"{tab} at {width}"
    page.set_viewport_size({"width": 340, "height": 800})
    # With objects that have long names, and merged and hidden clusters.
    names = ("the astronaut with a very long name indeed", "b")
    blank = {"visible": True, "boxes": [], "threshold": 0.5, "gamma": 1, "negative_threshold": 0.99, "min_area": 3}
    rest = {"n_eig": 8, "method": "similarity", "click_weight": 0.5, "color": "#ff0000"}
    click = {"image": 1, "x": 100, "y": 60, "positive": True}
    host.set("objects", [{"name": name, "clicks": [click], **blank, **rest} for name in names])
    host.set("active_object", 0)
    host.set("cluster_names", {"0": "a cluster with a very long name indeed"})
    host.set("pinned_channels", [0, 1, 2])
    for tab in TABS:
        open_tab(page, tab)
        for width in (320, 390, 700, 1000):
            page.set_viewport_size({"width": width, "height": 800})
            assert problems(page) == [], f"{tab} at {width}"


def test_overlap_check_detects_overlaps(open_at):
    host = open_at(390)
    open_tab(host.page, "segment")
    host.page.add_style_tag(content=".ncut-no-objects { margin-bottom: -40px !important; }")
    assert any("overlap" in problem for problem in problems(host.page))
    host.page.add_style_tag(content=".ncut-no-objects { width: 600px; } .ncut-panel { overflow: visible !important; }")
    assert any("beyond the edge" in problem or "cut off" in problem for problem in problems(host.page))


def test_touch_hints_and_gestures(open_at):
    host = open_at(390)
    page = host.page
    page.locator("[data-tab=segment]").tap()
    view = host.root.locator("[data-ncut-view=click-segmenter]")
    hint = view.get_by_text("Tap an image to begin")
    expect(hint).to_be_visible()
    assert "lt-click" not in view.inner_text()
    view.locator("[data-image='1']").tap()
    (thing,) = host.wait("objects", lambda objects: len(objects) == 1)
    assert [click["positive"] for click in thing["clicks"]] == [True]
    view.get_by_role("radio", name="Remove").tap()
    view.locator("[data-image='2']").tap()
    host.wait("objects", lambda objects: [click["positive"] for click in objects[0]["clicks"]] == [True, False])
    view.get_by_role("button", name="Delete point").tap()
    host.wait("objects", lambda objects: len(objects[0]["clicks"]) == 1)
    view.locator("[data-image='2']").get_by_role("button", name="Enlarge").tap()
    expect(view.locator("[data-image]")).to_have_count(1)


def test_hints_follow_the_input_device(open_at):
    host = open_at(820)
    open_tab(host.page, "segment")
    expect(host.page.get_by_text("Alt-click or right-click to remove")).to_be_visible()
    expect(host.page.get_by_text("Tap an image to begin")).to_be_hidden()
    for pointer, shown in (("touch", "Tap an image"), ("mouse", "Click an image")):
        host.root.dispatch_event("pointerdown", {"pointerType": pointer, "bubbles": True})
        expect(host.page.get_by_text(f"{shown} to begin")).to_be_visible()


def test_a_file_without_channels_has_no_channels_tab(offline_page, explorer, tmp_path):
    host = PageHost(offline_page, explorer.to_html(tmp_path / "plain.html", progress=False))
    tabs = host.root.get_by_role("tab")
    expect(tabs).to_have_text(["Explore", "Segment", "Clusters"])
    tabs.first.press("ArrowLeft")
    expect(tabs.last).to_be_focused()
    expect(tabs.last).to_have_attribute("aria-selected", "true")
    expect(host.root.locator("[data-ncut-view=cluster-panel]")).to_be_visible()
