"""Measuring in fresh processes, so that peak memory is one engine's own; for the scripts beside this."""

from __future__ import annotations

import importlib.util
import multiprocessing
import resource
import sys
from collections.abc import Callable
from typing import Any

INCUMBENT = "ncut-pytorch"
# macOS counts in bytes.
_PEAKS_PER_MEGABYTE = 2**20 if sys.platform == "darwin" else 2**10


def apart(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function of a script in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def peak_megabytes() -> float:
    """The most memory that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _PEAKS_PER_MEGABYTE


def has_incumbent() -> bool:
    """Whether ncut-pytorch is there, with what it needs."""
    return all(importlib.util.find_spec(name) for name in ("ncut_pytorch", "fpsample"))
