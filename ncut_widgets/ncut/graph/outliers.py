"""Nodes that no others are like: which they are, so that neither the scale nor eigenvectors are spent on them."""

from __future__ import annotations

import torch

from .isolation import (
    MOST_OUTLIERS,
    are_in_clusters,
    evenly,
    far_exponent,
    isolation_limit,
    may_be_isolated,
    squared_distances,
)
from .kernels import Affinity, Bulk
from .nodes import Nodes
from .sampling import uniform_nodes

__all__ = ["SPENT", "are_few", "find_outliers", "lone_nodes"]

_MOST_COMPARED_NODES = 1 << 12
_CHUNK_ELEMENTS = 1 << 22
# Half an eigenvector on nodes without neighbors is one too many.
SPENT = 0.5
# The degree of a node with few neighbors.
_FEW_NEIGHBORS = 50.0
# If degrees say nothing, nodes whose leverage is above this multiple of the mean are examined.
_LEVERAGE = 10.0


def find_outliers(nodes: Nodes, n_eig: int, generator: torch.Generator) -> torch.Tensor:
    """Return which of the nodes (n,) an automatic scale leaves out of the graph: a bool tensor on the CPU.

    A node is an outlier if it is isolated at the automatic sigma of the other nodes (its affinities to them add up to
    less than twice that to itself, and to less than 2 % of what is typical), unless it is in a cluster of isolated
    nodes: `are_in_clusters`. There are none if they would be more than 6 % of all nodes or leave too few for `n_eig`
    eigenvectors.
    """
    found = torch.zeros(len(nodes), dtype=torch.bool)
    affinity = nodes.affinity
    bulk = affinity.bulk if isinstance(affinity, Affinity) else None
    if not isinstance(affinity, Affinity) or bulk is None or bulk.sigma is None:
        return found
    if len(bulk.sampled) == len(nodes):
        found = ~found
        found[bulk.kept] = False
    else:
        # A copy: looking for outliers changes no other draw.
        generator = torch.Generator().set_state(generator.get_state())
        found[_outliers_of_all(nodes, affinity, bulk, bulk.sigma, generator)] = True
    return found if are_few(found, nodes.weights, n_eig) else torch.zeros_like(found)


def _outliers_of_all(
    nodes: Nodes, affinity: Affinity, bulk: Bulk, sigma: float, generator: torch.Generator
) -> torch.Tensor:
    graph = _Graph(nodes, _in_means(nodes), affinity.to_scale(sigma))
    n = float((graph.mass > 0).sum())
    kept = bulk.sampled[bulk.kept]
    kept = kept[graph.mass[kept] > 0]
    rows = graph.rows(kept)
    share = graph.mass[kept] / graph.mass[kept].sum()
    center = share.to(rows) @ rows
    variance = float(share.to(rows) @ (rows - center).square().sum(1))
    mean = torch.full((len(nodes),), torch.inf, dtype=rows.dtype, device=rows.device)
    if not affinity.is_cosine:
        # Encoded rows are as far apart as their exponents say.
        def measure(here: slice) -> None:
            mean[here] = torch.linalg.vector_norm(graph.rows(here) - center, dim=1).square_().add_(variance)

        nodes.for_each_chunk(rows.shape[1], "outliers", measure)
    mean = mean.cpu().double()
    candidates = (may_be_isolated(mean, n) & (graph.mass > 0)).nonzero().flatten()
    if len(candidates) == 0:
        return candidates
    limit = isolation_limit(graph.degrees(evenly(kept), kept, n))
    isolated = candidates
    # The few nodes settle most cases.
    for reference in (evenly(kept), kept):
        isolated = isolated[graph.degrees(isolated, reference, n) < limit]
    if len(isolated) == 0:
        return isolated
    if affinity.is_cosine:
        candidates = isolated
        mean[isolated] = graph.exponents(isolated, kept) @ share
    size = float((affinity.origin() * graph.scale - center).square().sum()) + variance
    far = mean > far_exponent(size, cosine=affinity.is_cosine)
    return isolated[~graph.are_in_clusters(isolated, candidates, mean, far, generator)]


def _in_means(nodes: Nodes) -> torch.Tensor:
    """Return weights (n,) in multiples of their mean, in float64 on the CPU: all twice is all once."""
    mass = torch.ones(len(nodes), dtype=torch.float64) if nodes.weights is None else nodes.weights.cpu().double()
    return mass / mass[mass > 0].mean()


def are_few(outliers: torch.Tensor, weights: torch.Tensor | None, n_eig: int) -> bool:
    """Return whether a graph without these nodes (n,) is still the graph of nearly all, with `n_eig` eigenvectors."""
    weights = torch.ones(len(outliers), dtype=torch.float64) if weights is None else weights
    left = int(((weights > 0) & ~outliers).sum())
    return left > n_eig and float(weights[outliers].sum()) <= MOST_OUTLIERS * float(weights.sum())


