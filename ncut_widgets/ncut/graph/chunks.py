"""A pass over many nodes in chunks that fit in the CPU cache or in GPU memory."""

from __future__ import annotations

from collections.abc import Callable

import torch

from ncut_widgets._progress import progress
from ncut_widgets._threads import map_in_order

__all__ = ["ChunkFunction", "for_each_chunk"]

# What a pass over the nodes holds at a time: on a CPU it should stay in the cache, on a GPU it should keep it busy.
_CPU_CHUNK_ELEMENTS = 1 << 20
_GPU_CHUNK_ELEMENTS = 1 << 27


# What is done for a slice of the nodes; what it returns is called in the order of the slices.
ChunkFunction = Callable[[slice], Callable[[], object] | None]


def for_each_chunk(
    n: int,
    width: int,
    device: torch.device,
    body: ChunkFunction,
    what: str = "",
    verbose: bool = False,
    *,
    parallel: bool = True,
) -> None:
    """Call `body` for slices that cover the nodes 0 ... n-1, as long as rows of `width` numbers allow.

    On a CPU, worker threads run it for several slices at once, unless `parallel` is false. What it adds to a total, it
    returns as a function, which is called in the order of the slices: sums are the same in every run. If the device
    runs out of memory, slices become shorter. A `body` that fails must have changed nothing.
    """
    elements = _CPU_CHUNK_ELEMENTS if device.type == "cpu" else _GPU_CHUNK_ELEMENTS
    rows, start = max(1, elements // width), 0
    with progress(n, f"ncut: {what}", unit="node", show=verbose) as done:
        if device.type == "cpu" and parallel:
            slices = [slice(first, min(n, first + rows)) for first in range(0, n, rows)]
            for here, add in zip(slices, map_in_order(body, slices), strict=True):
                if add is not None:
                    add()
                done(here.stop - here.start)
            return
        while start < n:
            here = slice(start, min(n, start + rows))
            try:
                add = body(here)
                if add is not None:
                    add()
            except torch.cuda.OutOfMemoryError:
                if rows == 1:
                    raise
                rows = max(1, rows // 2)
                torch.cuda.empty_cache()
                continue
            done(here.stop - start)
            start = here.stop
