import asyncio
import io
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from ncut_widgets.widgets import _wire
from ncut_widgets.widgets._jobs import Jobs
from ncut_widgets.widgets._wire import reply_to


def elsewhere(function, *arguments, **options):
    """Call it where no event loop runs: beside a browser the main thread has one, in which nobody waits."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(function, *arguments, **options).result()


class Page:
    """Stands for the browser: asks, and puts the parts of an answer together."""

    def __init__(self, session, monkeypatch):
        self.messages = []
        monkeypatch.setattr(session, "send", lambda message, buffers: self.messages.append((message, buffers)))
        self.session = session

    def send(self, **message):
        elsewhere(self.session._handle_custom_msg, {"id": "1"} | message, [])

    def ask(self, name, params=None):
        self.messages.clear()
        self.send(kind="request", name=name, params=params)
        self.session._jobs.wait()
        assert {message["id"] for message, _ in self.messages} == {"1"}
        replies = [(message, buffers) for message, buffers in self.messages if message["kind"] == "reply"]
        message = replies[0][0]
        if not message["ok"]:
            return message["error"]
        parts = sorted(replies, key=lambda reply: reply[0]["part"])
        data = b"".join(buffers[0] for _, buffers in parts)
        return np.frombuffer(data, message["dtype"]).reshape(message["shape"])


@pytest.fixture
def page(session, monkeypatch):
    return Page(session, monkeypatch)


def test_arrays_arrive_as_they_are(page, session):
    np.testing.assert_array_equal(page.ask("eigenvectors"), session.eigenvectors)
    np.testing.assert_array_equal(page.ask("coords"), session.coords)
    np.testing.assert_allclose(page.ask("rgb") / 255, session.rgb, atol=0.5 / 255 + 1e-6)
    np.testing.assert_array_equal(page.ask("labels/3"), session.labels(3))


def test_large_arrays_come_in_parts(page, session, monkeypatch):
    monkeypatch.setattr(_wire, "PART_BYTES", 64)
    np.testing.assert_array_equal(page.ask("eigenvectors"), session.eigenvectors)
    assert len(page.messages) == -(-session.eigenvectors.nbytes // 64)


def test_images_arrive_as_pictures_of_their_size(page, images):
    picture = Image.open(io.BytesIO(page.ask("image/1").tobytes()))
    assert picture.size == images[1].size


def test_large_images_are_made_smaller_for_the_screen(monkeypatch):
    from ncut_widgets import PatchGrid, PatchMap, Session

    grid = PatchGrid([(3000, 600)], [PatchMap(0, 1, 2)])
    session = Session([np.zeros((600, 3000, 3), np.uint8)], grid=grid, eigenvectors=np.eye(2))
    picture = Image.open(io.BytesIO(Page(session, monkeypatch).ask("image/0").tobytes()))
    assert picture.size == (1024, 205)


def test_patch_colours_are_the_means_of_their_pixels(page, images):
    expected = np.asarray(images[0])[:10, :10].reshape(-1, 3).mean(0)
    np.testing.assert_allclose(page.ask("patch_rgb")[0], expected, atol=1)


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("labels/99", "`n_clusters` must lie in 1 to 5"),
        ("image/7", "no array named 'image/7'"),
        ("../secret", "no array named"),
    ],
)
def test_what_cannot_be_had_is_an_answer_with_its_text(page, name, match):
    assert match in page.ask(name)


def answers(message, find=lambda name: np.zeros(1), **more):
    """What is sent for one message."""
    sent, jobs = [], Jobs()
    options = {"compute": None, "takes_a_while": lambda name: False, "jobs": jobs} | more
    elsewhere(reply_to, message, lambda *reply: sent.append(reply), find=find, **options)
    jobs.wait()
    jobs.close()
    return sent


@pytest.mark.parametrize(
    "message",
    [
        {"kind": "something else", "id": "1"},
        {"kind": "request", "id": "1"},
        {"kind": "request", "name": "rgb"},
        "request",
    ],
)
def test_what_is_no_request_passes_by(message):
    assert answers(message) == []


def test_an_empty_array_is_an_answer_too():
    sent = answers({"kind": "request", "id": "1", "name": "x"}, lambda name: np.zeros((0, 3)))
    assert sent[0][0]["shape"] == [0, 3]


class TestWhatTakesAWhile:
    REQUEST: ClassVar = {"kind": "request", "id": "7", "name": "slow", "params": {"of": 3}}

    def test_is_computed_beside_the_main_thread_with_its_params_and_tells_how_far_it_is(self):
        threads = []

        def compute(name, params, progress):
            threads.append(threading.current_thread())
            progress(0.5)
            return np.full(params["of"], 2.0)

        sent = answers(self.REQUEST, compute=compute, takes_a_while=lambda name: name == "slow")
        assert threads[0] is not threading.main_thread()
        assert [message["fraction"] for message, _ in sent[:-1]] == [0.0, 0.5]
        assert {message["id"] for message, _ in sent} == {"7"}
        assert np.frombuffer(sent[-1][1][0]).tolist() == [2.0, 2.0, 2.0]

    @pytest.mark.parametrize(
        "error", [ValueError("no such thing"), RuntimeError("no such thing"), KeyError("no such thing")]
    )
    def test_says_what_went_wrong_whatever_it_was(self, error):
        def compute(name, params, progress):
            raise error

        (message, _) = answers(self.REQUEST, compute=compute, takes_a_while=lambda name: True)[-1]
        assert message["ok"] is False
        assert "no such" in message["error"]

    def test_ends_when_the_page_no_longer_wants_it(self):
        sent, jobs, begun, cancelled = [], Jobs(), threading.Event(), threading.Event()

        def compute(name, params, progress):
            begun.set()
            assert cancelled.wait(10)
            progress(0.9)
            raise AssertionError("it went on")

        options = {"find": None, "compute": compute, "takes_a_while": lambda name: True, "jobs": jobs}
        elsewhere(reply_to, self.REQUEST, lambda *reply: sent.append(reply), **options)
        assert begun.wait(10)
        reply_to({"kind": "cancel", "id": "7"}, lambda *reply: sent.append(reply), **options)
        cancelled.set()
        jobs.wait()
        jobs.close()
        assert [message["kind"] for message, _ in sent] == ["progress"]

    def test_ends_with_the_session(self, session, monkeypatch):
        begun, went_on = threading.Event(), []

        def compute(name, params, progress):
            for _ in range(100_000):
                progress(0.5)
                begun.set()
            went_on.append(True)
            return np.zeros(1)

        monkeypatch.setattr(session, "_array", compute)
        session._handle_custom_msg({"kind": "request", "id": "1", "name": "labels/3"}, [])
        assert begun.wait(10)
        session.close()
        assert session._jobs._futures == set()
        assert went_on == []

    def test_is_sent_from_the_thread_that_talks_to_the_page(self):
        """Where there is an event loop, as in a kernel, no other thread writes to the socket."""

        async def ask():
            sent, jobs = [], Jobs()
            there = asyncio.Event()

            def send(message, buffers):
                sent.append(threading.current_thread())
                if message["kind"] == "reply":
                    there.set()

            compute = lambda name, params, progress: np.zeros(1)  # noqa: E731
            reply_to(self.REQUEST, send, find=None, compute=compute, takes_a_while=lambda name: True, jobs=jobs)
            await asyncio.wait_for(there.wait(), 10)
            jobs.close()
            return sent, threading.current_thread()

        # In a thread of its own: beside a browser the main one has a loop that runs.
        with ThreadPoolExecutor(1) as executor:
            sent, talking = executor.submit(lambda: asyncio.run(ask())).result()
        assert set(sent) == {talking}
