"""Similarity of nodes to a prompt, calibrated to a heatmap in [0, 1]: the basis of hover heatmaps and click masks."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from ncut_widgets._validation import check_features, check_number, to_tensor
from ncut_widgets.readouts._directions import unit_rows

__all__ = ["SimilarityCalibration", "distances_to", "similarity_heatmap"]

# Rounding error of a float32 cosine: a smaller standard deviation carries no information.
_MIN_STD = 1e-7
# exp(80) is finite in float32. Larger exponents are clamped to 1 in the heatmap anyway.
_MAX_EXPONENT = 80.0


def similarity_heatmap(eigenvectors: Any, prompt: Any, *, gamma: float = 1.0) -> Any:
    """Return a heatmap in [0, 1] of the similarity of each node to the prompt, in the leading shape of `eigenvectors`.

    With u the eigenvectors of a node and p those of the prompt,

        h = 1 - cos(u, p),   z = (h - mean) / std,   g = exp(-gamma z),   m = (g - q01) / (q99 - q01),

    and m is clamped to [0, 1]. The mean, the sample standard deviation and the quantiles q01 and q99 are taken over
    all nodes of all images.

    Parameters
    ----------
    eigenvectors : array or tensor of shape (..., k)
        Eigenvectors: flat (n, k), or (b, h, w, k) for b images of one size.
    prompt : array or tensor of shape (k,)
        Eigenvectors of the prompt: a row of `eigenvectors`, or the mean of several rows.
    gamma : float
        Positive. Larger values give a sharper heatmap, with fewer similar nodes.

    Returns
    -------
    array or tensor of shape (...)
        With the array type, dtype and device of `eigenvectors`.

    Raises
    ------
    TypeError, ValueError
        If shapes do not match, the prompt is zero, values are not finite, or `gamma` is not a positive number.

    Notes
    -----
    O(n k), plus a sort of n values. If all nodes are equally similar (std below 1e-7, or a single node), there is no
    ranking and the heatmap is 1 everywhere. If at least 98 % of them are (q01 = q99), the heatmap is a step function:
    1 where g is at least halfway between that value and the maximum, 0 elsewhere. A zero row has the same similarity
    as an orthogonal one.

    Examples
    --------
    >>> import numpy as np
    >>> eigenvectors = np.array([[1.0, 1.0], [1.0, 0.9], [1.0, 0.0], [1.0, -1.0]])
    >>> similarity_heatmap(eigenvectors, eigenvectors[0]).round(2)
    array([1.  , 1.  , 0.47, 0.  ])
    """
    raw, like = to_tensor(eigenvectors, "eigenvectors")
    if raw.ndim < 2:
        raise ValueError(
            f"`eigenvectors` must be of shape (..., k) with at least two dimensions; got shape {tuple(raw.shape)}. "
            "Pass all nodes, not one."
        )
    gamma = check_number(gamma, "gamma", low=0, low_open=True)
    shape, k = tuple(raw.shape[:-1]), raw.shape[-1]
    rows, _ = check_features(raw if k == 0 else raw.reshape(-1, k), "eigenvectors")
    point, _ = to_tensor(prompt, "prompt")
    if tuple(point.shape) != (k,):
        raise ValueError(
            f"`prompt` must be of shape ({k},), one value per eigenvector; got {tuple(point.shape)}. "
            "Pass one row of `eigenvectors`."
        )
    point = check_features(point[None], "prompt", device=rows.device)[0]
    h = distances_to(point, rows)[:, 0]
    return like.restore(SimilarityCalibration.fit(h, gamma)(h).clamp(0, 1).reshape(shape))


def distances_to(prompts: torch.Tensor, rows: torch.Tensor, name: str = "prompt") -> torch.Tensor:
    """Return the cosine distances (n, p) of `rows` (n, k) from `prompts` (p, k), which must not be zero."""
    if not bool(prompts.any(1).all()):
        raise ValueError(
            f"`{name}` must not be all zeros, because a zero vector has no direction. Choose another node as prompt."
        )
    return 1 - unit_rows(rows) @ unit_rows(prompts.to(rows)).T


class SimilarityCalibration(NamedTuple):
    """Map distances h from a prompt to similarities m: fitted to some nodes, applicable to any.

    m(h) = (g - q01) / (q99 - q01), with g = exp(-gamma (z - z01)) and z = (h - mean) / std. m is at most 1 for 99 % of
    the fitted nodes. All fields but `gamma` are 0-dimensional tensors.
    """

    gamma: float
    mean: torch.Tensor
    std: torch.Tensor
    z01: torch.Tensor
    q01: torch.Tensor
    q99: torch.Tensor
    g_max: torch.Tensor

    @classmethod
    def fit(cls, h: torch.Tensor, gamma: float) -> SimilarityCalibration:
        """Return the calibration of the distances `h` (n,)."""
        one, mean = torch.ones_like(h[0]), h.mean()
        std = h.std() if len(h) > 1 else torch.zeros_like(one)
        if not bool(std > _MIN_STD):
            return cls(gamma, mean, torch.zeros_like(one), one, one, one, one)
        # A factor of g cancels in m. With exp(gamma z01) as the factor, g is about 1 at the 99 % quantile and does not
        # overflow there.
        z01 = ((h - mean) / std).quantile(0.01)
        g = _similarity(h, gamma, mean, std, z01)
        return cls(gamma, mean, std, z01, g.quantile(0.01), g.quantile(0.99), g.max())

    def __call__(self, h: torch.Tensor) -> torch.Tensor:
        """Return m in the shape of `h`."""
        mean, std, z01, q01, q99, g_max = (field.to(h) for field in self[1:])
        if not bool(std > 0):
            return torch.ones_like(h)
        g = _similarity(h, self.gamma, mean, std, z01)
        if not bool(q99 > q01):
            return (g >= (q01 + g_max) / 2).to(h.dtype)
        return (g - q01) / (q99 - q01)


def _similarity(
    h: torch.Tensor, gamma: float, mean: torch.Tensor, std: torch.Tensor, z01: torch.Tensor
) -> torch.Tensor:
    return (-gamma * ((h - mean) / std - z01)).clamp(max=_MAX_EXPONENT).exp()
