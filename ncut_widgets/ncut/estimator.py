"""`Ncut`: the spectral embedding of the nodes of all images, as a scikit-learn estimator."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ncut_widgets._validation import (
    Like,
    check_features,
    check_in,
    check_number,
    check_positive_int,
    torch_generator,
)
from ncut_widgets.errors import DegenerateWarning, NystromWarning

from .affinity import AFFINITIES, Affinity, build_affinity
from .gradient import extend_with_gradient, with_gradient
from .nystrom import Solution, solve_exact, solve_nystrom, vanishing
from .sampling import spread_nodes, uniform_nodes

__all__ = ["Ncut"]

_EXACT_NODES = 4096
# The eigenvectors of larger graphs are drafted on a sample before all nodes are gone through.
_WHOLE_NODES = 1 << 16
_SAMPLE_NODES = 1 << 14
_POOR_RESIDUAL = 0.2


class Ncut(TransformerMixin, BaseEstimator):
    r"""The leading eigenvectors of the normalized affinity between nodes: their Normalized Cut embedding.

    With A(i, j) the affinity of nodes i and j, D the diagonal matrix of degrees d_i = sum_j A(i, j), the embedding
    holds the solutions of largest eigenvalue of

        D^-1/2 A D^-1/2 u = lambda u

    Parameters
    ----------
    n_eig : int
        How many eigenvectors, from 1 to n - 1. Column 0 is the trivial one, of eigenvalue 1.
    affinity : {"rbf", "cosine"} or callable
        "rbf": exp(-|x - z|^2 / 2 sigma^2). "cosine": exp(-(1 - cos(x, z))^2 / 2 sigma^2). A callable takes X (n, c)
        and Z (m, c), of the kind passed to `fit`, and returns symmetric affinities (n, m) of at least 0.
    sigma : float, optional
        The distance at which nodes stop being alike. By default it follows the data: sigma^2 is an eighth of the
        mean squared distance between two nodes, whatever the units of the features.
    degree : float in (0, 1), optional
        Asks for the sigma at which the mean affinity is `degree`: 0.3 is smooth, 0.03 is sharp. Not with `sigma`.
    n_sample : int
        How many landmarks the Nyström approximation stands on.
    solver : {"auto", "exact", "nystrom"}
        "exact" takes O(n^2) memory. "auto" is exact up to 4096 nodes.
    exact_gradient : bool
        Embed and differentiate exactly at any size: "auto" is then "exact". See the notes.
    device : torch device, optional
        Where to compute. By default where the features are. Results always come back there.
    random_state : int, numpy Generator, RandomState or None
        Seeds the choice of landmarks and of samples. The same seed gives the same embedding.
    verbose : bool
        Show progress bars.

    Attributes
    ----------
    eigenvectors_ : array or tensor of shape (n, n_eig)
        Orthonormal columns, by descending eigenvalue, with the signs that `ncut_widgets.ncut.eigensolver` fixes.
    eigenvalues_ : array or tensor of shape (n_eig,)
        Also as `eigval`.
    residual_ : array or tensor of shape (n_eig,)
        |M u - lambda u| of every eigenvector, 0 where it is exact: to that distance of its eigenvalue the true
        matrix has one. For Nyström it is estimated on 256 rows of the true matrix, and errs on the side of caution.
    sigma_ : float
        The sigma used; None for a callable affinity.
    landmarks_ : array or tensor of shape (m,)
        The indices of the nodes through which new nodes are embedded: all of them where the solution is exact.
    n_features_in_ : int
        Channels.

    Raises
    ------
    TypeError, ValueError
        Where an option or the features cannot be used; the message says what to change.
    ncut_widgets.errors.ConvergenceError
        Where eigenvalues nearly coincide and the iteration stalls.

    Warns
    -----
    ncut_widgets.errors.NystromWarning
        Where the landmarks do not carry the embedding: some residual is above 0.2.
    ncut_widgets.errors.DegenerateWarning
        Where eigenvalues vanish, as they do for identical nodes: their eigenvectors are arbitrary.

    Notes
    -----
    Exact: O(n^2 c) time. Nyström: O(n m (c + m)) time for m landmarks. Beyond 65 536 nodes, O(n m (c + n_eig)):
    eigenvectors are drafted on a sample and finished over all nodes, with memory of 2 n_eig numbers per node beyond
    the input and the output, which may be a memory map. Above 256 channels it takes distances on the 128 leading
    principal directions. A new node x gets u(x) = (1 / lambda) sum_j m(x, x_j) u_j, through the landmarks; a
    training node gets its row back. Eigenvectors whose eigenvalue vanishes extend by 0. Identical nodes are all
    alike: every affinity is 1, and only the trivial eigenvector means anything.

    Half precision is computed in float32.

    Where features require gradients, `eigenvectors_`, `eigenvalues_` and what `transform` returns carry them, once
    differentiable, at about the cost of the fit. They are those of the solution found: exact where it is exact, and
    for Nyström those of its approximation with the landmarks as fixed anchors. `sigma_` is held fixed, too, and so is
    the fit in `transform`. Eigenvalues that coincide determine their eigenvectors up to a rotation only: what does
    not depend on it has its gradient, what does is left out, and all stays finite. A callable must be
    differentiable.

    References
    ----------
    Shi, Malik. Normalized Cuts and Image Segmentation. PAMI 2000.
    Fowlkes, Belongie, Chung, Malik. Spectral Grouping Using the Nyström Method. PAMI 2004.

    Examples
    --------
    >>> import numpy as np
    >>> from ncut_widgets.ncut import Ncut
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(0, 1, (50, 8)), rng.normal(9, 1, (50, 8))])
    >>> ncut = Ncut(n_eig=2)
    >>> eig = ncut.fit_transform(X)
    >>> eig.shape, ncut.eigval.round(3)
    ((100, 2), array([1.   , 0.999]))
    >>> bool((eig[:50, 1] > 0).all() != (eig[50:, 1] > 0).all())
    True
    """

    def __init__(
        self,
        n_eig: int = 20,
        *,
        affinity: str | Callable[[Any, Any], Any] = "rbf",
        sigma: float | None = None,
        degree: float | None = None,
        n_sample: int = 1024,
        solver: str = "auto",
        exact_gradient: bool = False,
        device: Any = None,
        random_state: Any = 0,
        verbose: bool = False,
    ) -> None:
        self.n_eig = n_eig
        self.affinity = affinity
        self.sigma = sigma
        self.degree = degree
        self.n_sample = n_sample
        self.solver = solver
        self.exact_gradient = exact_gradient
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    @property
    def eigval(self) -> Any:
        """The eigenvalues (n_eig,), descending: `eigenvalues_` under its short name."""
        check_is_fitted(self)
        return self.eigenvalues_

    def fit(self, X: Any, y: object = None) -> Ncut:  # noqa: ARG002
        """Return the estimator, with the embedding of the nodes `X` in `eigenvectors_`.

        Parameters
        ----------
        X : array, tensor or feature maps of shape (n, c)
            Finite features, one row per node.
        y : ignored
            Here for scikit-learn.
        """
        self._fit(X)
        return self

    def fit_transform(self, X: Any, y: object = None) -> Any:  # noqa: ARG002
        """Return the embedding (n, n_eig) of the nodes `X`, of their kind, dtype and device: see `fit`."""
        return self._fit(X)

    def transform(self, X: Any) -> Any:
        """Return the embedding (n, n_eig) of the nodes `X`, new ones or those of `fit`, of their kind and dtype."""
        check_is_fitted(self)
        nodes, like = check_features(X, "X")
        if nodes.shape[1] != self.n_features_in_:
            raise ValueError(
                f"`X` must have the channels of the fit; got other ones: X has {nodes.shape[1]} features, but "
                f"{type(self).__name__} is expecting {self.n_features_in_} features as input. Use the same backbone."
            )
        if nodes.requires_grad and torch.is_grad_enabled():
            cosine, verbose = self.affinity == "cosine", bool(self.verbose)
            return like.restore(extend_with_gradient(nodes, self._extension, cosine=cosine, verbose=verbose))
        with torch.no_grad():
            return like.restore(self._extension(nodes, verbose=self.verbose))

    def _fit(self, X: Any) -> Any:
        sigma, degree, solver, n_sample = self._check_options()
        nodes, like = check_features(X, "X", min_nodes=2)
        n = len(nodes)
        n_eig = check_positive_int(self.n_eig, "n_eig")
        if n_eig > n - 1:
            raise ValueError(
                f"`n_eig` must be at most {n - 1} for {n} nodes; got {n_eig}. Lower it or pass more images."
            )
        exact = solver == "exact" or (solver == "auto" and n <= max(_EXACT_NODES, n_sample))
        if not exact and n_sample < n_eig:
            raise ValueError(
                f"`n_sample` must be at least `n_eig`, that is {n_eig}; got {n_sample}. Raise it: 20 to 50 landmarks "
                "per eigenvector are usual."
            )
        generator = torch_generator(self.random_state)
        with torch.no_grad():
            affinity = build_affinity(
                nodes,
                self.affinity,
                sigma=sigma,
                degree=degree,
                project=not exact,
                like=like,
                device=self._check_device(nodes),
                generator=generator,
            )
            if exact:
                landmarks = torch.arange(n)
                solution = solve_exact(nodes, affinity, n_eig, generator)
                residual = solution.pairs.residuals
                self._warn_if_degenerate(solution.pairs.values)
            else:
                # Gradients are those of eigenvectors that are exact for the low-rank graph of all nodes.
                whole = n <= _WHOLE_NODES or nodes.requires_grad
                sample = uniform_nodes(n, n if whole else max(_SAMPLE_NODES, 8 * n_sample), generator)
                encoded = affinity.encode(nodes if len(sample) == n else nodes[sample.to(nodes.device)])
                chosen = self._choose_landmarks(encoded, affinity, n_sample, generator)
                landmarks = sample[chosen]
                solution, residual = solve_nystrom(
                    nodes,
                    affinity,
                    encoded[chosen.to(encoded.device)],
                    encoded,
                    n_eig,
                    generator,
                    verbose=bool(self.verbose),
                )
                self._warn_if_poor(residual, n, n_sample)
        if nodes.requires_grad and torch.is_grad_enabled():
            solution = with_gradient(nodes, solution, cosine=self.affinity == "cosine", exact=exact)
        self._keep(solution, residual, landmarks, like, nodes.shape[1])
        return self.eigenvectors_

    def _check_options(self) -> tuple[float | None, float | None, str, int]:
        if not callable(self.affinity):
            check_in(self.affinity, "affinity", AFFINITIES)
        if self.sigma is not None and self.degree is not None:
            raise ValueError(
                f"`sigma` and `degree` must not both be given; got {self.sigma!r} and {self.degree!r}. "
                "Drop one: `degree` chooses the sigma."
            )
        if callable(self.affinity) and not (self.sigma is None and self.degree is None):
            raise ValueError(
                f"`sigma` and `degree` must be None with a callable `affinity`; got {self.sigma!r} and "
                f"{self.degree!r}. Put the scale into the callable."
            )
        sigma = None if self.sigma is None else check_number(self.sigma, "sigma", low=0, low_open=True)
        degree = self.degree
        if degree is not None:
            degree = check_number(degree, "degree", low=0, high=1, low_open=True, high_open=True)
        solver = check_in(self.solver, "solver", ("auto", "exact", "nystrom"))
        if self.exact_gradient and solver != "exact":
            if solver == "nystrom":
                raise ValueError(
                    '`solver` must be "exact" or "auto" with `exact_gradient`; got "nystrom". Drop one: a gradient is '
                    "as exact as the solution it belongs to."
                )
            solver = "exact"
        return sigma, degree, solver, check_positive_int(self.n_sample, "n_sample")

    def _check_device(self, nodes: torch.Tensor) -> torch.device:
        if self.device is None:
            return nodes.device
        try:
            device = torch.device(self.device)
        except (RuntimeError, TypeError) as error:
            raise ValueError(
                f'`device` must be a torch device; got {self.device!r}. Pass "cpu", "cuda", or None for where the '
                "features are."
            ) from error
        if device.type == "cuda" and not torch.cuda.is_available():
            raise ValueError(f'`device` must be there; got {self.device!r} without CUDA. Pass "cpu" or None.')
        return device

    @staticmethod
    def _choose_landmarks(encoded: torch.Tensor, affinity: Any, m: int, generator: torch.Generator) -> torch.Tensor:
        if not isinstance(affinity, Affinity):
            encoded = (encoded - encoded.mean(0)) / encoded.abs().amax().clamp_min(torch.finfo(encoded.dtype).tiny)
        return spread_nodes(encoded, m, generator)

    def _warn_if_poor(self, residual: torch.Tensor, n: int, n_sample: int) -> None:
        poor = (residual > _POOR_RESIDUAL).nonzero().flatten().tolist()
        if poor:
            warnings.warn(
                f"{len(poor)} of {len(residual)} eigenvectors are poorly approximated (residual up to "
                f"{float(residual.max()):.2g}, first eigenvector {poor[0]}): {n_sample} landmarks are few for a graph "
                f"of {n} nodes this sharp. Raise `n_sample`, raise `sigma` or `degree`, lower `n_eig`, or pass "
                'solver="exact".',
                NystromWarning,
                stacklevel=4,
            )

    def _warn_if_degenerate(self, values: torch.Tensor) -> None:
        empty = vanishing(values).nonzero().flatten().tolist()
        if empty:
            warnings.warn(
                f"{len(empty)} of {len(values)} eigenvectors have eigenvalue 0 and are arbitrary (first eigenvector "
                f"{empty[0]}): the nodes are identical, or alike at this sigma, in all but {len(values) - len(empty)} "
                "directions. Lower `n_eig`, or lower `sigma` or `degree`.",
                DegenerateWarning,
                stacklevel=4,
            )

    def _keep(
        self, solution: Solution, residual: torch.Tensor, landmarks: torch.Tensor, like: Like, n_channels: int
    ) -> None:
        self.eigenvectors_ = like.restore(solution.pairs.vectors)
        self.eigenvalues_ = like.restore(solution.pairs.values)
        self.residual_ = like.restore(residual)
        self.landmarks_ = like.restore(landmarks)
        self.sigma_ = solution.extension.affinity.sigma
        self.n_features_in_ = n_channels
        self._extension = solution.extension
