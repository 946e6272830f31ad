"""The harness itself: what it claims to see it sees, and what it is to catch it catches."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from chromium import ChromiumNotFoundError, find_chromium
from page_checks import no_uncaught_errors, standing_alone
from workbench import Workbench

COUNTER = '''
import anywidget, traitlets

class Counter(anywidget.AnyWidget):
    _esm = """
    function render({ model, el }) {
      const button = document.createElement("button");
      const show = () => { button.textContent = `count ${model.get("count")}`; };
      button.onclick = () => { model.set("count", model.get("count") + 1); model.save_changes(); };
      model.on("change:count", show);
      show();
      el.append(button);
    }
    export default { render };
    """
    count = traitlets.Int(0).tag(sync=True)

counter = Counter()
'''


def test_lab_clicks_and_python_traits_stay_in_sync(open_notebook):
    notebook = open_notebook([COUNTER, "counter", "counter"])
    notebook.run_all()
    first, second = (notebook.output(cell).get_by_role("button", name="count") for cell in (1, 2))
    expect(first).to_have_text("count 0")
    first.click()
    notebook.wait_for("counter.count == 1")
    expect(second).to_have_text("count 1")
    notebook.execute("counter.count = 41")
    expect(first).to_have_text("count 41")


@pytest.mark.parametrize("turn", [1, 2])
def test_a_shared_notebook_keeps_names_and_closes_widgets(shared_notebook, turn):
    notebook = shared_notebook([COUNTER, "turns = globals().get('turns', 0) + 1", "counter"])
    assert notebook.evaluate("len(__import__('ipywidgets').Widget.widgets)") == 0
    expect(notebook.page.get_by_role("button", name="count")).to_have_count(0)
    notebook.run_all()
    notebook.output(2).get_by_role("button", name="count 0").click()
    notebook.wait_for("counter.count == 1")
    assert notebook.evaluate("turns") == turn


def test_only_a_returned_notebook_is_reused(lab, new_context):
    workbench = Workbench(lab, new_context)
    first = workbench.take()
    as_at_first = _look(first)
    first.page.set_viewport_size({"width": 300, "height": 300})
    first.use_theme("dark")
    assert _look(first) != as_at_first
    workbench.give_back()
    assert workbench.take() is first
    assert _look(first) == as_at_first

    # As after a test that failed.
    second = workbench.take()
    assert second.page != first.page
    assert first.page.is_closed()
    assert [session["path"] for session in lab.request("GET", "sessions")].count(first.path.name) == 0
    workbench.close()


def _look(notebook):
    return notebook.page.evaluate(
        """() => {
          const { backgroundColor } = getComputedStyle(document.querySelector(".jp-Notebook"));
          return [window.innerWidth, window.innerHeight, backgroundColor];
        }"""
    )


def test_a_cell_that_fails_fails_the_run(shared_notebook):
    notebook = shared_notebook(["1 / 0"])
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        notebook.run_all()


def test_a_timeout_reports_the_last_value(shared_notebook):
    notebook = shared_notebook(["number = 3"])
    notebook.run(0)
    with pytest.raises(AssertionError, match=r"number > 4 did not become true .* it is False"):
        notebook.wait_for("number > 4", seconds=0.1)
    with pytest.raises(AssertionError, match="missing: NameError"):
        notebook.evaluate("missing")


def test_the_theme_switches_and_the_notebook_saves(shared_notebook):
    notebook = shared_notebook(["print('hello')"])
    notebook.run_all()
    background = "() => getComputedStyle(document.querySelector('.jp-Notebook')).backgroundColor"
    seen = {}
    for theme in ("dark", "light"):
        notebook.use_theme(theme)
        seen[theme] = [int(value) for value in re.findall(r"\d+", notebook.page.evaluate(background))[:3]]
    assert sum(seen["dark"]) < 200 < 600 < sum(seen["light"])
    assert notebook.save().cells[0].outputs[0].text == "hello\n"


def test_webgl_draws(page):
    pixel = page.evaluate(
        """() => {
          const gl = document.createElement("canvas").getContext("webgl2");
          gl.clearColor(0, 1, 0, 1);
          gl.clear(gl.COLOR_BUFFER_BIT);
          const pixel = new Uint8Array(4);
          gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
          return [...pixel];
        }"""
    )
    assert pixel == [0, 255, 0, 255]


def test_an_offline_page_opens_a_file(offline_page, tmp_path):
    path = tmp_path / "alone.html"
    path.write_text("<link rel=icon href='data:,'><img src='data:image/gif;base64,R0lGODlhAQABAAAAACw='><p>alone</p>")
    offline_page.goto(path.as_uri())
    expect(offline_page.get_by_text("alone")).to_be_visible()


@pytest.mark.parametrize(
    "markup",
    [
        "<img src='https://example.org/planted.png'>",
        "<script src='planted.js'></script>",
        "<script>fetch('https://example.org/planted')</script>",
        "<script>new WebSocket('wss://example.org/planted')</script>",
        "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'\"><img src='https://example.org/planted'>",
        "<script>console.error('planted')</script>",
    ],
    ids=["image", "neighbouring file", "fetch", "socket", "blocked by policy", "console"],
)
def test_a_page_with_external_requests_fails(context, tmp_path, markup):
    path = tmp_path / "leaky.html"
    path.write_text(markup)
    page = context.new_page()
    with (
        pytest.raises(AssertionError, match=r"must stand alone (.|\n)*planted"),
        standing_alone(page),
    ):
        page.goto(path.as_uri())


def test_an_uncaught_page_error_fails(context):
    page = context.new_page()
    with pytest.raises(AssertionError, match="planted"), no_uncaught_errors(page), page.expect_event("pageerror"):
        page.evaluate("() => { setTimeout(() => { throw new Error('planted'); }); }")


def test_a_browser_that_fails_to_start_is_reported(monkeypatch, tmp_path):
    monkeypatch.setenv("NCUT_CHROMIUM", str(tmp_path / "chromium"))
    with pytest.raises(ChromiumNotFoundError, match=r"`\$NCUT_CHROMIUM` must be the path of a Chromium that starts"):
        find_chromium()
