"""Concurrent use of a session by cells, messages of the page and worker threads."""

import sys
import threading
import warnings
import weakref

import numpy as np
import pytest
from traitlets import TraitError

import ncut_widgets as nw
from helpers.pages import request
from helpers.processes import threads
from ncut_widgets._process import restores_process_state
from ncut_widgets._validation import to_tensor
from ncut_widgets.widgets import _lifetime
from ncut_widgets.widgets.session import colors
from ncut_widgets.widgets.session.colors import Recoloring
from ncut_widgets.widgets.session.recent import Recent
from ncut_widgets.widgets.transport import jobs as jobs_module
from ncut_widgets.widgets.transport.jobs import Jobs
from ncut_widgets.widgets.transport.messages import Answer, reply_to

# How long a thread that has to wait for a lock is waited for, and a thread that has to end.
BLOCKED, ENDS = 0.1, 20


def in_a_thread(function):
    """Start a thread, and give it the time to finish unless it has to wait for this one."""
    thread = threading.Thread(target=function)
    thread.start()
    thread.join(BLOCKED)
    return thread


class TestState:
    @pytest.mark.parametrize("refused", [{"layer": "nothing"}, {"n_clusters": 1000}, {"camera": [1]}])
    def test_refused_message_keeps_a_concurrent_change(self, session, refused, monkeypatch):
        cells = []
        set_trait = nw.Session.set_trait

        def set_and_run_a_cell(self, name, value):
            set_trait(self, name, value)
            if name == "hover" and not cells:
                cells.append(in_a_thread(lambda: setattr(session, "blend", 0.25)))

        monkeypatch.setattr(nw.Session, "set_trait", set_and_run_a_cell)
        with pytest.raises(TraitError, match=next(iter(refused))):
            session.set_state({"hover": 3} | refused)
        cells[0].join(ENDS)
        assert (session.hover, session.blend) == (None, 0.25)

    def test_click_adds_its_object_during_a_message(self, session, monkeypatch):
        seen, cells = [], []
        set_trait = nw.Session.set_trait

        def click():
            session.clicks = [{"image": 0, "x": 3, "y": 4}]
            seen.append(len(session.objects))

        def set_and_run_a_cell(self, name, value):
            set_trait(self, name, value)
            if name == "hover" and not cells:
                cells.append(in_a_thread(click))

        monkeypatch.setattr(nw.Session, "set_trait", set_and_run_a_cell)
        session.set_state({"hover": 3})
        cells[0].join(ENDS)
        assert seen == [1]


class TestRecoloring:
    def test_concurrent_recolors_leave_one_thread(self, session, monkeypatch):
        cancel, others = Recoloring.cancel, []

        class Endless(nw.Coloring):
            def fit(self, X, *, onto=None, progress=None):
                while True:
                    progress(0.0)

        def cancel_and_let_another_thread_ask(self):
            cancel(self)
            if not others:
                others.append(in_a_thread(lambda: session.recolor(Endless())))
                others[0].join(ENDS)

        session.recolor(Endless())
        monkeypatch.setattr(Recoloring, "cancel", cancel_and_let_another_thread_ask)
        session.recolor(Endless())
        assert len(threads("ncut-colors")) == 1
        session.close()
        assert threads("ncut-colors") == []

    def test_observer_can_close_the_session(self, session, monkeypatch):
        """Observers are called with the lock held, for which the finished thread waits."""
        waits, lock = threading.Event(), colors.lock_unless

        def lock_and_tell(ended):
            waits.set()
            return lock(ended)

        monkeypatch.setattr(colors, "lock_unless", lock_and_tell)

        def close(_):
            session.recolor("pca")
            waits.wait(ENDS)
            session.close()

        session.observe(close, "blend")
        thread = threading.Thread(target=lambda: session.set_trait("blend", 0.25), daemon=True)
        thread.start()
        thread.join(ENDS)
        assert not thread.is_alive()
        assert threads("ncut-colors") == []


