"""Calls from worker threads into the event loop that sends messages to the page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

__all__ = ["call_in", "running_loop"]


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop of this thread, or None. The main thread of a kernel has one."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def call_in(loop: asyncio.AbstractEventLoop | None, function: Callable[..., None], *arguments: Any) -> None:
    """Call a function in the thread of the loop, or in this thread if there is no loop or it is closed."""
    if loop is not None:
        try:
            loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            # The loop is closed.
            pass
        else:
            return
    function(*arguments)
