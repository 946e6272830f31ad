"""CPU threads: small problems run on one thread, large ones chunk by chunk in worker threads.

OpenMP and BLAS end every operation at a barrier, where their threads wait for each other in a busy loop. If another
process uses one of the CPUs, each barrier can cost a time slice of the scheduler: thousands of small operations then
take 10 to 70 times as long. A worker thread that computes a whole chunk alone has no barriers.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache, wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import joblib  # type: ignore[import-untyped]
import torch
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

__all__ = ["all_threads", "map_in_order", "one_blas_thread", "one_thread", "usable_threads"]

_Item = TypeVar("_Item")
_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")

# `before`: inside `one_thread`, each OpenMP runtime with its number of threads outside.
_this_thread = threading.local()


def usable_threads() -> int:
    """Return how many threads this process may keep busy.

    This is the smaller of torch's number of threads (`torch.set_num_threads`, `OMP_NUM_THREADS`) and the number of
    CPUs that the affinity mask and the CPU quota of the container allow.
    """
    before = getattr(_this_thread, "before", None)
    return min(before[0][1] if before else torch.get_num_threads(), joblib.cpu_count())


def one_thread(function: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
    """Decorator that runs torch's CPU operations on the calling thread only.

    Other threads are not affected. The limit ends with the call, even if Ctrl-C interrupts it while the limit is
    being set or restored.
    """

    @wraps(function)
    def call(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result:
        if getattr(_this_thread, "before", None):
            return function(*args, **kwargs)
        _initialize_this_thread()
        # Not a context manager: an interrupt at the start of `__exit__` would skip it.
        try:
            try:
                _this_thread.before = [(library, library.num_threads) for library in _openmp()]
                _set_threads(1)
                return function(*args, **kwargs)
            finally:
                _set_threads(None)
        finally:
            # No effect unless the restore above was interrupted.
            _set_threads(None)

    return call


def all_threads(function: Callable[[], _Result]) -> _Result:
    """Call `function` inside `one_thread` with all threads, and return its result."""
    try:
        _set_threads(usable_threads())
        return function()
    finally:
        _set_threads(1)


def map_in_order(
    function: Callable[[_Item], _Result], items: Sequence[_Item], *, parallel: bool = True
) -> Iterator[_Result]:
    """Yield `function(item)` for each item, in order.

    Worker threads compute one item each at a time; with `parallel=False`, the calling thread computes all.

    The function runs in the gradient mode of the caller. If it raises or the caller stops iterating, items that have
    not started are dropped, and the generator waits for the running ones.
    """
    workers = min(usable_threads(), len(items)) if parallel else 1
    if workers < 2:
        for item in items:
            yield function(item)
        return
    inference, gradients = torch.is_inference_mode_enabled(), torch.is_grad_enabled()

    def run(item: _Item) -> _Result:
        with torch.inference_mode(inference), torch.set_grad_enabled(gradients):
            return function(item)

    pending: deque[Future[_Result]] = deque()
    try:
        for item in items:
            pending.append(_pool(workers).submit(run, item))
            # Bounds the number of results kept in memory.
            if len(pending) > 2 * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        wait([future for future in pending if not future.cancel()])


@cache
def _pool(workers: int) -> ThreadPoolExecutor:
    """Return the process-wide worker pool. It is kept because BLAS never frees its buffers of a thread."""
    return ThreadPoolExecutor(workers, "ncut-worker", initializer=_limit_this_thread)


# The threads do not exist in a forked child process.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)


def _limit_this_thread() -> None:
    _initialize_this_thread()
    _this_thread.before = [(library, 1) for library in _openmp()]
    _set_threads(1)


def _initialize_this_thread() -> None:
    # The first operations of a thread reset its number of threads, so they must precede the limit.
    torch.get_num_threads()
    torch.ones(1, 1) @ torch.ones(1, 1)


def _set_threads(limit: int | None) -> None:
    """Set the number of OpenMP threads of the calling thread; None restores it. Safe to repeat after an interrupt."""
    before = getattr(_this_thread, "before", None)
    if before is None:
        return
    for library, threads in before:
        library.set_num_threads(limit or threads)
    _set_mkl_threads(limit or before[0][1])
    if limit is None:
        _this_thread.before = None


@cache
def _openmp() -> list[Any]:
    """Return the OpenMP runtimes that torch and scikit-learn loaded, torch's first; limits are per thread."""
    found = ThreadpoolController().select(user_api="openmp").lib_controllers
    return sorted(found, key=lambda library: "torch" not in library.filepath)


def _set_mkl_threads(threads: int) -> None:
    """Set how many threads torch's MKL uses in the calling thread.

    MKL follows OpenMP unless `torch.set_num_threads` was called. That function is not used here because it also
    affects every thread that starts later.
    """
    function = _mkl_set_num_threads_local()
    if function is not None:
        function(threads)


@cache
def _mkl_set_num_threads_local() -> Any:
    if not torch.backends.mkl.is_available():
        return None
    library = {"darwin": "libtorch_cpu.dylib", "win32": "torch_cpu.dll"}.get(sys.platform, "libtorch_cpu.so")
    try:
        function = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / library)).MKL_Set_Num_Threads_Local
    except (AttributeError, OSError):
        # MKL is linked in another way in this build; its number of threads follows OpenMP.
        return None
    function.argtypes, function.restype = [ctypes.c_int], ctypes.c_int
    return function


_blas_lock = threading.Lock()
# Running calls of functions decorated with `one_blas_thread`, from all threads.
_blas_calls: set[object] = set()
# Each BLAS library with its number of threads before the first of these calls; empty if none is running.
_blas_before: list[tuple[Any, int]] = []


def one_blas_thread(function: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
    """Decorator that runs numpy's matrix products on the calling thread only.

    BLAS has one limit for the whole process. The first of several concurrent calls sets it and the last one restores
    it, even if Ctrl-C interrupts a call while the limit is being set or restored.
    """

    @wraps(function)
    def call(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result:
        this = object()
        # Not a context manager: an interrupt at the start of `__exit__` would skip it.
        try:
            try:
                _blas_calls.add(this)
                _update_blas_limit()
                return function(*args, **kwargs)
            finally:
                _blas_calls.discard(this)
                _update_blas_limit()
        finally:
            # No effect unless the restore above was interrupted.
            _blas_calls.discard(this)
            _update_blas_limit()

    return call


def _update_blas_limit() -> None:
    """Set the number of BLAS threads that the running calls need. Safe to repeat after an interrupt."""
    with _blas_lock:
        if _blas_calls and not _blas_before:
            libraries = ThreadpoolController().select(user_api="blas").lib_controllers
            # Recorded in one step, before any limit is changed.
            _blas_before.extend([(library, library.num_threads) for library in libraries])
        for library, threads in _blas_before:
            library.set_num_threads(1 if _blas_calls else threads)
        if not _blas_calls:
            _blas_before.clear()
