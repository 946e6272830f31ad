"""Answers what the views ask for: arrays as binary messages, in parts, outside of the notebook's saved state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ncut_widgets.widgets._jobs import Jobs, Progress, Send, from_this_thread

# A websocket message this large still leaves room for others between two of its parts.
PART_BYTES = 8_000_000

Find = Callable[[str], np.ndarray]
Compute = Callable[[str, Any, Progress], np.ndarray]


def reply_to(
    message: Any, send: Send, *, find: Find, compute: Compute, takes_a_while: Callable[[str], bool], jobs: Jobs
) -> None:
    """Answer one request ``{"kind": "request", "id": ..., "name": ..., "params": ...}``.

    ``find`` returns the named array, or raises ValueError or OSError, whose text the view then shows. A name that
    takes a while goes to ``compute`` in another thread, with the params and a function to call with the share that is
    done; the view hears of it as ``{"kind": "progress", "id": ..., "fraction": ...}`` and may end it by
    ``{"kind": "cancel", "id": ...}``. Anything else is none of our business and passes by.
    """
    if not isinstance(message, dict) or "id" not in message:
        return
    kind, key = message.get("kind"), message["id"]
    if kind == "cancel":
        jobs.cancel(key)
        return
    if kind != "request" or "name" not in message:
        return
    name, params = message["name"], message.get("params")
    if not takes_a_while(name):
        _answer(key, send, lambda: find(name))
        return
    later = from_this_thread(send)
    jobs.start(
        key,
        lambda progress: _answer(key, later, lambda: compute(name, params, progress)),
        progress=lambda fraction: later({"kind": "progress", "id": key, "fraction": fraction}, []),
        failed=lambda error: later(_refusal(key, f"{type(error).__name__}: {error}"), []),
    )


def _answer(key: str, send: Send, find: Callable[[], np.ndarray]) -> None:
    try:
        array = np.ascontiguousarray(find())
    except (TypeError, ValueError, OSError) as error:
        send(_refusal(key, str(error)), [])
        return
    data = array.reshape(-1).view(np.uint8)
    parts = max(1, -(-len(data) // PART_BYTES))
    what = {"parts": parts, "dtype": array.dtype.name, "shape": list(array.shape)}
    answer = {"kind": "reply", "id": key, "ok": True, **what}
    for part in range(parts):
        send(answer | {"part": part}, [data[part * PART_BYTES : (part + 1) * PART_BYTES].tobytes()])


def _refusal(key: str, why: str) -> dict[str, Any]:
    return {"kind": "reply", "id": key, "ok": False, "error": why}
