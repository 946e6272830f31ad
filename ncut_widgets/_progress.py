"""Progress bars: tqdm is imported only if a bar is shown, and nothing remains open afterwards."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["progress"]

_COLUMNS = 80


@contextmanager
def progress(total: int, what: str, *, unit: str, show: bool) -> Iterator[Callable[[int], object]]:
    """Show a progress bar and yield its update function, which takes the number of units just finished.

    Examples
    --------
    >>> with progress(3, "nothing", unit="step", show=False) as done:
    ...     done(1)
    """
    if not show:
        yield lambda n: None  # noqa: ARG005
        return
    bar = _bar(total, what, unit)
    try:
        yield bar.update
    finally:
        bar.close()


def _bar(total: int, what: str, unit: str) -> Any:
    """Return a text progress bar; in a notebook, it updates a cell output.

    The ipywidgets bar of `tqdm.auto` is not used. While the widgets of one bar close and others open, JupyterLab 4.6
    can assign the new ones to a kernel subshell that it is about to delete. Their messages are then lost, and a view
    among them waits for the kernel forever.
    """
    from tqdm import tqdm

    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if not hasattr(shell, "kernel"):
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
