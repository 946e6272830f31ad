"""Eigenvectors to clusters: the rotation that brings the relaxed cut closest to a hard one."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ncut_widgets._validation import check_features, check_positive_int, check_random_state

from ._rows import unit_rows
from ._threads import one_blas_thread

__all__ = ["kway_ncut"]

# The rotation has k^2 unknowns: this many rows determine it, however many nodes there are.
_MAX_ROWS = 8192
_MAX_ROUNDS = 60
_TOLERANCE = 1e-6


def kway_ncut(eig: Any, *, n_clusters: int, n_restarts: int = 8, random_state: Any = 0) -> Any:
    """Return how much each node belongs to each of `n_clusters` clusters: scores of shape (n, n_clusters).

    With u the leading `n_clusters` eigenvectors, their rows scaled to length one, and H a hard assignment of the
    nodes, the rotation R and H take turns to minimise

        |H - u R|^2,    H(i) = the largest of (u R)(i),    R = V U^T  where  H^T u = U S V^T

    (Yu and Shi). The scores are u R: ``scores.argmax(1)`` are the labels, ``scores.argmax(0)`` the most typical node
    of each cluster. Clusters are numbered from the largest to the smallest.

    Parameters
    ----------
    eig : array or tensor of shape (n, n_eig)
        Eigenvectors by descending eigenvalue, the trivial one first, as `Ncut` returns them.
    n_clusters : int
        At most n_eig and at most n.
    n_restarts : int
        How many starting rotations to try; the one with the largest tr(S) wins.
    random_state : int, numpy.random.Generator or None
        Draws the starting nodes.

    Returns
    -------
    array or tensor of shape (n, n_clusters)
        In [-1, 1], of the kind, dtype and device of `eig`. A node whose eigenvectors are all zero scores zero.

    Raises
    ------
    ValueError
        Where there are more clusters than eigenvectors or nodes, or values are not finite.

    Notes
    -----
    The rotation is found on at most 8192 nodes, O(n_restarts k^2) for each of a few dozen rounds, and applied to all
    of them. Deterministic for a given `random_state`. For tensors that require gradients, R is a constant and the
    scores carry them.

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
    tensor, like = check_features(eig, "eig")
    n, n_eig = tensor.shape
    n_clusters = check_positive_int(n_clusters, "n_clusters")
    n_restarts = check_positive_int(n_restarts, "n_restarts")
    rng = check_random_state(random_state)
    if n_clusters > n_eig:
        raise ValueError(
            f"`n_clusters` must be at most the number of eigenvectors, {n_eig}; got {n_clusters}. "
            "Lower it, or compute more eigenvectors with a larger `n_eig`."
        )
    if n_clusters > n:
        raise ValueError(
            f"`n_clusters` must be at most the number of nodes, {n}; got {n_clusters}. Lower it or pass more images."
        )
    rows = unit_rows(tensor[:, :n_clusters])
    picked = np.sort(rng.choice(n, _MAX_ROWS, replace=False)) if n > _MAX_ROWS else np.arange(n)
    sample = rows.detach()[torch.from_numpy(picked).to(rows.device)].cpu().double().numpy()
    rotation = _best_rotation(sample[sample.any(axis=1)], n_clusters, n_restarts, rng)
    return like.restore(rows @ torch.from_numpy(rotation).to(rows.device, rows.dtype))


def _best_rotation(rows: np.ndarray, k: int, n_restarts: int, rng: np.random.Generator) -> np.ndarray:
    """The rotation (k, k) with the largest objective, its columns ordered by the size of their clusters."""
    if len(rows) == 0:
        return np.eye(k)
    starts = rng.choice(len(rows), min(n_restarts, len(rows)), replace=False)
    with one_blas_thread():
        candidates = [_rotate(rows, _first_rotation(rows, k, int(first))) for first in starts]
    best, _ = max(candidates, key=lambda candidate: candidate[1])
    sizes = np.bincount((rows @ best).argmax(1), minlength=k)
    return best[:, np.argsort(-sizes, kind="stable")]


def _first_rotation(rows: np.ndarray, k: int, first: int) -> np.ndarray:
    """Columns are rows of the embedding, each as orthogonal as can be to those before it."""
    columns = [rows[first]]
    overlap = np.zeros(len(rows))
    for _ in range(k - 1):
        overlap += np.abs(rows @ columns[-1])
        columns.append(rows[overlap.argmin()])
    return np.stack(columns, axis=1)


def _rotate(rows: np.ndarray, rotation: np.ndarray) -> tuple[np.ndarray, float]:
    objective = -np.inf
    k = rotation.shape[1]
    for _ in range(_MAX_ROUNDS):
        labels = (rows @ rotation).argmax(1)
        # H^T u, the sum of the rows of each cluster.
        sums = (labels == np.arange(k)[:, None]).astype(rows.dtype) @ rows
        left, singular, right = np.linalg.svd(sums)
        previous, objective = objective, float(singular.sum())
        rotation = (left @ right).T
        if objective <= previous * (1 + _TOLERANCE):
            break
    return rotation, objective
