"""The graph that clicks take part in, and its second eigenvector at any node."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import torch

from ncut_widgets._validation import check_features
from ncut_widgets.ncut.affinity import build_affinity
from ncut_widgets.ncut.dense import eigh
from ncut_widgets.ncut.landmarks import choose_landmarks
from ncut_widgets.ncut.lowrank import Columns, Core, core_of
from ncut_widgets.ncut.nodes import Nodes
from ncut_widgets.ncut.solution import Extension, sweep, vanishing

__all__ = ["Cut", "cut_with_clicks", "graph_of_features"]

# In logarithms, so that sixty landmarks are close together next to that, whatever the range.
_CLICK_SIGMA = 0.5
_CLICK_LANDMARKS = 64


class Graph(NamedTuple):
    """A normalised low-rank affinity, D^-1/2 C F F^T C^T D^-1/2, of which the extension knows C and D."""

    columns: Columns
    core: Core
    extension: Extension


def _graph(nodes: Nodes, landmarks: torch.Tensor) -> Graph:
    core, lowest = core_of(nodes.affinity, landmarks, 0.0, n_eig=None)
    none = landmarks.new_zeros(len(landmarks), 0)
    extension = Extension(nodes.affinity, landmarks, landmarks.new_zeros(len(landmarks)), None, none, 0.0, lowest)
    columns = Columns(nodes, extension)
    return Graph(columns, core, replace(extension, degree_weights=core.weights(columns.sums()).to(landmarks)))


def graph_of_features(nodes: Nodes, clicked: torch.Tensor, n_sample: int, generator: torch.Generator) -> Graph:
    if len(nodes) <= n_sample:
        return _graph(nodes, nodes[:])
    chosen = choose_landmarks(nodes[:], nodes.affinity, n_sample, generator)
    # What a clicked node is connected to is then as it is, not as other landmarks see it.
    return _graph(nodes, torch.cat([chosen, nodes[clicked]]))


class Cut(NamedTuple):
    """The second eigenvector u of the joint graph at any node, turned and stretched.

    u(x) = d(x)^-1/2 C(x) p + d'(x)^-1/2 C'(s(x)) p', where the dashed are those of the graph of clicks.
    """

    # Projects to two columns: n (mean of A(x, P) - bg_weight * mean of A(x, N)), and the first part of u.
    of_features: Extension
    of_clicks: Extension
    sign: float = 1.0
    low: float = 0.0
    high: float = 1.0

    def __call__(self, nodes: torch.Tensor) -> torch.Tensor:
        """Return u (n,) at the nodes (n, c)."""
        both = self.of_features(nodes)
        values = both.new_empty(len(both))

        def add(here: slice) -> None:
            values[here] = both[here, 1] + self.of_clicks(both[here, :1].asinh())[:, 0]

        sweep(len(both), _CLICK_LANDMARKS, both.device, add)
        return values

    def oriented(self, values: torch.Tensor, positive: torch.Tensor, negative: torch.Tensor) -> Cut:
        """Return the cut with its sign and range taken from its `values` (n,) at the fitted nodes."""
        elsewhere = values.mean() if not len(negative) else (values.mean() + values[negative].mean()) / 2
        sign = 1.0 if float(values[positive].mean()) >= float(elsewhere) else -1.0
        turned = sign * values
        low, high = float(turned.quantile(0.01)), float(turned.quantile(0.99))
        high = max(high, float(turned[positive].median()))
        if not high > low:
            low, high = float(turned.min()), float(turned.max())
        return self._replace(sign=sign, low=low, high=high)

    def stretched(self, values: torch.Tensor) -> torch.Tensor:
        """Return `values` (n,) of u as a heatmap (n,) in [0, 1]."""
        return ((self.sign * values - self.low) / (self.high - self.low)).clamp(0, 1)


def cut_with_clicks(
    graph: Graph, clicked: list[torch.Tensor], click_weight: float, bg_weight: float, generator: torch.Generator
) -> tuple[Cut, float]:
    """Return the second eigenvector of the joint graph, not oriented yet, and its eigenvalue."""
    nodes, like = graph.columns.nodes, graph.extension.landmarks
    pull = _pull(graph, clicked, bg_weight)
    signal = like.new_empty(len(nodes), 1)
    connected = replace(graph.extension, projection=pull)

    def connect(here: slice) -> None:
        signal[here] = connected.embed(graph.columns[here]).vectors.asinh()

    graph.columns.sweep("clicks", connect)
    clicks = _graph_of_clicks(signal, generator)

    width = len(like)
    gram = torch.zeros(width + _CLICK_LANDMARKS, width + _CLICK_LANDMARKS, dtype=torch.float64)

    def add(here: slice) -> Callable[[], object]:
        rows = torch.cat([_scaled(part, part.columns[here]) for part in (graph, clicks)], dim=1)
        part = (rows.T @ rows).cpu()
        return lambda: gram.add_(part)

    graph.columns.sweep("Gram matrix", add)
    root = torch.block_diag((1 - click_weight) ** 0.5 * graph.core.root, click_weight**0.5 * clicks.core.root)
    values, vectors = eigh(root.T @ gram @ root)
    if len(values) < 2 or bool(vanishing(values[-2].to(like))):
        raise ValueError(
            "The nodes must differ; at this sigma they are all alike. Lower `sigma` or `degree`, "
            "or pass other features."
        )
    projection = (root @ vectors[:, -2:-1] / values[-2].sqrt()).to(like)
    return (
        Cut(
            replace(graph.extension, projection=torch.cat([pull, projection[:width]], dim=1)),
            replace(clicks.extension, projection=projection[width:]),
        ),
        float(values[-2]),
    )


def _pull(graph: Graph, clicked: list[torch.Tensor], bg_weight: float) -> torch.Tensor:
    """Return the q (m, 1) with n (mean of A(x, P) - bg_weight * mean of A(x, N)) = d(x)^-1/2 C(x) q."""
    nodes, like = graph.columns.nodes, graph.extension.landmarks
    total = torch.zeros_like(graph.extension.degree_weights)
    for picked, weight in zip(clicked, (1.0, -bg_weight), strict=True):
        if len(picked):
            total += weight * _scaled(graph, graph.extension.columns(nodes[picked])).mean(0)
    return len(nodes) * graph.core.weights(total.cpu().double())[:, None].to(like)


def _graph_of_clicks(signal: torch.Tensor, generator: torch.Generator) -> Graph:
    affinity = build_affinity(
        signal,
        "rbf",
        sigma=_CLICK_SIGMA,
        degree=None,
        repulsive=False,
        repulsion_sigma=None,
        weights=None,
        project=False,
        like=check_features(signal)[1],
        device=signal.device,
        generator=generator,
    )
    # One dimension can be covered evenly.
    ends = torch.linspace(0, 1, _CLICK_LANDMARKS, dtype=signal.dtype, device=signal.device)
    landmarks = signal.min() + ends * (signal.max() - signal.min())
    return _graph(Nodes(signal, affinity), affinity.encode(landmarks[:, None]))


def _scaled(graph: Graph, columns: torch.Tensor) -> torch.Tensor:
    """Return D^-1/2 C (r, m) of nodes with the columns C."""
    return columns * graph.extension.embed(columns).scale[:, None]
