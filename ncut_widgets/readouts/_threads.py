"""Many small matrix products in a row: waking BLAS threads for each costs more than it gains.

On an idle machine a little more, on a busy one ten times as much, for the threads wait for each other in a busy loop.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

__all__ = ["one_blas_thread"]

P = ParamSpec("P")
R = TypeVar("R")

_lock = threading.Lock()
# The calls that want one thread now, in any thread.
_calls: set[object] = set()
# Each BLAS library with its number of threads before the first of these calls; empty while there is no such call.
_before: list[tuple[Any, int]] = []


def one_blas_thread(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function so that numpy's matrix products run on the calling thread alone.

    BLAS has one limit for the whole process. The first of the decorated calls that run at the same time sets it, the
    last one to end restores it, also if Ctrl-C interrupts a call while it sets or restores the limit.
    """

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        this = object()
        # A context manager would not do: an interrupt at the start of its exit would skip the exit.
        try:
            try:
                _calls.add(this)
                _settle()
                return function(*args, **kwargs)
            finally:
                _calls.discard(this)
                _settle()
        finally:
            # Does nothing, unless the lines above have been interrupted.
            _calls.discard(this)
            _settle()

    return call


def _settle() -> None:
    """Make the number of BLAS threads what the present calls need. Called again, it finishes what was interrupted."""
    with _lock:
        if _calls and not _before:
            libraries = ThreadpoolController().select(user_api="blas").lib_controllers
            # In one step, before anything is changed.
            _before.extend([(library, library.num_threads) for library in libraries])
        for library, threads in _before:
            library.set_num_threads(1 if _calls else threads)
        if not _calls:
            _before.clear()
