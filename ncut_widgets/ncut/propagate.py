"""Propagates values from sampled nodes to all nodes, with convex nearest-neighbor weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.spatial import cKDTree

from ncut_widgets._migration import explains_old_options
from ncut_widgets._scaling import SafeScaler
from ncut_widgets._threads import usable_threads
from ncut_widgets._validation import check_features, check_positive_int, device_of, to_tensor

__all__ = ["nystrom_propagate"]

_CHUNK_ELEMENTS = 1 << 22
# Up to this many channels, a k-d tree is faster than a matrix product and a partial sort: measured for 20 and 768
# channels on a CPU.
_MAX_TREE_CHANNELS = 32


@explains_old_options("nystrom_propagate")
def nystrom_propagate(
    nystrom_out: Any,
    X: Any,
    nystrom_X: Any,
    *,
    n_neighbors: int = 10,
    chunk_size: int | None = None,
    device: Any = None,
) -> Any:
    """Propagate the values `nystrom_out` from the sampled nodes `nystrom_X` to all nodes `X`.

    The value of a node is a convex combination of those of its nearest sampled nodes j = 1 ... k, at distances
    d_1 <= ... <= d_k:

        out(x) = sum_j w_j(x) nystrom_out_j,   w_j proportional to exp(-d_j^2 / (2 d_1 d_k)),   sum_j w_j = 1

    The scale d_1 d_k is local, so the result does not depend on the unit of the features. It goes to 0 as x approaches
    a sampled node, so that a sampled node gets its own value.

    Parameters
    ----------
    nystrom_out : array or tensor of shape (m,) or (m, d)
        Values at the sampled nodes, such as colors, coordinates or eigenvectors.
    X : array, tensor or feature maps of shape (n, c)
        Features of all nodes.
    nystrom_X : array, tensor or feature maps of shape (m, c)
        Features of the sampled nodes, in the order of `nystrom_out`.
    n_neighbors : int
        Number of nearest sampled nodes; all of them if there are fewer.
    chunk_size : int, optional
        Number of nodes of `X` per chunk. The default limits temporary arrays to a few tens of MB.
    device : torch device, optional
        Where to compute; by default on the device of `X`. The result is on the device of `nystrom_out`.

    Returns
    -------
    array or tensor of shape (n,) or (n, d)
        Values, with the array type, dtype and device of `nystrom_out`. Each column is within the range of the
        column of `nystrom_out`.

    Raises
    ------
    ValueError
        If shapes do not match or values are not finite.

    Notes
    -----
    O(n m c) time in the worst case. Neighbors are exact and the result is deterministic.

    References
    ----------
    Fowlkes, Belongie, Chung, Malik. Spectral Grouping Using the Nyström Method. PAMI 2004.

    Examples
    --------
    >>> import numpy as np
    >>> known_at, values = np.array([[0.0], [1.0], [2.0]]), np.array([10.0, 20.0, 30.0])
    >>> nystrom_propagate(values, np.array([[0.0], [0.5], [2.0]]), known_at, n_neighbors=2)
    array([10., 15., 30.])
    """
    values, like = to_tensor(nystrom_out, "nystrom_out")
    if values.ndim not in (1, 2):
        raise ValueError(
            f"`nystrom_out` must be of shape (m,) or (m, d); got {tuple(values.shape)}. Flatten it to one row per node."
        )
    sampled, _ = check_features(nystrom_X, "nystrom_X")
    if len(values) != len(sampled):
        raise ValueError(
            f"`nystrom_out` must have one row per node of `nystrom_X`, that is {len(sampled)}; got {len(values)}. "
            "Pass the values and the features of the same nodes."
        )
    nodes, _ = check_features(
        X,
        "X",
        n_channels=sampled.shape[1],
        channels="as `nystrom_X` has",
        advice="Pass features of one kind as both.",
    )
    nodes = nodes.to(device_of(nodes, device))
    table, _ = check_features(values[:, None] if values.ndim == 1 else values, "nystrom_out", device=nodes.device)
    k = min(check_positive_int(n_neighbors, "n_neighbors"), len(sampled))
    if chunk_size is None:
        chunk_size = max(1, _CHUNK_ELEMENTS // max(len(sampled), k * sampled.shape[1], k * table.shape[1]))
    chunk_size = check_positive_int(chunk_size, "chunk_size")

    # In the more precise dtype: large float64 numbers may be infinite in float32.
    common = torch.promote_types(nodes.dtype, sampled.dtype)
    nodes, search = nodes.to(common), _NeighborSearch(sampled.to(nodes.device, common), k)
    out = table.new_empty((len(nodes), table.shape[1]))
    low, high = table.amin(0), table.amax(0)
    for start in range(0, len(nodes), chunk_size):
        chunk = nodes[start : start + chunk_size]
        distances, neighbors = search(chunk)
        weights = _convex_weights(distances).to(table.dtype)
        mixed = (weights[:, None, :] @ table[neighbors])[:, 0]
        # Rounding errors can exceed the range by a unit in the last place.
        out[start : start + chunk_size] = torch.minimum(torch.maximum(mixed, low), high)
    return like.restore(out[:, 0] if values.ndim == 1 else out)


def _convex_weights(distances: torch.Tensor) -> torch.Tensor:
    """Return weights (n, k) for ascending `distances` (n, k); nodes at distance 0 share all the weight equally."""
    nearest, farthest = distances[:, :1], distances[:, -1:]
    # (d_j / d_1) (d_j / d_k), minus its smallest value d_1 / d_k: ratios, so that the scale cannot underflow.
    exponent = (distances / nearest) * (distances / farthest) - nearest / farthest
    weights = torch.where(nearest > 0, torch.exp(-0.5 * exponent), (distances == 0).to(distances.dtype))
    return weights / weights.sum(1, keepdim=True)


class _NeighborSearch:
    """Exact search of the k nearest nodes, with distances that are 0 for equal features."""

    def __init__(self, sampled: torch.Tensor, k: int) -> None:
        sampled = sampled.detach()
        self._k = k
        # |x|^2 - 2 x.z + |z|^2 loses digits far from the origin, and overflows for large numbers.
        self._scaler = SafeScaler(sampled)
        self._sampled = self._scaler(sampled)
        self._norms = self._sampled.square().sum(1)
        use_tree = sampled.device.type == "cpu" and sampled.shape[1] <= _MAX_TREE_CHANNELS
        self._tree = cKDTree(self._sampled.numpy()) if use_tree else None

    def __call__(self, nodes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        nodes = self._scaler(nodes.detach())
        if self._tree is not None:
            _, found = self._tree.query(nodes.numpy(), k=self._k, workers=usable_threads())
            neighbors = torch.from_numpy(np.asarray(found, dtype=np.int64).reshape(len(nodes), self._k))
        else:
            squared = torch.addmm(self._norms, nodes, self._sampled.T, alpha=-2)
            neighbors = squared.topk(self._k, dim=1, largest=False).indices
        # Differences instead of the expanded square, so that equal nodes have exactly distance 0.
        distances = (nodes[:, None, :] - self._sampled[neighbors]).norm(dim=2)
        distances, order = distances.sort(dim=1, stable=True)
        return distances, neighbors.gather(1, order)
