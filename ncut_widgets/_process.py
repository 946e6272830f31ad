"""What a call does to the whole process: state that it restores also when it is interrupted, and warnings."""

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

__all__ = ["undisturbed", "warn", "without_warnings"]

# scikit-learn wraps the methods of estimators.
_NOT_THE_CALLER = ("ncut_widgets", "sklearn")

# What `without_warnings` holds back, in this thread.
_unwanted: ContextVar[tuple[type[Warning], ...]] = ContextVar("unwanted", default=())

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


def undisturbed(function: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
    """Decorate a function so that it leaves torch's gradient mode and the filters of warnings as they were.

    `torch.no_grad` and `warnings.catch_warnings` do so by themselves, unless Ctrl-C comes at the start of their exit,
    which is then skipped. Ctrl-C comes in the main thread only. In others the filters are left alone, since they may be
    those of a block that the main thread has left meanwhile.
    """

    @wraps(function)
    def call(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result:
        gradients, unwanted = torch.is_grad_enabled(), _unwanted.get()
        filters, entries = warnings.filters, list(warnings.filters)
        try:
            return function(*args, **kwargs)
        except BaseException:
            torch.set_grad_enabled(gradients)
            _unwanted.set(unwanted)
            is_main = threading.current_thread() is threading.main_thread()
            if is_main and (warnings.filters is not filters or list(filters) != entries):
                warnings.filters = filters
                warnings.filters[:] = entries  # type: ignore[index]
                # Python caches which warnings were shown; entering a block makes it look at the filters again.
                with warnings.catch_warnings():
                    pass
            raise

    return call


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the line that called this package, however many functions and decorators lie in between."""
    if issubclass(category, _unwanted.get()):
        return
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _NOT_THE_CALLER:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


@contextmanager
def without_warnings(category: type[Warning]) -> Iterator[None]:
    """Hold back what `warn` says of this category, in this thread.

    `warnings.catch_warnings` is for the main thread: it replaces the filters of all threads, and two threads that leave
    it in the order in which they entered it leave the filters of one of them behind.
    """
    token = _unwanted.set((*_unwanted.get(), category))
    try:
        yield
    finally:
        _unwanted.reset(token)
