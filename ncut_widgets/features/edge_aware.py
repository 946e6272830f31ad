"""Smoothing along regions but not across their contours."""

from __future__ import annotations

import numpy as np

__all__ = ["smooth_within_edges"]


def smooth_within_edges(
    values: np.ndarray, guide: np.ndarray, *, radius: float, contrast: float, n_rounds: int = 3
) -> np.ndarray:
    """Return `values` averaged over their surroundings, less and less across contours of `guide`.

    Neighboring cells are 1 + (radius / contrast) |g_i - g_j| apart, and values decay exponentially with the distance
    along rows and columns in turn: where the guide is flat they spread over `radius` cells, and a step of `contrast`
    counts like `radius` cells (the recursive domain transform).

    Parameters
    ----------
    values : array of shape (rows, columns, c)
        What is smoothed.
    guide : array of shape (rows, columns, g)
        Where the contours are.
    radius : float
        In cells, the standard deviation of the smoothing where the guide is flat.
    contrast : float
        In the guide's units, the step that separates.
    n_rounds : int
        Of rows and columns in turn, each half as far as the one before; 3 leave no streaks.

    Returns
    -------
    array of shape (rows, columns, c)
        float32. Every value is a convex combination of the input's, and a constant stays as it is.

    Notes
    -----
    O(rows columns (c + g)), whatever the radius. Deterministic.

    References
    ----------
    Gastal, Oliveira. Domain Transform for Edge-Aware Image and Video Processing. SIGGRAPH 2011.

    Examples
    --------
    >>> step = np.zeros((4, 8, 1), dtype=np.float32)
    >>> step[:, 4:] = 1
    >>> np.abs(smooth_within_edges(step, 100 * step, radius=4, contrast=5) - step).max() < 1e-5
    np.True_
    """
    result = np.array(values, dtype=np.float32, order="C")
    # exp(log_decay * distance) must be defined for the round's radius, so distances come first.
    apart = [
        1 + radius / contrast * np.sqrt(np.square(np.diff(guide, axis=axis)).sum(2, dtype=np.float32))
        for axis in (0, 1)
    ]
    down, across = apart[0], np.ascontiguousarray(apart[1].T)
    for i in range(n_rounds):
        spread = radius * np.sqrt(3) * 2.0 ** (n_rounds - i - 1) / np.sqrt(4.0**n_rounds - 1)
        log_decay = np.float32(-np.sqrt(2) / spread)
        turned = np.ascontiguousarray(result.transpose(1, 0, 2))
        _both_ways(turned, np.exp(log_decay * across))
        result = np.ascontiguousarray(turned.transpose(1, 0, 2))
        _both_ways(result, np.exp(log_decay * down))
    return result


def _both_ways(lines: np.ndarray, decay: np.ndarray) -> None:
    """Run the recursive average over axis 0 and back, in place."""
    decay = decay[..., None]
    for j in range(1, len(lines)):
        lines[j] += decay[j - 1] * (lines[j - 1] - lines[j])
    for j in range(len(lines) - 2, -1, -1):
        lines[j] += decay[j] * (lines[j + 1] - lines[j])
