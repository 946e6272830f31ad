"""Run a benchmark function in a fresh process, so that its peak memory includes no other engine."""

from __future__ import annotations

import importlib.util
import multiprocessing
import resource
import sys
from collections.abc import Callable
from typing import Any

INCUMBENT = "ncut-pytorch"
# ru_maxrss is in bytes on macOS and in kilobytes elsewhere.
_MAXRSS_PER_MEGABYTE = 2**20 if sys.platform == "darwin" else 2**10


def run_in_subprocess(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function of a script in a separate process and return its result."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def peak_megabytes() -> float:
    """Return the peak memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _MAXRSS_PER_MEGABYTE


def has_incumbent() -> bool:
    """Return whether ncut-pytorch and its dependencies are installed."""
    return all(importlib.util.find_spec(name) for name in ("ncut_pytorch", "fpsample"))
