import asyncio
import io
import json
import logging
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from helpers.pages import Page, elsewhere
from ncut_widgets import FeatureMaps, PatchGrid, PatchMap, Session
from ncut_widgets.errors import ConvergenceError
from ncut_widgets.widgets.session import resources
from ncut_widgets.widgets.transport import messages
from ncut_widgets.widgets.transport.jobs import Jobs
from ncut_widgets.widgets.transport.messages import Answer, reply_to


@pytest.fixture
def page(session, monkeypatch):
    return Page(session, monkeypatch)


def test_arrays_arrive_unchanged(page, session):
    np.testing.assert_array_equal(page.ask("eigenvectors"), session.eigenvectors)
    np.testing.assert_array_equal(page.ask("coords"), session.coords)
    np.testing.assert_allclose(page.ask("rgb") / 255, session.rgb, atol=0.5 / 255 + 1e-6)
    np.testing.assert_array_equal(page.ask("labels/3"), session.labels(3))


def test_large_arrays_arrive_in_parts(page, session, monkeypatch):
    monkeypatch.setattr(messages, "PART_BYTES", 64)
    np.testing.assert_array_equal(page.ask("eigenvectors"), session.eigenvectors)
    assert len(page.messages) == -(-session.eigenvectors.nbytes // 64)


def test_images_arrive_in_their_size(page, images):
    picture = Image.open(io.BytesIO(page.ask("image/1").tobytes()))
    assert picture.size == images[1].size


def test_large_images_are_shrunk(monkeypatch):
    grid = PatchGrid([(3000, 600)], [PatchMap(0, 1, 2)])
    session = Session([np.zeros((600, 3000, 3), np.uint8)], grid=grid, eigenvectors=np.eye(2))
    picture = Image.open(io.BytesIO(Page(session, monkeypatch).ask("image/0").tobytes()))
    assert picture.size == (1024, 205)


def test_patch_colors_are_pixel_means(page, images):
    expected = np.asarray(images[0])[:10, :10].reshape(-1, 3).mean(0)
    np.testing.assert_allclose(page.ask("patch_rgb")[0], expected, atol=1)


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("labels/99", "`n_clusters` must lie in 1 to 5"),
        ("image/7", "`image` must lie in 0 to 1; got 7"),
        ("../secret", "no array named"),
        ("labels/٣", "no array named 'labels/٣'"),
        ("labels/³", "no array named"),
        ("labels/03", "no array named"),
        ("labels/+3", "no array named"),
        ("labels/-1", "no array named"),
        ("image/ 1", "no array named"),
        ("labels/" + "9" * 5000, "no array named 'labels/999"),
        ("labels/999999999", "`n_clusters` must lie in 1 to 5"),
        ("channel_map/0", "`features` are needed for channel maps"),
        ("\ud800", "no array named"),
        ("x" * 100_000, "no array named 'xxx"),
        ("rgb/", "no array named"),
        ("click_heat/1/2", "no array named 'click_heat/1/2'"),
        ("click_heat/٣//0.500", "no array named"),
        ("click_heat/20//0.500", "`nodes` must hold nodes from 0 to 19; got 20"),
        ("click_heat/1//nan", "no array named"),
        ("click_heat/1//1.001", r"`click_weight` must be in [0, 1]; got 1.001"),
        ("attribution", "no array named"),
        ("attribution/", "no array named"),
        ("attribution/gradient/clusters/٣", "no array named"),
        ("attribution/gradient/clusters/3/0", "no array named"),
        ("evidence/gradient/clusters/3/0/0", "no array named"),
        ("attribution/gradient/clusters/99", "`n_clusters` must lie in 1 to 5"),
        ("attribution/gradient/mask/paw", "There is no object named 'paw'"),
        ("attribution/magic/nodes", "are needed for attributions"),
    ],
)
def test_invalid_names_get_errors(page, name, match):
    error = page.ask(name)
    assert match in error
    assert len(json.dumps(error, ensure_ascii=False).encode()) < 1000


def prepare(compute, is_job=True):
    """Return the `prepare` of `reply_to` for requests that all have the same answer."""

    def answer(message):
        return Answer(lambda progress: compute(message["name"], message.get("params"), progress), is_job)

    return answer


def answers(message, compute=lambda *_: np.zeros(1), is_job=False):
    """Return what is sent for one message."""
    sent, jobs = [], Jobs()
    elsewhere(reply_to, message, lambda *reply: sent.append(reply), prepare=prepare(compute, is_job), jobs=jobs)
    jobs.wait()
    jobs.close()
    return sent


NESTED = []
for _ in range(100_000):
    NESTED = [NESTED]
