"""The exceptions and warnings that `ncut_widgets` raises beyond the built-in ones."""

from __future__ import annotations


class ImageReadError(ValueError):
    """An image could not be read; the message names the file and the cause."""


class ConvergenceError(RuntimeError):
    """An eigensolver did not reach its tolerance; the message says what to raise or change."""


class NystromWarning(RuntimeWarning):
    """An embedding is not what an exact solution would give; the message says where and what to raise."""


class DegenerateWarning(RuntimeWarning):
    """Some eigenvectors mean nothing, because the nodes are too much alike; the message says what to change."""


class OutlierWarning(RuntimeWarning):
    """Eigenvectors are spent on single nodes; the message names these nodes and says what to change."""
