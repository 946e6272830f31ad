"""Eigenvectors to clusters: the rotation that brings the relaxed cut closest to a hard one."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.base import ClusterMixin
from sklearn.cluster import kmeans_plusplus

from ncut_widgets._estimator import NodeTransformer
from ncut_widgets._migration import explains_old_options
from ncut_widgets._threads import one_blas_thread
from ncut_widgets._validation import Like, check_features, check_positive_int, check_random_state, device_of
from ncut_widgets.readouts._directions import unit_rows

__all__ = ["Kway", "check_n_eig", "kway_ncut"]

# The rotation has k^2 unknowns: this many rows determine it, however many nodes there are.
_MAX_ROWS = 8192
# Which start is the best one shows on fewer: only the winner goes on to all of them.
_START_ROWS = 2048
_MAX_ROUNDS = 60
_TOLERANCE = 1e-6


class Kway(ClusterMixin, NodeTransformer):
    """Clusters read off eigenvectors by a rotation, which is kept: new nodes join the clusters already found.

    With u the leading `n_clusters` eigenvectors, their rows scaled to length one, and H a hard assignment of the
    nodes, the rotation R and H take turns to minimise

        |H - u R|^2,    H(i) = the largest of (u R)(i),    R = V U^T  where  H^T u = U S V^T

    (Yu and Shi). The scores are u R: ``scores.argmax(1)`` are the labels, ``scores.argmax(0)`` the most typical node
    of each cluster. Clusters are numbered from the largest to the smallest.

    With another number of eigenvectors, `n_eig`, R cannot be a rotation. Its columns are then unit vectors, the mean
    directions of the clusters, and the scores are cosines (spherical k-means, from starts by k-means++):

        R(:, j) = r_j / |r_j|,    r_j = sum of the rows u(i) with H(i) = j

    Parameters
    ----------
    n_clusters : int
        At most the number of nodes.
    n_eig : int, optional
        How many of the leading eigenvectors to look at, at most as many as are passed. By default `n_clusters`. More
        separate clusters that the leading ones leave together; fewer keep clusters from following noise.
    n_restarts : int
        How many starts to try; the one with the smallest objective wins.
    device : torch device, optional
        Where to compute. By default where `X` is. Results come back there.
    random_state : int, numpy.random.Generator or None
        Draws the starting nodes.

    Attributes
    ----------
    labels_ : integer array or tensor of shape (n,)
        The cluster of each fitted node.
    rotation_ : array or tensor of shape (n_eig, n_clusters)
        R: its columns are the clusters, as directions among the eigenvectors. A rotation if `n_eig` is `n_clusters`.
    objective_ : float
        The mean of |u(i) - R(:, H(i))|^2 over the fitted nodes, which is |H - u R|^2 / n for a rotation: 0 if all rows
        of a cluster are equal. Smaller is better at one number of clusters and of eigenvectors.
    n_features_in_ : int
        Eigenvectors.
    feature_names_in_ : array of str of shape (n_features_in_,)
        Their names, if `X` was a DataFrame with names.

    Raises
    ------
    ValueError
        If there are more clusters than nodes, fewer eigenvectors than `n_eig`, or values are not finite.

    Notes
    -----
    The restarts run on at most 2048 nodes, O(n_restarts k^2) for each of a few dozen rounds; the best goes on with at
    most 8192, drawn so that small clusters are among them, and its rotation is applied to all nodes. Deterministic for
    a given `random_state`. For tensors that require gradients, R is a constant and the scores carry them.

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
        """Return the estimator, with the clusters of the nodes `X` found.

        Parameters
        ----------
        X : array or tensor of shape (n, n_eig)
            Eigenvectors by descending eigenvalue, the trivial one first, as `Ncut` returns them.
        y : ignored
            Here for scikit-learn.
        """
        self._fit(X)
        return self

    def fit_transform(self, X: Any, y: object = None) -> Any:  # noqa: ARG002
        """Return the scores (n, n_clusters) of the fitted nodes: see `fit` and `transform`."""
        scores, like = self._fit(X)
        return like.restore(scores)

    def transform(self, X: Any) -> Any:
        """Return how much each node (n, n_eig) belongs to each fitted cluster: scores (n, n_clusters) in [-1, 1].

        Of the kind, dtype and device of `X`. A node whose eigenvectors are all zero scores zero.
        """
        scores, like = self._score(X)
        return like.restore(scores)

    def predict(self, X: Any) -> Any:
        """Return the fitted cluster that each node (n, n_eig) belongs to most: integers (n,)."""
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
        # What counts is the share of the eigenspace: of a cluster of 0.1 % it is as large as of the largest.
        leverage = tensor[:, :n_eig].detach().double().square().sum(1).cpu().numpy()
        picked, weights = _draw(leverage, _MAX_ROWS, rng)
        sample = rows.detach()[torch.from_numpy(picked).to(rows.device)].cpu().double().numpy()
        some = sample.any(axis=1)
        rotation = _best_rotation(sample[some], weights[some], leverage[picked][some], n_clusters, n_restarts, rng)

        # In float64 whatever the input: new nodes may come in a better precision than the fitted ones.
        self._rotation = torch.from_numpy(rotation)
        sizes = torch.bincount(self._rotate(rows.detach()).argmax(1), minlength=n_clusters)
        # The largest cluster comes first.
        self._rotation = self._rotation[:, sizes.argsort(descending=True, stable=True).cpu()]
        scores = self._rotate(rows)
        best, labels = scores.detach().max(1)
        # |u - r|^2 = |u|^2 - 2 u.r + |r|^2 with r the unit vector of the cluster. A rotation keeps |u R| = |u|.
        squared = 1 - 2 * best.double() + rows.detach().double().square().sum(1)
        self.objective_ = max(float(squared.mean()), 0.0)
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
    eig: Any,
    *,
    n_clusters: int | None = None,
    n_eig: int | None = None,
    n_restarts: int = 8,
    device: Any = None,
    random_state: Any = 0,
) -> Any:
    """Return how much each node belongs to each of `n_clusters` clusters: scores of shape (n, n_clusters).

    `Kway(n_clusters).fit(eig)` does the same, and keeps the rotation for new nodes; the method, the parameters and
    what can go wrong are explained there. ``scores.argmax(1)`` are the labels, ``scores.argmax(0)`` the most typical
    node of each cluster.

    Parameters
    ----------
    eig : array or tensor of shape (n, n_eig)
        Eigenvectors by descending eigenvalue, the trivial one first, as `Ncut` returns them.
    n_clusters : int, optional
        At most n. By default as many as there are eigenvectors.
    n_eig : int, optional
        How many of the leading eigenvectors to look at, if not `n_clusters`: see `Kway`.
    n_restarts : int
        How many starts to try.
    device : torch device, optional
        Where to compute. By default where `eig` is. The result comes back there.
    random_state : int, numpy.random.Generator or None
        Draws the starting nodes.

    Returns
    -------
    array or tensor of shape (n, n_clusters)
        In [-1, 1], of the kind, dtype and device of `eig`. A node whose eigenvectors are all zero scores zero.

    References
    ----------
    Yu, Shi. Multiclass Spectral Clustering. ICCV 2003.

    Examples
    --------
    >>> import numpy as np
    >>> eig = np.array([[1.0, 0.9], [1.0, 1.1], [1.0, -1.0], [1.0, 1.0]])
    >>> kway_ncut(eig, n_clusters=2).argmax(1)
    array([0, 0, 1, 0])
    """
    if n_clusters is None:
        n_clusters = check_features(eig, "eig")[0].shape[1]
    kway = Kway(n_clusters, n_eig=n_eig, n_restarts=n_restarts, device=device, random_state=random_state)
    scores, like = kway._fit(eig, "eig")
    return like.restore(scores)


