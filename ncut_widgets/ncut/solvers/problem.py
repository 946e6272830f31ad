"""The problem that a solver gets: the nodes, and which eigenpairs of their graph to compute."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from ncut_widgets.ncut.graph.nodes import Nodes

__all__ = ["Problem"]


@dataclass(frozen=True)
class Problem:
    """The leading eigenpairs of S D^-1/2 A D^-1/2 S, where S^2 are the weights of the nodes.

    If the kernel has a repulsion R with factor r, A becomes A - r R and the degrees are those of A + r R. With `alpha`,
    the weights become those times the degrees to the power -alpha.

    Attributes
    ----------
    nodes : Nodes
        The nodes, with their kernel and weights.
    n_eig : int
        Number of eigenpairs.
    generator : torch.Generator
        CPU generator of all samples and starting vectors.
    alpha : float
        Exponent of the density correction, in [0, 1].
    solver : {"auto", "exact", "nystrom"}
        How to solve it.
    n_landmarks : int, optional
        Number of landmarks, or of nodes if `balanced`; chosen by the solver if None.
    balanced : bool
        Whether the graph consists only of nodes that are spread evenly over the features.
    """

    nodes: Nodes
    n_eig: int
    generator: torch.Generator
    alpha: float = 0.0
    solver: str = "auto"
    n_landmarks: int | None = None
    balanced: bool = False

    def on(self, nodes: Nodes) -> Problem:
        """Return the same problem for other nodes."""
        return replace(self, nodes=nodes)
