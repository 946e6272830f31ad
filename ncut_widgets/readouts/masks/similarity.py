"""How similar every node is to a prompt, stretched into a heatmap: the core of hovering and of click masks."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from ncut_widgets._validation import check_features, check_number, to_tensor
from ncut_widgets.readouts._directions import unit_rows

__all__ = ["Stretch", "distances_to", "similarity_heatmap"]

# Cosines of float32 rows agree to about this much: a smaller spread is rounding, not structure.
_SMALLEST_SPREAD = 1e-7
# exp(80) is finite in float32; beyond it the heatmap has long been clamped to one.
_LARGEST_EXPONENT = 80.0


def similarity_heatmap(eig: Any, prompt: Any, *, gamma: float = 1.0) -> Any:
    """Return how similar each node is to the prompt: a heatmap in [0, 1] of the leading shape of `eig`.

    With u the eigenvectors of a node, p the prompt's, and mean, std (of the sample) and quantiles taken over all nodes
    of all images:

        h = 1 - cos(u, p),   z = (h - mean) / std,   g = exp(-gamma z),   m = (g - q01) / (q99 - q01),

    clamped to [0, 1].

    Parameters
    ----------
    eig : array or tensor of shape (..., k)
        Eigenvectors: flat (n, k), or (b, h, w, k) for b images of one size.
    prompt : array or tensor of shape (k,)
        The eigenvectors of the prompt: a row of `eig`, or a mean of several.
    gamma : float
        Positive. Larger is sharper: fewer nodes count as similar.

    Returns
    -------
    array or tensor of shape (...)
        Of the kind, dtype and device of `eig`.

    Raises
    ------
    ValueError
        Where shapes do not belong together, the prompt is zero, or values are not finite.

    Notes
    -----
    O(n k) and a sort. Where all nodes are equally similar (std below 1e-7, or a single node) there is nothing to
    rank, and all are 1. Where at least 98 % are (q01 = q99) the heatmap is a step: 1 from halfway between that value
    of g and the largest, 0 below. A zero row is as dissimilar as an orthogonal one.

    Examples
    --------
    >>> import numpy as np
    >>> eig = np.array([[1.0, 1.0], [1.0, 0.9], [1.0, 0.0], [1.0, -1.0]])
    >>> similarity_heatmap(eig, eig[0]).round(2)
    array([1.  , 1.  , 0.47, 0.  ])
    """
    raw, like = to_tensor(eig, "eig")
    if raw.ndim < 2:
        raise ValueError(
            f"`eig` must be of shape (..., k) with at least two dimensions; got shape {tuple(raw.shape)}. "
            "Pass all nodes, not one."
        )
    gamma = check_number(gamma, "gamma", low=0, low_open=True)
    shape, k = tuple(raw.shape[:-1]), raw.shape[-1]
    rows, _ = check_features(raw if k == 0 else raw.reshape(-1, k), "eig")
    point, _ = to_tensor(prompt, "prompt")
    if tuple(point.shape) != (k,):
        raise ValueError(
            f"`prompt` must be of shape ({k},), one value per eigenvector; got {tuple(point.shape)}. "
            "Pass one row of `eig`."
        )
    point = check_features(point[None], "prompt", device=rows.device)[0]
    h = distances_to(point, rows)[:, 0]
    return like.restore(Stretch.of(h, gamma)(h).clamp(0, 1).reshape(shape))


def distances_to(prompts: torch.Tensor, rows: torch.Tensor, name: str = "prompt") -> torch.Tensor:
    """Return 1 - cos (n, p) between `rows` (n, k) and `prompts` (p, k), none of which may be zero."""
    if not bool(prompts.any(1).all()):
        raise ValueError(f"`{name}` must not be all zeros, which have no direction. Prompt with another node.")
    return 1 - unit_rows(rows) @ unit_rows(prompts.to(rows)).T


class Stretch(NamedTuple):
    """Which distances h to a prompt are near and far, found among some nodes, and applied to these or to others.

    m(h) = (g - low) / (high - low), with g = exp(-gamma (z - near)) and z = (h - mean) / std: at most 1 for 99 % of the
    nodes that it was found among. All fields but gamma are 0-dimensional tensors.
    """

    gamma: float
    mean: torch.Tensor
    std: torch.Tensor
    near: torch.Tensor
    low: torch.Tensor
    high: torch.Tensor
    largest: torch.Tensor

    @classmethod
    def of(cls, h: torch.Tensor, gamma: float) -> Stretch:
        """Return what stretches the distances `h` (n,)."""
        one, mean = torch.ones_like(h[0]), h.mean()
        std = h.std() if len(h) > 1 else torch.zeros_like(one)
        if not bool(std > _SMALLEST_SPREAD):
            return cls(gamma, mean, torch.zeros_like(one), one, one, one, one)
        # m does not change when g is scaled: measured from its own upper quantile, g cannot overflow where it matters.
        near = ((h - mean) / std).quantile(0.01)
        g = _similarity(h, gamma, mean, std, near)
        return cls(gamma, mean, std, near, g.quantile(0.01), g.quantile(0.99), g.max())

    def __call__(self, h: torch.Tensor) -> torch.Tensor:
        """Return m, of the shape of `h`."""
        mean, std, near, low, high, largest = (field.to(h) for field in self[1:])
        if not bool(std > 0):
            return torch.ones_like(h)
        g = _similarity(h, self.gamma, mean, std, near)
        if not bool(high > low):
            return (g >= (low + largest) / 2).to(h.dtype)
        return (g - low) / (high - low)


def _similarity(
    h: torch.Tensor, gamma: float, mean: torch.Tensor, std: torch.Tensor, near: torch.Tensor
) -> torch.Tensor:
    return (-gamma * ((h - mean) / std - near)).clamp(max=_LARGEST_EXPONENT).exp()
