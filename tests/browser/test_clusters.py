"""The cluster panel in JupyterLab and in an exported file alike, with a real mouse and real keys.

What Python's hierarchy has for the same eigenvectors says whether a region is right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from playwright.sync_api import Locator, expect

import ncut_widgets as nw
from hosts import LabHost, PageHost, View
from samples import explorer_cells

# Of the photographs in use: the astronaut's suit, and the sky behind the temple.
SUIT, SKY = (1, 12, 9), (3, 2, 12)
LEVELS = range(2, 9)


@dataclass
class Panel(View):
    """The cluster panel of an explorer on a page, and the clusters that Python has."""

    name: ClassVar[str] = "cluster-panel"
    hierarchy: nw.Hierarchy

    def row(self, cluster: int) -> Locator:
        return self.root.locator(f"[data-cluster='{cluster}']")

    @property
    def names(self) -> Locator:
        return self.root.locator("[data-cluster] .ncut-cluster-name")

    def level(self, count: int) -> Locator:
        return self.root.locator(f"[data-level='{count}']")

    @property
    def slider(self) -> Locator:
        return self.root.get_by_role("slider", name="Number of clusters")

    def cluster_at(self, place: tuple[int, int, int], count: int = 8) -> int:
        """Return the number of a patch's cluster."""
        return int(self.hierarchy.labels(count)[self.host.node(*place)])

    def labels(self, image: int, count: int = 8) -> np.ndarray:
        """Return Python's clusters of an image, (rows, columns)."""
        m, start = self.host.maps()[image], self.host.first_node(image)
        return self.hierarchy.labels(count)[start : start + m["rows"] * m["columns"]].reshape(m["rows"], m["columns"])

    def drawn(self, where: Locator) -> np.ndarray:
        """Return a canvas as it is drawn, (rows, columns, 4) RGBA."""
        data, width, height = where.locator("canvas").evaluate(
            """(canvas) => {
              const { data, width, height } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
              return [[...data], width, height];
            }"""
        )
        return np.array(data, np.uint8).reshape(height, width, 4)

    def strength(self, image: int) -> np.ndarray:
        """Return how strongly each patch of an image is painted, (rows, columns)."""
        return self.drawn(self.root.locator(f"[data-image='{image}']"))[..., 3]

    def is_drawn(self, count: int) -> None:
        """Wait until the overlays are Python's clusters, each in the colour of its row."""

        def right(image: int) -> bool:
            colors = self.drawn(self.root.locator(f"[data-image='{image}']"))[..., :3]
            wanted = np.array([self.color(cluster) for cluster in range(count)])[self.labels(image, count)]
            return bool(((colors == wanted).all(axis=-1)).mean() > 0.99)

        self.host.until(lambda: all(right(image) for image in range(4)), f"{count} clusters are drawn")

    def color(self, cluster: int) -> tuple[int, ...]:
        text = self.row(cluster).locator("input").evaluate("(box) => box.style.getPropertyValue('--swatch')")
        return tuple(bytes.fromhex(text.removeprefix("#")))


@pytest.fixture(scope="session")
def explored() -> nw.Explorer:
    explorer = nw.explore(nw.sample_images()[:4], n_eig=8, progress=False)
    explorer.tab = "clusters"
    explorer.session.layer = "clusters"
    return explorer


@pytest.fixture(scope="session")
def hierarchy(explored) -> nw.Hierarchy:
    return nw.hierarchy(explored.session.eigenvectors, n_clusters=LEVELS)


@pytest.fixture(scope="session")
def exported(explored, tmp_path_factory):
    return explored.to_html(tmp_path_factory.mktemp("clusters") / "explorer.html", progress=False)


@pytest.fixture
def page_panel(offline_page, exported, hierarchy) -> Panel:
    return Panel(PageHost(offline_page, exported), hierarchy)


@pytest.fixture
def lab_panel(shared_notebook, hierarchy) -> Panel:
    notebook = shared_notebook(explorer_cells("explorer.tab = explorer.session.layer = 'clusters'"))
    notebook.run_all()
    return Panel(LabHost(notebook, 1), hierarchy)


@pytest.fixture(params=["lab", "page"])
def panel(request) -> Panel:
    return request.getfixturevalue(f"{request.param}_panel")


