"""The operations of a graph that gradients need: products, linear systems, and the step from affinities to features."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch

from ncut_widgets.ncut.graph.extension import Extension
from ncut_widgets.ncut.graph.linalg import eigh
from ncut_widgets.ncut.graph.low_rank import Columns, core_of
from ncut_widgets.ncut.graph.nodes import Nodes
from ncut_widgets.ncut.graph.precision import LOW_RANK_CUT
from ncut_widgets.ncut.graph.symmetric import SymmetricMatrix

from .shifted_systems import RESOLUTION, guarded_inverse, solve_shifted

__all__ = ["ExactGraph", "Graph", "LowRankGraph"]


class Graph(Protocol):
    """A graph of n nodes with affinities A = C W^+ C^T, or A = C if it is exact."""

    def extended(self, values: torch.Tensor) -> torch.Tensor:
        """Return C times the `values` (m,)."""
        ...

    def product(self, block: torch.Tensor) -> torch.Tensor:
        """Return A times the `block` (n, w)."""
        ...

    def solve(
        self, scale: torch.Tensor, values: torch.Tensor, vectors: torch.Tensor, rhs: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the z_k with (lambda_k - M) z_k = rhs_k, and M z_k.

        Parameters
        ----------
        scale : torch.Tensor of shape (n, 1)
            M is A with rows and columns multiplied by it.
        values, vectors : torch.Tensor of shape (k + 1,), (n, k + 1)
            The leading eigenpairs of M. There is no system for the first one.
        rhs : torch.Tensor of shape (n, k)
            Right-hand sides, orthogonal to the eigenvectors.
        """
        ...

    def contract(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """Return dL/dX (n, c), given the factors (n, r) of dL/dA + (dL/dA)^T."""
        ...


class ExactGraph:
    """A graph that was solved exactly, with the blocks of its affinities."""

    def __init__(
        self,
        nodes: torch.Tensor,
        extension: Extension,
        blocks: tuple[torch.Tensor, ...],
        further: torch.Tensor | None,
    ) -> None:
        self._nodes, self._extension = nodes, extension
        self._affinities = SymmetricMatrix(blocks)
        self._further = further

    def extended(self, values: torch.Tensor) -> torch.Tensor:
        return self._affinities @ values

    def product(self, block: torch.Tensor) -> torch.Tensor:
        return self._affinities @ block

    def solve(
        self, scale: torch.Tensor, values: torch.Tensor, vectors: torch.Tensor, rhs: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        def complement(block: torch.Tensor) -> torch.Tensor:
            return block - vectors @ (vectors.T @ block)

        def apply(block: torch.Tensor) -> torch.Tensor:
            return complement(scale * (self._affinities @ (scale * complement(block))))

        further = rhs[:, :0] if self._further is None else complement(self._further)
        z = solve_shifted(apply, values[1:], rhs, further)
        return z, apply(z)

    def contract(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        E = self._extension.landmarks.detach()
        return self._extension.kernel.symmetric_gradient(self._nodes, E, self._affinities, left, right)


class LowRankGraph:
    """A low-rank graph, with the affinities of all nodes to the landmarks."""

    def __init__(self, nodes: torch.Tensor, extension: Extension) -> None:
        self._nodes, self._extension = nodes, extension
        self._columns = Columns(Nodes(nodes, extension.kernel), extension)
        # Directions that the solution omits as noise are omitted in the gradient, too.
        n_eig = extension.projection.shape[1]
        self._core = core_of(extension.kernel, extension.landmarks, n_eig=n_eig)[0]

    def _summed(self, block: torch.Tensor) -> torch.Tensor:
        """Return C^T times the `block` (n, w), in float64 on the CPU."""
        total = torch.zeros(self._columns.width, block.shape[1], dtype=torch.float64)

        def add(here: slice) -> Callable[[], object]:
            part = (self._columns[here].T @ block[here]).cpu()
            return lambda: total.add_(part)

        self._columns.for_each_chunk("gradient", add)
        return total

    def _lowered(self, block: torch.Tensor) -> torch.Tensor:
        """Return W^+ C^T times the `block` (n, w)."""
        root, signs = self._core.root, self._core.signs
        return (root @ (signs[:, None] * (root.T @ self._summed(block)))).to(block)

    def extended(self, values: torch.Tensor) -> torch.Tensor:
        out = values.new_empty(len(self._nodes), *values.shape[1:])

        def extend(here: slice) -> None:
            out[here] = self._columns[here] @ values

        self._columns.for_each_chunk("gradient", extend)
        return out

    def product(self, block: torch.Tensor) -> torch.Tensor:
        return self.extended(self._lowered(block))

    def solve(
        self,
        scale: torch.Tensor,
        values: torch.Tensor,
        vectors: torch.Tensor,  # noqa: ARG002
        rhs: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        # M = B J B^T with B = S C R has the orthonormal eigenvectors u_i = B t_i, with eigenvalues s_i, so that
        # (lambda - M)^-1 = (1 + sum_i u_i u_i^T s_i / (lambda - s_i)) / lambda.
        R, resolution = self._core.root, RESOLUTION[values.dtype]
        gram, seen = R.new_zeros(len(R), len(R)), R.new_zeros(len(R), rhs.shape[1])

        def add(here: slice) -> Callable[[], object]:
            scaled = self._columns[here] * scale[here]
            of_gram, of_seen = (scaled.T @ scaled).cpu(), (scaled.T @ rhs[here]).cpu()

            def accumulate() -> None:
                gram.add_(of_gram)
                seen.add_(of_seen)

            return accumulate

        self._columns.for_each_chunk("gradient", add)
        spectrum, basis = eigh(R.T @ gram @ R)
        weights = torch.ones_like(spectrum)
        if not self._core.is_definite:
            # With B^T B = L L^T and the eigenvectors q_i of L^T J L, t_i is J L q_i / s_i.
            factor = self._core.signs[:, None] * (basis * spectrum.clamp_min(0).sqrt())
            spectrum, turn = eigh(factor.T @ (self._core.signs[:, None] * factor))
            basis = factor @ turn
            resolved = spectrum.abs() > LOW_RANK_CUT[values.dtype]
            weights = torch.where(resolved, 1 / torch.where(resolved, spectrum, 1), 0)
        beyond = max(0, len(spectrum) - len(values))
        gaps = values[1:].cpu().double() - spectrum[:beyond, None]
        basis = basis[:, :beyond]
        inside = basis.T @ (R.T @ seen) * guarded_inverse(gaps, resolution) * weights[:beyond, None]
        lift = (R @ (basis @ inside)).to(values)
        z = (rhs + scale * self.extended(lift)) * guarded_inverse(values[1:], resolution)
        return z, z * values[1:] - rhs

    def contract(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        lowered = self._lowered(right)
        gradient = torch.empty_like(self._nodes)
        kernel, landmarks = self._extension.kernel, self._extension.landmarks.detach()

        def add(here: slice) -> None:
            weights = left[here] @ lowered.T
            gradient[here] = kernel.gradient(self._nodes[here], landmarks, self._columns[here], weights)

        self._columns.for_each_chunk("gradient", add)
        return gradient