def check_n_eig(n_eig: Any, n_clusters: int, n_passed: int) -> int:
    """Return how many of the eigenvectors passed to look at: `n_eig`, or as many as clusters."""
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


def _draw(leverage: np.ndarray, most: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """At most so many nodes, half of them drawn evenly and half by their leverage, and as how many each then counts."""
    n = len(leverage)
    if n <= most:
        return np.arange(n), np.ones(n)
    chance = 0.5 / n + 0.5 * leverage / leverage.sum()
    # The smallest of n exponential times, at these rates: drawn without replacement.
    picked = np.sort(np.argpartition(rng.exponential(size=n) / chance, most)[:most])
    return picked, 1 / np.minimum(1, most * chance[picked])


@one_blas_thread
def _best_rotation(
    rows: np.ndarray, weights: np.ndarray, leverage: np.ndarray, k: int, n_restarts: int, rng: np.random.Generator
) -> np.ndarray:
    """The rotation (k, k) with the largest objective."""
    n_eig = rows.shape[1]
    if len(rows) == 0:
        return np.eye(n_eig, k)
    picked, again = _draw(leverage, _START_ROWS, rng)
    # Drawn a second time by the same leverage, which the first draw has already favoured, each counts for both.
    few, few_weights = rows[picked], weights[picked] * again
    starts: list[np.ndarray] = (
        [_first_rotation(few, k, int(i)) for i in rng.choice(len(few), min(n_restarts, len(few)), replace=False)]
        if k == n_eig
        else [_first_directions(few, few_weights, k, rng) for _ in range(n_restarts)]
    )
    candidates = [_rotate(few, few_weights, start) for start in starts]
    best, _ = max(candidates, key=lambda candidate: candidate[1])
    if len(few) < len(rows):
        best, _ = _rotate(rows, weights, best)
    return best


def _first_rotation(rows: np.ndarray, k: int, first: int) -> np.ndarray:
    """Columns are rows of the embedding, each as orthogonal as can be to those before it."""
    columns = [rows[first]]
    overlap = np.zeros(len(rows))
    for _ in range(k - 1):
        overlap += np.abs(rows @ columns[-1])
        columns.append(rows[overlap.argmin()])
    return np.stack(columns, axis=1)


def _first_directions(rows: np.ndarray, weights: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """Columns are rows of the embedding, drawn by k-means++; again the same ones if there are fewer different rows."""
    different = rows[np.unique(rows.round(12), axis=0, return_index=True)[1]]
    if len(different) <= k:
        return different[np.arange(k) % len(different)].T
    seed = int(rng.integers(2**31))
    return np.asarray(kmeans_plusplus(rows, k, sample_weight=weights, random_state=seed)[0].T)


def _rotate(rows: np.ndarray, weights: np.ndarray, rotation: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the rotation, or unit columns if it is not square, that the rounds from this start end at."""
    objective = -np.inf
    n_eig, k = rotation.shape
    counted = weights[:, None] * rows
    for _ in range(_MAX_ROUNDS):
        labels = (rows @ rotation).argmax(1)
        # H^T u, the sum of the rows of each cluster.
        sums = (labels == np.arange(k)[:, None]).astype(rows.dtype) @ counted
        previous = objective
        if n_eig == k:
            left, singular, right = np.linalg.svd(sums)
            objective = float(singular.sum())
            rotation = (left @ right).T
        else:
            lengths = np.linalg.norm(sums, axis=1)
            objective = float(lengths.sum())
            # An empty cluster stays where it was.
            rotation = np.where(lengths > 0, sums.T / np.where(lengths > 0, lengths, 1), rotation)
        if objective <= previous * (1 + _TOLERANCE):
            break
    return rotation, objective
