"""An explorer of several sources: the images show the one that is chosen, and a hovered patch is found in all."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import expect

import ncut_widgets as nw
from hosts import Host, LabHost, PageHost

# A second backbone: the mean colour of each of 6 x 8 patches, so that its channels are fewer.
CELLS = [
    "import numpy as np\n"
    "import ncut_widgets as nw\n"
    "def means(images):\n"
    "    return [np.asarray(image.resize((8, 6)), np.float32) for image in images]\n"
    "images = nw.sample_images()[:2]\n"
    "parts = [nw.extract_features(images, resolution=r, progress=False) for r in (256, 128)]\n"
    "parts.append(nw.extract_features(images, backbone=means, progress=False))\n"
    "features = nw.concat(parts, align='anchors', weights='equal', n_anchors=64)\n"
    "explorer = nw.explore(images, features=features, n_eig=6, coloring='pca', progress=False)\n"
    "explorer",
]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The very explorer of `CELLS`, as a file."""
    made: dict = {}
    exec(CELLS[0], made)
    return made["explorer"].to_html(tmp_path_factory.mktemp("sources") / "sources.html", progress=False)


@pytest.fixture(params=["lab", "page"])
def host(request) -> Host:
    if request.param == "page":
        return PageHost(request.getfixturevalue("offline_page"), request.getfixturevalue("exported"))
    notebook = request.getfixturevalue("shared_notebook")(CELLS)
    notebook.run_all()
    return LabHost(notebook, 0)


def test_images_show_the_chosen_source(host):
    host.shows("ncut")
    grid = nw.PatchGrid(
        [(image["width"], image["height"]) for image in host.get("meta")["images"]],
        [nw.PatchMap(**m) for m in host.maps()],
    )
    choice = host.grid.get_by_label("Source")
    assert choice.locator("option").all_text_contents() == list(grid.sources)
    sizes = set()
    for source in reversed(grid.sources):
        choice.select_option(source)
        host.wait("source", lambda value, source=source: value == source)
        m = grid.maps[grid.find(0, source)]
        host.until(lambda m=m: host.overlay(0).shape[:2] == (m.rows, m.columns), f"the patches are those of {source}")
        sizes.add(host.overlay(0).shape)

        host.page.mouse.move(*over(host, m, 1, 2))
        node = grid.node(0, 1, 2, source)
        host.wait("hover", lambda hover, node=node: hover == node)
        expect(host.tile(0).locator(f".ncut-ring[data-node='{node}']")).to_be_visible()
        host.mouse_away()
        host.wait("hover", lambda hover: hover is None)
    assert len(sizes) == 3


def over(host: Host, m: nw.PatchMap, row: int, column: int) -> tuple[float, float]:
    """Where a patch of a map of the first image is on the page."""
    box = host.tile(m.image).bounding_box()
    return box["x"] + (column + 0.5) / m.columns * box["width"], box["y"] + (row + 0.5) / m.rows * box["height"]


def test_similarity_covers_the_other_sources(host):
    """Pinned in one source, seen in another: the heat stays, on other patches."""
    coarse = host.maps()[4]
    host.set("source", coarse["source"])
    host.page.mouse.move(*over(host, nw.PatchMap(**coarse), 3, 4))
    host.page.mouse.down()
    host.page.mouse.up()
    (pinned,) = host.wait("selection", lambda nodes: len(nodes) == 1)
    host.shows("heatmap")
    host.mouse_away()
    host.set("source", host.maps()[0]["source"])
    fine = host.maps()[0]
    host.until(lambda: host.overlay(0).shape[:2] == (fine["rows"], fine["columns"]), "the fine patches are shown")
    assert pinned >= sum(m["rows"] * m["columns"] for m in host.maps()[:4])
    # The same place is among the patches that are most alike.
    heat = host.overlay(0)[..., 3].astype(float)
    y, x = int(3.5 / coarse["rows"] * fine["rows"]), int(4.5 / coarse["columns"] * fine["columns"])
    assert heat[y, x] > np.quantile(heat, 0.5)