# Of each, the id of its answer and what that says.
NO_REQUESTS = [
    ("request", None, "A message must be a dict; got 'request'"),
    (None, None, "A message must be a dict; got None"),
    ([1], None, r"A message must be a dict; got \[1\]"),
    ({}, None, "`kind` must be 'request' or 'cancel'; got None"),
    ({"kind": "something else", "id": "1"}, "1", "`kind` must be 'request' or 'cancel'; got 'something else'"),
    ({"kind": ["request"], "id": "1", "name": "rgb"}, "1", "`kind` must be"),
    ({"kind": NESTED, "id": 3, "name": "rgb"}, 3, "`kind` must be"),
    ({"kind": "request", "id": "1"}, "1", "`name` must be text; got None"),
    ({"kind": "request", "id": "1", "name": 5}, "1", r"`name` must be text; got 5 \(int\)"),
    ({"kind": "request", "id": "1", "name": ["rgb"]}, "1", "`name` must be text"),
    ({"kind": "request", "id": "1", "name": {"rgb": NESTED}}, "1", "`name` must be text"),
    ({"kind": "request", "name": "rgb"}, None, "`id` must be an integer, or ASCII text.*; got None"),
    *(
        ({"kind": kind, "id": key, "name": "rgb"}, None, "`id` must be an integer, or ASCII text")
        for kind in ["request", "cancel"]
        for key in [["1"], {"1": 1}, 1.5, float("nan"), True, "x" * 100_000, "\ud800", 10**5000, NESTED]
    ),
]


@pytest.mark.parametrize(("message", "key", "match"), NO_REQUESTS, ids=range(len(NO_REQUESTS)))
def test_invalid_messages_get_errors(message, key, match):
    ((answer, buffers),) = answers(message)
    assert (answer["kind"], answer["id"], answer["ok"], buffers) == ("reply", key, False, [])
    assert re.search(match, answer["error"])
    assert len(json.dumps(answer, allow_nan=False, ensure_ascii=False).encode()) < 1000


def test_empty_array_is_sent():
    sent = answers({"kind": "request", "id": "1", "name": "x"}, lambda *_: np.zeros((0, 3)))
    assert sent[0][0]["shape"] == [0, 3]


class TestJobs:
    REQUEST: ClassVar = {"kind": "request", "id": "7", "name": "slow", "params": {"of": 3}}

    def test_runs_in_worker_thread_with_progress(self):
        threads = []

        def compute(name, params, progress):
            threads.append(threading.current_thread())
            progress(0.5)
            return np.full(params["of"], 2.0)

        sent = answers(self.REQUEST, compute, is_job=True)
        assert threads[0] is not threading.main_thread()
        assert [message["fraction"] for message, _ in sent[:-1]] == [0.0, 0.5]
        assert {message["id"] for message, _ in sent} == {"7"}
        assert np.frombuffer(sent[-1][1][0]).tolist() == [2.0, 2.0, 2.0]

    @pytest.mark.parametrize("slow", [True, False])
    @pytest.mark.parametrize(
        ("error", "bug"),
        [
            *(
                (kind("no such thing"), False)
                for kind in (ValueError, TypeError, OSError, MemoryError, ConvergenceError)
            ),
            *((kind("no such thing"), True) for kind in (RuntimeError, KeyError, AttributeError, ZeroDivisionError)),
        ],
    )
    def test_errors_are_sent_and_bugs_logged(self, error, bug, slow, caplog):
        def fail(*_):
            raise error

        with caplog.at_level(logging.WARNING, "ncut_widgets"):
            messages = [m for m, _ in answers(self.REQUEST, fail, is_job=slow)]
        (message,) = [message for message in messages if message["kind"] == "reply"]
        assert message["ok"] is False
        assert "no such thing" in message["error"]
        assert ("This is a bug" in message["error"]) is bug
        assert [record.exc_info[1] for record in caplog.records] == [error] * bug
        assert "Traceback" not in message["error"]

    def test_cancel_ends_it(self):
        sent, jobs, begun, cancelled = [], Jobs(), threading.Event(), threading.Event()

        def compute(name, params, progress):
            begun.set()
            assert cancelled.wait(10)
            progress(0.9)
            raise AssertionError("it went on")

        options = {"prepare": prepare(compute), "jobs": jobs}
        elsewhere(reply_to, self.REQUEST, lambda *reply: sent.append(reply), **options)
        assert begun.wait(10)
        reply_to({"kind": "cancel", "id": "7"}, lambda *reply: sent.append(reply), **options)
        cancelled.set()
        jobs.wait()
        jobs.close()
        assert [message["kind"] for message, _ in sent] == ["progress"]

    def test_cancel_ends_all_with_the_id(self):
        sent, jobs, held = [], Jobs(), threading.Event()

        def compute(name, params, progress):
            assert held.wait(10)
            progress(0.5)
            raise AssertionError("it went on")

        options = {"prepare": prepare(compute), "jobs": jobs}
        for _ in range(3):
            elsewhere(reply_to, self.REQUEST, lambda *reply: sent.append(reply), **options)
        reply_to({"kind": "cancel", "id": "7"}, lambda *reply: sent.append(reply), **options)
        held.set()
        jobs.wait()
        jobs.close()
        assert {message["kind"] for message, _ in sent} <= {"progress"}

    def test_closing_the_session_ends_it(self, session, monkeypatch):
        begun, went_on = threading.Event(), []

        def compute(resource, arguments, parts, progress):
            for _ in range(100_000):
                progress(0.5)
                begun.set()
            went_on.append(True)
            return np.zeros(1)

        monkeypatch.setattr(resources, "_compute", compute)
        before = set(threading.enumerate())
        Page(session, monkeypatch).send(kind="request", name="labels/3")
        assert begun.wait(10)
        session.close()
        assert set(threading.enumerate()) <= before
        assert went_on == []

    def test_replies_are_sent_from_the_thread_of_the_loop(self):
        """Where there is an event loop, as in a kernel, no other thread writes to the socket."""

        async def ask():
            sent, jobs = [], Jobs()
            there = asyncio.Event()

            def send(message, buffers):
                sent.append(threading.current_thread())
                if message["kind"] == "reply":
                    there.set()

            compute = lambda name, params, progress: np.zeros(1)  # noqa: E731
            reply_to(self.REQUEST, send, prepare=prepare(compute), jobs=jobs)
            await asyncio.wait_for(there.wait(), 10)
            jobs.close()
            return sent, threading.current_thread()

        # In a thread of its own: beside a browser the main one has a loop that runs.
        with ThreadPoolExecutor(1) as executor:
            sent, talking = executor.submit(lambda: asyncio.run(ask())).result()
        assert set(sent) == {talking}


