"""Finds outliers, nodes far from all others, so that they determine neither the scale nor eigenvectors."""

from __future__ import annotations

import torch

from .isolation import MAX_OUTLIER_SHARE, are_in_clusters, evenly_spaced, isolation_limit, may_be_isolated
from .kernels import ScaleSample
from .nodes import Nodes
from .sampling import uniform_nodes

__all__ = ["WASTED_EIGENVECTORS", "are_few", "find_outliers", "isolated_nodes"]

_MAX_COMPARED_NODES = 1 << 12
_CHUNK_ELEMENTS = 1 << 22
# Report outliers if eigenvectors have at least this much weight on them: the sum of u^2 over outliers and eigenvectors.
WASTED_EIGENVECTORS = 0.5
# A node with few neighbors has at most this degree.
_FEW_NEIGHBORS = 50.0
# If degrees do not show isolation, nodes whose sum of u^2 exceeds this multiple of the mean are examined.
_LEVERAGE_MULTIPLE = 10.0


def find_outliers(nodes: Nodes, n_eig: int, generator: torch.Generator) -> torch.Tensor:
    """Return which nodes (n,) are outliers at the automatic sigma of the others: a bool tensor on the CPU.

    A node is an outlier if it is isolated (the sum of its affinities to the others is below twice its affinity to
    itself and below 2 % of the typical sum), unless it is in a cluster of isolated nodes (`are_in_clusters`). There are
    no outliers if they would be more than 6 % of all nodes, or leave too few nodes for `n_eig` eigenvectors.
    """
    found = torch.zeros(len(nodes), dtype=torch.bool)
    sample = nodes.kernel.scale_sample
    if sample is None or sample.sigma is None:
        return found
    if len(sample.sampled) == len(nodes):
        found = ~found
        found[sample.kept] = False
    else:
        # Draw from a copy of the generator, so that the search for outliers does not change later draws.
        generator = torch.Generator().set_state(generator.get_state())
        found[_outliers_of_all(nodes, sample, sample.sigma, generator)] = True
    return found if are_few(found, nodes.weights, n_eig) else torch.zeros_like(found)


def _outliers_of_all(nodes: Nodes, sample: ScaleSample, sigma: float, generator: torch.Generator) -> torch.Tensor:
    kernel = nodes.kernel
    graph = _RescaledGraph(nodes, kernel.rescaling(sigma))
    n = float((graph.mass > 0).sum())
    kept = sample.sampled[sample.kept]
    kept = kept[graph.mass[kept] > 0]
    rows = graph.rows(kept)
    share = graph.mass[kept] / graph.mass[kept].sum()
    center = share.to(rows) @ rows
    variance = float(share.to(rows) @ (rows - center).square().sum(1))
    mean = torch.full((len(nodes),), torch.inf, dtype=rows.dtype, device=rows.device)
    if kernel.has_quadratic_exponent:
        # The mean exponent to the kept nodes is the squared distance to their center plus their variance.
        def measure(here: slice) -> None:
            mean[here] = torch.linalg.vector_norm(graph.rows(here) - center, dim=1).square_().add_(variance)

        nodes.for_each_chunk(rows.shape[1], "outliers", measure)
    mean = mean.cpu().double()
    candidates = (may_be_isolated(mean, n) & (graph.mass > 0)).nonzero().flatten()
    if len(candidates) == 0:
        return candidates
    limit = isolation_limit(graph.degrees(evenly_spaced(kept), kept, n))
    isolated = candidates
    # A few reference nodes decide most cases.
    for reference in (evenly_spaced(kept), kept):
        isolated = isolated[graph.degrees(isolated, reference, n) < limit]
    if len(isolated) == 0:
        return isolated
    if not kernel.has_quadratic_exponent:
        candidates = isolated
        mean[isolated] = graph.exponents(isolated, kept) @ share
    origin = kernel.encode(nodes.features.new_zeros(1, nodes.features.shape[1]))[0] * graph.scale
    far = mean > kernel.far_exponent(float((origin - center).square().sum()) + variance)
    return isolated[~graph.are_in_clusters(isolated, candidates, mean, far, generator)]


def are_few(outliers: torch.Tensor, weights: torch.Tensor | None, n_eig: int) -> bool:
    """Return whether the graph without these nodes (n,) still has nearly all weight, and more than `n_eig` nodes."""
    weights = torch.ones(len(outliers), dtype=torch.float64) if weights is None else weights
    left = int(((weights > 0) & ~outliers).sum())
    return left > n_eig and float(weights[outliers].sum()) <= MAX_OUTLIER_SHARE * float(weights.sum())


