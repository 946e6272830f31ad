"""Work in other threads, and the one thread that talks to the page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop of this thread, if it has one: a kernel's main thread does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def call_in(loop: asyncio.AbstractEventLoop | None, function: Callable[..., None], *arguments: Any) -> None:
    """Call a function in the loop's thread; here, where there is no loop or it was closed meanwhile."""
    if loop is not None:
        try:
            loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            # Nobody is left to talk to but this thread.
            pass
        else:
            return
    function(*arguments)
