"""Many small matrix products in a row: waking BLAS threads for each costs more than it gains.

On an idle machine a little more, on a busy one ten times as much, for the threads wait for each other in a busy loop.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

__all__ = ["one_blas_thread"]


def one_blas_thread() -> AbstractContextManager[object]:
    """Return a context in which numpy's products run on the calling thread alone."""
    return threadpool_limits(1, user_api="blas")
