"""The solution of a graph: its eigenpairs, and their extension to other nodes."""

from __future__ import annotations

from typing import NamedTuple

import torch

from ncut_widgets.ncut.graph.extension import Extension
from ncut_widgets.ncut.graph.symmetric import SymmetricMatrix

from .eigensolver import Eigenpairs

__all__ = ["Solution"]


class Solution(NamedTuple):
    """The eigenpairs of a graph, the degrees (n,), the extension to other nodes, and A if the solution is exact.

    With weights w of the nodes, the vectors satisfy sum_i w_i u_i u_i^T = 1.
    """

    pairs: Eigenpairs
    degrees: torch.Tensor
    extension: Extension
    affinities: SymmetricMatrix | None = None