class _Graph:
    """The nodes at a scale, with their `mass` (n,) in float64 on the CPU."""

    def __init__(self, nodes: Nodes, mass: torch.Tensor, scale: float = 1.0) -> None:
        self.nodes, self.mass, self.scale = nodes, mass, scale

    def rows(self, here: slice | torch.Tensor) -> torch.Tensor:
        rows = self.nodes[here]
        return rows if self.scale == 1 else rows * self.scale

    def degrees(self, some: torch.Tensor, others: torch.Tensor, mass: float) -> torch.Tensor:
        """Return the degrees (s,) of `some` nodes, without themselves, among nodes of a total `mass` that `others`
        are drawn from: in float64 on the CPU."""
        weights = self.mass[others]
        total = torch.zeros(len(some), dtype=torch.float64)
        if len(some) == 0 or float(weights.sum()) == 0:
            return total
        columns = self.rows(others)
        where = torch.full((len(self.mass),), -1)
        where[others] = torch.arange(len(others))
        size = max(1, _CHUNK_ELEMENTS // len(others))
        for start in range(0, len(some), size):
            here = some[start : start + size]
            A = self.nodes.affinity(self.rows(here), columns)
            own = where[here]
            itself = (own >= 0).nonzero().flatten()
            A[itself.to(A.device), own[itself].to(A.device)] = 0
            total[start : start + size] = (A @ weights.to(A)).cpu().double()
        return total * (mass / float(weights.sum()))

    def exponents(self, some: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        """Return -log of the affinities (s, m) between nodes: in float64 on the CPU."""
        cosine = isinstance(self.nodes.affinity, Affinity) and self.nodes.affinity.is_cosine
        squared = squared_distances(self.rows(some), self.rows(others), cosine=cosine)
        # Encoded directions are at r^2 = (1 - cos) / (sigma sqrt 2), and have the affinity exp(-r^4).
        return squared * 4 if cosine else squared

    def are_in_clusters(
        self,
        isolated: torch.Tensor,
        candidates: torch.Tensor,
        mean_exponents: torch.Tensor,
        far: torch.Tensor,
        generator: torch.Generator,
    ) -> torch.Tensor:
        """Return which of the `isolated` nodes (i,) are in clusters of the `candidates` (c,)."""
        drawn = candidates[uniform_nodes(len(candidates), _MOST_COMPARED_NODES, generator)]
        shares = self.mass[drawn] * (self.mass[candidates].sum() / self.mass[drawn].sum() / self.mass.sum())
        inside = are_in_clusters(self.exponents(drawn, drawn), mean_exponents[drawn], shares, far[drawn])
        known = torch.zeros(len(self.mass), dtype=torch.bool)
        known[drawn] = inside
        # The rest are in the cluster of the most similar node that was drawn.
        for chunk in isolated[~torch.isin(isolated, drawn)].split(max(1, _CHUNK_ELEMENTS // len(drawn))):
            known[chunk] = inside[self.exponents(chunk, drawn).argmin(1)]
        return known[isolated]


def lone_nodes(
    nodes: Nodes, vectors: torch.Tensor, degrees: torch.Tensor, alpha: float, generator: torch.Generator
) -> torch.Tensor:
    """Return the nodes (l,) of a solved graph without neighbors on which eigenvectors are spent; none if few are."""
    generator = torch.Generator().set_state(generator.get_state())
    mass = nodes.mass(slice(None), vectors)
    leverage = vectors[:, 1:].square().sum(1) * mass
    if isinstance(nodes.affinity, Affinity) and not alpha:
        chosen = degrees <= 2 * mass
    else:
        # Degrees say nothing here: those on which eigenvectors are spent.
        chosen = leverage > _LEVERAGE * leverage.mean()
    graph, leverage = _Graph(nodes, _in_means(nodes)), leverage.cpu()
    mass = graph.mass
    candidates = (chosen.cpu() & (mass > 0)).nonzero().flatten()
    if float(leverage[candidates].sum()) < SPENT:
        return candidates[:0]
    candidates = candidates[leverage[candidates].argsort(descending=True, stable=True)[:_MOST_COMPARED_NODES]]
    counted = (mass > 0).nonzero().flatten()
    reference = counted[uniform_nodes(len(counted), _MOST_COMPARED_NODES, generator)]
    typical = float(graph.degrees(evenly(reference), reference, float(mass.sum())).median())
    # If most nodes have few neighbors, the kernel is sharp, and no node is an exception.
    limit = 1.0 if typical > _FEW_NEIGHBORS else 0.0
    for others, total in ((reference, mass.sum()), (candidates, mass[candidates].sum())):
        own = mass[candidates] * _own_affinity(nodes, candidates)
        candidates = candidates[graph.degrees(candidates, others, float(total)) < limit * own]
        if len(candidates) == 0:
            break
    return candidates.sort().values if float(leverage[candidates].sum()) >= SPENT else candidates[:0]


def _own_affinity(nodes: Nodes, some: torch.Tensor) -> torch.Tensor:
    if isinstance(nodes.affinity, Affinity):
        return torch.ones(len(some), dtype=torch.float64)
    blocks = [nodes[block] for block in some.split(64)]
    return torch.cat([nodes.affinity(block, block).diagonal().cpu().double() for block in blocks])
