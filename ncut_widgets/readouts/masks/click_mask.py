"""From clicks and boxes to the mask of an object in all images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from sklearn.utils.validation import check_is_fitted

from ncut_widgets._estimator import NodeEstimator
from ncut_widgets._migration import explains_old_options
from ncut_widgets._validation import Like, check_features, check_number, check_positive_int, to_tensor
from ncut_widgets.grid import PatchGrid

from .prompts import box_prompts, check_clicks, check_eigvecs, drop_specks
from .similarity import Stretch, distances_to

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
    """Return which patches of all images are like the prompt: booleans (b, h, w).

    With u the eigenvectors of a patch, p the prompt's, and mean, std (of the sample) and quantiles taken over all
    patches of all images:

        h = 1 - cos(u, p),   z = (h - mean) / std,   g = exp(-gamma z),   m = (g - q01) / (q99 - q01)

    and the mask is where m > threshold.

    Parameters
    ----------
    eigvecs : array or tensor of shape (b, h, w, k)
        Eigenvectors of b images.
    prompt_eigvec : array or tensor of shape (k,)
        Eigenvectors of the prompt: those of a patch, or a mean of several.
    threshold : float in [0, 1]
        Higher is stricter.
    gamma : float
        Positive. Larger is sharper: fewer patches count as similar.
    denoise : bool
        Drop what is connected, also over corners, to fewer than `denoise_area_th` patches of its image.
    denoise_area_th : int
        In patches.

    Returns
    -------
    array or tensor of shape (b, h, w), bool
        Of the kind and device of `eigvecs`.

    Raises
    ------
    TypeError, ValueError
        Where shapes do not belong together, the prompt is zero, or an option is out of range.

    Notes
    -----
    O(n k) and a sort. `click_mask` takes any number of clicks and boxes, and images of unequal sizes.

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
    rows, grid, like, shape = check_eigvecs(eigvecs, None)
    point, _ = to_tensor(prompt_eigvec, "prompt_eigvec")
    if tuple(point.shape) != (rows.shape[1],):
        raise ValueError(
            f"`prompt_eigvec` must be of shape ({rows.shape[1]},), one value per eigenvector; got "
            f"{tuple(point.shape)}. Pass one row of `eigvecs`."
        )
    point = check_features(point[None], "prompt_eigvec", device=rows.device)[0]
    threshold = check_number(threshold, "threshold", low=0, high=1)
    gamma = check_number(gamma, "gamma", low=0, low_open=True)
    smallest = check_positive_int(denoise_area_th, "denoise_area_th", minimum=0)
    h = distances_to(point, rows, "prompt_eigvec")[:, 0]
    return _finish(Stretch.of(h, gamma)(h) > threshold, grid, smallest if denoise else 0, like, shape)