def test_the_slider_splits_clusters_and_keeps_colors(panel):
    panel.is_drawn(8)
    panel.slider.focus()
    panel.page.keyboard.press("Home")
    panel.host.wait("n_clusters", lambda count: count == 2)
    expect(panel.names).to_have_count(2)
    panel.is_drawn(2)
    colors = [panel.color(0), panel.color(1)]

    for count in (3, 4):
        panel.page.keyboard.press("ArrowRight")
        panel.host.wait("n_clusters", lambda shown, count=count: shown == count)
        expect(panel.names).to_have_count(count)
        panel.is_drawn(count)
        assert [panel.color(0), panel.color(1)] == colors
    shares = panel.root.locator(".ncut-share").all_inner_texts()
    assert [float(text.removesuffix("%")) for text in shares] == pytest.approx(
        panel.hierarchy.shares(4) * 100, abs=0.06
    )


def test_clicking_a_region_selects_its_cluster_in_all_views(panel):
    cluster = panel.cluster_at(SUIT)
    panel.is_drawn(8)
    panel.host.mouse_away()
    before = panel.host.cloud()
    panel.page.mouse.click(*panel.place(*SUIT))
    panel.host.wait("selected_cluster", lambda selected: selected == cluster)
    expect(panel.row(cluster)).to_have_attribute("aria-selected", "true")
    for image in range(4):
        inside = panel.labels(image) == cluster
        panel.host.until(
            lambda image=image, inside=inside: (
                (panel.strength(image)[inside] == 255).all() and (panel.strength(image)[~inside] < 128).all()
            ),
            "the other clusters are pale",
        )
    panel.host.mouse_away()
    panel.host.until(lambda: (panel.host.cloud() != before).any(), "the points of other clusters fade")

    panel.page.mouse.click(*panel.place(*SUIT))
    panel.host.wait("selected_cluster", lambda selected: selected is None)
    panel.page.mouse.click(*panel.place(*SKY))
    panel.host.wait("selected_cluster", lambda selected: selected == panel.cluster_at(SKY))
    panel.page.keyboard.press("Escape")
    panel.host.wait("selected_cluster", lambda selected: selected is None)


def test_clusters_are_renamed_hidden_and_soloed(panel):
    cluster = panel.cluster_at(SUIT)
    panel.row(cluster).locator(".ncut-cluster-name").dblclick()
    panel.page.keyboard.type("suit")
    panel.page.keyboard.press("Enter")
    panel.host.wait("cluster_names", lambda names: names == {str(cluster): "suit"})
    expect(panel.row(cluster)).to_be_focused()

    panel.button("Hide suit").click()
    panel.host.wait("hidden_clusters", lambda hidden: hidden == [cluster])
    panel.host.until(
        lambda: ((panel.strength(1) == 0) == (panel.labels(1) == cluster)).all(), "the cluster is not painted"
    )
    panel.button("Show only suit").click()
    panel.host.wait("hidden_clusters", lambda hidden: hidden == [other for other in range(8) if other != cluster])
    panel.host.until(
        lambda: ((panel.strength(1) > 0) == (panel.labels(1) == cluster)).all(), "the cluster alone is painted"
    )
    panel.button("Show all").click()
    panel.host.wait("hidden_clusters", lambda hidden: hidden == [])


def test_clusters_are_merged_and_split(panel):
    both = sorted({panel.cluster_at(SUIT), panel.cluster_at(SKY)})
    assert len(both) == 2
    panel.root.get_by_role("checkbox", name=f"Check Cluster {both[0]}", exact=True).click()
    panel.page.keyboard.down("Shift")
    panel.page.mouse.click(*panel.place(*(SUIT if panel.cluster_at(SUIT) == both[1] else SKY)))
    panel.page.keyboard.up("Shift")
    panel.button("Merge 2").click()
    panel.host.wait("cluster_groups", lambda groups: groups == [both])
    expect(panel.names).to_have_count(7)
    color = np.array(panel.color(both[0]))
    panel.host.until(
        lambda: (
            (panel.drawn(panel.root.locator("[data-image='1']"))[..., :3] == color).all(axis=-1)
            == np.isin(panel.labels(1), both)
        ).all(),
        "merged clusters have one colour",
    )
    panel.button(f"Split Cluster {both[0]}").click()
    panel.host.wait("cluster_groups", lambda groups: groups == [])
    expect(panel.names).to_have_count(8)