CLICK = {"image": 0, "x": 2, "y": 2}


class TestDependencies:
    """What is asked about is in the request, so an answer that comes late is of what was asked, not of what is now."""

    @pytest.fixture
    def session(self, images):
        rng = np.random.default_rng(0)
        grid = PatchGrid(
            [(40, 30), (24, 48)], [PatchMap(0, 3, 4, "one"), PatchMap(0, 6, 8, "two"), PatchMap(1, 2, 2, "two")]
        )
        features = FeatureMaps(rng.normal(size=(64, 5)).astype(np.float32), grid)
        session = Session(images, features=features, eigenvectors=np.linalg.qr(rng.normal(size=(64, 4)))[0])
        session.objects = [{"name": "a", "clicks": [CLICK], "min_area": 0}]
        return session

    def test_masks_depend_on_the_requested_source(self, page, session):
        params = {"image": 0, "method": None, "objects": session.objects}
        for source in ["two", "one"]:
            answer = page.ask("refined", params | {"source": source})
            session.source = source
            np.testing.assert_array_equal(answer[0], session.masks(resolution="pixel")["a"][0])
            session.source = "two"

    def test_masks_depend_on_the_requested_objects(self, page, session):
        asked = session.objects
        expected = session.masks(resolution="pixel")["a"][0]
        session.objects = [{"name": "a", "clicks": [CLICK | {"x": 35}], "min_area": 0}]
        answer = page.ask("refined", {"image": 0, "method": None, "source": "one", "objects": asked})
        np.testing.assert_array_equal(answer[0], expected)
        # What Python knows by its name may be named.
        answer = page.ask("refined", {"image": 0, "method": None, "objects": ["a"]})
        np.testing.assert_array_equal(answer[0], session.masks(resolution="pixel")["a"][0])
        assert page.ask("refined", {"image": 0, "method": None, "objects": []}).shape == (0, 30, 40)

    def test_missing_params_are_read_on_arrival(self, page, session, monkeypatch):
        held, compute = threading.Event(), resources._compute

        def late(*arguments):
            assert held.wait(10)
            return compute(*arguments)

        monkeypatch.setattr(resources, "_compute", late)
        expected = session.masks(resolution="pixel")["a"][0]
        page.send(kind="request", name="refined", params={"image": 0, "method": None, "objects": ["a"]})
        session.source = "two"
        session.objects = []
        held.set()
        page.wait()
        message, (mask,) = page.messages[-1]
        np.testing.assert_array_equal(np.frombuffer(mask, np.uint8).reshape(message["shape"])[0], expected)

    def test_exports_depend_on_their_params(self, page, session):
        now = {"objects": session.objects, "source": "one", "refine": None, "opacity": 0.25}
        expected = {
            format: page.ask("export", {"format": format}).tobytes()
            for format in ["masks", "overlays", "labels", "coco", "npz", "clicks"]
        }
        session.blend = 0.25
        expected["overlays"] = page.ask("export", {"format": "overlays"}).tobytes()
        session.source, session.blend, session.refine, session.objects = "two", 1, "guided", [{"name": "b"}]
        for format, content in expected.items():
            assert page.ask("export", {"format": format} | now).tobytes() == content
            assert page.ask("export", {"format": format}).tobytes() != content

    def test_attributions_depend_on_their_params(self, page, session):
        params = {"objects": session.objects, "source": "one"}
        expected = page.ask("attribution/gradient/mask/a")
        session.source, session.objects = "two", [{"name": "a", "clicks": [CLICK | {"x": 35, "y": 25}], "min_area": 0}]
        np.testing.assert_array_equal(page.ask("attribution/gradient/mask/a", params), expected)
        assert not np.array_equal(page.ask("attribution/gradient/mask/a"), expected)

    @pytest.mark.parametrize(
        "name",
        ["eigenvectors", "labels/3", "parents/3", "cluster_colors/3", "attribution/gradient/clusters/3", "refined"],
    )
    def test_new_eigenvectors_outdate_requests(self, page, session, name):
        known = {key: session.meta[key] for key in ("embedding", "version")}
        session.update(eigenvectors=session.eigenvectors[:, ::-1])
        page.messages.clear()
        page.send(kind="request", name=name, params={"image": 0, "method": None}, **known)
        (answer,) = page.replies()
        assert (answer["ok"], answer["outdated"]) == (False, True)
        assert "were replaced after this was asked for" in answer["error"]

    def test_new_colors_outdate_only_colors(self, page, session):
        known = {key: session.meta[key] for key in ("embedding", "version")}
        session.update(rgb=np.zeros((64, 3)))
        for name in ["rgb", "coords", "cluster_colors/3", "eigenvectors", "labels/3", "image/0", "patch_rgb"]:
            page.messages.clear()
            page.send(kind="request", name=name, **known)
            (answer,) = page.replies()
            assert answer["ok"] is (name not in ["rgb", "coords", "cluster_colors/3"])

    def test_eigenvectors_replaced_during_a_job_outdate_it(self, page, session, monkeypatch):
        compute = resources._compute

        def late(*arguments):
            found = compute(*arguments)
            session.update(eigenvectors=session.eigenvectors)
            return found

        monkeypatch.setattr(resources, "_compute", late)
        assert "were replaced after" in page.ask("labels/3")

    @pytest.mark.parametrize(
        ("name", "params", "match"),
        [
            ("refined", None, "`image` must be an integer; got None"),
            ("refined", [1], r"`params` must be a dict; got \[1\]"),
            ("refined", {"image": 2, "method": None}, "`image` must lie in 0 to 1; got 2"),
            ("refined", {"image": True, "method": None}, "`image` must be an integer; got True"),
            ("refined", {"image": 0, "method": "magic"}, "`method` must be one of"),
            ("refined", {"image": 0, "method": None, "source": "three"}, "`source` must be one of"),
            ("refined", {"image": 0, "method": None, "source": ["one"]}, "`source` must be one of"),
            ("refined", {"image": 0, "method": None, "objects": ["b"]}, r"`objects\[0\]` must be a dict; got str"),
            ("refined", {"image": 0, "method": None, "objects": "a"}, "`objects` must be a list"),
            ("refined", {"image": 0, "method": None, "objects": [{"threshold": float("nan")}]}, "must be finite"),
            ("export", {}, "`format` must be one of"),
            ("export", {"format": []}, "`format` must be one of"),
            ("export", {"format": "coco", "opacity": float("inf")}, "`opacity` must be finite"),
            ("export", {"format": "coco", "refine": 3}, "`refine` must be one of"),
            ("export", {"format": "coco", "resolution": None}, "`resolution` must be one of"),
            ("attribution/gradient/nodes", {"nodes": [64]}, "`nodes` must hold nodes from 0 to 63; got 64"),
            ("attribution/gradient/nodes", {"nodes": [True]}, "`nodes` must be an integer; got True"),
            ("attribution/gradient/nodes", {"nodes": {"0": 1}}, "`nodes` must be a list"),
            ("attribution/gradient/nodes", {}, "`selection` must hold the patches"),
            ("attribution/magic/nodes", {"nodes": [1]}, "`method` must be one of"),
            ("evidence/gradient/clusters/3/3", {}, "Cluster 3 must have patches for an attribution"),
        ],
    )
    def test_invalid_params_get_errors(self, page, name, params, match):
        assert re.search(match, page.ask(name, params))

    def test_closed_session_refuses_requests(self, page, session):
        session.close()
        for name in ["eigenvectors", "labels/3", "refined", "nonsense"]:
            assert page.ask(name) == "The session was closed. Run its cell again to go on."
        page.messages.clear()
        page.send(kind="cancel")
        assert page.messages == []
