"""`Ncut`, the scikit-learn estimator around the engine."""

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
from .solvers.solution import Solution

__all__ = ["Ncut"]

_STREAMED_NODES = 1 << 16
_COVERING_NODES = 2048
_NAMED = 5


class Ncut(NodeTransformer):
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
    n_sample : int or "auto"
        How many landmarks the Nyström approximation has. "auto" doubles them from 512 to at most 2048 until every
        residual is small, next to its eigenvalue too, judged on at most 8192 of the nodes. Of more than 2048, as many
        as needed are taken, and never more than 4096. If the landmarks would be a fifth of the nodes or more, solver
        "auto" solves exactly instead, up to 46 000 nodes (4 GB in float32).
    sampling : {"uniform", "farthest"}
        Which nodes make the graph. "uniform": all of them, so that what is frequent weighs more. "farthest": `n_sample`
        (2048 if "auto") nodes spread evenly over the features by farthest-point sampling, solved exactly and extended
        to all: what is rare weighs as much as what is frequent. Columns are then orthonormal over those nodes only.
    alpha : float in [0, 1]
        How much of the density of nodes to take out of the graph, as in diffusion maps: affinities are divided by the
        degrees of both their nodes to the power alpha. 0 keeps it, 1 looks at the shape of the data alone.
    repulsion_weight : float
        How much unlike nodes push each other apart: A becomes A - r R, and degrees those of A + r R. R is
        1 - exp(-|x - z|^2 / 2 s^2) for "rbf" and exp(-(1 + cos)^2 / 2 s^2) for "cosine". No eigenvector is then
        trivial.
    repulsion_sigma : float, optional
        The scale s. By default the automatic sigma for "rbf", 0.3 for "cosine".
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
        Orthonormal columns, by descending eigenvalue. The sum of the cubes of each column is positive.
    eigenvalues_ : array or tensor of shape (n_eig,)
        Also as `eigval`.
    residual_ : array or tensor of shape (n_eig,)
        |M u - lambda u| of every eigenvector, 0 where it is exact: to that distance of its eigenvalue the true
        matrix has one. For Nyström it is estimated on 256 rows of the true matrix, and errs on the side of caution.
    sigma_ : float
        The sigma used; None for a callable affinity.
    repulsion_sigma_ : float
        The scale of repulsion; None without.
    n_landmarks_ : int
        How many nodes or centroids new nodes are embedded through: all nodes where the solution is exact.
    outliers_ : bool array or tensor of shape (n,)
        Nodes far from all others, with next to no neighbors. If `sigma` is None they are left out of the graph, and
        embedded as new nodes, near zero; else they count.
    n_features_in_ : int
        Channels.
    feature_names_in_ : array of str of shape (n_features_in_,)
        Their names, if `X` was a DataFrame with names or feature maps whose channels have names of their own.

    Raises
    ------
    TypeError, ValueError
        Where an option or the features cannot be used; the message says what to change.
    ncut_widgets.errors.ConvergenceError
        Where eigenvalues nearly coincide and the iteration stalls.

    Warns
    -----
    ncut_widgets.errors.NystromWarning
        If the landmarks are too few: some residual is above 0.1, or above a third of its eigenvalue.
    ncut_widgets.errors.OutlierWarning
        If a fixed `sigma`, or a callable affinity, spends eigenvectors on such nodes.
    ncut_widgets.errors.DegenerateWarning
        If eigenvalues are 0 within rounding, as for identical nodes or a very wide kernel: their eigenvectors are
        arbitrary.

    Notes
    -----
    Exact: O(n^2 c) time. Nyström: O(n m (c + m)) time for m landmarks. Beyond 65 536 nodes, O(n m (c + n_eig)):
    eigenvectors are drafted on a sample and finished in two passes over all nodes. Memory beyond the input, which may
    be a memory map, and the output: some 3 n_eig numbers per node, and 512 MB of encoded nodes at most. Features of
    more than 64 channels and 16 million numbers are compared on their leading principal directions, up to 128, as many
    as keep affinities within 3 %. Landmarks are centroids of cells of nodes; those of a callable affinity are nodes.

    A new node x gets u(x) = (1 / lambda) sum_j m(x, x_j) u_j, through the landmarks; a training node gets its row back.
    Eigenvectors whose eigenvalue vanishes extend by 0. Identical nodes are all alike: every affinity is 1, and only
    the trivial eigenvector means anything.

    Half precision is computed in float32. Eigenvalues too small for float32, as those of a wide kernel are (5e-3 by
    Nyström, 2e-3 exact), are computed in float64 on all channels, and `transform` too. Nyström resolves them down to
    1e-7; what is below has eigenvalue 0.

    Where features require gradients, `eigenvectors_`, `eigenvalues_` and what `transform` returns carry them, once
    differentiable, at about the cost of the fit. They are those of the solution found: exact where it is exact, and
    for Nyström those of its approximation with the landmarks as fixed anchors. `sigma_` is held fixed, too, and so is
    the fit in `transform`; weights are constants, and the density that `alpha` takes out is not. Eigenvalues that
    coincide determine their eigenvectors up to a rotation only: what does not depend on it has its gradient, what does
    is left out, and all stays finite. A callable must be differentiable. Such a fit drafts nothing on a sample, which
    beyond 65 536 nodes takes O(n m^2) more; an exact one holds n^2 / 2 numbers until its backward pass.

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
            """Answer the names of methods that ncut_pytorch has, and that are not here, by a hint."""
            if name in METHODS:
                raise AttributeError(METHODS[name].message(name), name=name, obj=self)
            # Once more, for the error that it had, such as that of `eigval` before the fit.
            return self.__getattribute__(name)

    @property
    def eigval(self) -> Any:
        """The eigenvalues (n_eig,), descending: `eigenvalues_` under its short name."""
        check_is_fitted(self)
        return self.eigenvalues_

    @explains_old_options("Ncut.fit")
    def fit(self, X: Any, y: object = None, sample_weight: Any = None) -> Ncut:  # noqa: ARG002
        """Return the estimator, with the embedding of the nodes `X` in `eigenvectors_`.

        Parameters
        ----------
        X : array, tensor or feature maps of shape (n, c)
            Finite features, one row per node.
        y : ignored
            Here for scikit-learn.
        sample_weight : array of shape (n,), optional
            How many nodes each one counts as: positive numbers. By default the `weights` of feature maps that have
            them, else all count once. Columns are then orthonormal under these weights. Not with
            sampling="farthest", where those of feature maps do not count either.
        """
        self._fit(X, sample_weight)
        return self

    @explains_old_options("Ncut.fit")
    def fit_transform(self, X: Any, y: object = None, sample_weight: Any = None) -> Any:  # noqa: ARG002
        """Return the embedding (n, n_eig) of the nodes `X`, of their kind, dtype and device: see `fit`."""
        return self._fit(X, sample_weight)

    def fit_chunks(self, chunks: Iterable[Any], *, n_nodes: int = _STREAMED_NODES) -> Ncut:
        """Return the estimator, fitted on nodes drawn from features that come a chunk at a time.

        Parameters
        ----------
        chunks : iterable of arrays, tensors or feature maps (n_i, c)
            Gone through once, one chunk in memory at a time.
        n_nodes : int
            How many nodes to draw, uniformly from all; `eigenvectors_` are theirs. Feature maps bring their `weights`.

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
        """Return the embedding (n, n_eig) of the nodes `X`, new ones or those of `fit`, of their kind and dtype."""
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
        """Return how far the fitted nodes cover each of the nodes `X`: (n,) in [0, 1].

        1 where a node is explained by the fitted ones as well as all but the worst 5 % of these are by one another,
        falling to 0 where it is like none of them: there, what `transform` returns means nothing.

        With W the affinities between landmarks Z, the part of x that they explain is

            p(x) = k(x, Z) W^+ k(Z, x) / k(x, x)

        which is compared with its 5 % quantile over fitted nodes that were held out.

        Parameters
        ----------
        X : array, tensor or feature maps of shape (n, c)
            New nodes, or those of the fit.

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
                '`sample_weight` must be None with sampling="farthest"; got weights. Drop one: nodes spread evenly all '
                "count once."
            )
        weights = None if settings.balanced else check_weights(X, sample_weight, n)
        if n_eig > n - 1:
            raise ValueError(
                f"`n_eig` must be at most {n - 1} for {n} nodes; got {n_eig}. Lower it or pass more images."
            )
        exact = is_exact(settings, n) and not settings.balanced
        if settings.n_sample is not None and settings.n_sample < n_eig and not exact:
            raise ValueError(
                f"`n_sample` must be at least `n_eig`, {n_eig}; got {settings.n_sample}. Raise it: 20 to 50 "
                "landmarks per eigenvector are usual."
            )
        generator = torch_generator(self.random_state)
        with_gradients = nodes.requires_grad and torch.is_grad_enabled()
        if with_gradients:
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
            table = Nodes(nodes, kernel, weights=weights, verbose=settings.verbose)
            automatic = kernel.has_automatic_sigma
            outliers = find_outliers(table, n_eig, generator)
            left_out = outliers if automatic else torch.zeros_like(outliers)
            try:
                solved = self._solve(table, left_out, settings, generator, with_gradients)
            except UnresolvedError:
                # float64: float32 does not resolve eigenvalues as small as those of a wide kernel.
                kernel = kernel.in_float64()
                table = Nodes(nodes, kernel, weights=weights, verbose=settings.verbose)
                solved = self._solve(table, left_out, settings, generator, with_gradients)
            if not automatic:
                alone = outliers.clone()
                alone[solved.lone] = True
                # Where many are alone the kernel is sharp, and they are no outliers.
                outliers = alone if are_few(alone, weights, n_eig) else outliers
                _warn_if_spent(outliers, solved.leverage(n, weights), n_eig, kernel.sigma)
            counted = (~left_out if weights is None else ~left_out & (weights > 0)).nonzero().flatten()
            covering = counted[torch.randperm(len(counted), generator=generator)[:_COVERING_NODES]]
            self._covering, self._coverage = kernel.encode(nodes[covering.to(nodes.device)]), None
        solution = solved.solution
        if with_gradients:
            solution = self._differentiable(nodes, solution, weights, left_out)
        solution, residual = with_all_columns(
            solution, solved.residual, n_eig, table.without(left_out).weights, generator
        )
        self.eigenvectors_ = like.restore(solution.pairs.vectors)
        self.eigenvalues_ = like.restore(solution.pairs.values)
        self.residual_ = like.restore(residual)
        self.n_landmarks_ = len(solution.extension.landmarks)
        self.sigma_, self.repulsion_sigma_ = kernel.sigma, kernel.repulsion_sigma
        self.outliers_ = like.restore(outliers)
        self._extension, self._left_out = solution.extension, left_out
        return self.eigenvectors_

    def counted_weights(self, weights: torch.Tensor | None) -> torch.Tensor | None:
        """Return the `weights` (n,) of the fitted nodes, 0 for those that were left out of the graph as outliers."""
        check_is_fitted(self)
        if not bool(self._left_out.any()):
            return weights
        return torch.where(
            self._left_out, 0.0, torch.ones(len(self._left_out)).double() if weights is None else weights
        )

    @staticmethod
    def _solve(
        table: Nodes, left_out: torch.Tensor, settings: Settings, generator: torch.Generator, with_gradients: bool
    ) -> Solved:
        """The graph without the nodes that are `left_out` (n,), which are embedded as new ones."""
        if not with_gradients or not bool(left_out.any()):
            return solve(table.without(left_out), settings, generator)
        # Gradients are those of a graph in which all nodes count.
        kept = (~left_out).nonzero().flatten()
        solved = solve(table.only(kept), settings, generator)
        return solved._replace(lone=kept[solved.lone], kept=kept)

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


def _warn_if_spent(outliers: torch.Tensor, leverage: torch.Tensor, n_eig: int, sigma: float | None) -> None:
    nodes, n = outliers.nonzero().flatten().tolist(), len(outliers)
    spent = float(leverage[outliers].sum())
    if spent < WASTED_EIGENVECTORS:
        return
    first = ", ".join(map(str, nodes[:_NAMED])) + (", ..." if len(nodes) > _NAMED else "")
    k = max(1, min(n_eig - 1, round(spent)))
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