class TestJobs:
    def test_two_threads_share_one_worker(self, monkeypatch):
        jobs, made = Jobs(), []
        make = jobs_module.ThreadPoolExecutor

        def start():
            jobs.start("a", lambda step: None, report=lambda share: None, failed=lambda error: None)

        def make_while_another_thread_asks(*arguments, **options):
            made.append(len(made))
            if len(made) == 1:
                other.append(in_a_thread(start))
            return make(*arguments, **options)

        other = []
        monkeypatch.setattr(jobs_module, "ThreadPoolExecutor", make_while_another_thread_asks)
        start()
        other[0].join(ENDS)
        jobs.close()
        assert len(made) == 1

    @pytest.mark.parametrize("name", ["labels/3", "rgb"])
    def test_request_is_refused_if_closed_meanwhile(self, name):
        jobs, sent = Jobs(), []

        def prepare(message):
            jobs.close()
            return Answer(pytest.fail, message["name"] != "rgb")

        message = {"kind": "request", "id": 1, "name": name}
        reply_to(message, lambda reply, _: sent.append(reply), prepare=prepare, jobs=jobs)
        assert [reply["ok"] for reply in sent] == [False]
        assert "was closed" in sent[0]["error"]


class TestRecent:
    def test_evicted_result_is_returned(self):
        recent = Recent(1)
        others = []

        def compute():
            others.append(in_a_thread(lambda: [recent.get(key, lambda: 0) for key in "bcd"]))
            return 1

        assert recent.get("a", compute) == 1
        others[0].join(ENDS)
        assert recent.get("a", lambda: 2) == 1

    def test_most_recently_used_result_is_kept(self):
        recent = Recent(2)
        for key in "abac":
            recent.get(key, key.upper)
        assert recent.get("a", lambda: "new") == "A"
        assert recent.get("b", lambda: "new") == "new"


class TestWidgets:
    def test_views_can_be_created_while_a_cell_ends(self, session, monkeypatch):
        """JupyterLab handles a press of a button beside the cells."""
        others = []

        class Slow(weakref.WeakSet):
            def __iter__(self):
                for item in super().__iter__():
                    if not others:
                        others.append(in_a_thread(lambda: views.append(nw.ImageGrid(session))))
                    yield item

        views = [nw.ImageGrid(session), nw.ClusterPanel(session)]
        monkeypatch.setattr(_lifetime, "_open", Slow(views))
        _lifetime.free_unreachable()
        others[0].join(ENDS)
        assert len(views) == 3
        assert views[2] in _lifetime._opened()
        assert all(view.comm is not None for view in views)


class TestWarnings:
    def test_failing_worker_keeps_the_filters(self):
        started, go_on = threading.Event(), threading.Event()
        before = list(warnings.filters)

        @restores_process_state
        def fail():
            started.set()
            go_on.wait(ENDS)
            raise ValueError("no more")

        def work():
            with pytest.raises(ValueError, match="no more"):
                fail()

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            thread = in_a_thread(work)
            started.wait(ENDS)
        go_on.set()
        thread.join(ENDS)
        assert list(warnings.filters) == before

    def test_worker_threads_do_not_change_filters(self, halves, monkeypatch):
        changed, enter = [], warnings.catch_warnings.__enter__

        def watched(self):
            caller = sys._getframe(1).f_globals["__name__"]
            if threading.current_thread() is not threading.main_thread() and caller.startswith("ncut_widgets"):
                changed.append(caller)
            return enter(self)

        monkeypatch.setattr(warnings.catch_warnings, "__enter__", watched)
        halves.eigenvectors.flags.writeable = False
        for method in ("tsne", nw.Coloring("mspace", n_eig=(2,))):
            halves.recolor(method, wait=True)
        halves.objects = [{"name": name, "clicks": [{"image": 0, "x": 60, "y": 30}]} for name in "ab"]
        halves.objects = [*halves.objects[:1], halves.objects[1] | {"method": "ncut"}]
        for name, params in (
            ("export", {"format": "labels"}),
            ("refined", {"image": 0, "method": "guided"}),
            ("attribution/gradient/clusters/2", None),
        ):
            request(halves, name, params)
        assert changed == []

    def test_layout_library_is_imported_by_the_caller(self, session, monkeypatch):
        importing = []
        monkeypatch.setattr(
            "ncut_widgets.readouts.color.coloring.import_library",
            lambda method, device: importing.append((method, device.type, threading.current_thread())),
        )
        session.recolor("pca", wait=True)
        assert importing == [("pca", "cpu", threading.current_thread())]

    def test_read_only_arrays_are_not_copied(self):
        for array in (np.ones((4, 3))[::2], np.broadcast_to(np.arange(3.0), (4, 3)), np.ones((0, 3), np.float16)):
            array.flags.writeable = False
            tensor, _ = to_tensor(array, "X")
            np.testing.assert_array_equal(tensor, array)
            assert tensor.numel() == 0 or tensor.data_ptr() == array.__array_interface__["data"][0]
