"""Progress of long computations, as a bar or by a callback.

Every parameter `progress` takes the same values. True shows a bar, None shows one only in a notebook or a terminal, and
False shows none. A callable gets the completed fraction, in [0, 1], and an exception in it cancels the computation.
tqdm is imported only if a bar is shown, and nothing remains open afterwards.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["Progress", "part", "progress", "shows_bar"]

Progress = bool | Callable[[float], object] | None

_COLUMNS = 80


@contextmanager
def progress(total: int, what: str, *, unit: str, show: Progress) -> Iterator[Callable[[int], object]]:
    """Yield a function that takes the number of units just finished, and advances a bar or calls `show`.

    Examples
    --------
    >>> with progress(3, "nothing", unit="step", show=False) as done:
    ...     done(1)
    """
    if callable(show):
        finished = 0

        def report(n: int) -> None:
            nonlocal finished
            finished += n
            show(finished / total)

        yield report
        return
    if not shows_bar(show):
        yield lambda n: None  # noqa: ARG005
        return
    bar = _bar(total, what, unit)
    try:
        yield bar.update
    finally:
        bar.close()


def part(show: Progress, start: float, stop: float) -> Progress:
    """Return the progress of a step that takes the fractions from `start` to `stop` of a computation."""
    return (lambda fraction: show(start + (stop - start) * fraction)) if callable(show) else show


def shows_bar(show: Progress) -> bool:
    """Return whether this value of `progress` shows a bar."""
    return _is_interactive() if show is None else bool(show) and not callable(show)


def _is_interactive() -> bool:
    return _is_notebook() or sys.stderr.isatty()


def _is_notebook() -> bool:
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return hasattr(shell, "kernel")


def _bar(total: int, what: str, unit: str) -> Any:
    """Return a text progress bar; in a notebook, it updates a cell output.

    The ipywidgets bar of `tqdm.auto` is not used. While the widgets of one bar close and others open, JupyterLab 4.6
    can assign the new ones to a kernel subshell that it is about to delete. Their messages are then lost, and a view
    among them waits for the kernel forever.
    """
    from tqdm import tqdm

    if not _is_notebook():
        return tqdm(total=total, desc=what, unit=unit, leave=False)

    from IPython.display import display

    class Output(tqdm):
        # tqdm's monitor thread never ends.
        monitor_interval = 0
        handle: Any = None

        def display(self, msg: str | None = None, pos: int | None = None) -> None:  # noqa: ARG002
            text = {"text/plain": str(self) if msg is None else msg}
            if self.handle is None:
                self.handle = display(text, raw=True, display_id=True)
            else:
                self.handle.update(text, raw=True)

    return Output(total=total, desc=what, unit=unit, leave=False, ncols=_COLUMNS)
