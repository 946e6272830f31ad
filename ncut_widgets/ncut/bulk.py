"""The center and the size of most nodes, robust to a few outliers."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

__all__ = ["FEWEST_IN_A_GROUP", "GROUP_SHARE", "MOST_FAR", "Bulk", "bulk_of", "groups_of", "near_each_other"]

# From which multiple of the size of the bulk, as a squared distance, rows are far.
_FAR = 6.0
# Rows that have less than that share of their squared distance from the bulk between them form a group, if they are at
# least so many of all.
_NEAR = 0.25
GROUP_SHARE = 0.005
FEWEST_IN_A_GROUP = 3
# Nodes that count less than that, all together, are few.
MOST_FAR = 0.08


class Bulk(NamedTuple):
    """The middle (c,) of most rows, their mean squared distance from it, and the squared distance that is far."""

    center: torch.Tensor
    variance: float
    far: float

    def is_far(self, radii: torch.Tensor) -> torch.Tensor:
        """Return whether rows at these squared distances from the middle are far even if they are a group."""
        # Their mean squared distance from the rows of the bulk.
        return radii.double() + self.variance > self.far


def bulk_of(
    rows: torch.Tensor, weights: torch.Tensor, origin: torch.Tensor, *, cosine: bool
) -> tuple[Bulk, torch.Tensor]:
    """Return the bulk of the `rows` (s, c), and which of them (s,) are far from it.

    A row is far if its mean squared distance from the others is more than 6 times that within the bulk. Those that form
    groups also have to be farther than another cluster of such features would be: more than 6 times the mean squared
    distance of the bulk from the `origin` (c,), as tokens of huge norm are. With "cosine", no group is. Rows are left
    out until no more are far, 8 % of the weight at most.
    """
    rows, weights, origin = rows.cpu(), weights.cpu().double(), origin.cpu().to(rows.dtype)
    far = torch.zeros(len(rows), dtype=torch.bool)
    total = float(weights.sum())
    while True:
        share = torch.where(far, 0.0, weights)
        share = share / share.sum().clamp_min(torch.finfo(share.dtype).tiny)
        center = share.to(rows) @ rows
        radii = torch.linalg.vector_norm(rows - center, dim=1).double().square()
        variance = float(share @ radii)
        norm = variance + float((center - origin).double().square().sum())
        bulk = Bulk(center, variance, math.inf if cosine else _FAR * max(2 * variance, norm))
        found = (radii + variance > _FAR * 2 * variance) & (weights > 0)
        if variance == 0 or float(weights[found].sum()) > MOST_FAR * total:
            return bulk, far
        among = found.nonzero().flatten()
        group = groups_of(near_each_other(rows[among], radii[among] + variance))
        is_group = torch.bincount(group, minlength=1)[group] >= max(FEWEST_IN_A_GROUP, GROUP_SHARE * len(rows))
        found[among[is_group & ~bulk.is_far(radii[among])]] = False
        if bool((found <= far).all()):
            return bulk, far
        far = far | found


def near_each_other(rows: torch.Tensor, distances: torch.Tensor) -> torch.Tensor:
    """Return which pairs (s, s) of `rows` (s, c) are near, next to the squared `distances` (s,) from the bulk."""
    squared = torch.cdist(rows, rows).cpu().double().square()
    return squared <= _NEAR * torch.minimum(distances[:, None], distances)


def groups_of(linked: torch.Tensor) -> torch.Tensor:
    """Return the number of the group (s,) of each of the nodes that are `linked` (s, s), on the CPU."""
    _, group = connected_components(csr_matrix(linked.cpu().numpy()), directed=False)
    return torch.from_numpy(group).long()
