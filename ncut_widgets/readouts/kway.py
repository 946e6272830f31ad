"""Eigenvectors to clusters: the rotation that brings the relaxed cut closest to a hard one."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClusterMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ncut_widgets._validation import Like, check_features, check_positive_int, check_random_state

from ._rows import unit_rows
from ._threads import one_blas_thread

__all__ = ["Kway", "kway_ncut"]

# The rotation has k^2 unknowns: this many rows determine it, however many nodes there are.
_MAX_ROWS = 8192
# Which start is the best one shows on fewer: only the winner goes on to all of them.
_START_ROWS = 2048
_MAX_ROUNDS = 60
_TOLERANCE = 1e-6


class Kway(ClusterMixin, TransformerMixin, BaseEstimator):
    """Clusters read off eigenvectors by a rotation, which is kept: new nodes join the clusters already found.

    With u the leading `n_clusters` eigenvectors, their rows scaled to length one, and H a hard assignment of the
    nodes, the rotation R and H take turns to minimise

        |H - u R|^2,    H(i) = the largest of (u R)(i),    R = V U^T  where  H^T u = U S V^T

    (Yu and Shi). The scores are u R: ``scores.argmax(1)`` are the labels, ``scores.argmax(0)`` the most typical node
    of each cluster. Clusters are numbered from the largest to the smallest.

    Parameters
    ----------
    n_clusters : int
        At most the number of eigenvectors and at most the number of nodes.
    n_restarts : int
        How many starting rotations to try; the one with the smallest objective wins.
    random_state : int, numpy.random.Generator or None
        Draws the starting nodes.

    Attributes
    ----------
    labels_ : integer array or tensor of shape (n,)
        The cluster of each fitted node.
    rotation_ : array or tensor of shape (n_clusters, n_clusters)
        R: its columns are the clusters, as directions among the eigenvectors.
    objective_ : float
        |H - u R|^2 / n over the fitted nodes: 0 where the clusters fall apart by themselves.
        Smaller is better at one number of clusters; more clusters are not comparable.
    n_features_in_ : int
        Eigenvectors.

    Raises
    ------
    ValueError
        Where there are more clusters than eigenvectors or nodes, or values are not finite.

    Notes
    -----
    The restarts run on at most 2048 nodes, O(n_restarts k^2) for each of a few dozen rounds; the best goes on with at
    most 8192, drawn so that small clusters are among them, and its rotation is applied to all nodes. Deterministic for
    a given `random_state`. For tensors that require gradients, R is a constant and the scores carry them.

    References
    ----------
    Yu, Shi. Multiclass Spectral Clustering. ICCV 2003.

    Examples
    --------
    >>> import numpy as np
    >>> kway = Kway(n_clusters=2).fit(np.array([[1.0, 0.9], [1.0, 1.1], [1.0, -1.0], [1.0, 1.0]]))
    >>> kway.labels_, kway.predict([[1.0, -0.7], [1.0, 0.7]])
    (array([0, 0, 1, 0]), array([1, 0]))
    >>> round(kway.objective_, 4)
    0.0013
    """

    def __init__(self, n_clusters: int = 8, *, n_restarts: int = 8, random_state: Any = 0) -> None:
        self.n_clusters = n_clusters
        self.n_restarts = n_restarts
        self.random_state = random_state

    def fit(self, eig: Any, y: object = None) -> Kway:  # noqa: ARG002
        """Return the estimator, with the clusters of `eig` found.

        Parameters
        ----------
        eig : array or tensor of shape (n, n_eig)
            Eigenvectors by descending eigenvalue, the trivial one first, as `Ncut` returns them.
        y : ignored
            Here for scikit-learn.
        """
        self._fit(eig)
        return self

    def fit_transform(self, eig: Any, y: object = None) -> Any:  # noqa: ARG002
        """Return the scores (n, n_clusters) of the fitted nodes: see `fit` and `transform`."""
        scores, like = self._fit(eig)
        return like.restore(scores)

    def transform(self, eig: Any) -> Any:
        """Return how much each node (n, n_eig) belongs to each fitted cluster: scores (n, n_clusters) in [-1, 1].

        Of the kind, dtype and device of `eig`. A node whose eigenvectors are all zero scores zero.
        """
        scores, like = self._score(eig)
        return like.restore(scores)

    def predict(self, eig: Any) -> Any:
        """Return the fitted cluster that each node (n, n_eig) belongs to most: integers (n,)."""
        scores, like = self._score(eig)
        return like.restore(scores.argmax(1))

    def _fit(self, eig: Any) -> tuple[torch.Tensor, Like]:
        tensor, like = check_features(eig, "eig")
        n, n_eig = tensor.shape
        n_clusters = check_positive_int(self.n_clusters, "n_clusters")
        n_restarts = check_positive_int(self.n_restarts, "n_restarts")
        rng = check_random_state(self.random_state)
        if n_clusters > n_eig:
            raise ValueError(
                f"`n_clusters` must be at most the number of eigenvectors, {n_eig}; got {n_clusters}. "
                "Lower it, or compute more eigenvectors with a larger `n_eig`."
            )
        if n_clusters > n:
            raise ValueError(
                f"`n_clusters` must be at most the number of nodes, {n}; got {n_clusters}. "
                "Lower it or pass more images."
            )
        rows = unit_rows(tensor[:, :n_clusters])
        # What counts is the share of the eigenspace: of a cluster of 0.1 % it is as large as of the largest.
        leverage = tensor[:, :n_clusters].detach().double().square().sum(1).cpu().numpy()
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
        # |h - s|^2 = |h|^2 - 2 h.s + |s|^2 with h the unit vector of the largest entry of s.
        squared = 1 - 2 * best.double() + rows.detach().double().square().sum(1)
        self.objective_ = max(float(squared.mean()), 0.0)
        self.labels_ = like.restore(labels)
        self.rotation_ = like.restore(self._rotation)
        self.n_features_in_ = n_eig
        return scores, like

    def _score(self, eig: Any) -> tuple[torch.Tensor, Like]:
        check_is_fitted(self, "rotation_")
        tensor, like = check_features(eig, "eig", n_channels=self.n_features_in_)
        return self._rotate(unit_rows(tensor[:, : len(self._rotation)])), like

    def _rotate(self, rows: torch.Tensor) -> torch.Tensor:
        return rows @ self._rotation.to(rows.device, rows.dtype)


def kway_ncut(eig: Any, *, n_clusters: int, n_restarts: int = 8, random_state: Any = 0) -> Any:
    """Return how much each node belongs to each of `n_clusters` clusters: scores of shape (n, n_clusters).

    `Kway(n_clusters).fit(eig)` does the same, and keeps the rotation for new nodes; the method, the parameters and
    what can go wrong are explained there. ``scores.argmax(1)`` are the labels, ``scores.argmax(0)`` the most typical
    node of each cluster.

    Parameters
    ----------
    eig : array or tensor of shape (n, n_eig)
        Eigenvectors by descending eigenvalue, the trivial one first, as `Ncut` returns them.
    n_clusters : int
        At most n_eig and at most n.
    n_restarts : int
        How many starting rotations to try.
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
    return Kway(n_clusters, n_restarts=n_restarts, random_state=random_state).fit_transform(eig)


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
    if len(rows) == 0:
        return np.eye(k)
    picked, again = _draw(leverage, _START_ROWS, rng)
    # Drawn a second time by the same leverage, which the first draw has already favoured, each counts for both.
    few, few_weights = rows[picked], weights[picked] * again
    starts = rng.choice(len(few), min(n_restarts, len(few)), replace=False)
    candidates = [_rotate(few, few_weights, _first_rotation(few, k, int(first))) for first in starts]
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


def _rotate(rows: np.ndarray, weights: np.ndarray, rotation: np.ndarray) -> tuple[np.ndarray, float]:
    objective = -np.inf
    k = rotation.shape[1]
    counted = weights[:, None] * rows
    for _ in range(_MAX_ROUNDS):
        labels = (rows @ rotation).argmax(1)
        # H^T u, the sum of the rows of each cluster.
        sums = (labels == np.arange(k)[:, None]).astype(rows.dtype) @ counted
        left, singular, right = np.linalg.svd(sums)
        previous, objective = objective, float(singular.sum())
        rotation = (left @ right).T
        if objective <= previous * (1 + _TOLERANCE):
            break
    return rotation, objective
