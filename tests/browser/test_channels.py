"""The bars of channels in JupyterLab and in an exported file alike, with a real mouse and real keys.

What Python attributes for the same eigenvectors, and the features themselves, say whether bars and maps are right.
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
COUNT = 8


@dataclass
class Bars(View):
    """The bars of channels of an explorer on a page, and what Python has for them."""

    name: ClassVar[str] = "channel-bars"
    session: nw.Session

    @property
    def rows(self) -> Locator:
        return self.root.get_by_role("option").and_(self.root.locator("[data-channel]"))

    def row(self, channel: int) -> Locator:
        return self.root.locator(f"[data-channel='{channel}']")

    def order(self) -> list[int]:
        return [int(text) for text in self.rows.evaluate_all("(rows) => rows.map((row) => row.dataset.channel)")]

    def scores(self, count: int = COUNT) -> np.ndarray:
        """Return what Python attributes to each cluster, through the graph that the page's session knows, (k, c)."""
        if isinstance(self.host, PageHost):
            return self.session.attribute(n_clusters=count).scores
        return np.array(self.host.notebook.evaluate(f"explorer.session.attribute(n_clusters={count}).scores.tolist()"))

    def are(self, scores: np.ndarray, *, count: int = 20) -> None:
        """Wait until the bars are those of the strongest of these scores, from the highest to the lowest."""
        strongest = np.argsort(-np.abs(scores), kind="stable")[:count]
        wanted = strongest[np.argsort(-scores[strongest], kind="stable")].tolist()
        self.host.until(lambda: self.order() == wanted, f"the bars are {wanted}")
        shares = [
            float(text.replace("−", "-")) for text in self.root.locator("[data-channel] .ncut-value").all_inner_texts()
        ]
        assert shares == pytest.approx(scores[wanted] * 100, abs=0.06)

    def drawn(self, image: int) -> np.ndarray:
        """Return the overlay of an image as it is drawn, (rows, columns, 4) RGBA."""
        data, width, height = self.root.locator(f"[data-image='{image}'] canvas").evaluate(
            """(canvas) => {
              const { data, width, height } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
              return [[...data], width, height];
            }"""
        )
        return np.array(data, np.uint8).reshape(height, width, 4)

    def map(self, channel: int, image: int) -> np.ndarray:
        """Return a channel of the features in an image, (rows, columns) from 0 to 255 between its quantiles."""
        values = np.asarray(self.session.features.values)[:, channel]
        low, high = np.quantile(values, [0.01, 0.99])
        m, start = self.host.maps()[image], self.host.first_node(image)
        here = values[start : start + m["rows"] * m["columns"]].reshape(m["rows"], m["columns"])
        return np.clip((here - low) / (high - low), 0, 1) * 255

    def shows(self, what: str) -> None:
        expect(self.root).to_have_attribute("data-shows", what)

    def is_mapped(self, channel: int) -> None:
        """Wait until the overlays are the map of a channel: the brighter, the more of it."""
        self.shows("channel")

        wanted = np.concatenate([self.map(channel, image).ravel() for image in range(4)])

        def right() -> bool:
            drawn = np.concatenate([self.drawn(image)[..., :3].sum(-1, dtype=float).ravel() for image in range(4)])
            return drawn.shape == wanted.shape and drawn.std() > 0 and np.corrcoef(drawn, wanted)[0, 1] > 0.95

        self.host.until(right, f"channel {channel} is drawn")


@pytest.fixture(scope="session")
def traced() -> nw.Explorer:
    explorer = nw.explore(nw.sample_images()[:4], n_eig=8, progress=False)
    explorer.session.layer = "clusters"
    return explorer


@pytest.fixture(scope="session")
def labels(traced) -> np.ndarray:
    return nw.hierarchy(traced.session.eigenvectors, n_clusters=range(2, 9)).labels(COUNT)


@pytest.fixture(scope="session")
def exported(traced, tmp_path_factory):
    path = tmp_path_factory.mktemp("channels") / "explorer.html"
    return traced.session.to_html(path, tab="channels", attributions=True, n_clusters=[4, 8], progress=False)


@pytest.fixture
def page_bars(offline_page, exported, traced) -> Bars:
    return Bars(PageHost(offline_page, exported), traced.session)


@pytest.fixture
def lab_bars(shared_notebook, traced) -> Bars:
    notebook = shared_notebook(explorer_cells("explorer.tab = 'channels'", "explorer.session.layer = 'clusters'"))
    notebook.run_all()
    return Bars(LabHost(notebook, 1), traced.session)


