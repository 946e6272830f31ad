"""K-way clustering of eigenvectors: find the rotation that brings the relaxed cut closest to a hard one."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.base import ClusterMixin

from ncut_widgets._estimator import NodeTransformer
from ncut_widgets._migration import explains_old_options
from ncut_widgets._threads import one_blas_thread
from ncut_widgets._validation import Like, check_features, check_positive_int, check_random_state, device_of
from ncut_widgets.readouts._directions import unit_rows

__all__ = ["Kway", "check_n_eig", "kway_ncut"]

# The rotation has k^2 unknowns, which this many rows determine for any number of nodes.
_MAX_ROWS = 8192
# Fewer rows are enough to compare the restarts. Only the best one continues on all sampled rows.
_RESTART_ROWS = 2048
_MAX_ITERATIONS = 60
_TOLERANCE = 1e-6


class Kway(ClusterMixin, NodeTransformer):
    """Cluster nodes by a rotation of their eigenvectors, and assign new nodes to the same clusters.

    Let u be the leading `n_clusters` eigenvectors, with rows scaled to length one, and H a hard assignment of the
    nodes to clusters. The algorithm of Yu and Shi updates the rotation R and the assignment H in turn to minimize

        |H - u R|^2,    H(i) = argmax of (u R)(i),    R = V U^T  with  H^T u = U S V^T

    The scores are u R: ``scores.argmax(1)`` are the labels, and ``scores.argmax(0)`` is the most typical node of each
    cluster. Clusters are numbered from the largest to the smallest.

    If `n_eig` differs from `n_clusters`, R cannot be a rotation. Its columns are then unit vectors, the mean
    directions of the clusters, and the scores are cosines (spherical k-means with k-means++ initialization):

        R(:, j) = r_j / |r_j|,    r_j = sum of the rows u(i) with H(i) = j

    Parameters
    ----------
    n_clusters : int
        At most the number of nodes.
    n_eig : int, optional
        Number of leading eigenvectors to use, at most the number passed. The default is `n_clusters`. More
        eigenvectors separate clusters that the leading ones do not; fewer make the clusters less sensitive to noise.
    n_restarts : int
        Number of initializations. The one with the smallest objective is used.
    device : torch device, optional
        Device of the computation, by default that of `X`. Results are always returned on the device of `X`.
    random_state : int, numpy.random.Generator or None
        Draws the nodes that initialize the clusters.

    Attributes
    ----------
    labels_ : integer array or tensor of shape (n,)
        The cluster of each fitted node.
    rotation_ : array or tensor of shape (n_eig, n_clusters)
        The matrix R. Column j is the direction of cluster j in the space of the eigenvectors. R is a rotation if
        `n_eig` equals `n_clusters`.
    objective_ : float
        The mean of |u(i) - R(:, H(i))|^2 over the fitted nodes, which is |H - u R|^2 / n for a rotation. It is 0 if
        all rows of each cluster are equal. Compare values only for equal numbers of clusters and eigenvectors; smaller
        is better.
    n_features_in_ : int
        Number of eigenvectors passed to `fit`.
    feature_names_in_ : array of str of shape (n_features_in_,)
        Column names, if `X` was a DataFrame with string column names.

    Raises
    ------
    ValueError
        If there are more clusters than nodes, fewer eigenvectors than `n_eig`, or values that are not finite.

    Notes
    -----
    Each restart uses at most 2048 nodes and costs O(k^2) per node in each of a few dozen iterations. The best one
    continues on at most 8192 nodes, sampled so that small clusters are represented, and its rotation is applied to all
    nodes. The result is deterministic for a given `random_state`. If `X` requires gradients, the scores are
    differentiable with R held constant.

    References
    ----------
    Yu, Shi. Multiclass Spectral Clustering. ICCV 2003.
    Dhillon, Modha. Concept Decompositions for Large Sparse Text Data using Clustering. Machine Learning 2001.

    Examples
    --------
    >>> import numpy as np
    >>> kway = Kway(n_clusters=2).fit(np.array([[1.0, 0.9], [1.0, 1.1], [1.0, -1.0], [1.0, 1.0]]))
    >>> kway.labels_, kway.predict([[1.0, -0.7], [1.0, 0.7]])
    (array([0, 0, 1, 0]), array([1, 0]))
    >>> round(kway.objective_, 4)
    0.0013
    """

    _column_advice = "Pass the same eigenvectors as to `fit`: those that `transform` of the same `Ncut` returns."

    @explains_old_options("Kway")
    def __init__(
        self,
        n_clusters: int = 8,
        *,
        n_eig: int | None = None,
        n_restarts: int = 8,
        device: Any = None,
        random_state: Any = 0,
    ) -> None:
        self.n_clusters = n_clusters
        self.n_eig = n_eig
        self.device = device
        self.n_restarts = n_restarts
        self.random_state = random_state

    def fit(self, X: Any, y: object = None) -> Kway:  # noqa: ARG002
        """Find the clusters of the nodes `X` and return the estimator.

        Parameters
        ----------
        X : array or tensor of shape (n, n_eig)
            Eigenvectors by descending eigenvalue, the trivial one first, as `Ncut` returns them.
        y : ignored
            Present for compatibility with scikit-learn.
        """
        self._fit(X)
        return self

    def fit_transform(self, X: Any, y: object = None) -> Any:  # noqa: ARG002
        """Return the scores (n, n_clusters) of the fitted nodes: see `fit` and `transform`."""
        scores, like = self._fit(X)
        return like.restore(scores)

    def transform(self, X: Any) -> Any:
        """Return the scores (n, n_clusters), in [-1, 1], of nodes (n, n_eig) in each fitted cluster.

        The result has the array type, dtype and device of `X`. A node whose eigenvectors are all zero has scores of 0.
        """
        scores, like = self._score(X)
        return like.restore(scores)

    def predict(self, X: Any) -> Any:
        """Return the fitted cluster with the highest score for each node (n, n_eig): integers (n,)."""
        scores, like = self._score(X)
        return like.restore(scores.argmax(1))

    def _fit(self, X: Any, name: str = "X") -> tuple[torch.Tensor, Like]:
        tensor, like = self._check_fit(X, name)
        n, n_passed = tensor.shape
        n_clusters = check_positive_int(self.n_clusters, "n_clusters")
        n_eig = check_n_eig(self.n_eig, n_clusters, n_passed)
        n_restarts = check_positive_int(self.n_restarts, "n_restarts")
        rng = check_random_state(self.random_state)
        tensor = tensor.to(device_of(tensor, self.device))
        if n_clusters > n:
            raise ValueError(
                f"`n_clusters` must be at most the number of nodes, {n}; got {n_clusters}. "
                "Lower it or pass more images."
            )
        rows = unit_rows(tensor[:, :n_eig])
        # The leverage scores of a cluster add up to about 1, whether it has 0.1 % of the nodes or most of them.
        leverage = tensor[:, :n_eig].detach().double().square().sum(1).cpu().numpy()
        sampled, weights = _sample(leverage, _MAX_ROWS, rng)
        sample = rows.detach()[torch.from_numpy(sampled).to(rows.device)].cpu().double().numpy()
        nonzero = sample.any(axis=1)
        rotation = _best_rotation(
            sample[nonzero], weights[nonzero], leverage[sampled][nonzero], n_clusters, n_restarts, rng
        )

        # Always float64, because new nodes may have a higher precision than the fitted ones.
        self._rotation = torch.from_numpy(rotation)
        sizes = torch.bincount(self._rotate(rows.detach()).argmax(1), minlength=n_clusters)
        self._rotation = self._rotation[:, sizes.argsort(descending=True, stable=True).cpu()]
        scores = self._rotate(rows)
        best, labels = scores.detach().max(1)
        # |u - r|^2 = |u|^2 - 2 u.r + |r|^2, with r the unit vector of the cluster.
        squared_distances = 1 - 2 * best.double() + rows.detach().double().square().sum(1)
        self.objective_ = max(float(squared_distances.mean()), 0.0)
        self.labels_ = like.restore(labels)
        self.rotation_ = like.restore(self._rotation)
        return scores, like

    @property
    def _n_features_out(self) -> int:
        return int(self.rotation_.shape[1])

    def _score(self, X: Any) -> tuple[torch.Tensor, Like]:
        tensor, like = self._check_new(X)
        tensor = tensor.to(device_of(tensor, self.device))
        return self._rotate(unit_rows(tensor[:, : len(self._rotation)])), like

    def _rotate(self, rows: torch.Tensor) -> torch.Tensor:
        return rows @ self._rotation.to(rows.device, rows.dtype)


@explains_old_options("kway_ncut")
def kway_ncut(
    eigenvectors: Any,
    *,
    n_clusters: int | None = None,
    n_eig: int | None = None,
    n_restarts: int = 8,
    device: Any = None,
    random_state: Any = 0,
) -> Any:
    """Cluster nodes by their eigenvectors and return the scores (n, n_clusters) of each node in each cluster.

    ``scores.argmax(1)`` are the labels, and ``scores.argmax(0)`` is the most typical node of each cluster.
    `Kway(n_clusters).fit(eigenvectors)` does the same and keeps the rotation for new nodes. It documents the method,
    the parameters and the errors.

    Parameters
    ----------
    eigenvectors : array or tensor of shape (n, n_eig)
        Eigenvectors by descending eigenvalue, the trivial one first, as `Ncut` returns them.
    n_clusters : int, optional
        At most n. The default is the number of eigenvectors.
    n_eig : int, optional
        Number of leading eigenvectors to use, by default `n_clusters`: see `Kway`.
    n_restarts : int
        Number of initializations.
    device : torch device, optional
        Device of the computation, by default that of `eigenvectors`, on which the result is always returned.
    random_state : int, numpy.random.Generator or None
        Draws the nodes that initialize the clusters.

    Returns
    -------
    array or tensor of shape (n, n_clusters)
        Scores in [-1, 1], with the array type, dtype and device of `eigenvectors`. A node whose eigenvectors are all
        zero has scores of 0.

    References
    ----------
    Yu, Shi. Multiclass Spectral Clustering. ICCV 2003.

    Examples
    --------
    >>> import numpy as np
    >>> eigenvectors = np.array([[1.0, 0.9], [1.0, 1.1], [1.0, -1.0], [1.0, 1.0]])
    >>> kway_ncut(eigenvectors, n_clusters=2).argmax(1)
    array([0, 0, 1, 0])
    """
    if n_clusters is None:
        n_clusters = check_features(eigenvectors, "eigenvectors")[0].shape[1]
    kway = Kway(n_clusters, n_eig=n_eig, n_restarts=n_restarts, device=device, random_state=random_state)
    scores, like = kway._fit(eigenvectors, "eigenvectors")
    return like.restore(scores)


def check_n_eig(n_eig: Any, n_clusters: int, n_passed: int) -> int:
    """Return the number of eigenvectors to use, which is `n_eig` or, if that is None, `n_clusters`."""
    if n_eig is not None:
        n_eig = check_positive_int(n_eig, "n_eig")
        if n_eig > n_passed:
            raise ValueError(
                f"`n_eig` must be at most the number of eigenvectors passed, {n_passed} (n_features={n_passed}); got "
                f"{n_eig}. Lower it or pass more eigenvectors."
            )
        return n_eig
    if n_clusters > n_passed:
        raise ValueError(
            f"`n_clusters` must be at most the number of eigenvectors, {n_passed}; got {n_clusters}. Lower it, "
            f"compute more eigenvectors with a larger `n_eig`, or pass `n_eig={n_passed}` here for more clusters than "
            "eigenvectors."
        )
    return n_clusters


def _sample(leverage: np.ndarray, n_sample: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Sample at most `n_sample` nodes, half uniformly and half by leverage; return them and their weights."""
    n = len(leverage)
    if n <= n_sample:
        return np.arange(n), np.ones(n)
    probability = 0.5 / n + 0.5 * leverage / leverage.sum()
    # The smallest of n exponential variables with these rates are a weighted sample without replacement.
    sampled = np.sort(np.argpartition(rng.exponential(size=n) / probability, n_sample)[:n_sample])
    return sampled, 1 / np.minimum(1, n_sample * probability[sampled])


