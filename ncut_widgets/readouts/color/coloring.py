"""`Coloring`: color nodes by a 3D layout of their eigenvectors, consistently across refits and for new nodes."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import torch
from sklearn.exceptions import NotFittedError

from ncut_widgets._estimator import NodeTransformer
from ncut_widgets._migration import explains_old_options
from ncut_widgets._process import restores_process_state
from ncut_widgets._progress import Progress
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
    """Color nodes by a 3D layout, and keep the layout so that refits and new nodes get consistent colors.

    Nodes are compared by the cosine of their eigenvectors, or for M-space by the distance of their features. A sample
    of the nodes is laid out in 3D, and all other nodes are placed at convex combinations of their nearest sampled
    nodes. Each axis, from its 2 % to its 98 % quantile, becomes one of the red, green and blue channels.

    Parameters
    ----------
    method : "tsne", "umap", "umap_sphere", "pca" or "mspace"
        - "tsne" takes about one second.
        - "umap" looks similar, but its library compiles for ten seconds or more in a new process.
        - "umap_sphere" is UMAP on the unit sphere, which has no edges.
        - "pca" uses the three principal axes. It is linear and instant, but separates clusters less.
        - "mspace" takes features instead of eigenvectors: see `mspace_color`.
    n_sample : int
        Number of nodes to lay out, chosen by farthest-point sampling from three times as many random nodes. "pca" uses
        all nodes.
    n_neighbors : int
        Size of the neighborhoods to preserve: the perplexity of t-SNE (at most a third of the sample), or
        `n_neighbors` of UMAP. Larger values show the overall structure, smaller values the details.
    n_eig : sequence of int
        Numbers of eigenvectors whose projectors M-space preserves. Small numbers show the overall structure, large
        numbers the details.
    device : torch device, optional
        Device of the computation, by default that of `X`. Results are always returned on the device of `X`.
    random_state : int, numpy.random.Generator or None
        Draws the sample and the initial layout.

    Attributes
    ----------
    coords_ : array or tensor of shape (n, 3)
        The 3D coordinates of the fitted nodes.
    rgb_ : array or tensor of shape (n, 3)
        The colors of the fitted nodes, in [0, 1].
    n_features_in_ : int
        Number of columns of `X`: eigenvectors, or channels for M-space.
    feature_names_in_ : array of str of shape (n_features_in_,)
        Column names, if `X` was a DataFrame with string column names, or feature maps with named channels.

    Notes
    -----
    Fewer than 16 nodes are too few for neighborhoods, so all methods then use the principal axes. Identical nodes are
    all medium gray.

    Tensors on a GPU are processed there, except that t-SNE and UMAP lay out the sample on the CPU, which takes about
    one second. If TorchDR is installed (``pip install ncut_widgets[gpu]``), it computes t-SNE and UMAP on CUDA devices
    instead, with different coordinates. "umap_sphere" always uses the CPU.

    t-SNE of 29 000 nodes x 20 eigenvectors takes about one second on one core. The result is deterministic for a given
    `random_state` on the same machine. Global random generators are neither used nor changed.

    Examples
    --------
    >>> import numpy as np
    >>> eigenvectors = np.random.default_rng(0).normal(size=(200, 5))
    >>> coloring = Coloring(method="pca").fit(eigenvectors)
    >>> coloring.rgb_.shape, bool((coloring.transform(eigenvectors) == coloring.rgb_).all())
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
        progress: Progress = False,
    ) -> Coloring:
        """Lay out the nodes `X`, and align the layout with the previous fit, if there is one.

        The alignment (orthogonal Procrustes) rotates or reflects, shifts and scales the new coordinates, to bring the
        shared nodes as close as possible to their previous positions. A sphere is only rotated or reflected. Colors
        are then computed from the aligned coordinates.

        Parameters
        ----------
        X : array or tensor of shape (n, n_eig)
            Eigenvectors; for M-space, features (n, c).
        y : ignored
            Present for compatibility with scikit-learn.
        shared : pair of integer arrays of shape (s,), optional
            Indices of the shared nodes in the previous fit, and of the same nodes in `X`. By default, all nodes are
            shared if their number has not changed. Otherwise none are, and the layout is not aligned.
        onto : array or tensor of shape (n, 3), optional
            Current positions of the nodes, with which to align the layout instead of the previous fit.
        progress : bool, callable or None
            Show a progress bar; None shows it only in a notebook or terminal. A callable gets the completed fraction,
            in [0, 1], before each step of t-SNE, M-space and TorchDR's UMAP, and before and after UMAP on the CPU. An
            exception in it cancels the fit and keeps the previous one.

        Returns
        -------
        Coloring
            The estimator itself.
        """
        return self._fit(X, "X", shared, onto, progress)

    @restores_process_state
    def _fit(
        self,
        X: Any,
        name: str,
        shared: tuple[Any, Any] | None = None,
        onto: Any = None,
        progress: Progress = False,
    ) -> Coloring:
        method = check_in(self.method, "method", METHODS)
        n_sample = check_positive_int(self.n_sample, "n_sample", minimum=2)
        n_neighbors = check_positive_int(self.n_neighbors, "n_neighbors", minimum=2)
        n_eig = _check_counts(self.n_eig)
        rng = check_random_state(self.random_state)
        tensor, like = check_features(X, name)
        tensor = tensor.to(device_of(tensor, self.device))
        previous, aligned = self._alignment_targets(shared, onto, len(tensor))
        rows = tensor.detach() if method == "mspace" else unit_rows(tensor.detach())

        layout = find_layout(
            rows, method=method, n_sample=n_sample, n_neighbors=n_neighbors, n_eig=n_eig, rng=rng, progress=progress
        )
        coords = layout.place(rows)
        rotation, shift = torch.eye(3, dtype=coords.dtype, device=coords.device), coords.new_zeros(3)
        if len(aligned):
            moving, fixed = coords[aligned.to(coords.device)], previous.to(coords.device, coords.dtype)
            rotation, shift = procrustes(moving, fixed, about_origin=layout.on_sphere)
        self._layout, self._rotation, self._shift = layout, rotation, shift
        self._compares_directions = method != "mspace"
        self._like = like
        self.remember_columns(X, tensor)
        self._coords = coords @ rotation + shift
        self._low, self._high = quantile_box(self._coords)
        return self

    def fit_transform(
        self,
        X: Any,
        y: object = None,  # noqa: ARG002
        *,
        shared: tuple[Any, Any] | None = None,
        onto: Any = None,
        progress: Progress = False,
    ) -> Any:
        """Fit to the nodes `X` and return their colors (n, 3), in [0, 1]."""
        return self.fit(X, shared=shared, onto=onto, progress=progress).rgb_

    def _import_library(self, X: Any) -> None:
        """Import the library that `fit` needs for `X`, if any, so that a worker thread does not have to."""
        tensor, _ = to_tensor(X, "X")
        import_library(check_in(self.method, "method", METHODS), device_of(tensor, self.device))

    @property
    def coords_(self) -> Any:
        """The 3D coordinates (n, 3) of the fitted nodes."""
        self._check_fitted()
        return self._like.restore(self._coords)

    @property
    def rgb_(self) -> Any:
        """The colors (n, 3) of the fitted nodes, in [0, 1]."""
        self._check_fitted()
        return self._like.restore(self._color(self._coords))

    def transform_coords(self, X: Any) -> Any:
        """Return the 3D coordinates (n, 3) of new nodes (n, n_eig) in the fitted layout."""
        coords, like = self._place(X)
        return like.restore(coords)

    def transform(self, X: Any) -> Any:
        """Return the colors (n, 3), in [0, 1], of new nodes (n, n_eig) in the fitted layout.

        Fitted nodes get the same colors as in the fit. Coordinates outside the fitted range are clipped.
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
        # Normalize before the conversion, because large float64 values may be infinite in float32.
        rows = unit_rows(tensor.detach()) if self._compares_directions else tensor.detach()
        largest = min(torch.finfo(dtype).max, torch.finfo(rows.dtype).max)
        rows = rows.clamp(-largest, largest).to(dtype)
        return layout.place(rows) @ self._rotation + self._shift, like

    def _color(self, coords: torch.Tensor) -> torch.Tensor:
        return place_in_box(coords, self._low, self._high).clamp(0, 1).to(coords.dtype)

    def _check_fitted(self) -> Layout:
        if self._layout is None:
            raise NotFittedError("This Coloring instance is not fitted yet. Call `fit(X)` first.")
        return self._layout

    def _alignment_targets(
        self, shared: tuple[Any, Any] | None, onto: Any, n: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return previous positions (s, 3), and the nodes to align with them (s,); both are empty if there are none."""
        if onto is None:
            old, new = self._shared(shared, n)
            return (self._coords[old.to(self._coords.device)] if len(old) else torch.empty(0, 3)), new
        if shared is not None:
            raise ValueError(
                "`shared` and `onto` cannot be combined, because both give positions to align with. Pass one of them."
            )
        positions, _ = check_features(onto, "onto", n_channels=3, channels="x, y and z")
        if len(positions) != n:
            raise ValueError(
                f"`onto` must have shape ({n}, 3), one row per node; got {tuple(positions.shape)}. Pass coordinates of "
                "all nodes."
            )
        return positions.detach(), torch.arange(n)

    def _shared(self, shared: tuple[Any, Any] | None, n: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the indices of shared nodes in the previous fit and in this fit of n nodes."""
        n_previous = 0 if self._layout is None else len(self._coords)
        if shared is None:
            same = torch.arange(n if n_previous == n else 0)
            return same, same
        if self._layout is None:
            raise NotFittedError("`shared` refers to a previous fit, but this is the first one. Leave it out.")
        if len(shared) != 2:
            raise ValueError(
                f"`shared` must be a pair, the nodes of the previous fit and of this one; got {len(shared)} entries. "
                "Pass (old, new)."
            )
        old, new = check_nodes(shared[0], "shared[0]", n_previous), check_nodes(shared[1], "shared[1]", n)
        if len(old) != len(new):
            raise ValueError(
                f"`shared` must have as many nodes of the previous fit as of this one; got {len(old)} and {len(new)}. "
                "Pass matching pairs."
            )
        return old, new


def _check_counts(n_eig: Any) -> list[int]:
    example = f"({n_eig},)" if isinstance(n_eig, Integral) else (4, 16, 64)
    if isinstance(n_eig, str) or not isinstance(n_eig, Sequence) or not n_eig:
        raise TypeError(f"`n_eig` must be a sequence of integers; got {n_eig!r}. Pass for example {example}.")
    return [check_positive_int(count, "n_eig", minimum=2) for count in n_eig]
