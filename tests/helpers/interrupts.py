"""Interrupt a call at a chosen line of the package, as Ctrl-C would."""

from __future__ import annotations

import dis
import gc
import linecache
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from ipywidgets.widgets.widget import _instances

import ncut_widgets

PACKAGE = str(Path(ncut_widgets.__file__).parent)


def close_all_widgets() -> None:
    """Close what earlier tests left open: their sessions may still compute colors, which changes the BLAS threads."""
    for widget in list(_instances.values()):
        widget.close()


class Interrupter:
    """Counts the lines of the package that a call runs in this thread, and raises KeyboardInterrupt at one of them.

    The lines counted include those at which a `with` block ends, for Ctrl-C can come before Python has run the exit.
    Those of locks are left out: their exit is one step of the interpreter, which no signal divides.
    """

    def __init__(self) -> None:
        self.lines = 0
        self.place = ""
        self._last: int | None = None

    def run(self, call: Callable[[], Any], last: int | None = None) -> Any:
        """Call, and raise KeyboardInterrupt at the line with number `last`, counted from 1."""
        self.lines, self._last = 0, last
        before = sys.gettrace()
        # The collector may call finalizers at any line: Python swallows what is raised in them.
        gc.disable()
        sys.settrace(self._enter)
        try:
            return call()
        finally:
            sys.settrace(before)
            gc.enable()

    def _enter(self, frame: FrameType, event: str, argument: Any) -> Any:
        return self._line if frame.f_code.co_filename.startswith(PACKAGE) else None

    def _line(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line" and frame.f_lasti not in _ends_of_locks(frame.f_code):
            self.lines += 1
            if self.lines == self._last:
                self.place = f"{frame.f_code.co_filename[len(PACKAGE) + 1 :]}:{frame.f_lineno}"
                raise KeyboardInterrupt("interrupted by the test")
        return self._line


@cache
def _ends_of_locks(code: CodeType) -> frozenset[int]:
    """Return the offsets at which `with ...lock:` blocks are left, their exit being the next that is called."""
    steps = list(dis.get_instructions(code))
    ends = set()
    for first, second, third in zip(steps, steps[1:], steps[2:], strict=False):
        passes_nothing = all(step.opname == "LOAD_CONST" and step.argval is None for step in (first, second, third))
        if passes_nothing and first.positions is not None and first.positions.lineno:
            ends.add((first.offset, first.positions.lineno))
    return frozenset(offset for offset, line in ends if "lock" in linecache.getline(code.co_filename, line))