class ClickMask(NodeEstimator):
    """The mask of an object from clicks and boxes on it, which new images join as it stands.

    Each prompt has the stretched similarity m of `get_mask`. The mask is where the largest m of the positive prompts
    is above `threshold` and the largest of the negative ones is not above `negative_threshold`; then specks are
    dropped. Fitting stores the prompts and what m is measured from, so that on other images the same mask is meant.

    Parameters
    ----------
    threshold : float in [0, 1]
        Higher is stricter.
    gamma : float
        Positive. Larger is sharper: fewer nodes count as similar.
    negative_threshold : float in [0, 1]
        Lower removes more around a negative click.
    denoise : int
        Drop what is connected, also over corners, to fewer patches of its image than that. 0 keeps all.
    n_eig : int, optional
        How many of the leading eigenvectors are looked at; all of them by default. Fewer make a click mean a larger
        part: of one photograph, 6 found what people outline better than 20 did.

    Attributes
    ----------
    positive_, negative_ : array or tensor of shape (p, n_eig)
        The eigenvectors of the prompts, in the order of clicks, then boxes.
    n_features_in_ : int
        Eigenvectors that were passed, and are expected of new images.

    Notes
    -----
    O(n k) and a sort for each prompt. Without a positive prompt the mask is empty. The prompt of a box is the mean
    direction of the nodes inside, weighted by the square of how little they are like that of the ring around it.
    Masks and heatmaps are those that the widgets draw.

    Examples
    --------
    >>> import numpy as np
    >>> eigvecs = np.ones((1, 2, 6, 2))
    >>> eigvecs[..., 1] = [[1, 1, -1, -1, -1, -1], [1, 1, -1, -1, -1, 1]]
    >>> clicks = ClickMask().fit(eigvecs, positive=[(0, 0, 0)])
    >>> clicks.predict(eigvecs[:, :, 3::-1]).astype(int)
    array([[[0, 0, 1, 1],
            [0, 0, 1, 1]]])
    """

    def __init__(
        self,
        *,
        threshold: float = 0.5,
        gamma: float = 1.0,
        negative_threshold: float = 0.99,
        denoise: int = 3,
        n_eig: int | None = None,
    ) -> None:
        self.threshold = threshold
        self.gamma = gamma
        self.negative_threshold = negative_threshold
        self.denoise = denoise
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
        """Return the estimator, with the prompts stored.

        Parameters
        ----------
        X : array or tensor of shape (b, h, w, k), or (n, k) with `grid`
            The `eigvecs` of `click_mask`, where the other parameters are explained.
        y : sequence
            Positive clicks: where scikit-learn passes what guides a fit. Or name them `positive`.
        """
        if positive is not None and y is not None:
            raise ValueError("`positive` and `y` are the same clicks; got both. Pass one of them.")
        positive = y if positive is None else positive
        clicks = () if positive is None else positive
        self._fit(X, clicks, negative, positive_boxes, negative_boxes, grid, source, name="X")
        return self

    def heatmap(self, X: Any) -> Any:
        """Return how similar each node is to the nearest positive prompt: [0, 1] in the leading shape of `X`."""
        rows, _, like, shape = self._leading(*self._new(X, None))
        heat = _largest(rows, self._positive)
        heat = rows.new_zeros(len(rows)) if heat is None else heat.clamp(0, 1)
        return like.restore(heat.reshape(shape))

    def predict(self, X: Any, *, grid: PatchGrid | None = None) -> Any:
        """Return the mask: booleans in the leading shape of `X`, flat (n, k) with its `grid`, or (b, h, w, k)."""
        return self._mask(*self._leading(*self._new(X, grid)))

    def _new(self, X: Any, grid: PatchGrid | None) -> tuple[torch.Tensor, PatchGrid | None, Like, tuple[int, ...]]:
        check_is_fitted(self)
        self.check_names(X)
        rows, places, like, shape = check_eigvecs(X, grid, "X")
        self.check_width(rows)
        return rows, places, like, shape

    def _leading(
        self, rows: torch.Tensor, grid: PatchGrid | None, like: Like, shape: tuple[int, ...]
    ) -> tuple[torch.Tensor, PatchGrid | None, Like, tuple[int, ...]]:
        if self.n_eig is not None:
            rows = rows[:, : check_positive_int(self.n_eig, "n_eig", maximum=rows.shape[1])]
        return rows, grid, like, shape

    def _fit(
        self,
        eigvecs: Any,
        positive: Any,
        negative: Any,
        positive_boxes: Any,
        negative_boxes: Any,
        grid: PatchGrid | None,
        source: str | None,
        name: str = "eigvecs",
    ) -> tuple[torch.Tensor, PatchGrid | None, Like, tuple[int, ...]]:
        gamma = check_number(self.gamma, "gamma", low=0, low_open=True)
        passed = check_eigvecs(eigvecs, grid, name)
        self.remember_columns(eigvecs, passed[0])
        rows, places, like, shape = self._leading(*passed)
        prompts = []
        for name, clicks, boxes in (("positive", positive, positive_boxes), ("negative", negative, negative_boxes)):
            nodes = check_clicks(clicks, name, len(rows), places if len(shape) == 3 else None)
            of_clicks = rows[torch.from_numpy(nodes).to(rows.device)]
            prompts.append(torch.cat([of_clicks, box_prompts(rows, boxes, f"{name}_boxes", places, source)]))
        self._positive, self._negative = (
            [(prompt, Stretch.of(h, gamma)) for prompt, h in zip(of, distances_to(of, rows, name).T, strict=True)]
            for of, name in zip(prompts, ("positive", "negative"), strict=True)
        )
        self.positive_, self.negative_ = (like.restore(of) for of in prompts)
        return rows, places, like, shape

    def _mask(self, rows: torch.Tensor, grid: PatchGrid | None, like: Like, shape: tuple[int, ...]) -> Any:
        threshold = check_number(self.threshold, "threshold", low=0, high=1)
        negative_threshold = check_number(self.negative_threshold, "negative_threshold", low=0, high=1)
        smallest = check_positive_int(self.denoise, "denoise", minimum=0)
        heat, against = _largest(rows, self._positive), _largest(rows, self._negative)
        mask = torch.zeros(len(rows), dtype=torch.bool, device=rows.device) if heat is None else heat > threshold
        if against is not None:
            mask &= ~(against > negative_threshold)
        return _finish(mask, grid, smallest, like, shape)