def test_hovering_a_patch_shows_its_region_at_every_level(panel):
    panel.page.mouse.move(*panel.place(*SUIT))
    for count in (2, 4, 8):
        inside = panel.labels(SUIT[0], count) == panel.cluster_at(SUIT, count)
        expect(panel.level(count).locator(".ncut-line")).to_have_count(1)

        def lit(count=count, inside=inside) -> bool:
            clear = panel.drawn(panel.level(count))[..., 3] == 0
            # Until it is drawn, the picture may be that of an image on the way.
            return clear.shape == inside.shape and (clear == inside).mean() > 0.99

        panel.host.until(lit, f"the region at {count} clusters is lit")
    expect(panel.level(8)).to_have_attribute("aria-current", "true")
    # The way there leads over other images and out of them.
    box = panel.level(4).bounding_box()
    panel.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=3)
    panel.level(4).click()
    panel.host.wait("n_clusters", lambda count: count == 4)
    panel.is_drawn(4)


def test_a_cluster_becomes_a_mask_in_one_click(panel):
    panel.host.set("n_clusters", 4)
    expect(panel.names).to_have_count(4)
    cluster = panel.cluster_at(SUIT, 4)
    panel.button(f"Create a mask from Cluster {cluster}").click()
    (made,) = panel.host.wait("objects", lambda objects: len(objects) == 1)
    assert made["name"] == f"Cluster {cluster}"
    assert bytes.fromhex(made["color"].removeprefix("#")) == bytes(panel.color(cluster))
    # A cut into four is made by the first four eigenvectors.
    assert made["n_eig"] == 4
    panel.host.wait("active_object", lambda active: active == 0)
    panel.host.wait("layer", "masks".__eq__)
    expect(panel.root).to_have_attribute("data-shows", "masks")
    drawn = np.concatenate([panel.strength(image).ravel() > 0 for image in range(4)])
    wanted = panel.hierarchy.labels(4) == cluster
    iou = (drawn & wanted).sum() / (drawn | wanted).sum()
    assert iou > 0.9
    expect(panel.root.get_by_text(f"IoU {iou:.2f}: Cluster {cluster}")).to_be_visible()

    panel.host.root.get_by_role("tab", name="Segment").click()
    prompts = panel.host.root.locator("[data-ncut-view=click-segmenter] [data-prompt]")
    expect(prompts).to_have_count(len(made["clicks"]))


def test_the_legend_works_by_keyboard(panel):
    panel.row(0).focus()
    press = panel.page.keyboard.press
    press("ArrowDown")
    expect(panel.row(1)).to_be_focused()
    press("Enter")
    panel.host.wait("selected_cluster", lambda selected: selected == 1)
    press("h")
    panel.host.wait("hidden_clusters", lambda hidden: hidden == [1])
    press("s")
    panel.host.wait("hidden_clusters", lambda hidden: hidden == [0, *range(2, 8)])
    press("s")
    panel.host.wait("hidden_clusters", lambda hidden: hidden == [])
    press("F2")
    panel.page.keyboard.type("dd hs")
    press("Enter")
    panel.host.wait("cluster_names", lambda names: names == {"1": "dd hs"})
    press("ArrowRight")
    press("ArrowRight")
    press("Enter")
    expect(panel.root.get_by_role("textbox", name="Name of dd hs")).to_be_focused()
    press("Escape")
    expect(panel.row(1)).to_be_focused()
    assert panel.host.get("selected_cluster") == 1
    press("m")
    panel.host.wait("objects", lambda objects: [one["name"] for one in objects] == ["dd hs"])


def test_python_renames_hides_and_merges_clusters(lab_panel):
    host = lab_panel.host
    host.set("cluster_names", {"2": "table"})
    expect(lab_panel.names.nth(2)).to_have_text("table")
    host.set("cluster_groups", [[2, 5, 6]])
    expect(lab_panel.names).to_have_count(6)
    host.set("hidden_clusters", [2])
    expect(lab_panel.button("Show table")).to_be_visible()
    host.set("selected_cluster", 3)
    expect(lab_panel.row(3)).to_have_attribute("aria-selected", "true")


@pytest.mark.parametrize("width", [1200, 500])
def test_fits_wide_and_narrow_pages(page_panel, width):
    page_panel.page.set_viewport_size({"width": width, "height": 1000})
    page_panel.page.mouse.move(*page_panel.place(*SUIT))
    expect(page_panel.level(8)).to_be_visible()
    outer = page_panel.root.bounding_box()
    for control in page_panel.root.locator("button:visible, input:visible").all():
        inner = control.bounding_box()
        assert inner["x"] >= outer["x"] - 1
        assert inner["x"] + inner["width"] <= outer["x"] + outer["width"] + 1
    below = page_panel.row(0).bounding_box()["y"] > page_panel.place(*SUIT)[1]
    assert below == (width == 500)
