"""Many small matrix products in a row: waking BLAS threads for each costs more than it gains.

On an idle machine a little more, on a busy one ten times as much, for the threads wait for each other in a busy loop.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

__all__ = ["one_blas_thread"]

_lock = threading.Lock()
_inside = 0
_limits: threadpool_limits | None = None


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Make numpy's products run on the calling thread alone.

    The limit is the process's: where colours are computed in one thread and clusters in another, the first to come
    sets it and the last to go lifts it. Each for itself would restore what the other had set, and leave it for good.
    """
    global _inside, _limits
    with _lock:
        if _inside == 0:
            _limits = threadpool_limits(1, user_api="blas")
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0 and _limits is not None:
                _limits.restore_original_limits()
                _limits = None
