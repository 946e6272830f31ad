"""The page of a session without a browser: sends requests and collects the replies."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

FLUSH = "flush"


def elsewhere(function, *arguments, **options):
    """Call a function in a thread without an event loop. Browser tests leave an idle loop in the main thread."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(function, *arguments, **options).result()


class Page:
    """Sends messages to a widget. `messages` has the replies, with their buffers."""

    def __init__(self, widget, monkeypatch):
        self.messages = []
        self._widget = widget
        self._flushed = threading.Event()
        monkeypatch.setattr(widget, "send", self._receive)

    def _receive(self, message, buffers=None):
        if message["id"] != FLUSH:
            self.messages.append((message, buffers))
        elif message["kind"] == "reply":
            self._flushed.set()

    def post(self, message, buffers=()):
        """Send any message."""
        elsewhere(self._widget._handle_custom_msg, message, list(buffers))

    def send(self, **message):
        """Send a message with the id "1"."""
        self.post({"id": "1"} | message)

    def wait(self):
        """Wait for all jobs: they run one after another, so another job ends last."""
        self._flushed.clear()
        self.post({"kind": "request", "id": FLUSH, "name": "labels/1"})
        assert self._flushed.wait(60)

    def replies(self):
        """Wait for all jobs, and return the replies without progress messages."""
        self.wait()
        return [message for message, _ in self.messages if message["kind"] == "reply"]

    def ask(self, name, params=None):
        """Return the array with this name, or the text of the error."""
        self.messages.clear()
        self.send(kind="request", name=name, params=params)
        message = self.replies()[0]
        assert {message["id"] for message, _ in self.messages} == {"1"}
        if not message["ok"]:
            return message["error"]
        parts = sorted(
            ((message["part"], buffers) for message, buffers in self.messages if message["kind"] == "reply"),
            key=lambda part: part[0],
        )
        data = b"".join(buffers[0] for _, buffers in parts)
        return np.frombuffer(data, message["dtype"]).reshape(message["shape"])


def request(session, name, params=None):
    """Return the array that a page gets from a session."""
    with pytest.MonkeyPatch.context() as patch:
        array = Page(session, patch).ask(name, params)
    assert isinstance(array, np.ndarray), array
    return array
