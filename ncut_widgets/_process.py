"""Process-wide state: restore it after an interrupted call, and issue warnings at the user's line."""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import ParamSpec, TypeVar

import torch

__all__ = ["restores_process_state", "warn", "without_warnings"]

# Frames of these packages are skipped; scikit-learn wraps the methods of estimators.
_INTERNAL_PACKAGES = ("ncut_widgets", "sklearn")

# Warning categories that `without_warnings` suppresses in this thread.
_suppressed: ContextVar[tuple[type[Warning], ...]] = ContextVar("suppressed", default=())

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


def restores_process_state(function: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
    """Decorator that restores torch's gradient mode and the warning filters if the call raises.

    `torch.no_grad` and `warnings.catch_warnings` restore them too, but a Ctrl-C at the start of their `__exit__`
    skips it. Ctrl-C only affects the main thread. In other threads the filters are not restored, because the main
    thread may have changed them in the meantime.
    """

    @wraps(function)
    def call(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result:
        gradients, suppressed = torch.is_grad_enabled(), _suppressed.get()
        filters, entries = warnings.filters, list(warnings.filters)
        try:
            return function(*args, **kwargs)
        except BaseException:
            torch.set_grad_enabled(gradients)
            _suppressed.set(suppressed)
            is_main = threading.current_thread() is threading.main_thread()
            if is_main and (warnings.filters is not filters or list(filters) != entries):
                warnings.filters = filters
                warnings.filters[:] = entries  # type: ignore[index]
                # Python caches which warnings were shown; entering this block invalidates that cache.
                with warnings.catch_warnings():
                    pass
            raise

    return call


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Issue a warning that points to the line outside this package, at any depth of calls and decorators."""
    if issubclass(category, _suppressed.get()):
        return
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _INTERNAL_PACKAGES:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


@contextmanager
def without_warnings(category: type[Warning]) -> Iterator[None]:
    """Suppress warnings of this category from `warn`, in the current thread.

    `warnings.catch_warnings` is safe only in the main thread: it replaces the filters of all threads, and if two
    threads leave it in the order in which they entered it, the filters of one of them remain.
    """
    token = _suppressed.set((*_suppressed.get(), category))
    try:
        yield
    finally:
        _suppressed.reset(token)
