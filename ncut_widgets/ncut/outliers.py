"""Nodes far from all others: which they are, so that neither the scale nor eigenvectors are spent on them."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .affinity import Affinity
from .bulk import FEWEST_IN_A_GROUP, GROUP_SHARE, MOST_FAR, Bulk, bulk_of, groups_of, near_each_other
from .nodes import Nodes
from .sampling import uniform_nodes
from .solution import Solution

__all__ = ["SPENT", "are_few", "find_outliers", "lone_nodes"]

_SAMPLE_NODES = 1024
# Degrees are estimated on this many nodes, first on the few, which settle most cases.
_REFERENCE_NODES = 1 << 13
_FEW_REFERENCE_NODES = 256
# Nodes beyond this multiple of the variance of the bulk are looked at more closely.
_CANDIDATE_RADIUS = 5.0
# A degree without the node itself is negligible below this share of the typical one, and below 10 affinities of a node
# to itself: cut off alone, such a node has an eigenvalue of 1/11 or more. No more than a few nodes, which hardly take
# eigenvectors from others, have to be below the smaller number.
_NEGLIGIBLE_SHARE = 0.01
_NEGLIGIBLE_DEGREE = 10.0
_NEGLIGIBLE_DEGREE_OF_FEW = 0.3
# Where the typical degree is less, by a sharp kernel or for a lack of nodes, only far nodes are outliers.
_SHARP = 50.0
# Affinities above this multiple of the mean one link the nodes of a group.
_LINK = 0.3
# Groups apart from the bulk: from this share of all nodes on they are clusters, far ones from the larger share on.
_CLUSTER_SHARE = 0.01
_FAR_CLUSTER_SHARE = 0.05
# Smaller groups of at least so many nodes are clusters if there are no more than a few of them.
_MOST_SMALL_GROUPS = 4
_MOST_GROUPED_NODES = 1 << 12
_CHUNK_ELEMENTS = 1 << 22
# Half an eigenvector on nodes without neighbors is one too many.
SPENT = 0.5
# Leverage, in multiples of its mean, from which on a node of a graph whose degrees say little is looked at.
_LEVERAGE = 10.0


def find_outliers(nodes: Nodes, n_eig: int, generator: torch.Generator) -> torch.Tensor:
    """Return which of the nodes (n,) an automatic scale leaves out of the graph: a bool tensor on the CPU.

    A node is an outlier if its degree without itself is negligible at the scale that suits the others, and it is

    - alone, or in a group of less than 3 nodes, or
    - in one of more than 4 groups of less than 1 % of all nodes, or
    - far (`Bulk.is_far`), in a group of less than 5 % of all nodes.

    There are none if they would be more than 8 % of all nodes or leave too few for `n_eig` eigenvectors.
    """
    none = torch.zeros(len(nodes), dtype=torch.bool)
    affinity = nodes.affinity
    if not isinstance(affinity, Affinity):
        return none
    # A copy: looking for outliers changes no other draw.
    generator = torch.Generator().set_state(generator.get_state())
    radii, bulk = _radii(nodes, affinity, generator)
    candidates = (radii > _CANDIDATE_RADIUS * bulk.variance).nonzero().flatten()
    mass = _in_means(nodes.mass(slice(None), radii))
    candidates = candidates[mass[candidates] > 0]
    if len(candidates) == 0:
        return none
    far = bulk.is_far(radii[candidates])
    is_candidate = none.clone()
    is_candidate[candidates] = True
    within = (~is_candidate & (mass > 0)).nonzero().flatten()
    if len(within) < 2:
        return none
    reference = within[uniform_nodes(len(within), _REFERENCE_NODES, generator)]
    graph = _Sampled(nodes, mass)
    few = _evenly(reference)
    typical = float(graph.degrees(few, reference, mass[within].sum()).median())
    limit = torch.full((len(candidates),), _NEGLIGIBLE_SHARE * typical, dtype=torch.float64)
    limit[~far] = _negligible(typical)
    apart, degrees = torch.ones(len(candidates), dtype=torch.bool), torch.zeros(len(candidates), dtype=torch.float64)
    for some in (few, reference):
        left = apart.nonzero().flatten()
        degrees[left] = graph.degrees(candidates[left], some, mass[within].sum())
        apart[left] = degrees[left] < limit[left]
    # What hangs together with the bulk through other candidates belongs to it.
    while bool(apart.any()) and not bool(apart.all()):
        bridges = candidates[~apart]
        bridges = bridges[uniform_nodes(len(bridges), _REFERENCE_NODES, generator)]
        left = apart.nonzero().flatten()
        still = graph.degrees(candidates[left], bridges, mass[candidates[~apart]].sum()) < limit[left]
        if bool(still.all()):
            break
        apart[left] = still
    nodes_apart, far = candidates[apart], far[apart]
    limit = limit[apart]
    outlying = _outside_groups(
        graph,
        nodes_apart,
        far,
        limit,
        _LINK * min(1.0, typical / float(mass[within].sum())),
        float(mass.sum()),
        generator,
    )
    outlying &= ~_in_loose_clusters(graph, nodes_apart, far, radii[nodes_apart].double() + bulk.variance, generator)
    weakly = outlying & ~far & (degrees[apart] >= _NEGLIGIBLE_DEGREE_OF_FEW)
    if int(weakly.sum()) <= _MOST_SMALL_GROUPS:
        outlying &= ~weakly
    for kept in (outlying, outlying & far):
        found = none.clone()
        found[nodes_apart[kept]] = True
        if are_few(found, mass, n_eig):
            return found
    return none


def _evenly(reference: torch.Tensor) -> torch.Tensor:
    """Return a few of the nodes, from the first to the last."""
    return reference[torch.linspace(0, len(reference) - 1, min(len(reference), _FEW_REFERENCE_NODES)).long()]


def _in_means(mass: torch.Tensor) -> torch.Tensor:
    """Return weights (n,) in multiples of their mean, in float64 on the CPU: all twice is all once."""
    mass = mass.cpu().double()
    return mass / mass[mass > 0].mean()


def _negligible(typical: float) -> float:
    """Return the degree below which a node has no neighbors where `typical` is the degree of most."""
    return 0.0 if typical < _SHARP else min(_NEGLIGIBLE_DEGREE, _NEGLIGIBLE_SHARE * typical)


def are_few(outliers: torch.Tensor, weights: torch.Tensor | None, n_eig: int) -> bool:
    """Return whether a graph without these nodes (n,) is still the graph of nearly all, with `n_eig` eigenvectors."""
    weights = torch.ones(len(outliers), dtype=torch.float64) if weights is None else weights
    left = int(((weights > 0) & ~outliers).sum())
    return left > n_eig and float(weights[outliers].sum()) <= MOST_FAR * float(weights.sum())


def _radii(nodes: Nodes, affinity: Affinity, generator: torch.Generator) -> tuple[torch.Tensor, Bulk]:
    """Return the squared distances (n,) of the encoded nodes from the middle of the bulk, on the CPU, and the bulk."""
    sampled = uniform_nodes(len(nodes), _SAMPLE_NODES, generator)
    rows = nodes[sampled]
    bulk, _ = bulk_of(rows, nodes.mass(sampled, rows), affinity.origin(), cosine=affinity.is_cosine)
    radii, center = rows.new_empty(len(nodes)), bulk.center.to(rows)

    def measure(here: slice) -> None:
        radii[here] = torch.linalg.vector_norm(nodes[here] - center, dim=1).square_()

    nodes.sweep(rows.shape[1], "outliers", measure)
    return radii.cpu(), bulk


@dataclass(frozen=True)
class _Sampled:
    """Degrees of some nodes, estimated on others."""

    nodes: Nodes
    # (n,) in float64 on the CPU.
    mass: torch.Tensor

    def degrees(self, some: torch.Tensor, others: torch.Tensor, mass: torch.Tensor) -> torch.Tensor:
        """Return the degrees (s,) of `some` nodes, without themselves, among nodes of a total `mass` that `others`
        are drawn from: in float64 on the CPU."""
        columns = self.nodes[others]
        weights = self.mass[others]
        total = torch.zeros(len(some), dtype=torch.float64)
        if len(others) == 0 or float(weights.sum()) == 0:
            return total
        where = torch.full((len(self.mass),), -1)
        where[others] = torch.arange(len(others))
        for start in range(0, len(some), max(1, _CHUNK_ELEMENTS // len(others))):
            here = some[start : start + max(1, _CHUNK_ELEMENTS // len(others))]
            A = self.nodes.affinity(self.nodes[here], columns)
            own = where[here]
            itself = (own >= 0).nonzero().flatten()
            A[itself.to(A.device), own[itself].to(A.device)] = 0
            total[start : start + len(here)] = (A @ weights.to(A)).cpu().double()
        return total * (mass / weights.sum())


def _outside_groups(
    graph: _Sampled,
    apart: torch.Tensor,
    far: torch.Tensor,
    limit: torch.Tensor,
    link: float,
    total: float,
    generator: torch.Generator,
) -> torch.Tensor:
    """Return which of the nodes that are `apart` from the bulk belong to no cluster among themselves.

    In a cluster they are linked by affinities above `link`, or have more of a degree than the `limit` (a,).
    """
    if len(apart) == 0:
        return far
    drawn = uniform_nodes(len(apart), _MOST_GROUPED_NODES, generator)
    rows = graph.nodes[apart[drawn]]
    piece = torch.full((len(apart),), -1)
    piece[drawn] = groups_of(graph.nodes.affinity(rows, rows) > link)
    count = int(piece.max()) + 1
    others = (piece < 0).nonzero().flatten()
    for chunk in others.split(max(1, _CHUNK_ELEMENTS // len(rows))):
        best, nearest = graph.nodes.affinity(graph.nodes[apart[chunk]], rows).max(1)
        piece[chunk] = torch.where(best.cpu() > link, piece[drawn][nearest.cpu()], -1)
    alone = piece < 0
    piece[alone] = count + torch.arange(int(alone.sum()))
    size = torch.bincount(piece)
    mass = torch.bincount(piece, weights=graph.mass[apart])
    has_far = torch.zeros(len(size)).index_add_(0, piece, far.float()) > 0
    cluster = mass >= torch.where(has_far, _FAR_CLUSTER_SHARE, _CLUSTER_SHARE) * total
    small = ~cluster & ~has_far & (size >= FEWEST_IN_A_GROUP)
    if int(small.sum()) <= _MOST_SMALL_GROUPS:
        cluster |= small
    outside = ~cluster[piece]
    loose = (outside & ~far & (size[piece] < FEWEST_IN_A_GROUP)).nonzero().flatten()
    degrees = graph.degrees(apart[loose], apart[drawn], graph.mass[apart].sum())
    outside[loose] = degrees < limit[loose]
    return outside


def _in_loose_clusters(
    graph: _Sampled, apart: torch.Tensor, far: torch.Tensor, distances: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """Return which nodes are in a cluster that the kernel takes apart: near each other, next to their `distances` (a,)
    from the bulk."""
    inside = torch.zeros(len(apart), dtype=torch.bool)
    drawn = uniform_nodes(len(apart), _MOST_GROUPED_NODES, generator)
    piece = groups_of(near_each_other(graph.nodes[apart[drawn]], distances[drawn]))
    share = torch.bincount(piece, weights=graph.mass[apart[drawn]], minlength=1) / graph.mass.sum()
    # Nodes that were not drawn are of many groups: those are no few.
    cluster = share >= GROUP_SHARE
    if len(drawn) < len(apart) or int(cluster.sum()) > _MOST_SMALL_GROUPS:
        return inside
    inside[drawn] = cluster[piece]
    return inside & ~far


def lone_nodes(nodes: Nodes, solution: Solution, alpha: float, generator: torch.Generator) -> torch.Tensor:
    """Return the nodes (l,) of a solved graph without neighbors on which eigenvectors are spent; none if few are."""
    generator = torch.Generator().set_state(generator.get_state())
    vectors = solution.pairs.vectors
    mass = nodes.mass(slice(None), vectors)
    leverage = vectors[:, 1:].square().sum(1) * mass
    if isinstance(nodes.affinity, Affinity) and not alpha:
        chosen = solution.degrees <= 2 * mass
    else:
        # Degrees say nothing here: those on which eigenvectors are spent.
        chosen = leverage > _LEVERAGE * leverage.mean()
    mass, leverage = _in_means(mass), leverage.cpu()
    candidates = (chosen.cpu() & (mass > 0)).nonzero().flatten()
    if float(leverage[candidates].sum()) < SPENT:
        return candidates[:0]
    candidates = candidates[leverage[candidates].argsort(descending=True, stable=True)[:_REFERENCE_NODES]]
    graph, counted = _Sampled(nodes, mass), (mass > 0).nonzero().flatten()
    reference = counted[uniform_nodes(len(counted), _REFERENCE_NODES, generator)]
    typical = float(graph.degrees(_evenly(reference), reference, mass.sum()).median())
    limit = min(1.0, _negligible(typical))
    for others, total in ((reference, mass.sum()), (candidates, mass[candidates].sum())):
        own = mass[candidates] * _own_affinity(nodes, candidates)
        candidates = candidates[graph.degrees(candidates, others, total) < limit * own]
        if len(candidates) == 0:
            break
    limits = torch.full((len(candidates),), limit, dtype=torch.float64)
    everything = float(mass.sum())
    link = _LINK * min(1.0, typical / everything)
    candidates = candidates[_outside_groups(graph, candidates, limits < 0, limits, link, everything, generator)]
    return candidates.sort().values if float(leverage[candidates].sum()) >= SPENT else candidates[:0]


def _own_affinity(nodes: Nodes, some: torch.Tensor) -> torch.Tensor:
    if isinstance(nodes.affinity, Affinity):
        return torch.ones(len(some), dtype=torch.float64)
    blocks = [nodes[block] for block in some.split(64)]
    return torch.cat([nodes.affinity(block, block).diagonal().cpu().double() for block in blocks])
