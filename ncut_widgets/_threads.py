"""CPU threads: small problems run on one thread, large ones chunk by chunk in worker threads.

OpenMP and BLAS end every operation at a barrier, where their threads wait for each other in a busy loop. If another
process uses one of the CPUs, each barrier can cost a time slice of the scheduler: thousands of small operations then
take 10 to 70 times as long. A worker thread that computes a whole chunk on its own meets no barrier.
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

# `before`: within `one_thread`, each OpenMP runtime with the number of threads it has outside.
_this_thread = threading.local()


def usable_threads() -> int:
    """Return how many threads this process may keep busy.

    At most what torch was told to use (`torch.set_num_threads`, `OMP_NUM_THREADS`) and at most the CPUs that the
    process really has, by its affinity and by the CPU quota of its container.
    """
    before = getattr(_this_thread, "before", None)
    return min(before[0][1] if before else torch.get_num_threads(), joblib.cpu_count())


def one_thread(function: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
    """Decorate a function so that torch's CPU operations run on the calling thread alone.

    Other threads are not affected. The limit ends with the call, also if Ctrl-C interrupts it while it sets or
    restores the limit.
    """

    @wraps(function)
    def call(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result:
        if getattr(_this_thread, "before", None):
            return function(*args, **kwargs)
        _initialize_this_thread()
        # A context manager would not do: an interrupt at the start of its exit would skip the exit.
        try:
            try:
                _this_thread.before = [(library, library.num_threads) for library in _openmp()]
                _settle(1)
                return function(*args, **kwargs)
            finally:
                _settle(None)
        finally:
            # Does nothing, unless the line above has been interrupted.
            _settle(None)

    return call


def all_threads(function: Callable[[], _Result]) -> _Result:
    """Return `function()`, called within `one_thread` with as many threads as outside of it."""
    try:
        _settle(usable_threads())
        return function()
    finally:
        _settle(1)


def map_in_order(
    function: Callable[[_Item], _Result], items: Sequence[_Item], *, parallel: bool = True
) -> Iterator[_Result]:
    """Yield `function(item)` of each item, in order.

    Worker threads compute them, one item each at a time; the calling thread, unless `parallel`.

    The function runs in the gradient mode of the caller. If it raises, or the caller stops, the items that have not
    begun are dropped, and the workers are idle when this returns.
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
            # At most this many results wait for the caller.
            if len(pending) > 2 * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        wait([future for future in pending if not future.cancel()])


@cache
def _pool(workers: int) -> ThreadPoolExecutor:
    """The worker threads of the process. They are kept: BLAS holds buffers of every thread that has ever used it."""
    return ThreadPoolExecutor(workers, "ncut-worker", initializer=_limit_this_thread)


# A forked process has none of the threads.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)


def _limit_this_thread() -> None:
    _initialize_this_thread()
    _this_thread.before = [(library, 1) for library in _openmp()]
    _settle(1)


def _initialize_this_thread() -> None:
    # The first operations of a thread set its number of threads: they must not come after the limit.
    torch.get_num_threads()
    torch.ones(1, 1) @ torch.ones(1, 1)


def _settle(limit: int | None) -> None:
    """Set the number of OpenMP threads of the calling thread, or restore it. Called again, it finishes the same."""
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
    """The OpenMP runtimes that torch and scikit-learn loaded, that of torch first; each thread has its own limit."""
    found = ThreadpoolController().select(user_api="openmp").lib_controllers
    return sorted(found, key=lambda library: "torch" not in library.filepath)


def _set_mkl_threads(threads: int) -> None:
    """Set how many threads the MKL inside torch uses in the calling thread.

    It follows OpenMP unless `torch.set_num_threads` has given it a number of its own. That function would not do here:
    it also sets the number for every thread that starts later.
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
        # A torch that links MKL in another way: its products follow OpenMP.
        return None
    function.argtypes, function.restype = [ctypes.c_int], ctypes.c_int
    return function


_blas_lock = threading.Lock()
# The calls that want one thread now, in any thread.
_blas_calls: set[object] = set()
# Each BLAS library with its number of threads before the first of these calls; empty while there is no such call.
_blas_before: list[tuple[Any, int]] = []


def one_blas_thread(function: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
    """Decorate a function so that numpy's matrix products run on the calling thread alone.

    BLAS has one limit for the whole process. The first of the decorated calls that run at the same time sets it, the
    last one to end restores it, also if Ctrl-C interrupts a call while it sets or restores the limit.
    """

    @wraps(function)
    def call(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result:
        this = object()
        # A context manager would not do: an interrupt at the start of its exit would skip the exit.
        try:
            try:
                _blas_calls.add(this)
                _settle_blas()
                return function(*args, **kwargs)
            finally:
                _blas_calls.discard(this)
                _settle_blas()
        finally:
            # Does nothing, unless the lines above have been interrupted.
            _blas_calls.discard(this)
            _settle_blas()

    return call


def _settle_blas() -> None:
    """Make the number of BLAS threads what the present calls need. Called again, it finishes what was interrupted."""
    with _blas_lock:
        if _blas_calls and not _blas_before:
            libraries = ThreadpoolController().select(user_api="blas").lib_controllers
            # In one step, before anything is changed.
            _blas_before.extend([(library, library.num_threads) for library in libraries])
        for library, threads in _blas_before:
            library.set_num_threads(1 if _blas_calls else threads)
        if not _blas_calls:
            _blas_before.clear()