@pytest.fixture(params=["lab", "page"])
def bars(request) -> Bars:
    return request.getfixturevalue(f"{request.param}_bars")


def test_clicking_a_region_shows_its_attribution(bars, labels):
    for place in (SUIT, SKY):
        cluster = int(labels[bars.host.node(*place)])
        bars.page.mouse.click(*bars.place(*place))
        bars.host.wait("selected_cluster", lambda selected, cluster=cluster: selected == cluster)
        bars.are(bars.scores()[cluster])
        bars.shows("target")
        for image in range(4):
            m, start = bars.host.maps()[image], bars.host.first_node(image)
            inside = labels[start : start + m["rows"] * m["columns"]].reshape(m["rows"], m["columns"]) == cluster
            bars.host.until(
                lambda image=image, inside=inside: ((bars.drawn(image)[..., 3] > 0) == inside).all(),
                "the region of the cluster is painted, and nothing else",
            )


def test_hovering_a_bar_previews_its_channel_in_all_views(bars):
    expect(bars.rows).to_have_count(20)
    bars.host.mouse_away()
    bars.shows("target")
    before = bars.host.cloud()
    for channel in bars.order()[:2]:
        bars.row(channel).hover()
        bars.host.wait("hovered_channel", lambda looked, channel=channel: looked == channel)
        bars.is_mapped(channel)
        expect(bars.root.get_by_text(f"channel {channel}", exact=True)).to_be_visible()
    bars.host.until(lambda: (bars.host.cloud() != before).any(), "the points take the colours of the map")
    bars.host.mouse_away()
    bars.host.wait("hovered_channel", lambda looked: looked is None)
    bars.shows("target")


def test_pinned_channels_form_an_rgb_composite_with_thumbnails(bars):
    expect(bars.rows).to_have_count(20)
    pinned = bars.order()[:3]
    for channel in pinned:
        bars.row(channel).click()
    bars.host.wait("pinned_channels", lambda channels: channels == pinned)
    bars.host.wait("layer", "channels".__eq__)
    bars.host.mouse_away()
    bars.shows("channels")
    for image in range(4):
        wanted = np.stack([bars.map(channel, image) for channel in pinned], axis=-1)
        bars.host.until(
            lambda image=image, wanted=wanted: np.abs(bars.drawn(image)[..., :3] - wanted).max() <= 1,
            "each channel is in its colour",
        )
    small = bars.root.locator("[data-pinned-channel]")
    expect(small).to_have_count(3)
    expect(bars.row(pinned[0])).to_have_attribute("aria-selected", "true")

    small.first.hover()
    bars.host.wait("hovered_channel", lambda looked: looked == pinned[0])
    small.first.get_by_role("button").click()
    bars.host.wait("pinned_channels", lambda channels: channels == pinned[1:])
    bars.row(pinned[1]).click()
    bars.row(pinned[2]).click()
    bars.host.wait("pinned_channels", lambda channels: channels == [])
    bars.host.mouse_away()
    bars.host.wait("layer", "clusters".__eq__)
    bars.shows("target")


def test_bars_are_searched_sorted_and_navigated_by_keyboard(bars):
    expect(bars.rows).to_have_count(20)
    names = bars.host.get("meta")["channel_names"]
    search = bars.root.get_by_role("searchbox")
    search.fill("EDGES")
    wanted = {channel for channel, name in enumerate(names) if "edges" in name}
    bars.host.until(lambda: set(bars.order()) == wanted, "the bars are those that were looked for")
    bars.root.get_by_label("Sort by").select_option("index")
    bars.host.until(lambda: bars.order() == sorted(wanted), "the bars go by number")

    first, second = bars.order()[:2]
    bars.row(first).focus()
    press = bars.page.keyboard.press
    press("ArrowDown")
    expect(bars.row(second)).to_be_focused()
    bars.host.wait("hovered_channel", lambda looked: looked == second)
    bars.is_mapped(second)
    press("Enter")
    bars.host.wait("pinned_channels", lambda channels: channels == [second])
    press("Escape")
    bars.host.wait("hovered_channel", lambda looked: looked is None)
    press("Escape")
    bars.host.wait("pinned_channels", lambda channels: channels == [])


