"""Results that are kept for a while, for the threads of a session."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

__all__ = ["Recent"]

T = TypeVar("T")


class Recent(Generic[T]):
    """The `most` results that were asked for last, by key. Any thread may ask.

    Threads that ask for the same at the same time may each compute it.

    Examples
    --------
    >>> squares = Recent(2)
    >>> squares.get("3", lambda: 3 * 3)
    9
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._results: OrderedDict[str, T] = OrderedDict()
        self._lock = Lock()

    def get(self, key: str, compute: Callable[[], T]) -> T:
        """Return the result of this key, computed if it is not there."""
        with self._lock:
            if key in self._results:
                self._results.move_to_end(key)
                return self._results[key]
        # Without the lock: it may take minutes.
        result = compute()
        with self._lock:
            self._results[key] = result
            self._results.move_to_end(key)
            while len(self._results) > self._most:
                self._results.popitem(last=False)
        return result
