"""A bounded cache for the threads of a session."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

__all__ = ["Recent"]

T = TypeVar("T")


class Recent(Generic[T]):
    """The `size` most recently used results, by key. Any thread may use it.

    Threads that request the same key at the same time may each compute the result.

    Examples
    --------
    >>> squares = Recent(2)
    >>> squares.get("3", lambda: 3 * 3)
    9
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._results: OrderedDict[str, T] = OrderedDict()
        self._lock = Lock()

    def get(self, key: str, compute: Callable[[], T]) -> T:
        """Return the result for this key; compute it if it is not cached."""
        with self._lock:
            if key in self._results:
                self._results.move_to_end(key)
                return self._results[key]
        # Without the lock, because it may take minutes.
        result = compute()
        with self._lock:
            self._results[key] = result
            self._results.move_to_end(key)
            while len(self._results) > self._size:
                self._results.popitem(last=False)
        return result