def click_mask(
    eigvecs: Any,
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
    denoise: int = 3,
    n_eig: int | None = None,
) -> Any:
    """Return the mask of an object, in all images, from clicks and boxes on it: booleans in the shape of the nodes.

    `ClickMask` does the same and keeps the prompts for new images; the method is explained there.

    Parameters
    ----------
    eigvecs : array or tensor of shape (b, h, w, k), or (n, k) with `grid`
        Eigenvectors of b images of one size, or of all nodes of a grid.
    positive, negative : sequence of (image, row, column), or of nodes where `eigvecs` is flat
        Where the object is, and where it is not. `PatchGrid.node_at` finds the node of a pixel.
    positive_boxes, negative_boxes : sequence of (image, x0, y0, x1, y1)
        In pixels, x to the right and y down from the top left; in patches where there is no `grid`.
    grid : PatchGrid, optional
        The places of flat nodes: for boxes, and to tell specks.
    source : str, optional
        Which source of the grid the boxes look at; the first by default.
    threshold, gamma, negative_threshold, denoise, n_eig
        As in `ClickMask`.

    Returns
    -------
    array or tensor of shape (b, h, w) or (n,), bool
        Of the kind and device of `eigvecs`.

    Raises
    ------
    TypeError, ValueError
        Where a prompt lies outside, the shapes do not belong together, or an option is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> eigvecs = np.ones((1, 2, 6, 2))
    >>> eigvecs[..., 1] = [[1, 1, -1, -1, 0, 0], [1, 1, -1, -1, 0, 0]]
    >>> click_mask(eigvecs, positive=[(0, 0, 0), (0, 0, 5)], threshold=0.4).astype(int)
    array([[[1, 1, 0, 0, 1, 1],
            [1, 1, 0, 0, 1, 1]]])
    >>> click_mask(eigvecs, positive=[(0, 0, 0), (0, 0, 5)], negative=[(0, 1, 4)], threshold=0.4).astype(int)
    array([[[1, 1, 0, 0, 0, 0],
            [1, 1, 0, 0, 0, 0]]])
    >>> click_mask(eigvecs, positive_boxes=[(0, 2, 0, 4, 2)]).astype(int)
    array([[[0, 0, 1, 1, 0, 0],
            [0, 0, 1, 1, 0, 0]]])
    """
    estimator = ClickMask(
        threshold=threshold, gamma=gamma, negative_threshold=negative_threshold, denoise=denoise, n_eig=n_eig
    )
    return estimator._mask(*estimator._fit(eigvecs, positive, negative, positive_boxes, negative_boxes, grid, source))


def _largest(rows: torch.Tensor, prompts: Sequence[tuple[torch.Tensor, Stretch]]) -> torch.Tensor | None:
    """Return the largest m (n,) of the prompts; None where there is none."""
    if not prompts:
        return None
    h = distances_to(torch.stack([prompt for prompt, _ in prompts]), rows)
    heat = prompts[0][1](h[:, 0])
    for column, (_, stretch) in zip(h.T[1:], prompts[1:], strict=True):
        heat = torch.maximum(heat, stretch(column))
    return heat


def _finish(mask: torch.Tensor, grid: PatchGrid | None, smallest: int, like: Like, shape: tuple[int, ...]) -> Any:
    if smallest > 1:
        if grid is None:
            raise ValueError(
                f"`grid` is needed to drop specks of flat nodes (`denoise` is {smallest}). "
                "Pass the grid of the features, or `denoise=0`."
            )
        mask = torch.from_numpy(drop_specks(mask.cpu().numpy(), grid, smallest)).to(mask.device)
    return like.restore(mask.reshape(shape))