class _RescaledGraph:
    """The graph of the nodes at another bandwidth.

    Parameters
    ----------
    nodes : Nodes
        The nodes.
    scale : float
        Factor of the encoded nodes (`Kernel.rescaling`).
    """

    def __init__(self, nodes: Nodes, scale: float = 1.0) -> None:
        self.nodes, self.scale = nodes, scale
        # Relative to the mean, so that results do not depend on the unit of the weights: float64 on the CPU.
        mass = torch.ones(len(nodes), dtype=torch.float64) if nodes.weights is None else nodes.weights.cpu().double()
        self.mass = mass / mass[mass > 0].mean()

    def rows(self, here: slice | torch.Tensor) -> torch.Tensor:
        """Return encoded nodes."""
        rows = self.nodes[here]
        return rows if self.scale == 1 else rows * self.scale

    def degrees(self, some: torch.Tensor, others: torch.Tensor, mass: float) -> torch.Tensor:
        """Return the degrees (s,) of `some` nodes without themselves, in float64 on the CPU.

        They are estimated with `others`, which are drawn from nodes with the total `mass`.
        """
        weights = self.mass[others]
        total = torch.zeros(len(some), dtype=torch.float64)
        if len(some) == 0 or float(weights.sum()) == 0:
            return total
        columns = self.rows(others)
        column_of = torch.full((len(self.mass),), -1)
        column_of[others] = torch.arange(len(others))
        size = max(1, _CHUNK_ELEMENTS // len(others))
        for start in range(0, len(some), size):
            here = some[start : start + size]
            A = self.nodes.kernel(self.rows(here), columns)
            own_column = column_of[here]
            among_others = (own_column >= 0).nonzero().flatten()
            A[among_others.to(A.device), own_column[among_others].to(A.device)] = 0
            total[start : start + size] = (A @ weights.to(A)).cpu().double()
        return total * (mass / float(weights.sum()))

    def exponents(self, some: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        """Return -log of the affinities (s, m) between nodes, in float64 on the CPU."""
        return self.nodes.kernel.exponents(self.rows(some), self.rows(others))

    def are_in_clusters(
        self,
        isolated: torch.Tensor,
        candidates: torch.Tensor,
        mean_exponents: torch.Tensor,
        far: torch.Tensor,
        generator: torch.Generator,
    ) -> torch.Tensor:
        """Return which of the `isolated` nodes (i,) are in clusters of the `candidates` (c,)."""
        drawn = candidates[uniform_nodes(len(candidates), _MAX_COMPARED_NODES, generator)]
        shares = self.mass[drawn] * (self.mass[candidates].sum() / self.mass[drawn].sum() / self.mass.sum())
        clustered = are_in_clusters(self.exponents(drawn, drawn), mean_exponents[drawn], shares, far[drawn])
        known = torch.zeros(len(self.mass), dtype=torch.bool)
        known[drawn] = clustered
        # The others belong to the cluster of the most similar drawn node.
        for chunk in isolated[~torch.isin(isolated, drawn)].split(max(1, _CHUNK_ELEMENTS // len(drawn))):
            known[chunk] = clustered[self.exponents(chunk, drawn).argmin(1)]
        return known[isolated]


def isolated_nodes(
    nodes: Nodes, vectors: torch.Tensor, degrees: torch.Tensor, alpha: float, generator: torch.Generator
) -> torch.Tensor:
    """Return the isolated nodes (l,) of a solved graph, if eigenvectors have much weight on them; else no node."""
    generator = torch.Generator().set_state(generator.get_state())
    mass = nodes.mass(slice(None), vectors)
    leverage = vectors[:, 1:].square().sum(1) * mass
    if nodes.kernel.has_unit_diagonal and not alpha:
        suspicious = degrees <= 2 * mass
    else:
        # Degrees do not show isolation, but eigenvectors do.
        suspicious = leverage > _LEVERAGE_MULTIPLE * leverage.mean()
    graph, leverage = _RescaledGraph(nodes), leverage.cpu()
    mass = graph.mass
    candidates = (suspicious.cpu() & (mass > 0)).nonzero().flatten()
    if float(leverage[candidates].sum()) < WASTED_EIGENVECTORS:
        return candidates[:0]
    candidates = candidates[leverage[candidates].argsort(descending=True, stable=True)[:_MAX_COMPARED_NODES]]
    counted = (mass > 0).nonzero().flatten()
    reference = counted[uniform_nodes(len(counted), _MAX_COMPARED_NODES, generator)]
    typical = float(graph.degrees(evenly_spaced(reference), reference, float(mass.sum())).median())
    # If most nodes have few neighbors, the kernel is sharp, and no node is exceptional.
    limit = 1.0 if typical > _FEW_NEIGHBORS else 0.0
    for others, total in ((reference, mass.sum()), (candidates, mass[candidates].sum())):
        own = mass[candidates] * nodes.kernel.own_affinities(nodes[candidates]).cpu().double()
        candidates = candidates[graph.degrees(candidates, others, float(total)) < limit * own]
        if len(candidates) == 0:
            break
    return candidates.sort().values if float(leverage[candidates].sum()) >= WASTED_EIGENVECTORS else candidates[:0]
