"""Segment an object with a Normalized Cut of a graph that includes the clicks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from sklearn.utils import Tags

from ncut_widgets._estimator import NodeTransformer
from ncut_widgets._migration import explains_old_options
from ncut_widgets._process import restores_process_state
from ncut_widgets._threads import one_thread
from ncut_widgets._validation import check_features, check_number, check_positive_int, device_of, torch_generator
from ncut_widgets.ncut import Ncut
from ncut_widgets.ncut.graph.build_kernel import build_kernel
from ncut_widgets.ncut.graph.nodes import Nodes
from ncut_widgets.ncut.settings import check_settings

from .click_graph import Cut, cut_with_clicks, feature_graph
from .prompts import check_clicks

__all__ = ["ClickNcut", "click_ncut"]


class ClickNcut(NodeTransformer):
    """Segment the clicked object with a Normalized Cut: a heatmap of the fitted nodes, and of new nodes.

    Let A and A_click be the affinities of the features and of the clicks, both normalized by their degrees to
    D^-1/2 A D^-1/2. The heatmap is the second eigenvector of

        (1 - w) A + w A_click,   A_click(i, j) = exp(-(s_i - s_j)^2 / 2 0.5^2),

    where the click signal s_i = arsinh(n (mean of A(i, P) - bg_weight * mean of A(i, N))) compares the affinity of node
    i to the positive clicks P and the negative clicks N with that of an average node. If there are negative clicks, the
    heatmap is set to 0 at nodes at which the heatmap with P and N exchanged is higher, because s alone hardly separates
    similar objects.

    Parameters
    ----------
    click_weight : float in [0, 1]
        The weight w. 0 gives the second eigenvector of the features alone, and 1 uses only the clicks.
    bg_weight : float
        Weight of negative clicks relative to positive ones, at least 0. For values close to 1, nodes that resemble
        neither kind of clicks are far from both, and may determine the cut.
    affinity, sigma, degree, device, random_state
        As in `Ncut`.
    n_sample : int
        Number of landmarks. The graph of at most this many nodes is exact up to rounding.

    Attributes
    ----------
    heatmap_ : array or tensor of shape (n,)
        Heatmap of the fitted nodes, in [0, 1].
    eigenvalue_ : float
        Eigenvalue of the second eigenvector. It is close to 1 if the segments are well separated.
    sigma_ : float
        Bandwidth of the affinity of the features, or None for a callable affinity.
    n_features_in_ : int
        Number of channels.
    feature_names_in_ : array of str of shape (n_features_in_,)
        Column names, if `X` was a DataFrame with string column names, or feature maps with named channels.

    Raises
    ------
    TypeError, ValueError
        If a click is not a node, there is no positive click, all nodes are identical, or an option is out of range.

    Notes
    -----
    Time is O(n m (c + m) + m^3) for m landmarks, which include the clicked nodes. The sign of the eigenvector is chosen
    so that its mean at the positive clicks exceeds the mean of all nodes or, with negative clicks, the midpoint between
    that mean and the mean at the negative clicks. The heatmap maps the 1 % quantile to 0, and the 99 % quantile, or the
    median at the positive clicks if that is higher, to 1. Other values are clipped to [0, 1]. New nodes use the same
    calibration. Weights of feature maps are ignored. Results are not differentiable.

    References
    ----------
    Yu, Shi. Segmentation Given Partial Grouping Constraints. PAMI 2004.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(0, 1, (50, 8)), rng.normal(4, 1, (50, 8)), rng.normal(8, 1, (50, 8))])
    >>> clicks = ClickNcut().fit(X, positive=[60])
    >>> [round(float(part.mean()), 1) for part in np.split(clicks.heatmap_, 3)]
    [0.0, 1.0, 0.0]
    >>> clicks.transform(np.full((1, 8), 4.0)) > 0.9
    array([ True])
    """

    @explains_old_options("ClickNcut")
    def __init__(
        self,
        *,
        click_weight: float = 0.5,
        bg_weight: float = 0.5,
        affinity: str | Callable[[Any, Any], Any] = "rbf",
        sigma: float | None = None,
        degree: float | None = None,
        n_sample: int = 1024,
        device: Any = None,
        random_state: Any = 0,
    ) -> None:
        self.click_weight = click_weight
        self.bg_weight = bg_weight
        self.affinity = affinity
        self.sigma = sigma
        self.degree = degree
        self.n_sample = n_sample
        self.device = device
        self.random_state = random_state

    _n_features_out = 1

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags

    @explains_old_options("ClickNcut.fit")
    @restores_process_state
    @one_thread
    def fit(self, X: Any, y: Any = None, negative: Any = (), *, positive: Any = None) -> ClickNcut:
        """Compute the heatmap of the nodes `X` and return the estimator.

        Parameters
        ----------
        X : array, tensor or feature maps of shape (n, c)
            Finite features, one row per node.
        y : sequence of int
            Nodes on the object, at least one, in the position in which scikit-learn passes targets.
        negative : sequence of int
            Nodes that do not belong to the object.
        positive : sequence of int
            Another name for `y`. Pass one of the two.
        """
        if positive is not None and y is not None:
            raise ValueError("`positive` and `y` are two names for the same clicks; got both. Pass one of them.")
        positive = y if positive is None else positive
        if positive is None:
            # scikit-learn's checks look for the sentence in the middle.
            raise ValueError(
                "`positive` must hold at least one node; got None: ClickNcut requires y to be passed, but the target y "
                "is None. Pass the nodes that were clicked, as `y` or as `positive`."
            )
        click_weight = check_number(self.click_weight, "click_weight", low=0, high=1)
        bg_weight = check_number(self.bg_weight, "bg_weight", low=0)
        n_sample = check_positive_int(self.n_sample, "n_sample", minimum=2)
        options = {"affinity": self.affinity, "sigma": self.sigma, "degree": self.degree}
        settings = check_settings({**Ncut().get_params(), **options})
        nodes, like = self._check_fit(X, min_nodes=2)
        nodes = nodes.detach()
        n = len(nodes)
        both = (("positive", positive), ("negative", negative))
        clicked = [torch.from_numpy(check_clicks(clicks, name, n, None)) for name, clicks in both]
        if not len(clicked[0]):
            raise ValueError("`positive` must hold at least one node; got none. Click on the object.")
        generator = torch_generator(self.random_state)
        with torch.no_grad():
            kernel = build_kernel(
                nodes,
                settings.affinity,
                sigma=settings.sigma,
                degree=settings.degree,
                project=True,
                like=like,
                device=device_of(nodes, self.device),
                generator=generator,
            )
            graph = feature_graph(Nodes(nodes, kernel), torch.cat(clicked), n_sample, generator)
            self._cuts: list[Cut] = []
            eigenvalues, heatmaps = [], []
            # If there are negative clicks, a second cut segments the objects under them.
            for on, off in [clicked, clicked[::-1]] if len(clicked[1]) else [clicked]:
                cut, eigenvalue = cut_with_clicks(graph, [on, off], click_weight, bg_weight, generator)
                values = cut(nodes)
                self._cuts.append(cut.calibrated(values, on.to(values.device), off.to(values.device)))
                eigenvalues.append(eigenvalue)
                heatmaps.append(self._cuts[-1].heatmap(values))
            self.eigenvalue_ = eigenvalues[0]
            self.heatmap_ = like.restore(_suppressed(*heatmaps))
        self.sigma_ = kernel.sigma
        return self

    @explains_old_options("ClickNcut.fit")
    def fit_transform(self, X: Any, y: Any = None, negative: Any = (), *, positive: Any = None) -> Any:
        """Fit to the nodes `X` and return their heatmap (n,); the parameters are as in `fit`."""
        return self.fit(X, y, negative, positive=positive).heatmap_

    @restores_process_state
    @one_thread
    def transform(self, X: Any) -> Any:
        """Return the heatmap (n,), in [0, 1], of nodes `X`, with the array type and dtype of `X`."""
        nodes, like = self._check_new(X)
        with torch.no_grad():
            return like.restore(_suppressed(*(cut.heatmap(cut(nodes.detach())) for cut in self._cuts)))


def _suppressed(heatmap: torch.Tensor, negative: torch.Tensor | None = None) -> torch.Tensor:
    """Return the heatmap, set to 0 where the heatmap of the negative clicks is higher."""
    return heatmap if negative is None else torch.where(negative > heatmap, 0, heatmap)


@explains_old_options("click_ncut")
def click_ncut(
    features: Any,
    positive: Any,
    negative: Any = (),
    *,
    click_weight: float = 0.5,
    bg_weight: float = 0.5,
    affinity: str | Callable[[Any, Any], Any] = "rbf",
    sigma: float | None = None,
    degree: float | None = None,
    n_sample: int = 1024,
    device: Any = None,
    random_state: Any = 0,
) -> Any:
    """Return a heatmap (n,), in [0, 1], of the clicked object from a Normalized Cut that includes the clicks.

    `ClickNcut` does the same and accepts new nodes. It documents the method and the options.

    Parameters
    ----------
    features : array, tensor or feature maps of shape (n, c)
        Finite features, one row per node.
    positive, negative : sequence of int
        Nodes on the object, at least one, and nodes that do not belong to it. `PatchGrid.node_at` converts a pixel to a
        node.
    click_weight, bg_weight, affinity, sigma, degree, n_sample, device, random_state
        As in `ClickNcut`.

    Returns
    -------
    array or tensor of shape (n,)
        With the array type, dtype and device of `features`.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(0, 1, (50, 8)), rng.normal(9, 1, (50, 8))])
    >>> heatmap = click_ncut(X, positive=[0], negative=[99])
    >>> bool((heatmap[:50] > 0.5).all()), bool((heatmap[50:] < 0.5).all())
    (True, True)
    """
    # Check here, because errors in `fit` would refer to `X`.
    check_features(features, "features", min_nodes=2)
    estimator = ClickNcut(
        click_weight=click_weight,
        bg_weight=bg_weight,
        affinity=affinity,
        sigma=sigma,
        degree=degree,
        n_sample=n_sample,
        device=device,
        random_state=random_state,
    )
    return estimator.fit(features, positive, negative).heatmap_