def test_two_clusters_are_compared(bars):
    expect(bars.rows).to_have_count(20)
    bars.button("Compare").click()
    bars.root.get_by_label("Compared with").select_option(label="Cluster 2")
    expect(bars.rows.first.locator("[data-sign]")).to_have_count(2)
    first, second = bars.scores()[[0, 2]]
    strongest = np.argsort(-np.maximum(np.abs(first), np.abs(second)), kind="stable")[:20]
    wanted = strongest[np.argsort(-first[strongest], kind="stable")].tolist()
    bars.host.until(lambda: bars.order() == wanted, "the bars are of what is strong for either")
    widths = (
        bars.row(wanted[0])
        .locator(".ncut-magnitude")
        .evaluate_all("(bars) => bars.map((bar) => bar.firstChild.offsetWidth / bar.offsetWidth)")
    )
    most = max(np.abs(first).max(), np.abs(second).max())
    assert widths == pytest.approx(np.abs([first[wanted[0]], second[wanted[0]]]) / most / 2, abs=0.02)


def test_bars_follow_the_number_of_clusters(bars):
    expect(bars.rows).to_have_count(20)
    bars.host.set("selected_cluster", 0)
    bars.host.set("n_clusters", 4)
    bars.are(bars.scores(4)[0])


def test_python_previews_and_pins_channels(lab_bars):
    lab_bars.host.set("hovered_channel", 5)
    lab_bars.is_mapped(5)
    lab_bars.host.set("hovered_channel", None)
    lab_bars.host.set("pinned_channels", [5, 7])
    expect(lab_bars.root.locator("[data-pinned-channel]")).to_have_count(2)
    lab_bars.shows("channels")


def test_pinned_patches_are_attributed_by_any_method(lab_bars, traced):
    notebook = lab_bars.host.notebook
    nodes = [lab_bars.host.node(1, row, column) for row in (11, 12) for column in (8, 9)]
    lab_bars.host.set("selection", nodes)
    expect(lab_bars.root.get_by_label("Target", exact=True).locator("option:checked")).to_have_text("4 pinned patches")
    notebook.wait_for(
        "explorer.session.attribution is not None and len(explorer.session.attribution.target_names) == 1"
    )
    lab_bars.are(np.array(notebook.evaluate("explorer.session.attribution.scores[0].tolist()")))
    lab_bars.root.get_by_label("Method").select_option("gradient_x_input")
    notebook.wait_for("explorer.session.attribution.method == 'gradient_x_input'")
    lab_bars.are(np.array(notebook.evaluate("explorer.session.attribution.scores[0].tolist()")))


def test_evidence_is_measured_on_demand(lab_bars):
    expect(lab_bars.rows).to_have_count(20)
    lab_bars.button("Show evidence").click()
    chart = lab_bars.root.locator("figure.ncut-evidence")
    expect(chart.locator("polyline")).to_have_count(3)
    area = lab_bars.host.notebook.evaluate("float(explorer.session.attribution.faithfulness(16, target=0).area[0])")
    expect(chart).to_contain_text(f"area {area:.3f}".replace("-", "−"))
    lab_bars.button("Hide evidence").click()
    expect(lab_bars.button("Show evidence")).to_be_enabled()


def test_a_small_file_marks_missing_maps(offline_page, traced, tmp_path):
    most = 6 * len(traced.session.eigenvectors)
    path = traced.session.to_html(
        tmp_path / "small.html", tab="channels", attributions=True, n_clusters=[8], channel_bytes=most, progress=False
    )
    bars = Bars(PageHost(offline_page, path), traced.session)
    expect(bars.rows).to_have_count(20)
    lacking = int(
        bars.page.evaluate(
            "() => [...document.querySelectorAll('[data-channel]')].map((row) => row.dataset.channel)"
            ".find((j) => !document.querySelector(`script[data-ncut-array='channel_map/${j}']`))"
        )
    )
    bars.row(lacking).hover()
    expect(bars.row(lacking)).to_have_attribute("data-missing", "true")
    assert bars.host.get("hovered_channel") is None
    expect(bars.button("Show evidence")).to_have_count(0)
    expect(bars.root.get_by_role("alert")).to_have_count(0)


@pytest.mark.parametrize("width", [1200, 500])
def test_fits_wide_and_narrow_pages(page_bars, width):
    page_bars.page.set_viewport_size({"width": width, "height": 1000})
    expect(page_bars.rows).to_have_count(20)
    outer = page_bars.root.bounding_box()
    for control in page_bars.root.locator("button:visible, input:visible, select:visible").all():
        inner = control.bounding_box()
        assert inner["x"] >= outer["x"] - 1
        assert inner["x"] + inner["width"] <= outer["x"] + outer["width"] + 1
    below = page_bars.rows.first.bounding_box()["y"] > page_bars.place(*SUIT)[1]
    assert below == (width == 500)
