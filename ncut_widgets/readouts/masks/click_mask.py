"""Segment an object in all images by its similarity to clicks and boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from sklearn.utils.validation import check_is_fitted

from ncut_widgets._estimator import NodeEstimator
from ncut_widgets._migration import explains_old_options
from ncut_widgets._validation import Like, check_features, check_number, check_positive_int, to_tensor
from ncut_widgets.grid import PatchGrid

from .prompts import box_prompts, check_clicks, check_eigenvectors, drop_specks
from .similarity import SimilarityCalibration, distances_to

__all__ = ["ClickMask", "click_mask", "get_mask"]


@explains_old_options("get_mask")
def get_mask(
    eigvecs: Any,
    prompt_eigvec: Any,
    *,
    threshold: float = 0.5,
    gamma: float = 1.0,
    denoise: bool = True,
    denoise_area_th: int = 3,
) -> Any:
    """Return a mask (b, h, w) of the patches that are similar to the prompt, in all images.

    With u the eigenvectors of a patch and p those of the prompt,

        h = 1 - cos(u, p),   z = (h - mean) / std,   g = exp(-gamma z),   m = (g - q01) / (q99 - q01),

    and the mask is m > threshold. The mean, the sample standard deviation and the quantiles q01 and q99 are taken over
    all patches of all images.

    Parameters
    ----------
    eigvecs : array or tensor of shape (b, h, w, k)
        Eigenvectors of b images.
    prompt_eigvec : array or tensor of shape (k,)
        Eigenvectors of the prompt: those of one patch, or the mean of several.
    threshold : float in [0, 1]
        Higher values give smaller masks.
    gamma : float
        Positive. Larger values give a sharper heatmap, with fewer similar patches.
    denoise : bool
        Drop 8-connected components of fewer than `denoise_area_th` patches, in each image.
    denoise_area_th : int
        Minimum area of a component, in patches.

    Returns
    -------
    array or tensor of shape (b, h, w), bool
        With the array type and device of `eigvecs`.

    Raises
    ------
    TypeError, ValueError
        If shapes do not match, the prompt is zero, or an option is out of range.

    Notes
    -----
    O(n k), plus a sort of n values. `click_mask` accepts several clicks and boxes, and images of different sizes.

    Examples
    --------
    >>> import numpy as np
    >>> eigvecs = np.ones((1, 2, 6, 2))
    >>> eigvecs[..., 1] = [[1, 1, -1, -1, -1, -1], [1, 1, -1, -1, -1, 1]]
    >>> get_mask(eigvecs, eigvecs[0, 0, 0]).astype(int)
    array([[[1, 1, 0, 0, 0, 0],
            [1, 1, 0, 0, 0, 0]]])
    """
    raw, _ = to_tensor(eigvecs, "eigvecs")
    if raw.ndim != 4:
        raise ValueError(
            f"`eigvecs` must be of shape (b, h, w, k); got {tuple(raw.shape)}. Reshape it, or pass flat eigenvectors "
            "to `click_mask` with their `grid`."
        )
    rows, grid, like, shape = check_eigenvectors(eigvecs, None, "eigvecs")
    point, _ = to_tensor(prompt_eigvec, "prompt_eigvec")
    if tuple(point.shape) != (rows.shape[1],):
        raise ValueError(
            f"`prompt_eigvec` must be of shape ({rows.shape[1]},), one value per eigenvector; got "
            f"{tuple(point.shape)}. Pass one row of `eigvecs`."
        )
    point = check_features(point[None], "prompt_eigvec", device=rows.device)[0]
    threshold = check_number(threshold, "threshold", low=0, high=1)
    gamma = check_number(gamma, "gamma", low=0, low_open=True)
    min_area = check_positive_int(denoise_area_th, "denoise_area_th", minimum=0)
    h = distances_to(point, rows, "prompt_eigvec")[:, 0]
    mask = SimilarityCalibration.fit(h, gamma)(h) > threshold
    return _without_specks(mask, grid, min_area if denoise else 0, like, shape)


class ClickMask(NodeEstimator):
    """Segment an object by clicks and boxes, and segment the same object in new images.

    Each prompt has the calibrated similarity m of `get_mask`. A node belongs to the mask if the maximum of m over the
    positive prompts exceeds `threshold` and the maximum over the negative prompts does not exceed
    `negative_threshold`. Small components are then dropped. `fit` stores the prompts and the calibration of m, so that
    they apply unchanged to new images.

    Parameters
    ----------
    threshold : float in [0, 1]
        Higher values give smaller masks.
    gamma : float
        Positive. Larger values give sharper heatmaps, with fewer similar nodes.
    negative_threshold : float in [0, 1]
        Lower values remove more nodes around a negative prompt.
    min_area : int
        Minimum area of an 8-connected component in an image, in patches. Smaller components are dropped; 0 keeps all.
    n_eig : int, optional
        Number of leading eigenvectors to use, by default all. With fewer, a click selects a larger part: in a single
        photograph, masks from 6 eigenvectors matched the outlines that people draw better than masks from 20.

    Attributes
    ----------
    positive_, negative_ : array or tensor of shape (p, n_eig)
        The eigenvectors of the prompts: clicks first, then boxes.
    n_features_in_ : int
        Number of eigenvectors passed to `fit`. New images must have the same number.

    Notes
    -----
    O(n k), plus a sort of n values, for each prompt. Without a positive prompt the mask is empty. The prompt of a box
    is the mean direction of the nodes inside, weighted by their squared cosine distance from the mean direction of a
    ring around the box. The widgets show the same masks and heatmaps.

    Examples
    --------
    >>> import numpy as np
    >>> eigenvectors = np.ones((1, 2, 6, 2))
    >>> eigenvectors[..., 1] = [[1, 1, -1, -1, -1, -1], [1, 1, -1, -1, -1, 1]]
    >>> clicks = ClickMask().fit(eigenvectors, positive=[(0, 0, 0)])
    >>> clicks.predict(eigenvectors[:, :, 3::-1]).astype(int)
    array([[[0, 0, 1, 1],
            [0, 0, 1, 1]]])
    """

    def __init__(
        self,
        *,
        threshold: float = 0.5,
        gamma: float = 1.0,
        negative_threshold: float = 0.99,
        min_area: int = 3,
        n_eig: int | None = None,
    ) -> None:
        self.threshold = threshold
        self.gamma = gamma
        self.negative_threshold = negative_threshold
        self.min_area = min_area
        self.n_eig = n_eig

    _column_advice = "Pass the same eigenvectors as to `fit`: those that `transform` of the same `Ncut` returns."

    def fit(
        self,
        X: Any,
        y: Any = None,
        negative: Any = (),
        *,
        positive: Any = None,
        positive_boxes: Any = (),
        negative_boxes: Any = (),
        grid: PatchGrid | None = None,
        source: str | None = None,
    ) -> ClickMask:
        """Store the prompts and the calibration, and return the estimator.

        Parameters
        ----------
        X : array or tensor of shape (b, h, w, k), or (n, k) with `grid`
            Eigenvectors. `click_mask` documents the other parameters.
        y : sequence
            Positive clicks, in the position in which scikit-learn passes targets. `positive` is another name for it.
        """
        if positive is not None and y is not None:
            raise ValueError("`positive` and `y` are two names for the same clicks; got both. Pass one of them.")
        positive = y if positive is None else positive
        clicks = () if positive is None else positive
        self._fit(X, clicks, negative, positive_boxes, negative_boxes, grid, source, name="X")
        return self

    def heatmap(self, X: Any) -> Any:
        """Return the similarity of each node to the most similar positive prompt: [0, 1], leading shape of `X`."""
        rows, _, like, shape = self._leading(*self._new(X, None))
        heat = _max_similarity(rows, self._positive)
        heat = rows.new_zeros(len(rows)) if heat is None else heat.clamp(0, 1)
        return like.restore(heat.reshape(shape))

    def predict(self, X: Any, *, grid: PatchGrid | None = None) -> Any:
        """Return the mask, booleans in the leading shape of `X`, which is (n, k) with its `grid` or (b, h, w, k)."""
        return self._mask(*self._leading(*self._new(X, grid)))

    def _new(self, X: Any, grid: PatchGrid | None) -> tuple[torch.Tensor, PatchGrid | None, Like, tuple[int, ...]]:
        check_is_fitted(self)
        self.check_names(X)
        checked = check_eigenvectors(X, grid, "X")
        self.check_width(checked[0])
        return checked

    def _leading(
        self, rows: torch.Tensor, grid: PatchGrid | None, like: Like, shape: tuple[int, ...]
    ) -> tuple[torch.Tensor, PatchGrid | None, Like, tuple[int, ...]]:
        if self.n_eig is not None:
            rows = rows[:, : check_positive_int(self.n_eig, "n_eig", maximum=rows.shape[1])]
        return rows, grid, like, shape

    def _fit(
        self,
        eigenvectors: Any,
        positive: Any,
        negative: Any,
        positive_boxes: Any,
        negative_boxes: Any,
        grid: PatchGrid | None,
        source: str | None,
        name: str = "eigenvectors",
    ) -> tuple[torch.Tensor, PatchGrid | None, Like, tuple[int, ...]]:
        gamma = check_number(self.gamma, "gamma", low=0, low_open=True)
        checked = check_eigenvectors(eigenvectors, grid, name)
        self.remember_columns(eigenvectors, checked[0])
        rows, grid, like, shape = self._leading(*checked)
        prompts = []
        for name, clicks, boxes in (("positive", positive, positive_boxes), ("negative", negative, negative_boxes)):
            nodes = check_clicks(clicks, name, len(rows), grid if len(shape) == 3 else None)
            clicked = rows[torch.from_numpy(nodes).to(rows.device)]
            prompts.append(torch.cat([clicked, box_prompts(rows, boxes, f"{name}_boxes", grid, source)]))
        self._positive, self._negative = (
            [
                (prompt, SimilarityCalibration.fit(h, gamma))
                for prompt, h in zip(points, distances_to(points, rows, name).T, strict=True)
            ]
            for points, name in zip(prompts, ("positive", "negative"), strict=True)
        )
        self.positive_, self.negative_ = (like.restore(points) for points in prompts)
        return rows, grid, like, shape

    def _mask(self, rows: torch.Tensor, grid: PatchGrid | None, like: Like, shape: tuple[int, ...]) -> Any:
        threshold = check_number(self.threshold, "threshold", low=0, high=1)
        negative_threshold = check_number(self.negative_threshold, "negative_threshold", low=0, high=1)
        min_area = check_positive_int(self.min_area, "min_area", minimum=0)
        positive, negative = _max_similarity(rows, self._positive), _max_similarity(rows, self._negative)
        if positive is None:
            mask = torch.zeros(len(rows), dtype=torch.bool, device=rows.device)
        else:
            mask = positive > threshold
        if negative is not None:
            mask &= ~(negative > negative_threshold)
        return _without_specks(mask, grid, min_area, like, shape)


def click_mask(
    eigenvectors: Any,
    positive: Any = (),
    negative: Any = (),
    *,
    positive_boxes: Any = (),
    negative_boxes: Any = (),
    grid: PatchGrid | None = None,
    source: str | None = None,
    threshold: float = 0.5,
    gamma: float = 1.0,
    negative_threshold: float = 0.99,
    min_area: int = 3,
    n_eig: int | None = None,
) -> Any:
    """Segment an object in all images by clicks and boxes, and return a mask in the shape of the nodes.

    `ClickMask` does the same and keeps the prompts for new images. It documents the method.

    Parameters
    ----------
    eigenvectors : array or tensor of shape (b, h, w, k), or (n, k) with `grid`
        Eigenvectors of b images of equal size, or of all nodes of a grid.
    positive, negative : sequence of (image, row, column), or of nodes if `eigenvectors` is flat
        Clicks on the object, and clicks on what does not belong to it. `PatchGrid.node_at` converts a pixel to a node.
    positive_boxes, negative_boxes : sequence of (image, x0, y0, x1, y1)
        Boxes in pixels from the top left corner, or in patches if there is no `grid`.
    grid : PatchGrid, optional
        Grid of flat nodes, required by boxes and by `min_area`.
    source : str, optional
        The source of the grid that boxes refer to, by default the first.
    threshold, gamma, negative_threshold, min_area, n_eig
        As in `ClickMask`.

    Returns
    -------
    array or tensor of shape (b, h, w) or (n,), bool
        With the array type and device of `eigenvectors`.

    Raises
    ------
    TypeError, ValueError
        If a prompt is out of bounds, shapes do not match, or an option is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> eigenvectors = np.ones((1, 2, 6, 2))
    >>> eigenvectors[..., 1] = [[1, 1, -1, -1, 0, 0], [1, 1, -1, -1, 0, 0]]
    >>> click_mask(eigenvectors, positive=[(0, 0, 0), (0, 0, 5)], threshold=0.4).astype(int)
    array([[[1, 1, 0, 0, 1, 1],
            [1, 1, 0, 0, 1, 1]]])
    >>> click_mask(eigenvectors, positive=[(0, 0, 0), (0, 0, 5)], negative=[(0, 1, 4)], threshold=0.4).astype(int)
    array([[[1, 1, 0, 0, 0, 0],
            [1, 1, 0, 0, 0, 0]]])
    >>> click_mask(eigenvectors, positive_boxes=[(0, 2, 0, 4, 2)]).astype(int)
    array([[[0, 0, 1, 1, 0, 0],
            [0, 0, 1, 1, 0, 0]]])
    """
    estimator = ClickMask(
        threshold=threshold, gamma=gamma, negative_threshold=negative_threshold, min_area=min_area, n_eig=n_eig
    )
    return estimator._mask(
        *estimator._fit(eigenvectors, positive, negative, positive_boxes, negative_boxes, grid, source)
    )


def _max_similarity(
    rows: torch.Tensor, prompts: Sequence[tuple[torch.Tensor, SimilarityCalibration]]
) -> torch.Tensor | None:
    """Return the maximum of m over the prompts (n,), or None if there are no prompts."""
    if not prompts:
        return None
    h = distances_to(torch.stack([prompt for prompt, _ in prompts]), rows)
    similarity = prompts[0][1](h[:, 0])
    for column, (_, calibration) in zip(h.T[1:], prompts[1:], strict=True):
        similarity = torch.maximum(similarity, calibration(column))
    return similarity


def _without_specks(
    mask: torch.Tensor, grid: PatchGrid | None, min_area: int, like: Like, shape: tuple[int, ...]
) -> Any:
    if min_area > 1:
        if grid is None:
            raise ValueError(
                f"`min_area={min_area}` requires `grid` if nodes are flat; got None. "
                "Pass the grid of the features, or `min_area=0`."
            )
        mask = torch.from_numpy(drop_specks(mask.cpu().numpy(), grid, min_area)).to(mask.device)
    return like.restore(mask.reshape(shape))
