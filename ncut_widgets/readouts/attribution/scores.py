"""The graph whose targets are traced: gradients of their scores, and scores once channels are gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from ncut_widgets._progress import progress
from ncut_widgets._validation import Like, device_of, torch_generator
from ncut_widgets.ncut import Ncut
from ncut_widgets.ncut.affinity import Kernel, build_affinity
from ncut_widgets.ncut.exact import solve_exact
from ncut_widgets.ncut.sampling import uniform_nodes

from .targets import Targets

__all__ = ["Deletions", "Step", "gradients_of_scores", "steps"]

Step = Callable[[float], object]
# Channels are deleted from the exact graph of so many nodes: a few hundredths of a second for each cut.
_NODES = 2048
# Of these, at least so many of every cluster and mask, or all that it has.
_LEAST_OF_A_TARGET = 32


@contextmanager
def steps(total: int, what: str, show: bool | Step) -> Iterator[Callable[[int], object]]:
    """Yield what to call with the number of steps just done: it moves a bar, or tells `show` the share of all."""
    if not callable(show):
        with progress(total, f"attribution: {what}", unit="step", show=show) as done:
            yield done
        return
    so_far = 0

    def tell(n: int) -> None:
        nonlocal so_far
        so_far += n
        show(so_far / total)

    yield tell


def gradients_of_scores(
    nodes: torch.Tensor, targets: Targets, weights: torch.Tensor | None, ncut: Ncut
) -> tuple[torch.Tensor, Iterator[torch.Tensor]]:
    """Return the scores (t,), and one after the other their gradients (n, c): one cut, and one pass back for each."""
    nodes = nodes.detach().requires_grad_()
    with torch.enable_grad():
        eig = ncut.fit_transform(nodes, sample_weight=weights)
        scores = targets.scores(eig, weights).unbind()

    def gradients() -> Iterator[torch.Tensor]:
        for target, score in enumerate(scores, 1):
            # The last one frees what the others go through.
            yield torch.autograd.grad(score, nodes, retain_graph=target < len(scores))[0]

    return torch.stack(scores).detach(), gradients()


@dataclass(frozen=True)
class Deletions:
    """The scores of targets after channels have been replaced by their mean, at the sigma and on nodes held fixed.

    Attributes
    ----------
    nodes : torch.Tensor of shape (s, c)
        All nodes, or 2048 of them.
    means : torch.Tensor of shape (c,)
        Of all nodes.
    targets : Targets
        Of those nodes.
    weights, counted : torch.Tensor of shape (s,), optional
        Of those nodes, in a target and in the graph.
    """

    nodes: torch.Tensor
    means: torch.Tensor
    targets: Targets
    weights: torch.Tensor | None
    counted: torch.Tensor | None
    ncut: Ncut
    kernel: Kernel

    @classmethod
    def of(cls, nodes: torch.Tensor, targets: Targets, weights: torch.Tensor | None, ncut: Ncut) -> Deletions:
        """Return the deletions from the graph that `ncut` was fitted to."""
        means = nodes.detach().mean(0)
        generator = torch_generator(0)
        # What the fit left out of its graph stays out of it.
        counted = ncut.counted_weights(weights)
        if len(nodes) > _NODES:
            sampled = _sample(len(nodes), targets, generator)
            nodes, targets = nodes.detach()[sampled.to(nodes.device)], targets.take(sampled)
            weights = None if weights is None else weights[sampled]
            counted = None if counted is None else counted[sampled]
        fixed = Ncut(**{**ncut.get_params(deep=False), "sigma": ncut.sigma_, "degree": None, "solver": "exact"})
        kernel = build_affinity(
            nodes.detach(),
            fixed.affinity,
            sigma=fixed.sigma,
            degree=None,
            repulsive=False,
            repulsion_sigma=None,
            weights=counted,
            project=False,
            like=Like(is_numpy=False, dtype=nodes.dtype, device=nodes.device),
            device=device_of(nodes, fixed.device),
            generator=generator,
        )
        return cls(nodes.detach(), means, targets, weights, counted, fixed, kernel)

    def scores(self, channels: Sequence[int], others: Sequence[Targets] = ()) -> torch.Tensor:
        """Return the scores (t,) without these channels, followed by those of other targets of the same nodes."""
        nodes = self.nodes
        if len(channels):
            index = torch.as_tensor(channels, device=nodes.device)
            nodes = nodes.index_copy(1, index, self.means[index].expand(len(nodes), -1).contiguous())
        w, counted = (
            None if given is None else given.to(self.kernel.encode(nodes[:1])) for given in (self.weights, self.counted)
        )
        solution = solve_exact(nodes, self.kernel, self.targets.n_eig, torch_generator(0), weights=counted)
        eig = solution.pairs.vectors
        return torch.cat([part.scores(eig, w) for part in (self.targets, *others)]).cpu()


def _sample(n: int, targets: Targets, generator: torch.Generator) -> torch.Tensor:
    drawn = torch.zeros(n, dtype=torch.bool)
    drawn[uniform_nodes(n, _NODES, generator)] = True
    for stratum in targets.strata:
        missing = min(_LEAST_OF_A_TARGET, int(stratum.sum())) - int((stratum & drawn).sum())
        if missing > 0:
            rest = (stratum & ~drawn).nonzero().flatten()
            drawn[rest[torch.randperm(len(rest), generator=generator)[:missing]]] = True
    return drawn.nonzero().flatten()
