"""Answers what the views ask for: arrays as binary messages, in parts, outside of the notebook's saved state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

# A websocket message this large still leaves room for others between two of its parts.
PART_BYTES = 8_000_000


def reply_to(
    message: dict[str, Any], find: Callable[[str], np.ndarray], send: Callable[[dict[str, Any], list[bytes]], None]
) -> None:
    """Answer one request ``{"kind": "request", "id": ..., "name": ...}``.

    ``find`` returns the named array or raises ValueError or OSError, whose text the view then shows.
    Anything that is not a request is none of our business and passes by.
    """
    if not isinstance(message, dict) or message.get("kind") != "request" or not {"id", "name"} <= message.keys():
        return
    answer: dict[str, Any] = {"kind": "reply", "id": message["id"], "ok": True}
    try:
        array = np.ascontiguousarray(find(message["name"]))
    except (ValueError, OSError) as error:
        send(answer | {"ok": False, "error": str(error)}, [])
        return
    data = array.reshape(-1).view(np.uint8)
    parts = max(1, -(-len(data) // PART_BYTES))
    answer |= {"parts": parts, "dtype": array.dtype.name, "shape": list(array.shape)}
    for part in range(parts):
        send(answer | {"part": part}, [data[part * PART_BYTES : (part + 1) * PART_BYTES].tobytes()])