@one_blas_thread
def _best_rotation(
    rows: np.ndarray, weights: np.ndarray, leverage: np.ndarray, k: int, n_restarts: int, rng: np.random.Generator
) -> np.ndarray:
    """Return the rotation (n_eig, k) with the largest objective among `n_restarts` initializations."""
    n_eig = rows.shape[1]
    if len(rows) == 0:
        return np.eye(n_eig, k)
    sampled, second_weights = _sample(leverage, _RESTART_ROWS, rng)
    # These rows have been drawn twice, so that the weights of both draws apply.
    few, few_weights = rows[sampled], weights[sampled] * second_weights
    starts: list[np.ndarray] = (
        [_initial_rotation(few, k, int(i)) for i in rng.choice(len(few), min(n_restarts, len(few)), replace=False)]
        if k == n_eig
        else [_initial_directions(few, few_weights, k, rng) for _ in range(n_restarts)]
    )
    candidates = [_optimize(few, few_weights, start) for start in starts]
    best, _ = max(candidates, key=lambda candidate: candidate[1])
    if len(few) < len(rows):
        best, _ = _optimize(rows, weights, best)
    return best


def _initial_rotation(rows: np.ndarray, k: int, first: int) -> np.ndarray:
    """Return k rows as columns: row `first`, then each time the row most orthogonal to the previous ones."""
    columns = [rows[first]]
    overlap = np.zeros(len(rows))
    for _ in range(k - 1):
        overlap += np.abs(rows @ columns[-1])
        columns.append(rows[overlap.argmin()])
    return np.stack(columns, axis=1)


