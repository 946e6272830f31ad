"""Widgets are freed when closed, when their constructor fails, and when their cell runs again."""

from __future__ import annotations

import gc
import json
import threading
import weakref

import ipywidgets
import pytest
from ipywidgets.widgets.widget import _instances
from jupyter_client.manager import start_new_kernel

import ncut_widgets as nw
from helpers.pages import request
from ncut_widgets.widgets._lifetime import free_unreachable
from ncut_widgets.widgets._trait_types import state_lock
from ncut_widgets.widgets.session.colors import Colors

VIEWS = [nw.ImageGrid, nw.EmbeddingScatter, nw.ClickSegmenter, nw.ClusterPanel, nw.ChannelBars, nw.Explorer]


@pytest.fixture
def registry():
    """The widgets that ipywidgets has got since the test began."""
    gc.collect()
    before = set(_instances)
    return lambda: {key: widget for key, widget in _instances.items() if key not in before}


class TestClose:
    @pytest.mark.parametrize("kind", VIEWS)
    def test_frees_a_view_and_leaves_its_session(self, session, registry, kind):
        before = set(registry())
        view = kind(session)
        gone = weakref.ref(view)
        view.close()
        del view
        gc.collect()
        assert gone() is None
        assert set(registry()) == before
        assert session.comm is not None

    def test_frees_a_session_with_its_arrays(self, images, grid, eigenvectors, registry):
        session = nw.Session(images, grid=grid, eigenvectors=eigenvectors)
        gone = [weakref.ref(session), weakref.ref(session.eigenvectors)]
        session.labels(3)
        session.close()
        del session
        gc.collect()
        assert [ref() for ref in gone] == [None] * 2
        assert not registry()

    def test_frees_an_explorer_with_its_session_and_threads(self, registry):
        before = set(threading.enumerate())
        explorer = nw.explore(nw.sample_images()[:1], n_eig=4, resolution=96, progress=False)
        session = explorer.session
        gone = [weakref.ref(part) for part in (explorer, session, session.features, explorer.scatter)]
        # A job starts the other thread of a session.
        request(session, "labels/3")
        explorer.close()
        # The workers of the engine belong to the process.
        left = {t.name for t in set(threading.enumerate()) - before if t.name.startswith(("ncut-jobs", "ncut-colors"))}
        assert left == set()
        del explorer, session
        # A thread that has just ended may hold its last arguments for a moment.
        for _ in range(50):
            gc.collect()
            if all(ref() is None for ref in gone):
                break
        assert [ref() for ref in gone] == [None] * 4
        assert not registry()

    def test_keeps_the_layout_of_the_user(self, session):
        layout = ipywidgets.Layout(width="50%")
        view = nw.ImageGrid(session, layout=layout)
        view.close()
        assert layout.comm is not None

    def test_observer_does_not_keep_a_session(self, images, grid, eigenvectors):
        session = nw.Session(images, grid=grid, eigenvectors=eigenvectors)
        seen = []
        session.observe(seen.append, "hover")
        session.hover = 3
        gone = weakref.ref(session)
        session.close()
        seen.clear()
        del session
        gc.collect()
        assert gone() is None


class TestCollection:
    """The collector may run in a new thread while the thread that started it holds a lock and waits for the start."""

    @pytest.mark.parametrize("close", [True, False], ids=["closed", "open"])
    @pytest.mark.parametrize("kind", [nw.Session, *VIEWS])
    def test_in_another_thread_waits_for_no_lock(self, kind, close, images, grid, eigenvectors):
        session = nw.Session(images, grid=grid, eigenvectors=eigenvectors)
        widget = session if kind is nw.Session else kind(session)
        gone = weakref.ref(widget)
        if close:
            widget.close()
            session.close()
        for key in {session.model_id, widget.model_id} if not close else ():
            _instances.pop(key)
        # In a cycle, so that only the collector frees them.
        widget.cycle, session.cycle = widget, session
        del widget, session
        thread = threading.Thread(target=gc.collect, daemon=True)
        with state_lock:
            thread.start()
            thread.join(10)
            assert not thread.is_alive()
        assert gone() is None
        free_unreachable()


