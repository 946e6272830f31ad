"""Exceptions and warnings of `ncut_widgets`."""

from __future__ import annotations


class ImageReadError(ValueError):
    """An image could not be read; the message names the file and the cause."""


class ConvergenceError(RuntimeError):
    """An eigensolver did not reach its tolerance; the message says which setting to change."""


class NystromWarning(RuntimeWarning):
    """An embedding may differ from the exact solution; the message says for which nodes and what to change."""


class DegenerateWarning(RuntimeWarning):
    """Some eigenvectors are meaningless because the nodes are too similar; the message says what to change."""


class OutlierWarning(RuntimeWarning):
    """Some eigenvectors only separate single nodes; the message names the nodes and says what to change."""
