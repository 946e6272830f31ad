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
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import joblib  # type: ignore[import-untyped]
import torch
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

__all__ = ["all_threads", "map_in_order", "one_thread", "usable_threads"]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

# The number of OpenMP threads outside of the outermost `one_thread` of this thread.
_outer = threading.local()


def usable_threads() -> int:
    """Return how many threads this process may keep busy.

    At most what torch was told to use (`torch.set_num_threads`, `OMP_NUM_THREADS`) and at most the CPUs that the
    process really has, by its affinity and by the CPU quota of its container.
    """
    return min(getattr(_outer, "threads", None) or torch.get_num_threads(), joblib.cpu_count())


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch's CPU operations of the calling thread on that thread alone. Other threads are not affected."""
    before = getattr(_outer, "threads", None)
    _outer.threads = before or torch.get_num_threads()
    try:
        with _limited(1):
            yield
    finally:
        _outer.threads = before


@contextmanager
def all_threads() -> Iterator[None]:
    """Within `one_thread`, run torch's CPU operations on as many threads as outside of it."""
    with _limited(usable_threads()):
        yield


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
        with one_thread():
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
    _outer.threads = 1
    # Referenced as long as the thread lives: the limit ends when its context is collected.
    _outer.limit = _limited(1)
    _outer.limit.__enter__()


@contextmanager
def _limited(threads: int) -> Iterator[None]:
    """Limit the OpenMP threads of the calling thread.

    `torch.set_num_threads` would set the number for every thread that starts meanwhile, too.
    """
    # In a new thread, the first operation sets the number of threads: it must not come after the limit.
    torch.get_num_threads()
    torch.ones(1, 1) @ torch.ones(1, 1)
    with _openmp().limit(limits=threads):
        before = _set_mkl_threads(threads)
        try:
            yield
        finally:
            _set_mkl_threads(before)


@cache
def _openmp() -> Any:
    """The OpenMP runtimes that torch and scikit-learn loaded; a limit holds for the calling thread."""
    return ThreadpoolController().select(user_api="openmp")


def _set_mkl_threads(threads: int) -> int:
    """Set how many threads the MKL inside torch uses in the calling thread, and return what that was before.

    It follows OpenMP unless `torch.set_num_threads` has given it a number of its own.
    """
    function = _mkl_set_num_threads_local()
    return 0 if function is None else int(function(threads))


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