class TestFailure:
    def test_failing_view_leaves_no_widget(self, session, registry, monkeypatch):
        before = set(registry())
        monkeypatch.setattr(nw.EmbeddingScatter, "__init__", _fail)
        with pytest.raises(ValueError, match="no more"):
            nw.Explorer(session)
        assert set(registry()) == before

    def test_invalid_session_leaves_no_widget(self, images, grid, eigenvectors, registry):
        with pytest.raises(ValueError, match="eigenvectors"):
            nw.Session(images, grid=grid, eigenvectors=eigenvectors[:5])
        assert not registry()

    def test_invalid_file_leaves_no_widget(self, session, registry, tmp_path, monkeypatch):
        before = set(registry())
        path = session.save(tmp_path / "a.ncut")
        monkeypatch.setattr(Colors, "set_status", _fail)
        with pytest.raises(ValueError, match="no more"):
            nw.Session.load(path)
        assert set(registry()) == before

    def test_failing_explore_leaves_no_widget_or_thread(self, registry, monkeypatch):
        threads = set(threading.enumerate())
        monkeypatch.setattr(nw.EmbeddingScatter, "__init__", _fail)
        with pytest.raises(ValueError, match="no more"):
            nw.explore(nw.sample_images()[:1], n_eig=4, resolution=96, progress=False)
        assert not registry()
        assert {t.name for t in set(threading.enumerate()) - threads if t.name.startswith("ncut")} == set()


def _fail(*arguments, **options):
    raise ValueError("no more")


# -- a kernel ------------------------------------------------------------------------------------------------------

SETUP = """
import gc, json, threading, weakref
import numpy as np, ncut_widgets as nw
from ipywidgets.widgets.widget import _instances

grid = nw.PatchGrid([(40, 30)], [nw.PatchMap(0, 3, 4)])
image, eigenvectors = np.zeros((30, 40, 3), np.uint8), np.eye(12)[:, :4]
made = weakref.WeakSet()

def session():
    one = nw.Session([image], grid=grid, eigenvectors=eigenvectors)
    made.add(one)
    return one

def explorer(one=None):
    one = nw.Explorer(session() if one is None else one)
    made.add(one)
    return one

def alive():
    return [type(one).__name__ for one in made if one.comm is not None]
"""

SLOW = """
started = threading.Event()

class Slow(nw.Coloring):
    def fit(self, rows, *, onto=None, progress=None):
        started.set()
        while True:
            progress(0.0)
"""


class Kernel:
    """A kernel whose cells are run as JupyterLab runs them."""

    def __init__(self):
        self._manager, self._client = start_new_kernel(kernel_name="python3")

    def run(self, code, cell, silent=False, expression="None"):
        content = {
            "code": code,
            "silent": silent,
            "store_history": not silent,
            "user_expressions": {"value": f"json.dumps({expression})"},
            "allow_stdin": False,
            "stop_on_error": True,
        }
        message = self._client.session.msg("execute_request", content, metadata={"cellId": cell} if cell else {})
        self._client.shell_channel.send(message)
        reply = self._client._recv_reply(message["header"]["msg_id"], timeout=60)["content"]
        assert reply["status"] == "ok", "\n".join(reply.get("traceback", ()))
        return reply["user_expressions"]["value"]

    def ask(self, expression):
        value = self.run("", None, silent=True, expression=expression)
        assert value["status"] == "ok", value
        return json.loads(eval(value["data"]["text/plain"]))

    def stop(self):
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def started_kernel():
    kernel = Kernel()
    kernel.run(SETUP, "setup", silent=True)
    yield kernel
    kernel.stop()


@pytest.fixture
def kernel(started_kernel):
    yield started_kernel
    started_kernel.run(
        "for one in list(made): one.close()\n"
        "for name in {'one', *'abces'} & set(globals()): del globals()[name]\n"
        "Out.clear(); made.clear()",
        None,
        silent=True,
    )


