"""A figure that a notebook shows without pyplot."""

from __future__ import annotations

import io

from matplotlib.figure import Figure

__all__ = ["NotebookFigure"]

_NOTEBOOK_DPI = 72


class NotebookFigure(Figure):
    """A figure that is a picture wherever it is the result of a cell.

    Notebooks learn to show figures when pyplot is imported, which this library never does. Where they have learned
    it, their own way goes first.
    """

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=_NOTEBOOK_DPI)
        return buffer.getvalue()
