"""A matplotlib figure that notebooks display without pyplot."""

from __future__ import annotations

import io

from matplotlib.figure import Figure

__all__ = ["NotebookFigure"]

_NOTEBOOK_DPI = 72


class NotebookFigure(Figure):
    """A matplotlib figure that a notebook displays as the result of a cell.

    IPython registers its formatter for figures when pyplot is imported, which this library never does. If the user
    has imported pyplot, IPython's formatter takes precedence.
    """

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=_NOTEBOOK_DPI)
        return buffer.getvalue()
