"""Eigenvectors to colours: similar nodes get similar colours, today and after the next change of settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any

import torch
from sklearn.exceptions import NotFittedError

from ncut_widgets._estimator import NodeTransformer
from ncut_widgets._migration import explains_old_options
from ncut_widgets._process import restores_process_state
from ncut_widgets._validation import (
    Like,
    check_features,
    check_in,
    check_positive_int,
    check_random_state,
    device_of,
    to_tensor,
)
from ncut_widgets.readouts._directions import unit_rows

from .colormap import place_in_box, quantile_box
from .layout import METHODS, Layout, find_layout, import_library
from .procrustes import check_nodes, procrustes

__all__ = ["Coloring"]


class Coloring(NodeTransformer):
    """A 3D embedding of the nodes and the colours read off it, kept so that the same thing keeps its colour.

    Nodes are compared by the cosine of their eigenvectors (in M-space: features by their distance). A sample of them
    is laid out in 3D, all others follow their nearest sampled nodes by convex weights, and each axis between its 2 %
    and 98 % quantiles becomes one of red, green and blue.

    Parameters
    ----------
    method : "tsne", "umap", "umap_sphere", "pca" or "mspace"
        t-SNE (about a second), UMAP (the same look, but its library compiles for ten seconds or more in a fresh
        process), UMAP on the unit sphere, where no node is at an edge, the three principal axes (instant and
        linear; separates less), or M-space, which takes features in place of eigenvectors: see `mspace_color`.
    n_sample : int
        How many nodes all but the principal axes lay out: farthest points among three times as many random ones.
    n_neighbors : int
        How many neighbours a node should stay close to: t-SNE's perplexity (at most a third of the sample), UMAP's
        n_neighbors. Larger shows the whole, smaller the detail.
    n_eig : sequence of int
        The numbers of eigenvectors whose projectors M-space keeps. Few show the whole, many the detail.
    device : torch device, optional
        Where to compute. By default where `X` is. Results come back there.
    random_state : int, numpy.random.Generator or None
        Draws the sample and the start.

    Attributes
    ----------
    coords : array or tensor of shape (n, 3)
        The embedding of the fitted nodes.
    rgb : array or tensor of shape (n, 3)
        Their colours, in [0, 1].
    n_features_in_ : int
        Columns of `X`: eigenvectors, or channels for M-space.
    feature_names_in_ : array of str of shape (n_features_in_,)
        Their names, if `X` was a DataFrame with names, or feature maps whose channels have names of their own.

    Notes
    -----
    Fewer than 16 nodes have no neighbourhoods worth the name and are placed by their principal axes, whatever the
    method. Nodes without any difference are all mid-grey.

    Tensors on a GPU stay there, where all nodes find their places. For t-SNE and UMAP only the sample goes to the CPU,
    which lays out so few rows in about a second. Where TorchDR is installed (`pip install ncut_widgets[gpu]`), it lays
    them out on a CUDA device instead, by the same methods but not to the same coordinates; the sphere stays with UMAP.

    29 000 x 20 takes about a second of one core by t-SNE. Deterministic for a given `random_state` on one machine; the
    global generators are never touched.

    Examples
    --------
    >>> import numpy as np
    >>> eig = np.random.default_rng(0).normal(size=(200, 5))
    >>> coloring = Coloring(method="pca").fit(eig)
    >>> coloring.rgb.shape, bool((coloring.transform(eig) == coloring.rgb).all())
    ((200, 3), True)
    """

    _layout: Layout | None = None
    _coords: torch.Tensor
    _n_features_out = 3

    @explains_old_options("Coloring")
    def __init__(
        self,
        method: str = "tsne",
        *,
        n_sample: int = 800,
        n_neighbors: int = 100,
        n_eig: Sequence[int] = (4, 16, 64),
        device: Any = None,
        random_state: Any = 0,
    ) -> None:
        self.method = method
        self.n_sample = n_sample
        self.n_neighbors = n_neighbors
        self.n_eig = n_eig
        self.device = device
        self.random_state = random_state

    def fit(
        self,
        X: Any,
        y: object = None,  # noqa: ARG002
        *,
        shared: tuple[Any, Any] | None = None,
        onto: Any = None,
        on_step: Callable[[], object] | None = None,
    ) -> Coloring:
        """Lay out the nodes `X`; where there was a fit before, turn the new embedding onto the last one.

        The new coordinates are rotated (or reflected), shifted and scaled as a whole so that the shared nodes come as
        close as they can to where they were (orthogonal Procrustes); a sphere is only rotated. Colours are then read
        off anew.

        Parameters
        ----------
        X : array or tensor of shape (n, n_eig)
            Eigenvectors; for M-space, features (n, c).
        y : ignored
            Here for scikit-learn.
        shared : pair of integer arrays of shape (s,), optional
            The nodes of the last fit and the same nodes in this one. By default all of them where the number of nodes
            has not changed, none where it has, and then the fit starts afresh.
        onto : array or tensor of shape (n, 3), optional
            Where the nodes are shown now: the new embedding is turned onto these places instead of the last fit's.
        on_step : callable, optional
            Called without arguments between the steps of t-SNE and M-space (and of UMAP by TorchDR), and before and
            after UMAP. What it raises ends the fit; the last one stays.

        Returns
        -------
        Coloring
            Itself.
        """
        return self._fit(X, "X", shared, onto, on_step)

    @restores_process_state
    def _fit(
        self,
        X: Any,
        name: str,
        shared: tuple[Any, Any] | None = None,
        onto: Any = None,
        on_step: Callable[[], object] | None = None,
    ) -> Coloring:
        method = check_in(self.method, "method", METHODS)
        n_sample = check_positive_int(self.n_sample, "n_sample", minimum=2)
        n_neighbors = check_positive_int(self.n_neighbors, "n_neighbors", minimum=2)
        n_eig = _check_counts(self.n_eig)
        rng = check_random_state(self.random_state)
        tensor, like = check_features(X, name)
        tensor = tensor.to(device_of(tensor, self.device))
        last, new = self._places_to_keep(shared, onto, len(tensor))
        rows = tensor.detach() if method == "mspace" else unit_rows(tensor.detach())

        layout = find_layout(
            rows, method=method, n_sample=n_sample, n_neighbors=n_neighbors, n_eig=n_eig, rng=rng, on_step=on_step
        )
        coords = layout.place(rows)
        turn, shift = torch.eye(3, dtype=coords.dtype, device=coords.device), coords.new_zeros(3)
        if len(new):
            moving, fixed = coords[new.to(coords.device)], last.to(coords.device, coords.dtype)
            turn, shift = procrustes(moving, fixed, about_origin=layout.on_sphere)
        self._layout, self._turn, self._shift = layout, turn, shift
        self._compares_directions = method != "mspace"
        self._like = like
        self.remember_columns(X, tensor)
        self._coords = coords @ turn + shift
        self._low, self._high = quantile_box(self._coords)
        return self

    def fit_transform(
        self,
        X: Any,
        y: object = None,  # noqa: ARG002
        *,
        shared: tuple[Any, Any] | None = None,
        onto: Any = None,
        on_step: Callable[[], object] | None = None,
    ) -> Any:
        """Return the colours (n, 3) of the nodes `X`, in [0, 1]: `rgb` after `fit`."""
        return self.fit(X, shared=shared, onto=onto, on_step=on_step).rgb

    def _import_library(self, X: Any) -> None:
        """Import the library that `fit` needs to lay out `X`, if any. A thread that fits then need not do so."""
        tensor, _ = to_tensor(X, "X")
        import_library(check_in(self.method, "method", METHODS), device_of(tensor, self.device))

    @property
    def coords(self) -> Any:
        """(n, 3) the embedding of the fitted nodes."""
        self._check_fitted()
        return self._like.restore(self._coords)

    @property
    def rgb(self) -> Any:
        """(n, 3) the colours of the fitted nodes, in [0, 1]."""
        self._check_fitted()
        return self._like.restore(self._color(self._coords))

    def transform_coords(self, X: Any) -> Any:
        """Return where new nodes (n, n_eig) lie in the fitted embedding: (n, 3)."""
        coords, like = self._place(X)
        return like.restore(coords)

    def transform(self, X: Any) -> Any:
        """Return the colours of new nodes (n, n_eig) by the fitted calibration: (n, 3) in [0, 1].

        A fitted node gets its own colour back. What lies outside the fitted range gets the colour at its edge.
        """
        coords, like = self._place(X)
        return like.restore(self._color(coords))

    @property
    def _column_advice(self) -> str:  # type: ignore[override]
        if self._compares_directions:
            return "Pass the same eigenvectors as to `fit`: those that `transform` of the same `Ncut` returns."
        return NodeTransformer._column_advice

    def _place(self, X: Any) -> tuple[torch.Tensor, Like]:
        layout = self._check_fitted()
        tensor, like = self._check_new(X, device=self._coords.device)
        dtype = self._coords.dtype
        # As directions first: what is large in float64 may be infinite in float32.
        rows = unit_rows(tensor.detach()) if self._compares_directions else tensor.detach()
        largest = min(torch.finfo(dtype).max, torch.finfo(rows.dtype).max)
        rows = rows.clamp(-largest, largest).to(dtype)
        return layout.place(rows) @ self._turn + self._shift, like

    def _color(self, coords: torch.Tensor) -> torch.Tensor:
        return place_in_box(coords, self._low, self._high).clamp(0, 1).to(coords.dtype)

    def _check_fitted(self) -> Layout:
        if self._layout is None:
            raise NotFittedError("This Coloring instance is not fitted yet. Call `fit(X)` first.")
        return self._layout

    def _places_to_keep(self, shared: tuple[Any, Any] | None, onto: Any, n: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Places (s, 3) of earlier, and which of the n nodes should come near them; empty where there are none."""
        if onto is None:
            old, new = self._shared(shared, n)
            return (self._coords[old.to(self._coords.device)] if len(old) else torch.empty(0, 3)), new
        if shared is not None:
            raise ValueError(
                "`shared` and `onto` cannot be combined, since `onto` gives the places itself. Pass one of them."
            )
        places, _ = check_features(onto, "onto", n_channels=3, channels="x, y and z")
        if len(places) != n:
            raise ValueError(
                f"`onto` must have shape ({n}, 3), one row per node; got {tuple(places.shape)}. Pass coordinates of "
                "all nodes."
            )
        return places.detach(), torch.arange(n)

    def _shared(self, shared: tuple[Any, Any] | None, n: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The nodes of the last fit and of this one (n nodes) to align, empty where there are none."""
        n_last = 0 if self._layout is None else len(self._coords)
        if shared is None:
            same = torch.arange(n if n_last == n else 0)
            return same, same
        if self._layout is None:
            raise NotFittedError("`shared` refers to an earlier fit, and this is the first. Leave it out.")
        if len(shared) != 2:
            raise ValueError(
                f"`shared` must be a pair, the nodes of the last fit and of this one; got {len(shared)} entries. "
                "Pass (old, new)."
            )
        old, new = check_nodes(shared[0], "shared[0]", n_last), check_nodes(shared[1], "shared[1]", n)
        if len(old) != len(new):
            raise ValueError(
                f"`shared` must name as many nodes of the last fit as of this one; got {len(old)} and {len(new)}. "
                "Pass matching pairs."
            )
        return old, new


def _check_counts(n_eig: Any) -> list[int]:
    example = f"({n_eig},)" if isinstance(n_eig, Integral) else (4, 16, 64)
    if isinstance(n_eig, str) or not isinstance(n_eig, Sequence) or not n_eig:
        raise TypeError(f"`n_eig` must be a sequence of integers; got {n_eig!r}. Pass for example {example}.")
    return [check_positive_int(count, "n_eig", minimum=2) for count in n_eig]