class TestCellRunAgain:
    @pytest.mark.parametrize("cell", ["explorer()", "e = explorer()", "e = explorer()\ne", "display(explorer())"])
    def test_leaves_one_explorer(self, kernel, cell):
        kernel.run(cell, "a")
        first = kernel.ask("[len(_instances), threading.active_count()]")
        for _ in range(5):
            kernel.run(cell, "a")
        assert kernel.ask("[len(_instances), threading.active_count()]") == first
        assert kernel.ask("len(made)") == (2 if cell != "explorer();" else 0)

    def test_with_views_of_a_session_leaves_one_of_each(self, kernel):
        kernel.run("s = session()", "a")
        for _ in range(3):
            kernel.run("nw.ImageGrid(s)", "b")
            kernel.run("display(nw.EmbeddingScatter(s)); nw.ClusterPanel(s)", "c")
        # The session, its three views, and the layouts of all.
        assert kernel.ask("len(_instances)") == 8

    def test_keeps_an_explorer_in_a_variable(self, kernel):
        kernel.run("a = explorer()\na", "a")
        kernel.run("b = a", "b")
        kernel.run("a = explorer()\na", "a")
        assert kernel.ask("[b.comm is not None, b.session.comm is not None, len(made)]") == [True, True, 4]
        # It still hears of its page.
        kernel.run("b.comm.handle_msg({'content': {'data': {'method': 'update', 'state': {'height': 300}}}})", "c")
        assert kernel.ask("b.height") == 300
        kernel.run("del b", "d")
        kernel.run("a = explorer()\na", "a")
        assert kernel.ask("len(made)") == 2

    @pytest.mark.parametrize("holder", ["b = [a]", "b = {'kept': (a, 1)}", "b = lambda: c\nc = a"])
    def test_keeps_an_explorer_in_a_user_object(self, kernel, holder):
        kernel.run("a = explorer()\na", "a")
        kernel.run(holder, "b")
        kernel.run("a = explorer()\na", "a")
        assert kernel.ask("len(alive())") == 4

    def test_keeps_an_explorer_shown_by_another_cell(self, kernel):
        kernel.run("a = explorer()\na", "a")
        kernel.run("a", "b")
        kernel.run("a = explorer()\na", "a")
        assert kernel.ask("len(alive())") == 4
        kernel.run("a", "b")
        assert kernel.ask("len(alive())") == 2

    def test_keeps_a_session_in_a_variable(self, kernel):
        kernel.run("explorer()", "a")
        kernel.run("s = Out[max(Out)].session", "b")
        kernel.run("explorer()", "a")
        assert sorted(kernel.ask("alive()")) == ["Explorer", "Session", "Session"]
        assert kernel.ask("s.comm is not None")

    def test_keeps_the_session_of_a_visible_view(self, kernel):
        kernel.run("explorer()", "a")
        kernel.run("Out[max(Out)].image_grid", "b")
        kernel.run("explorer()", "a")
        assert sorted(kernel.ask("alive()")) == ["Explorer", "Session", "Session"]

    def test_failing_cell_keeps_its_variable(self, kernel):
        kernel.run("a = explorer()\na", "a")
        kernel.run("try:\n    1 / 0\nexcept ZeroDivisionError:\n    pass", "a")
        assert kernel.ask("len(alive())") == 2

    def test_cell_magic_counts_as_its_cell(self, kernel):
        for _ in range(3):
            kernel.run("%%time\ne = explorer()\ndisplay(e)", "a")
        assert kernel.ask("len(alive())") == 2

    def test_host_without_cell_ids_closes_nothing(self, kernel):
        for _ in range(3):
            kernel.run("explorer()", None)
        assert kernel.ask("len(alive())") == 6

    def test_no_message_is_lost_meanwhile(self, kernel):
        """JupyterLab's comms run in a thread beside the cells."""
        kernel.run("s = session()", "a")
        kernel.run(
            "message = {'content': {'data': {'method': 'update', 'state': {'hover': 7}}}, 'buffers': []}\n"
            "comm = s.comm\n"
            "key = s.model_id\n"
            "gc.callbacks.append(lambda phase, _: key in _instances or comm.handle_msg(message))\n"
            "explorer()",
            "b",
        )
        kernel.run("gc.callbacks.pop()", "c")
        assert kernel.ask("s.hover") == 7

    def test_progress_bars_open_no_widgets(self, kernel):
        """JupyterLab can lose the messages of widgets that open while others close."""
        kernel.run(
            "from IPython.utils.capture import capture_output\n"
            "opened = []\n"
            "nw.Session.on_widget_constructed(lambda widget: opened.append(type(widget).__name__))\n"
            "with capture_output() as shown: nw.extract_features(image, progress=True)\n"
            "nw.Session.on_widget_constructed(None)",
            "a",
        )
        assert kernel.ask("opened") == []
        first, *_, last = kernel.ask("[[output.data['text/plain'], output.update] for output in shown.outputs]")
        assert "features: multiscale:   0%" in first[0]
        assert last == ["", True]

    def test_ends_the_color_thread(self, kernel):
        kernel.run(SLOW, "0", silent=True)
        kernel.run("a = explorer(); a.session.recolor(Slow('tsne')); started.wait(); a", "a")
        threads = "sum(thread.name.startswith('ncut') for thread in threading.enumerate())"
        assert kernel.ask(threads) == 1
        kernel.run("a = explorer(); a", "a")
        assert kernel.ask(f"[{threads}, len(made)]") == [0, 2]
