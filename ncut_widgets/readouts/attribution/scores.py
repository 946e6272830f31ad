"""Scores of targets: their gradients through the cut, and their values after ablation of channels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch

from ncut_widgets._progress import Progress, progress
from ncut_widgets._validation import device_of, torch_generator
from ncut_widgets.ncut import Ncut
from ncut_widgets.ncut.graph.build_kernel import build_kernel
from ncut_widgets.ncut.graph.kernels import Kernel
from ncut_widgets.ncut.graph.nodes import Nodes
from ncut_widgets.ncut.graph.sampling import uniform_nodes
from ncut_widgets.ncut.solvers.exact import solve_exact
from ncut_widgets.ncut.solvers.problem import Problem

from .targets import Targets

__all__ = ["ChannelAblation", "progress_steps", "score_gradients"]

# Ablation cuts the exact graph of at most this many nodes, which takes a few hundredths of a second per cut.
_MAX_ABLATION_NODES = 2048
# Minimum number of sampled nodes per cluster or mask; smaller ones are sampled completely.
_MIN_SAMPLES_PER_TARGET = 32


def progress_steps(total: int, what: str, show: Progress) -> AbstractContextManager[Callable[[int], object]]:
    """Return the progress of `total` steps of an attribution; see `progress`."""
    return progress(total, f"attribution: {what}", unit="step", show=show)


def score_gradients(
    nodes: torch.Tensor, targets: Targets, weights: torch.Tensor | None, ncut: Ncut
) -> tuple[torch.Tensor, Iterator[torch.Tensor]]:
    """Return the scores (t,) and an iterator over their gradients (n, c).

    Fits `ncut` once, and takes one backward pass per target.
    """
    nodes = nodes.detach().requires_grad_()
    with torch.enable_grad():
        eigenvectors = ncut.fit_transform(nodes, sample_weight=weights)
        scores = targets.scores(eigenvectors, weights).unbind()

    def gradients() -> Iterator[torch.Tensor]:
        for target, score in enumerate(scores, 1):
            # The last backward pass frees the graph.
            yield torch.autograd.grad(score, nodes, retain_graph=target < len(scores))[0]

    return torch.stack(scores).detach(), gradients()


@dataclass(frozen=True)
class ChannelAblation:
    """Scores of targets after channels are replaced by their mean, with fixed nodes and sigma.

    Attributes
    ----------
    nodes : torch.Tensor of shape (s, c)
        All nodes, or a sample of 2048.
    means : torch.Tensor of shape (c,)
        Mean of each channel over all nodes.
    targets : Targets
        The targets among these nodes.
    weights, graph_weights : torch.Tensor of shape (s,), optional
        Weights of these nodes in the scores of targets, and in the graph.
    ncut : Ncut
        The fitted options of the graph, with the exact solver.
    kernel : Kernel
        The affinity of the graph.
    """

    nodes: torch.Tensor
    means: torch.Tensor
    targets: Targets
    weights: torch.Tensor | None
    graph_weights: torch.Tensor | None
    ncut: Ncut
    kernel: Kernel

    @classmethod
    def from_fit(
        cls, nodes: torch.Tensor, targets: Targets, weights: torch.Tensor | None, ncut: Ncut
    ) -> ChannelAblation:
        """Return the ablation of the graph to which `ncut` was fitted."""
        means = nodes.detach().mean(0)
        generator = torch_generator(0)
        # Outliers that the fit excluded from the graph have a weight of 0.
        graph_weights = ncut.counted_weights(weights)
        if len(nodes) > _MAX_ABLATION_NODES:
            sampled = _sample(len(nodes), targets, generator)
            nodes, targets = nodes.detach()[sampled.to(nodes.device)], targets.take(sampled)
            weights = None if weights is None else weights[sampled]
            graph_weights = None if graph_weights is None else graph_weights[sampled]
        fixed = Ncut(**{**ncut.get_params(deep=False), "sigma": ncut.sigma_, "degree": None, "solver": "exact"})
        kernel = build_kernel(
            nodes.detach(),
            fixed.affinity,
            sigma=fixed.sigma,
            weights=graph_weights,
            device=device_of(nodes, fixed.device),
            generator=generator,
        )
        return cls(nodes.detach(), means, targets, weights, graph_weights, fixed, kernel)

    def scores(self, channels: Sequence[int], others: Sequence[Targets] = ()) -> torch.Tensor:
        """Return the scores (t,) without these channels, followed by the scores of `others` among the same nodes."""
        nodes = self.nodes
        if len(channels):
            index = torch.as_tensor(channels, device=nodes.device)
            nodes = nodes.index_copy(1, index, self.means[index].expand(len(nodes), -1).contiguous())
        graph = Nodes(nodes, self.kernel, weights=self.graph_weights)
        eigenvectors = solve_exact(Problem(graph, self.targets.n_eig, torch_generator(0))).pairs.vectors
        weights = None if self.weights is None else self.weights.to(eigenvectors)
        return torch.cat([targets.scores(eigenvectors, weights) for targets in (self.targets, *others)]).cpu()


def _sample(n: int, targets: Targets, generator: torch.Generator) -> torch.Tensor:
    """Return uniformly sampled nodes, with additional nodes of targets that are under-represented."""
    drawn = torch.zeros(n, dtype=torch.bool)
    drawn[uniform_nodes(n, _MAX_ABLATION_NODES, generator)] = True
    for stratum in targets.strata:
        missing = min(_MIN_SAMPLES_PER_TARGET, int(stratum.sum())) - int((stratum & drawn).sum())
        if missing > 0:
            rest = (stratum & ~drawn).nonzero().flatten()
            drawn[rest[torch.randperm(len(rest), generator=generator)[:missing]]] = True
    return drawn.nonzero().flatten()
