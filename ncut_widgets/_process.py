"""What a call does to the whole process: state that it restores also when it is interrupted, and warnings."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import torch

__all__ = ["undisturbed", "warn"]

# scikit-learn wraps the methods of estimators.
_NOT_THE_CALLER = ("ncut_widgets", "sklearn")

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


def undisturbed(function: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
    """Decorate a function so that it leaves torch's gradient mode and the filters of warnings as they were.

    `torch.no_grad` and `warnings.catch_warnings` do so by themselves, unless Ctrl-C comes at the start of their exit,
    which is then skipped.
    """

    @wraps(function)
    def call(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result:
        gradients = torch.is_grad_enabled()
        filters, entries = warnings.filters, list(warnings.filters)
        try:
            return function(*args, **kwargs)
        except BaseException:
            torch.set_grad_enabled(gradients)
            if warnings.filters is not filters or list(filters) != entries:
                warnings.filters = filters
                warnings.filters[:] = entries  # type: ignore[index]
                # Python caches which warnings were shown; entering a block makes it look at the filters again.
                with warnings.catch_warnings():
                    pass
            raise

    return call


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the line that called this package, however many functions and decorators lie in between."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _NOT_THE_CALLER:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
