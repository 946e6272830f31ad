"""What only a notebook with a kernel has: Python's side of the state, several cells, saving, reopening."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from hosts import STILL, LabHost
from samples import DATA, explorer_cells


@pytest.fixture
def notebook(shared_notebook):
    return shared_notebook(explorer_cells())


@pytest.fixture
def host(notebook):
    notebook.run_all()
    return LabHost(notebook, 1)


def test_a_trait_set_in_python_updates_every_view(host):
    node = host.node(1, 2, 3)
    host.set("hover", node)
    expect(host.tile(1).locator(f".ncut-ring[data-node='{node}']")).to_be_visible()
    host.set("hover", None)
    expect(host.grid.locator(".ncut-ring")).to_have_count(0)
    host.set("layer", "clusters")
    host.shows("clusters")
    expect(host.grid.get_by_role("radio", name="Clusters")).to_be_checked()


def test_new_data_from_python_is_drawn(host):
    host.shows("ncut")
    host.notebook.execute("explorer.session.update(rgb=explorer.session.rgb * 0)")
    host.until(lambda: host.overlay(0)[..., :3].max() == 0, "the new colours are drawn")


def test_an_error_in_the_kernel_shows_in_the_widget(host):
    host.notebook.execute(
        "from ncut_widgets.widgets.session.clusters import Clusters\n"
        "def broken(*_, **__): raise ValueError('no labels today')\n"
        "labels, Clusters.labels = Clusters.labels, broken"
    )
    host.choose("Clusters")
    alert = host.grid.get_by_role("alert")
    expect(alert).to_contain_text("no labels today")
    alert.get_by_role("button", name="Dismiss").click()
    expect(alert).to_have_count(0)
    host.notebook.execute("Clusters.labels = labels")


def test_a_closed_session_is_reported(host):
    host.notebook.execute("explorer.session.close()")
    expect(host.grid.get_by_role("alert")).to_contain_text("This session was closed")


def test_views_in_several_cells_are_linked(shared_notebook):
    notebook = shared_notebook(
        [
            DATA,
            "session = nw.Session(**data)",
            "nw.ImageGrid(session, height=240)",
            "nw.EmbeddingScatter(session, height=240)",
        ],
    )
    notebook.run_all()
    grid = notebook.output(2).locator("[data-ncut-view=image-grid][data-ready=true]")
    scatter = notebook.output(3).locator("[data-ncut-view=embedding-scatter][data-ready=true]")
    expect(grid).to_be_visible()
    expect(scatter).to_be_visible()
    grid.get_by_role("radio", name="Eigenvector").click()
    notebook.wait_for("session.layer == 'eigenvector'")
    grid.locator("[data-image='0']").click(position={"x": 20, "y": 20})
    notebook.wait_for("len(session.selection) == 1")
    pinned = notebook.evaluate("session.selection[0]")
    assert scatter.evaluate("(element, node) => element.ncutProject(node)", pinned) is not None


def test_follows_the_theme_of_the_notebook(host):
    for theme in ("dark", "light"):
        host.notebook.use_theme(theme)
        expect(host.grid).to_have_attribute("data-theme", theme)
        expect(host.scatter).to_have_attribute("data-theme", theme)


def test_keys_in_a_view_do_not_trigger_notebook_shortcuts(host):
    count = host.notebook.cells.count()
    host.grid.locator("[role=application]").focus()
    for key in ("d", "d", "a", "b", "x", "m"):
        host.page.keyboard.press(key)
    host.next_frame()
    assert host.notebook.cells.count() == count


def test_rerunning_a_cell_leaves_nothing_behind(notebook):
    notebook.run_all()
    for _ in range(6):
        notebook.run(1)
    LabHost(notebook, 1)
    page = notebook.page
    assert page.locator("[data-ncut-view]").count() == 3
    assert page.locator("canvas").count() == 4 + 2


def test_a_reopened_notebook_shows_a_static_image(open_notebook):
    notebook = open_notebook(explorer_cells())
    notebook.run_all()
    LabHost(notebook, 1)
    page = notebook.page
    expect(page.locator(STILL)).to_have_count(1)
    expect(page.locator(STILL)).to_be_hidden()
    notebook.save()
    notebook.execute("__import__('ipywidgets').Widget.close_all()")
    page.reload()
    still = page.locator(STILL)
    expect(still).to_be_visible()
    size = still.evaluate("(image) => [image.naturalWidth, image.naturalHeight]")
    assert min(size) > 200


def test_arrays_stay_out_of_the_saved_notebook(host):
    host.choose("Clusters")
    host.shows("clusters")
    host.notebook.save()
    size = host.notebook.path.stat().st_size
    still = host.page.locator(STILL).get_attribute("src")
    assert size < len(still) + 10_000


def test_views_wait_for_a_busy_kernel(shared_notebook, tmp_path):
    done = tmp_path / "done"
    busy = f"import pathlib, time\nwhile not pathlib.Path({str(done)!r}).exists():\n    time.sleep(0.02)"
    notebook = shared_notebook([*explorer_cells(), busy])
    notebook.start_all()
    explorer = notebook.output(1).locator("[data-ncut-view=explorer]")
    expect(explorer.get_by_text("Waiting for the kernel")).to_be_visible()
    expect(explorer.get_by_role("alert")).to_have_count(0)
    done.touch()
    host = LabHost(notebook, 1)
    expect(explorer.get_by_text("Waiting for the kernel")).to_have_count(0)
    host.choose("Clusters")
    host.shows("clusters")


def test_a_view_reports_a_lost_kernel(open_notebook):
    notebook = open_notebook(explorer_cells())
    notebook.run_all()
    host = LabHost(notebook, 1)
    drawn = host.overlay(0)
    notebook.restart_kernel()
    expect(host.root.get_by_role("alert")).to_contain_text("No kernel is connected")
    # What was drawn stays, and the still would only repeat it; but nothing can be used.
    assert (host.overlay(0) == drawn).all()
    expect(host.page.locator(STILL)).to_be_hidden()
    slider = host.grid.get_by_role("slider").first
    slider.focus()
    expect(slider).not_to_be_focused()
    notebook.run_all()
    LabHost(notebook, 1).choose("Clusters")
    host.shows("clusters")
