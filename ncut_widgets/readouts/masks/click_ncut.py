"""A Normalized Cut that clicks take part in."""

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
from ncut_widgets.ncut.affinity import build_affinity
from ncut_widgets.ncut.nodes import Nodes
from ncut_widgets.ncut.settings import check_settings

from .click_graph import Cut, cut_with_clicks, graph_of_features
from .prompts import check_clicks

__all__ = ["ClickNcut", "click_ncut"]

# As for `Ncut`: where features are no more than that, projecting them would save little and cost digits.
_UNPROJECTED_ELEMENTS = 1 << 24


class ClickNcut(NodeTransformer):
    """The Normalized Cut between what was clicked and the rest: a heatmap, and its extension to new nodes.

    With A and A_click the affinities of features and of clicks, both normalised by their degrees to D^-1/2 A D^-1/2,
    the heatmap is the second eigenvector of

        (1 - w) A + w A_click,   A_click(i, j) = exp(-(s_i - s_j)^2 / 2 0.5^2)

    where s is how much more than the average node a node is connected to the positive clicks P, less `bg_weight` times
    that to the negative ones N: s_i = arsinh(n (mean of A(i, P) - bg_weight * mean of A(i, N))). Where there are
    negative clicks, it is 0 at the nodes of which the heatmap with P and N exchanged is higher: on an object that looks
    like what spilled, s alone would hardly tell them apart.

    Parameters
    ----------
    click_weight : float in [0, 1]
        w. 0 is the ordinary second eigenvector, whatever was clicked; 1 looks at the clicks alone.
    bg_weight : float
        At least 0: how much negative clicks count next to positive ones. Much closer to 1, and what is like neither
        is far from both, so the cut is about nothing that was clicked.
    affinity, sigma, degree, device, random_state
        As in `Ncut`.
    n_sample : int
        How many landmarks the graph stands on. Up to so many nodes it is exact, but for rounding.

    Attributes
    ----------
    heatmap_ : array or tensor of shape (n,)
        Of the fitted nodes, in [0, 1].
    eigenvalue_ : float
        Of the second eigenvector: close to 1 where the cut is clean.
    sigma_ : float
        The sigma of the features; None for a callable affinity.
    n_features_in_ : int
        Channels.
    feature_names_in_ : array of str of shape (n_features_in_,)
        Their names, if `X` was a DataFrame with names or feature maps whose channels have names of their own.

    Raises
    ------
    TypeError, ValueError
        Where a click is no node, nothing was clicked, all nodes are identical, or an option is out of range.

    Notes
    -----
    O(n m (c + m) + m^3) time for m landmarks, linear in n. The clicked nodes are landmarks themselves. The eigenvector
    is turned so that it is higher at the positive clicks than on average or, where there are negative clicks, than
    halfway between these and the average. It is stretched from its 1 % quantile to 0 and from its 99 % quantile, or
    its median at the positive clicks where that is higher, to 1, and cut off there. New nodes are stretched in the same
    way. Weights of feature maps do not count. Gradients are not carried.

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
        """Return the estimator, with the heatmap of the nodes `X` in `heatmap_`.

        Parameters
        ----------
        X : array, tensor or feature maps of shape (n, c)
            Finite features, one row per node.
        y : sequence of int
            Nodes on the object, at least one: where scikit-learn passes what guides a fit. Or name them `positive`.
        negative : sequence of int
            Nodes off it.
        positive : sequence of int
            `y` by its own name. Pass one of the two.
        """
        if positive is not None and y is not None:
            raise ValueError("`positive` and `y` are the same clicks; got both. Pass one of them.")
        positive = y if positive is None else positive
        if positive is None:
            # The middle part is scikit-learn's own sentence, which other code looks for.
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
        of_kinds = (("positive", positive), ("negative", negative))
        clicked = [torch.from_numpy(check_clicks(clicks, name, n, None)) for name, clicks in of_kinds]
        if not len(clicked[0]):
            raise ValueError("`positive` must hold at least one node; got none. Click on what you look for.")
        generator = torch_generator(self.random_state)
        with torch.no_grad():
            affinity = build_affinity(
                nodes,
                settings.affinity,
                sigma=settings.sigma,
                degree=settings.degree,
                repulsive=False,
                repulsion_sigma=None,
                weights=None,
                project=nodes.numel() > _UNPROJECTED_ELEMENTS,
                like=like,
                device=device_of(nodes, self.device),
                generator=generator,
            )
            graph = graph_of_features(Nodes(nodes, affinity), torch.cat(clicked), n_sample, generator)
            self._cuts: list[Cut] = []
            eigenvalues, heats = [], []
            for on, off in [clicked, clicked[::-1]] if len(clicked[1]) else [clicked]:
                cut, eigenvalue = cut_with_clicks(graph, [on, off], click_weight, bg_weight, generator)
                values = cut(nodes)
                self._cuts.append(cut.oriented(values, on.to(values.device), off.to(values.device)))
                eigenvalues.append(eigenvalue)
                heats.append(self._cuts[-1].stretched(values))
            self.eigenvalue_ = eigenvalues[0]
            self.heatmap_ = like.restore(_unless_higher(*heats))
        self.sigma_ = affinity.sigma
        return self

    @explains_old_options("ClickNcut.fit")
    def fit_transform(self, X: Any, y: Any = None, negative: Any = (), *, positive: Any = None) -> Any:
        """Return the heatmap (n,) of the fitted nodes, `heatmap_`; parameters as in `fit`."""
        return self.fit(X, y, negative, positive=positive).heatmap_

    @restores_process_state
    @one_thread
    def transform(self, X: Any) -> Any:
        """Return the heatmap (n,) in [0, 1] of the nodes `X`, new ones or those of `fit`, of their kind and dtype."""
        nodes, like = self._check_new(X)
        with torch.no_grad():
            return like.restore(_unless_higher(*(cut.stretched(cut(nodes.detach())) for cut in self._cuts)))


def _unless_higher(heat: torch.Tensor, against: torch.Tensor | None = None) -> torch.Tensor:
    return heat if against is None else torch.where(against > heat, 0, heat)


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
    """Return how much each node belongs to what was clicked, by a cut that the clicks take part in: (n,) in [0, 1].

    `ClickNcut` does the same and takes new nodes; the equation and the options are explained there.

    Parameters
    ----------
    features : array, tensor or feature maps of shape (n, c)
        Finite features, one row per node.
    positive, negative : sequence of int
        Nodes on the object, at least one, and nodes off it. `PatchGrid.node_at` finds the node of a pixel.
    click_weight, bg_weight, affinity, sigma, degree, n_sample, device, random_state
        As in `ClickNcut`.

    Returns
    -------
    array or tensor of shape (n,)
        Of the kind, dtype and device of `features`.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(0, 1, (50, 8)), rng.normal(9, 1, (50, 8))])
    >>> heatmap = click_ncut(X, positive=[0], negative=[99])
    >>> bool((heatmap[:50] > 0.5).all()), bool((heatmap[50:] < 0.5).all())
    (True, True)
    """
    # Check here, because the arguments have these names here.
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
