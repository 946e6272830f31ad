"""`Ncut`, the scikit-learn estimator of the embedding."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from sklearn.utils.validation import check_is_fitted

from ncut_widgets._estimator import NodeEstimator, NodeTransformer
from ncut_widgets._migration import METHODS, explains_old_options
from ncut_widgets._process import restores_process_state, warn
from ncut_widgets._threads import one_thread
from ncut_widgets._validation import check_positive_int, device_of, torch_generator
from ncut_widgets.errors import OutlierWarning

from .coverage import Coverage
from .gradients.implicit import extend_with_gradient, with_gradient
from .graph.build_kernel import build_kernel
from .graph.extension import Extension
from .graph.nodes import Nodes
from .graph.outliers import WASTED_EIGENVECTORS, are_few, find_outliers
from .graph.precision import UnresolvedError
from .graph.streaming import sample_of_chunks
from .graph.weights import check_weights
from .settings import AUTO, Settings, check_settings
from .solvers.dispatch import Solved, is_exact, solve, with_all_columns
from .solvers.problem import Problem
from .solvers.solution import Solution

__all__ = ["Ncut"]

_STREAMED_NODES = 1 << 16
# Coverage compares new nodes with at most this many fitted ones.
_COVERAGE_NODES = 2048
# The warning of outliers lists at most this many.
_MAX_LISTED_NODES = 5


class Ncut(NodeTransformer):
    r"""Normalized Cut embedding: the leading eigenvectors of the normalized affinity between nodes.

    With A(i, j) the affinity of nodes i and j, and D the diagonal matrix of degrees d_i = sum_j A(i, j), the embedding
    consists of the solutions with the largest eigenvalues of

        D^-1/2 A D^-1/2 u = lambda u

    Parameters
    ----------
    n_eig : int
        Number of eigenvectors, from 1 to n - 1. Column 0 is the trivial one, with eigenvalue 1.
    affinity : {"rbf", "cosine"} or callable
        "rbf": exp(-|x - z|^2 / 2 sigma^2). "cosine": exp(-(1 - cos(x, z))^2 / 2 sigma^2). A callable takes X (n, c)
        and Z (m, c), with the array type passed to `fit`, and returns symmetric, nonnegative affinities (n, m).
    sigma : float, optional
        Bandwidth of the affinity: the distance beyond which nodes are dissimilar. By default it is derived from the
        data and follows the units of the features: sigma^2 is an eighth of the mean squared distance between two nodes.
    degree : float in (0, 1), optional
        Choose the sigma at which the mean affinity is `degree`: 0.3 is smooth, 0.03 is sharp. Not with `sigma`.
    n_sample : int or "auto"
        Number of landmarks of the Nyström approximation, at most 4096. "auto" doubles it from 512 to at most 2048 until
        every residual is small, absolutely and relative to its eigenvalue, judged on at most 8192 of the nodes. If more
        than 2048 are passed, only as many as needed are used. If the number of landmarks would be a fifth of the nodes
        or more, solver "auto" solves exactly instead, up to 46 000 nodes (4 GB in float32).
    sampling : {"uniform", "farthest"}
        Which nodes form the graph. "uniform": all of them, so that frequent features have more weight. "farthest":
        `n_sample` (2048 if "auto") nodes that farthest-point sampling spreads evenly over the features, solved exactly
        and extended to all nodes, so that rare features have as much weight as frequent ones. Columns are then
        orthonormal over those nodes only.
    alpha : float in [0, 1]
        Exponent of the density correction, as in diffusion maps: affinities are divided by the degrees of both nodes to
        the power alpha. 0 keeps the density of the nodes, 1 removes its influence.
    repulsion_weight : float
        Strength r of the repulsion between dissimilar nodes: A becomes A - r R, and degrees are those of A + r R. R is
        1 - exp(-|x - z|^2 / 2 s^2) for "rbf" and exp(-(1 + cos)^2 / 2 s^2) for "cosine". With repulsion, no eigenvector
        is trivial.
    repulsion_sigma : float, optional
        Bandwidth s of the repulsion. By default the automatic sigma for "rbf", 0.3 for "cosine".
    solver : {"auto", "exact", "nystrom"}
        "exact" takes O(n^2) memory. "auto" is exact up to 4096 nodes.
    exact_gradient : bool
        Embed and differentiate exactly at any size: "auto" is then "exact". See the notes.
    device : torch device, optional
        Where to compute; by default on the device of the features. Results are always on that device.
    random_state : int, numpy Generator, RandomState or None
        Seed of the landmarks and samples. The same seed gives the same embedding.
    verbose : bool
        Show progress bars.

    Attributes
    ----------
    eigenvectors_ : array or tensor of shape (n, n_eig)
        Orthonormal columns, by descending eigenvalue. The sum of the cubes of each column is positive.
    eigenvalues_ : array or tensor of shape (n_eig,)
        Eigenvalues; `eigval` is a short name.
    residual_ : array or tensor of shape (n_eig,)
        |M u - lambda u| of each eigenvector, about 0 if the solution is exact. The true matrix has an eigenvalue within
        that distance of lambda. For Nyström, it is estimated on 128 rows of the true matrix, and rather too large than
        too small.
    sigma_ : float
        Bandwidth of the affinity; None for a callable.
    repulsion_sigma_ : float
        Bandwidth of the repulsion; None without repulsion.
    n_landmarks_ : int
        Number of nodes or centroids through which new nodes are embedded: all nodes if the solution is exact.
    outliers_ : bool array or tensor of shape (n,)
        Nodes far from all others, with almost no neighbors. If `sigma` is None, they are left out of the graph and
        embedded like new nodes, near zero; otherwise they are part of the graph.
    n_features_in_ : int
        Number of channels.
    feature_names_in_ : array of str of shape (n_features_in_,)
        Column names, if `X` was a DataFrame with string column names, or feature maps with named channels.

    Raises
    ------
    TypeError, ValueError
        If an option or the features are invalid. The message says what to change.
    ncut_widgets.errors.ConvergenceError
        If eigenvalues nearly coincide and the iteration does not converge.

    Warns
    -----
    ncut_widgets.errors.NystromWarning
        If there are too few landmarks: a residual is above 0.1, or above a third of its eigenvalue.
    ncut_widgets.errors.OutlierWarning
        If, with a fixed `sigma` or a callable affinity, eigenvectors are localized on outliers.
    ncut_widgets.errors.DegenerateWarning
        If eigenvalues are 0 within rounding, as for identical nodes or a very wide kernel. Their eigenvectors are
        arbitrary.

    Notes
    -----
    Exact: O(n^2 c) time. Nyström: O(n m (c + m)) time for m landmarks. Beyond 65 536 nodes, O(n m (c + n_eig)):
    eigenvectors are drafted on a sample and corrected in two passes over all nodes. Memory, in addition to the input
    (which may be a memory map) and the output: about 3 n_eig numbers per node, and at most 512 MB of encoded nodes.
    Features with more than 64 channels and 16 million numbers are projected on up to 128 leading principal directions,
    as many as keep affinities within 3 %. Landmarks are centroids of cells of nodes, or nodes if the affinity
    is a callable.

    The embedding of a new node x is u(x) = (1 / lambda) sum_j m(x, x_j) u_j, computed through the landmarks. A training
    node gets its own row. Eigenvectors with eigenvalue 0 are extended by 0. If all nodes are identical, every affinity
    is 1, and only the trivial eigenvector is meaningful.

    Half precision is computed in float32. Eigenvalues too small for float32 (below 5e-3 with Nyström, 2e-3 exact), such
    as those of a wide kernel, are computed in float64 with all channels, in `transform` too. Nyström resolves them down
    to 1e-7 and sets smaller ones to 0.

    If features require gradients, `eigenvectors_`, `eigenvalues_` and the result of `transform` carry gradients, which
    can be differentiated once, at about the cost of the fit. They are gradients of the computed solution: exact if the
    solution is exact, and for Nyström those of the approximation with fixed landmarks. `sigma_` is held constant, and
    so is the fit in `transform`. Weights are constants, but the density that `alpha` corrects is not. Eigenvalues that
    coincide determine their eigenvectors only up to a rotation: quantities that do not depend on it have correct
    gradients, the others get 0 for that part, and all gradients are finite. A callable affinity must be differentiable.
    A fit with gradients uses no draft on a sample, which costs additional O(n m^2) beyond 65 536 nodes; an exact one
    stores n^2 / 2 numbers until its backward pass.

    References
    ----------
    Shi, Malik. Normalized Cuts and Image Segmentation. PAMI 2000.
    Fowlkes, Belongie, Chung, Malik. Spectral Grouping Using the Nyström Method. PAMI 2004.
    Zhang, Tsang, Kwok. Improved Nyström Low-Rank Approximation and Error Analysis. ICML 2008.
    Coifman, Lafon. Diffusion Maps. Applied and Computational Harmonic Analysis 2006.
    Kunegis et al. Spectral Analysis of Signed Graphs for Clustering, Prediction and Visualization. SDM 2010.

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

    _extension: Extension
    _covering: torch.Tensor
    _coverage: Coverage | None

    @explains_old_options("Ncut")
    def __init__(
        self,
        n_eig: int = 20,
        *,
        affinity: str | Callable[[Any, Any], Any] = "rbf",
        sigma: float | None = None,
        degree: float | None = None,
        n_sample: int | str = AUTO,
        sampling: str = "uniform",
        alpha: float = 0.0,
        repulsion_weight: float = 0.0,
        repulsion_sigma: float | None = None,
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
        self.sampling = sampling
        self.alpha = alpha
        self.repulsion_weight = repulsion_weight
        self.repulsion_sigma = repulsion_sigma
        self.solver = solver
        self.exact_gradient = exact_gradient
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Raise an error with a hint for methods that only ncut_pytorch has."""
            if name in METHODS:
                raise AttributeError(METHODS[name].message(name), name=name, obj=self)
            # Raise the original error again, such as that of `eigval` before the fit.
            return self.__getattribute__(name)

    @property
    def eigval(self) -> Any:
        """The eigenvalues (n_eig,), descending: a short name of `eigenvalues_`."""
        check_is_fitted(self)
        return self.eigenvalues_

    @explains_old_options("Ncut.fit")
    def fit(self, X: Any, y: object = None, sample_weight: Any = None) -> Ncut:  # noqa: ARG002
        """Compute the embedding of the nodes `X`, store it in `eigenvectors_`, and return the estimator.

        Parameters
        ----------
        X : array, tensor or feature maps of shape (n, c)
            Finite features, one row per node.
        y : ignored
            For compatibility with scikit-learn.
        sample_weight : array of shape (n,), optional
            Weight of each node, at least 0: a node of weight 2 counts as two nodes, one of weight 0 is only embedded.
            By default the `weights` of feature maps, or 1. Columns are then orthonormal under these weights. Not
            supported with sampling="farthest", which also ignores the weights of feature maps.
        """
        self._fit(X, sample_weight)
        return self

    @explains_old_options("Ncut.fit")
    def fit_transform(self, X: Any, y: object = None, sample_weight: Any = None) -> Any:  # noqa: ARG002
        """Fit to the nodes `X` and return their embedding (n, n_eig), with the array type, dtype and device of `X`."""
        return self._fit(X, sample_weight)

    def fit_chunks(self, chunks: Iterable[Any], *, n_nodes: int = _STREAMED_NODES) -> Ncut:
        """Fit to nodes sampled from features that arrive in chunks, and return the estimator.

        Parameters
        ----------
        chunks : iterable of arrays, tensors or feature maps (n_i, c)
            Read once, one chunk at a time.
        n_nodes : int
            Number of nodes to sample uniformly; `eigenvectors_` has a row for each. The `weights` of feature maps are
            used.

        Examples
        --------
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> chunks = [rng.normal(size=(500, 8)) for _ in range(6)]
        >>> ncut = Ncut(n_eig=3).fit_chunks(iter(chunks), n_nodes=1000)
        >>> [part.shape for part in ncut.transform_chunks(chunks)][:2]
        [(500, 3), (500, 3)]
        """
        size = check_positive_int(n_nodes, "n_nodes", minimum=2)
        columns = NodeEstimator()
        sample, weights, like, total = sample_of_chunks(chunks, size, torch_generator(self.random_state), columns)
        balanced = self.sampling == "farthest"
        self._fit(like.restore(sample), None if balanced else weights * (total / len(sample)))
        if hasattr(columns, "feature_names_in_"):
            self.feature_names_in_ = columns.feature_names_in_
        return self

    @restores_process_state
    @one_thread
    def transform(self, X: Any) -> Any:
        """Return the embedding (n, n_eig) of new or fitted nodes `X`, with the array type and dtype of `X`."""
        nodes, like = self._check_new(X)
        if nodes.requires_grad and torch.is_grad_enabled():
            verbose, dtype = bool(self.verbose), nodes.dtype
            nodes = nodes.to(self._extension.landmarks)
            return like.restore(extend_with_gradient(nodes, self._extension, verbose=verbose, dtype=dtype))
        with torch.no_grad():
            return like.restore(self._extension(nodes, verbose=bool(self.verbose)))

    def transform_chunks(self, chunks: Iterable[Any]) -> Iterator[Any]:
        """Yield the embedding (n_i, n_eig) of each of the `chunks`, as `transform` returns it."""
        check_is_fitted(self)
        return (self.transform(chunk) for chunk in chunks)

    @restores_process_state
    @one_thread
    def coverage(self, X: Any) -> Any:
        """Return how well the fitted nodes represent each of the nodes `X`: (n,) in [0, 1].

        A coverage of 1 means that the fitted nodes explain a node at least as well as they explain 95 % of held-out
        fitted nodes. A coverage of 0 means that the node is dissimilar to all fitted nodes, and that its embedding by
        `transform` is meaningless.

        With W the affinities between landmarks Z, the share of x that they explain is

            p(x) = k(x, Z) W^+ k(Z, x) / k(x, x)

        The coverage is its ratio to the 5 % quantile over held-out fitted nodes, clipped to 1.

        Parameters
        ----------
        X : array, tensor or feature maps of shape (n, c)
            New or fitted nodes.

        Examples
        --------
        >>> import numpy as np
        >>> X = np.random.default_rng(0).normal(size=(300, 4))
        >>> Ncut(n_eig=3).fit(X).coverage(np.array([X.mean(0), X.mean(0) + 100])).round(3)
        array([1., 0.])
        """
        nodes, like = self._check_new(X)
        with torch.no_grad():
            if self._coverage is None:
                self._coverage = Coverage(self._covering, self._extension.kernel, torch_generator(0))
            return like.restore(self._coverage(nodes, verbose=bool(self.verbose)))

    @property
    def _n_features_out(self) -> int:
        return int(self.eigenvectors_.shape[1])

    @restores_process_state
    @one_thread
    def _fit(self, X: Any, sample_weight: Any = None) -> Any:
        settings = check_settings(self.get_params(deep=False))
        nodes, like = self._check_fit(X, min_nodes=2)
        n, n_eig = len(nodes), settings.n_eig
        if settings.balanced and sample_weight is not None:
            raise ValueError(
                '`sample_weight` must be None with sampling="farthest"; got weights. Drop one of them: all '
                "sampled nodes count once."
            )
        weights = None if settings.balanced else check_weights(X, sample_weight, n)
        if n_eig > n - 1:
            raise ValueError(
                f"`n_eig` must be at most {n - 1} for {n} nodes; got {n_eig}. Lower it or pass more images."
            )
        exact = is_exact(n, settings.solver, settings.n_sample) and not settings.balanced
        if settings.n_sample is not None and settings.n_sample < n_eig and not exact:
            raise ValueError(
                f"`n_sample` must be at least `n_eig`, {n_eig}; got {settings.n_sample}. Raise it: 20 to 50 "
                "landmarks per eigenvector are usual."
            )
        generator = torch_generator(self.random_state)
        needs_gradients = nodes.requires_grad and torch.is_grad_enabled()
        if needs_gradients:
            _check_differentiable(settings, weights)
        with torch.no_grad():
            kernel = build_kernel(
                nodes,
                settings.affinity,
                sigma=settings.sigma,
                degree=settings.degree,
                repulsion_weight=settings.repulsion_weight,
                repulsion_sigma=settings.repulsion_sigma,
                weights=weights,
                project=not exact,
                like=like,
                device=device_of(nodes, self.device),
                generator=generator,
            )
            problem = Problem(
                Nodes(nodes, kernel, weights=weights, verbose=settings.verbose),
                n_eig,
                generator,
                alpha=settings.alpha,
                solver=settings.solver,
                n_landmarks=settings.n_sample,
                balanced=settings.balanced,
            )
            outliers = find_outliers(problem.nodes, n_eig, generator)
            left_out = outliers if kernel.has_automatic_sigma else torch.zeros_like(outliers)
            try:
                problem, solved = _solve_without(left_out, problem, needs_gradients)
            except UnresolvedError:
                # float32 does not resolve eigenvalues as small as those of a wide kernel.
                kernel = kernel.in_float64()
                problem = problem.on(Nodes(nodes, kernel, weights=weights, verbose=settings.verbose))
                problem, solved = _solve_without(left_out, problem, needs_gradients)
            if not kernel.has_automatic_sigma:
                isolated = outliers.clone()
                isolated[solved.isolated] = True
                # If many nodes are isolated, the kernel is sharp, and they are not outliers.
                outliers = isolated if are_few(isolated, weights, n_eig) else outliers
                _warn_if_wasted(outliers, solved.leverage(n, weights), n_eig, kernel.sigma)
            counted = (~left_out if weights is None else ~left_out & (weights > 0)).nonzero().flatten()
            covering = counted[torch.randperm(len(counted), generator=generator)[:_COVERAGE_NODES]]
            self._covering, self._coverage = kernel.encode(nodes[covering.to(nodes.device)]), None
        solution = solved.solution
        if needs_gradients:
            solution = self._differentiable(nodes, solution, weights, left_out)
        solution, residual = with_all_columns(solution, solved.residual, problem)
        self.eigenvectors_ = like.restore(solution.pairs.vectors)
        self.eigenvalues_ = like.restore(solution.pairs.values)
        self.residual_ = like.restore(residual)
        self.n_landmarks_ = len(solution.extension.landmarks)
        self.sigma_, self.repulsion_sigma_ = kernel.sigma, kernel.repulsion_sigma
        self.outliers_ = like.restore(outliers)
        self._extension, self._left_out = solution.extension, left_out
        return self.eigenvectors_

    def counted_weights(self, weights: torch.Tensor | None) -> torch.Tensor | None:
        """Return the `weights` (n,) of the fitted nodes, with 0 for outliers that were left out of the graph."""
        check_is_fitted(self)
        if not bool(self._left_out.any()):
            return weights
        return torch.where(
            self._left_out, 0.0, torch.ones(len(self._left_out)).double() if weights is None else weights
        )

    def _differentiable(
        self, nodes: torch.Tensor, solution: Solution, weights: torch.Tensor | None, left_out: torch.Tensor
    ) -> Solution:
        dtype = nodes.dtype
        nodes = nodes.to(solution.extension.landmarks)
        if not bool(left_out.any()):
            return with_gradient(nodes, solution, weights=weights, dtype=dtype)
        kept, others = ((~left_out).nonzero().flatten(), left_out.nonzero().flatten())
        weights = None if weights is None else weights[kept]
        kept, others = kept.to(nodes.device), others.to(nodes.device)
        solution = with_gradient(nodes[kept], solution, weights=weights, dtype=dtype)
        new = extend_with_gradient(nodes[others], solution.extension, verbose=bool(self.verbose), dtype=dtype)
        vectors = new.new_zeros(len(nodes), new.shape[1])
        vectors = vectors.index_copy(0, kept, solution.pairs.vectors).index_copy(0, others, new)
        return solution._replace(pairs=solution.pairs._replace(vectors=vectors))


def _solve_without(left_out: torch.Tensor, problem: Problem, needs_gradients: bool) -> tuple[Problem, Solved]:
    """Solve the graph without the nodes `left_out` (n,), and return the problem with their weights set to 0.

    These nodes are embedded like new nodes.
    """
    without = problem.on(problem.nodes.without(left_out))
    if not needs_gradients or not bool(left_out.any()):
        return without, solve(without)
    # Gradients need a graph without nodes of weight 0.
    kept = (~left_out).nonzero().flatten()
    solved = solve(problem.on(problem.nodes.only(kept)))
    return without, solved._replace(isolated=kept[solved.isolated], kept=kept)


def _warn_if_wasted(outliers: torch.Tensor, leverage: torch.Tensor, n_eig: int, sigma: float | None) -> None:
    nodes, n = outliers.nonzero().flatten().tolist(), len(outliers)
    wasted = float(leverage[outliers].sum())
    if wasted < WASTED_EIGENVECTORS:
        return
    first = ", ".join(map(str, nodes[:_MAX_LISTED_NODES])) + (", ..." if len(nodes) > _MAX_LISTED_NODES else "")
    k = max(1, min(n_eig - 1, round(wasted)))
    remedy = (
        "Widen the `affinity`"
        if sigma is None
        else 'Pass `sigma=None`, which leaves them out of the graph, try affinity="cosine"'
    )
    warn(
        f"{k} of {n_eig} eigenvectors {'is' if k == 1 else 'are'} spent on outliers: {len(nodes)} of {n} nodes "
        f"({100 * len(nodes) / n:.2g} %; first {first}) have next to no neighbors "
        f"{'by this `affinity`' if sigma is None else f'at sigma={sigma:.3g}'}. {remedy}, or drop these nodes, which "
        "`outliers_` marks.",
        OutlierWarning,
    )


def _check_differentiable(settings: Settings, weights: torch.Tensor | None) -> None:
    for given, name, plain in (
        (settings.balanced, "sampling", '"uniform"'),
        (settings.repulsion_weight > 0, "repulsion_weight", "0"),
    ):
        if given:
            raise ValueError(
                f"`{name}` must be {plain} if features require gradients; got another value. "
                "Drop it, or pass `X.detach()`."
            )
    if weights is not None and not bool((weights > 0).all()):
        raise ValueError(
            "`sample_weight` must be above 0 if features require gradients; got a weight of 0. "
            "Leave such nodes out of the fit, and embed them by `transform`."
        )
