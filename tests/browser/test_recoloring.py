"""The explorer is there with its first colours, and better ones take their place before the eyes of whoever looks."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import expect

import ncut_widgets as nw
from hosts import LabHost, PageHost
from samples import DATA

# A colouring that waits for the test to have looked.
PAUSED = """
import threading

class Paused(nw.Coloring):
    go_on = threading.Event()
    broken = False

    def fit(self, eig, **options):
        Paused.go_on.wait(60)
        if Paused.broken:
            raise MemoryError("no room for colors")
        return super().fit(eig, **options)

session = nw.Session(**{name: data[name] for name in ("images", "features", "eigenvectors")})
session.recolor(Paused())
explorer = nw.Explorer(session)
explorer"""
# Where a point is in each frame from now on, as long as there is a view.
FOLLOW = """(element, node) => {
  window.places = [];
  const follow = () => {
    window.places.push(element.ncutProject(node)?.x ?? null);
    if (element.isConnected) requestAnimationFrame(follow);
  };
  follow();
}"""


@pytest.fixture
def host(shared_notebook):
    notebook = shared_notebook([DATA, PAUSED])
    notebook.run_all()
    return LabHost(notebook, 1)


def far_travelling_node(host):
    """Return a node in sight that the final layout takes elsewhere."""
    code = (
        "(lambda s: [int(i) for i in (abs(nw.Coloring().fit(s.eigenvectors, onto=s.visible_colors[1]).coords_"
        " - s.visible_colors[1]).sum(1)).argsort()[::-1][:200]])(explorer.session)"
    )
    nodes = host.notebook.evaluate(code)
    return next(n for n in nodes if host.scatter.evaluate("(e, n) => e.ncutProject(n) !== null", n))


def test_first_colors_are_replaced_by_a_smooth_transition(host):
    host.shows("ncut")
    note = host.root.locator(".ncut-status")
    expect(note).to_have_count(1)
    expect(note).to_have_text("Computing t-SNE colors…")
    first = host.overlay(0)
    node = far_travelling_node(host)
    host.page.mouse.move(*host.patch_position(1, 9, 11))
    host.shows("heatmap")
    heat = host.overlay(2)
    host.scatter.evaluate(FOLLOW, node)

    host.notebook.execute("Paused.go_on.set()")
    host.notebook.wait_for("explorer.session.recolor_status['status'] == 'ready'")
    expect(note).to_have_count(0)
    host.until(lambda: len(set(host.page.evaluate("places"))) > 4, "the point travels")
    still = "() => new Promise((done) => setTimeout(() => done(new Set(places.slice(-5)).size === 1), 0))"
    host.until(lambda: host.page.evaluate(still), "the point rests")
    places = host.page.evaluate("places")
    way = abs(places[-1] - places[0])
    assert way > 5
    assert max(abs(np.diff(places))) < way, "it was seen in between"
    # What is alike does not depend on colours, so that the heatmap under the mouse has not even flickered.
    np.testing.assert_array_equal(host.overlay(2), heat)
    assert host.get("camera") is None

    host.mouse_away()
    host.shows("ncut")
    assert (host.overlay(0) != first).any()
    shown = host.notebook.evaluate("[int(v) for v in (explorer.session.rgb[:1] * 255).round()[0]]")
    assert host.overlay(0)[0, 0, :3].tolist() == shown


def test_a_failure_shows_in_the_explorer_once(host):
    before = host.overlay(0)
    host.notebook.execute("Paused.broken = True\nPaused.go_on.set()")
    alert = host.root.get_by_role("alert")
    expect(alert).to_have_count(1)
    expect(alert).to_contain_text("Could not compute t-SNE colors: MemoryError: no room for colors")
    np.testing.assert_array_equal(host.overlay(0), before)
    host.notebook.execute("explorer.session.recolor('pca')")
    expect(alert).to_have_count(0)


def test_a_closed_session_leaves_no_thread_in_the_kernel(host):
    host.notebook.execute("Paused.go_on.set()\nsession.close()")
    count = "sum(thread.name.startswith('ncut-colors') for thread in threading.enumerate())"
    assert host.notebook.evaluate(count) == 0


def test_an_exported_page_has_the_final_colors(offline_page, tmp_path):
    grid = nw.PatchGrid([(80, 60)], [nw.PatchMap(0, 6, 8)])
    vectors = np.random.default_rng(0).normal(size=(48, 4))
    session = nw.Session([np.zeros((60, 80, 3), np.uint8)], grid=grid, eigenvectors=vectors)
    session.recolor()
    host = PageHost(offline_page, session.to_html(tmp_path / "explorer.html", progress=False))
    assert host.get("recolor_status") == {"method": "tsne", "status": "ready", "error": None}
    expect(host.root.locator(".ncut-status")).to_have_count(0)
    host.shows("ncut")
    np.testing.assert_array_equal(host.overlay(0)[..., :3].reshape(-1, 3), np.rint(session.rgb * 255))
    session.close()
