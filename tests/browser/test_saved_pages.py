"""Pages with saved widgets and no kernel say so, and show a still image: nbconvert's, and ipywidgets' own."""

from __future__ import annotations

import io
import re

import nbformat
import numpy as np
import pytest
from ipywidgets import VBox
from ipywidgets.embed import embed_minimal_html
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from PIL import Image
from playwright.sync_api import expect

import ncut_widgets as nw
from hosts import STILL
from samples import explorer_cells
from saved_pages import packages_for_a_cdn

SECONDS = 5
NO_KERNEL = "No kernel is connected"


@pytest.fixture
def saved_page(page):
    with packages_for_a_cdn(page):
        yield page


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """A notebook with an explorer and a single view, executed and turned into HTML."""
    # Saved while colors are being computed.
    cells = [*explorer_cells("explorer.session.recolor('tsne')"), "nw.ImageGrid(explorer.session, height=240)"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    NotebookClient(notebook, kernel_name="python3", timeout=120).execute()
    html, _ = HTMLExporter().from_notebook_node(notebook)
    path = tmp_path_factory.mktemp("converted") / "notebook.html"
    path.write_text(html, "utf-8")
    return path


def says_so_in_time(view):
    """Assert that a view says that there is no kernel, and that nothing in it can be used."""
    alert = view.get_by_role("alert")
    expect(alert).to_have_count(1, timeout=SECONDS * 1000)
    expect(alert).to_contain_text(NO_KERNEL)
    for role in ("button", "slider", "checkbox", "radio", "tab", "application"):
        expect(view.get_by_role(role)).to_have_count(0)
    assert "Loading" not in view.inner_text()
    expect(view.get_by_role("status")).to_have_count(0)


def test_nbconvert_html_reports_no_kernel_and_shows_an_image(saved_page, converted):
    saved_page.goto(converted.as_uri())
    stills = saved_page.locator(STILL)
    expect(stills).to_have_count(2)
    for name, still in zip(("explorer", "image-grid"), stills.all(), strict=True):
        view = saved_page.locator(f"[data-ncut-view={name}]").last
        view.wait_for()
        says_so_in_time(view)
        expect(view).to_contain_text("A static image is shown below")
        expect(still).to_be_visible()
        box, message = still.bounding_box(), view.bounding_box()
        assert 0 <= box["y"] - (message["y"] + message["height"]) < 40, "the still is right below the message"
        pixels = np.asarray(Image.open(io.BytesIO(still.screenshot())).convert("RGB"))
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 100
        assert pixels.std() > 30


VIEWS = {
    "explorer": nw.Explorer,
    "image-grid": nw.ImageGrid,
    "embedding-scatter": nw.EmbeddingScatter,
    "click-segmenter": nw.ClickSegmenter,
    "cluster-panel": nw.ClusterPanel,
    "channel-bars": nw.ChannelBars,
}


@pytest.fixture(scope="module")
def widgets_page(tmp_path_factory):
    """A page of ipywidgets' own with every view in it."""
    grid = nw.PatchGrid([(40, 30)], [nw.PatchMap(0, 3, 4)])
    session = nw.Session([np.zeros((30, 40, 3), np.uint8)], grid=grid, eigenvectors=np.eye(12)[:, :4])
    box = VBox([make(session) for make in VIEWS.values()])
    path = tmp_path_factory.mktemp("widgets") / "widgets.html"
    # The module of an anywidget counts as a default, and a page without it shows nothing.
    embed_minimal_html(path, views=[box], drop_defaults=False)
    for widget in (box, *box.children, session):
        widget.close()
    # The package of require.js at hand is not the very version that the page names by its hash.
    path.write_text(re.sub(r'integrity="[^"]*"', "", path.read_text("utf-8")), "utf-8")
    return path


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_view_in_an_embedded_page_reports_no_kernel(saved_page, widgets_page, theme):
    saved_page.goto(widgets_page.as_uri())
    # As Sphinx marks its pages; and a reader may change it at any time.
    saved_page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
    for name in VIEWS:
        view = saved_page.locator(f"[data-ncut-view={name}]").last
        view.wait_for()
        says_so_in_time(view)
        expect(view).to_have_attribute("data-theme", theme)
