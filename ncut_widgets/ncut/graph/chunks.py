"""A pass over many nodes in chunks that fit in the CPU cache or in GPU memory."""

from __future__ import annotations

from collections.abc import Callable

import torch

from ncut_widgets._progress import progress
from ncut_widgets._threads import map_in_order

__all__ = ["ChunkFunction", "for_each_chunk"]

# Numbers per chunk: few enough for the cache of a CPU, many enough to keep a GPU busy.
_CPU_CHUNK_ELEMENTS = 1 << 20
_GPU_CHUNK_ELEMENTS = 1 << 27


# Processes a slice of the nodes. If it returns a function, that is called in the order of the slices.
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
    """Call `body` for slices that cover the nodes 0 ... n-1.

    On a CPU, worker threads process several slices at once, unless `parallel` is false. A `body` that adds to a total
    returns a function that does so. These functions are called in the order of the slices, so that sums are the same in
    every run. If a GPU runs out of memory, slices become shorter and the failed one is repeated, so `body` must not
    change anything before it fails.

    Parameters
    ----------
    n : int
        Number of nodes.
    width : int
        Numbers per node that `body` needs, which determines the length of the slices.
    device : torch.device
        Device on which `body` computes.
    body : callable
        Takes a slice; see `ChunkFunction`.
    what : str
        Label of the progress bar.
    verbose : bool
        Show a progress bar.
    parallel : bool
        Whether several threads may call `body`.
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
