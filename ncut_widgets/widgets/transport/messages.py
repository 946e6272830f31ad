"""Answers what the views ask for: arrays as binary messages, in parts, outside of the notebook's saved state."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError
from typing import Any

import numpy as np

from ncut_widgets._validation import brief
from ncut_widgets.errors import ConvergenceError
from ncut_widgets.widgets._trait_types import LARGEST_INTEGER
from ncut_widgets.widgets.transport.jobs import Jobs, Key, Progress, Send, from_this_thread

# A websocket message this large still leaves room for others between two of its parts.
PART_BYTES = 8_000_000
_MAX_KEY_CHARACTERS = 200
_MAX_ERROR_CHARACTERS = 600
# What the package raises if something asked for cannot be had, or there is no memory for it.
_EXPECTED = (TypeError, ValueError, OSError, MemoryError, ConvergenceError)
_LOG = logging.getLogger("ncut_widgets")

Find = Callable[[str], np.ndarray]
Compute = Callable[[str, Any, Progress], np.ndarray]


class Outdated(ValueError):
    """The data are no longer those that were asked about, as the page will hear."""


def reply_to(
    message: Any, send: Send, *, find: Find, compute: Compute, takes_a_while: Callable[[str], bool], jobs: Jobs
) -> None:
    """Answer one message once, ``{"kind": "request", "id": ..., "name": ..., "params": ...}`` or whatever else it is.

    A request is answered with the array that `find` returns for its name. A name that takes a while goes to `compute`
    in another thread, with the params and a function to call with the share that is done; the view hears of it as
    ``{"kind": "progress", "id": ..., "fraction": ...}``. A view that no longer wants an answer sends
    ``{"kind": "cancel", "id": ...}``; neither that nor a request that was cancelled in time is answered.

    What cannot be had, and a message that is no request, is answered with an error of bounded length. The answer has
    the request's id, or None if that is not text or an integer.
    """
    try:
        kind, key = _kind_and_key(message)
        if kind == "cancel":
            jobs.cancel(key)
            return
        name = message.get("name")
        if not isinstance(name, str):
            raise TypeError(f"`name` must be text; got {brief(name)} ({type(name).__name__}).")
        if takes_a_while(name):
            later = from_this_thread(send)
            params = message.get("params")
            jobs.start(
                key,
                lambda progress: _answer(key, later, lambda: compute(name, params, progress)),
                progress=lambda fraction: later({"kind": "progress", "id": key, "fraction": fraction}, []),
                failed=lambda error: later(_bug(key, error), []),
            )
            return
        jobs.check_open()
    except (TypeError, ValueError) as error:
        send(_refusal(_key_of(message), error), [])
        return
    _answer(key, send, lambda: find(name))


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


def _answer(key: Key, send: Send, find: Callable[[], np.ndarray]) -> None:
    try:
        array = np.ascontiguousarray(find())
    except CancelledError:
        raise
    except _EXPECTED as error:
        _LOG.debug("A request was refused.", exc_info=True)
        send(_refusal(key, error), [])
        return
    except Exception as error:  # noqa: BLE001 - a bug: the page must not wait for ever, and the log has the traceback
        send(_bug(key, error), [])
        return
    data = array.reshape(-1).view(np.uint8)
    parts = max(1, -(-len(data) // PART_BYTES))
    what = {"parts": parts, "dtype": array.dtype.name, "shape": list(array.shape)}
    answer = {"kind": "reply", "id": key, "ok": True, **what}
    for part in range(parts):
        send(answer | {"part": part}, [data[part * PART_BYTES : (part + 1) * PART_BYTES].tobytes()])


def _bug(key: Key, error: BaseException) -> dict[str, Any]:
    """Log an error that nothing should raise, and return what the page hears of it."""
    _LOG.error("A request of a page failed.", exc_info=error)
    return _refusal(key, RuntimeError(f"{type(error).__name__}: {error}. This is a bug; the kernel's log has more."))


def _refusal(key: Key | None, error: BaseException) -> dict[str, Any]:
    # Lone surrogates, which a page can send, cannot be sent back.
    text = str(error).encode("utf-8", "replace").decode()
    if len(text) > _MAX_ERROR_CHARACTERS:
        text = text[: _MAX_ERROR_CHARACTERS - 3] + "..."
    refusal = {"kind": "reply", "id": key, "ok": False, "error": text}
    return refusal | {"outdated": True} if isinstance(error, Outdated) else refusal