def _initial_directions(rows: np.ndarray, weights: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """Return k rows as columns, drawn by k-means++; if there are at most k distinct rows, all of them, repeated."""
    distinct = rows[np.unique(rows.round(12), axis=0, return_index=True)[1]]
    if len(distinct) <= k:
        return distinct[np.arange(k) % len(distinct)].T
    # Imported on use: it takes a quarter of a second.
    from sklearn.cluster import kmeans_plusplus

    seed = int(rng.integers(2**31))
    return np.asarray(kmeans_plusplus(rows, k, sample_weight=weights, random_state=seed)[0].T)


def _optimize(rows: np.ndarray, weights: np.ndarray, rotation: np.ndarray) -> tuple[np.ndarray, float]:
    """Alternate assignments and updates of `rotation` (unit columns if not square); return it and its objective."""
    objective = -np.inf
    n_eig, k = rotation.shape
    weighted = weights[:, None] * rows
    for _ in range(_MAX_ITERATIONS):
        labels = (rows @ rotation).argmax(1)
        # H^T u, the sum of the rows of each cluster.
        sums = (labels == np.arange(k)[:, None]).astype(rows.dtype) @ weighted
        previous = objective
        if n_eig == k:
            left, singular, right = np.linalg.svd(sums)
            objective = float(singular.sum())
            rotation = (left @ right).T
        else:
            lengths = np.linalg.norm(sums, axis=1)
            objective = float(lengths.sum())
            # An empty cluster keeps its direction.
            rotation = np.where(lengths > 0, sums.T / np.where(lengths > 0, lengths, 1), rotation)
        if objective <= previous * (1 + _TOLERANCE):
            break
    return rotation, objective
