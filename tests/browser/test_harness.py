"""The harness itself: what it claims to see it sees, and what it is to catch it catches."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from chromium import ChromiumNotFoundError, find_chromium
from page_checks import no_uncaught_errors, standing_alone

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


def test_a_click_in_lab_changes_a_trait_in_python_and_back(open_notebook):
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
def test_a_shared_kernel_keeps_names_and_closes_widgets(open_notebook, turn):
    cells = [COUNTER, "turns = globals().get('turns', 0) + 1", "counter"]
    notebook = open_notebook(cells, shared_kernel=True)
    assert notebook.evaluate("len(__import__('ipywidgets').Widget.widgets)") == 0
    notebook.run_all()
    notebook.output(2).get_by_role("button", name="count 0").click()
    notebook.wait_for("counter.count == 1")
    assert notebook.evaluate("turns") == turn


def test_a_cell_that_fails_fails_the_run(open_notebook):
    notebook = open_notebook(["1 / 0"])
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        notebook.run_all()


def test_what_never_becomes_true_is_said_with_its_value(open_notebook):
    notebook = open_notebook(["number = 3"])
    notebook.run(0)
    with pytest.raises(AssertionError, match=r"number > 4 did not become true .* it is False"):
        notebook.wait_for("number > 4", seconds=0.1)
    with pytest.raises(AssertionError, match="missing: NameError"):
        notebook.evaluate("missing")


def test_the_theme_can_be_switched_and_the_notebook_saved(open_notebook):
    notebook = open_notebook(["print('hello')"])
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
def test_a_page_that_does_not_stand_alone_is_caught(context, tmp_path, markup):
    path = tmp_path / "leaky.html"
    path.write_text(markup)
    page = context.new_page()
    with (
        pytest.raises(AssertionError, match=r"must stand alone (.|\n)*planted"),
        standing_alone(page),
    ):
        page.goto(path.as_uri())


def test_an_error_that_nobody_caught_is_caught(context):
    page = context.new_page()
    with pytest.raises(AssertionError, match="planted"), no_uncaught_errors(page), page.expect_event("pageerror"):
        page.evaluate("() => { setTimeout(() => { throw new Error('planted'); }); }")


def test_a_browser_that_does_not_start_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("NCUT_CHROMIUM", str(tmp_path / "chromium"))
    with pytest.raises(ChromiumNotFoundError, match=r"`\$NCUT_CHROMIUM` must be the path of a Chromium that starts"):
        find_chromium()
