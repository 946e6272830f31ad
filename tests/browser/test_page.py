"""What only an exported file has to prove: that it stands alone, and where the browser can do less."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import expect

import ncut_widgets as nw
from hosts import PageHost


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Three hundred images of 48 patches."""
    rng = np.random.default_rng(0)
    images = [np.full((60, 80, 3), rng.integers(0, 255, 3), np.uint8) for _ in range(300)]
    grid = nw.PatchGrid([(80, 60)] * 300, [nw.PatchMap(i, 6, 8) for i in range(300)])
    vectors = rng.normal(size=(grid.n_nodes, 4))
    session = nw.Session(images, grid=grid, eigenvectors=vectors)
    return session.to_html(tmp_path_factory.mktemp("many") / "many.html")


def test_only_images_near_the_viewport_are_rendered(offline_page, many):
    host = PageHost(offline_page, many)
    area = host.grid.locator("[role=application]")
    assert host.tiles.count() < 250
    expect(host.tile(299)).to_have_count(0)
    area.evaluate("(element) => element.scrollTo(0, element.scrollHeight)")
    expect(host.tile(299)).to_be_visible()
    host.until(lambda: host.overlay(299).any(), "an image that scrolled into view is painted")
    expect(host.tile(0)).to_have_count(0)


def test_pinning_a_point_scrolls_to_its_image(offline_page, many):
    host = PageHost(offline_page, many)
    expect(host.tile(299)).to_have_count(0)
    host.set("selection", [host.node(299, 3, 3)])
    expect(host.tile(299).locator(".ncut-pinned")).to_be_in_viewport()


def test_works_without_webgl(offline_page, many):
    offline_page.add_init_script(
        "const get = HTMLCanvasElement.prototype.getContext;"
        "HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {"
        "  return kind.startsWith('webgl') ? null : get.call(this, kind, ...rest); };"
        "const off = OffscreenCanvas.prototype.getContext;"
        "OffscreenCanvas.prototype.getContext = function (kind, ...rest) {"
        "  return kind.startsWith('webgl') ? null : off.call(this, kind, ...rest); };"
    )
    host = PageHost(offline_page, many)
    expect(host.scatter).to_have_attribute("data-renderer", "canvas2d")
    assert host.cloud()[..., 3].any()
    host.page.mouse.move(*host.point_position(host.a_point_in_front()))
    host.wait("hover", lambda hover: hover is not None)


def test_a_missing_array_is_reported(offline_page, many, tmp_path):
    text = re.sub(r'<script type="text/plain" data-ncut-array="labels/4".*?</script>', "", many.read_text("utf-8"))
    path = tmp_path / "damaged.html"
    path.write_text(text, "utf-8")
    host = PageHost(offline_page, path)
    host.choose("Clusters")
    expect(host.grid.get_by_role("alert")).to_contain_text("the array labels/4 is not included in this file")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_follows_the_system_theme(offline_page, many, theme):
    offline_page.emulate_media(color_scheme=theme)
    host = PageHost(offline_page, many)
    expect(host.grid).to_have_attribute("data-theme", theme)
    expect(host.scatter).to_have_attribute("data-theme", theme)
