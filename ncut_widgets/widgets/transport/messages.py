"""The protocol between a session and its page: requests by name, answered with arrays in binary messages.

Arrays are sent in parts and never become part of the widget's state, so they stay out of the saved notebook.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError
from typing import Any, NamedTuple

import numpy as np

from ncut_widgets._validation import brief
from ncut_widgets.errors import ConvergenceError
from ncut_widgets.widgets._trait_types import LARGEST_INTEGER
from ncut_widgets.widgets.transport.event_loop import call_in, running_loop
from ncut_widgets.widgets.transport.jobs import Jobs, Key, Progress, no_progress

__all__ = ["Answer", "Outdated", "Send", "reply_to"]

Send = Callable[[dict[str, Any], list[bytes]], None]

# Small enough that a websocket can send other messages between two parts.
PART_BYTES = 8_000_000
_MAX_KEY_CHARACTERS = 200
_MAX_ERROR_CHARACTERS = 600
# Exceptions for a request that cannot be answered. All others are bugs.
_EXPECTED = (TypeError, ValueError, OSError, MemoryError, ConvergenceError)
_LOG = logging.getLogger("ncut_widgets")


class Outdated(ValueError):
    """The data that the request refers to were replaced. The page asks again."""


class Answer(NamedTuple):
    """How to compute the answer to a request, and whether to do so in the worker thread."""

    compute: Callable[[Progress], np.ndarray]
    is_job: bool


def reply_to(message: Any, send: Send, *, prepare: Callable[[Mapping[str, Any]], Answer], jobs: Jobs) -> None:
    """Reply to one message of the page.

    Messages are ``{"kind": "request", "id": ..., "name": ..., "params": ...}`` and ``{"kind": "cancel", "id": ...}``.
    `prepare` returns how to answer a request. A job sends ``{"kind": "progress", "id": ..., "fraction": ...}`` while it
    runs. A request that is cancelled before it ends gets no reply, nor does the cancellation.

    A request that cannot be answered, and an invalid message, gets an error of bounded length. The reply has the id of
    the request, or None if that is neither text nor an integer.
    """
    try:
        kind, key = _kind_and_key(message)
        if kind == "cancel":
            jobs.cancel(key)
            return
        name = message.get("name")
        if not isinstance(name, str):
            raise TypeError(f"`name` must be text; got {brief(name)} ({type(name).__name__}).")
        jobs.check_open()
        answer = prepare(message)
        if answer.is_job:
            later = _from_this_thread(send)
            jobs.start(
                key,
                lambda progress: _reply(key, later, lambda: answer.compute(progress)),
                report=lambda fraction: later({"kind": "progress", "id": key, "fraction": fraction}, []),
                failed=lambda error: later(_bug(key, error), []),
            )
            return
        # It may have been closed in another thread meanwhile.
        jobs.check_open()
    except (TypeError, ValueError) as error:
        send(_refusal(_key_of(message), error), [])
        return
    _reply(key, send, lambda: answer.compute(no_progress))


def _from_this_thread(send: Send) -> Send:
    """Return a `send` for any thread, which sends from the event loop of this one, if it has a loop."""
    loop = running_loop()
    return lambda message, buffers: call_in(loop, send, message, buffers)


def _key_of(message: Any) -> Key | None:
    key = message.get("id") if isinstance(message, Mapping) else None
    if isinstance(key, str) and len(key) <= _MAX_KEY_CHARACTERS and key.isascii():
        return key
    return key if type(key) is int and abs(key) <= LARGEST_INTEGER else None


def _kind_and_key(message: Any) -> tuple[str, Key]:
    if not isinstance(message, Mapping):
        raise TypeError(f"A message must be a dict; got {brief(message)}.")
    kind, key = message.get("kind"), _key_of(message)
    if kind not in ("request", "cancel"):
        raise ValueError(f"`kind` must be 'request' or 'cancel'; got {brief(kind)}.")
    if key is None:
        raise ValueError(
            f"`id` must be an integer, or ASCII text of at most {_MAX_KEY_CHARACTERS} characters; "
            f"got {brief(message.get('id'))}."
        )
    return kind, key


def _reply(key: Key, send: Send, compute: Callable[[], np.ndarray]) -> None:
    """Send the array in parts, or the error."""
    try:
        array = np.ascontiguousarray(compute())
    except CancelledError:
        raise
    except _EXPECTED as error:
        _LOG.debug("A request was refused.", exc_info=True)
        send(_refusal(key, error), [])
        return
    except Exception as error:  # noqa: BLE001 - a bug: the page must not wait forever, and the log has the traceback
        send(_bug(key, error), [])
        return
    data = array.reshape(-1).view(np.uint8)
    parts = max(1, -(-len(data) // PART_BYTES))
    about = {"parts": parts, "dtype": array.dtype.name, "shape": list(array.shape)}
    reply = {"kind": "reply", "id": key, "ok": True, **about}
    for part in range(parts):
        send(reply | {"part": part}, [data[part * PART_BYTES : (part + 1) * PART_BYTES].tobytes()])


def _bug(key: Key, error: BaseException) -> dict[str, Any]:
    """Log an unexpected error, and return the reply for the page."""
    _LOG.error("A request of a page failed.", exc_info=error)
    return _refusal(key, RuntimeError(f"{type(error).__name__}: {error}. This is a bug; the kernel's log has more."))


def _refusal(key: Key | None, error: BaseException) -> dict[str, Any]:
    # A page can send lone surrogates, which cannot be sent back.
    text = str(error).encode("utf-8", "replace").decode()
    if len(text) > _MAX_ERROR_CHARACTERS:
        text = text[: _MAX_ERROR_CHARACTERS - 3] + "..."
    refusal = {"kind": "reply", "id": key, "ok": False, "error": text}
    return refusal | {"outdated": True} if isinstance(error, Outdated) else refusal
