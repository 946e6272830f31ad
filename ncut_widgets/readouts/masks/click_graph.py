"""The joint graph of features and clicks, and its second eigenvector at any node."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import torch

from ncut_widgets.ncut.graph.build_kernel import build_kernel
from ncut_widgets.ncut.graph.chunks import for_each_chunk
from ncut_widgets.ncut.graph.extension import Extension
from ncut_widgets.ncut.graph.landmarks import choose_landmarks
from ncut_widgets.ncut.graph.linalg import eigh
from ncut_widgets.ncut.graph.low_rank import Columns, Core, core_of
from ncut_widgets.ncut.graph.nodes import Nodes
from ncut_widgets.ncut.graph.precision import is_zero

__all__ = ["Cut", "cut_with_clicks", "feature_graph"]

# The click signal is on a logarithmic scale, on which the spacing of the landmarks is small compared with this sigma.
_CLICK_SIGMA = 0.5
_N_CLICK_LANDMARKS = 64
# Relative size of eigenvalues of a Gram matrix below which they are rounding errors of float32 columns.
_RANK_TOLERANCE = 1e-10
# A cut takes the second eigenvector of the joint graph.
_N_EIG = 2


class LowRankGraph(NamedTuple):
    """A normalized low-rank affinity D^-1/2 C F J F^T C^T D^-1/2, with F and the signs J in `core`."""

    columns: Columns
    core: Core
    extension: Extension


def _low_rank_graph(nodes: Nodes, landmarks: torch.Tensor, n_eig: int | None = None) -> LowRankGraph:
    core, lowest = core_of(nodes.kernel, landmarks, n_eig=n_eig)
    no_projection = landmarks.new_zeros(len(landmarks), 0)
    no_degrees = landmarks.new_zeros(len(landmarks))
    extension = Extension(nodes.kernel, landmarks, no_degrees, None, no_projection, 0.0, lowest)
    columns = Columns(nodes, extension)
    degree_weights = core.weights(columns.sums()).to(landmarks)
    return LowRankGraph(columns, core, replace(extension, degree_weights=degree_weights))


def feature_graph(nodes: Nodes, clicked: torch.Tensor, n_sample: int, generator: torch.Generator) -> LowRankGraph:
    """Return the graph of the features: all nodes are landmarks, or `n_sample` of them and the clicked nodes."""
    if len(nodes) <= n_sample:
        # All directions of the affinities, because none is missed by the landmarks.
        return _low_rank_graph(nodes, nodes[:], len(nodes))
    landmarks = choose_landmarks(nodes[:], nodes.kernel, n_sample, generator)
    # Clicked nodes are landmarks, so that their affinities are exact.
    return _low_rank_graph(nodes, torch.cat([landmarks, nodes[clicked]]), _N_EIG)


class Cut(NamedTuple):
    """The second eigenvector u of the joint graph, at any node, and its calibration to a heatmap.

    u(x) = d(x)^-1/2 C(x) p + d'(x)^-1/2 C'(s(x)) p', where primes denote the graph of clicks and s(x) is the click
    signal.
    """

    # Two columns: the sinh of the signal, n (mean of A(x, P) - bg_weight * mean of A(x, N)), and the first term of u.
    features: Extension
    clicks: Extension
    sign: float = 1.0
    low: float = 0.0
    high: float = 1.0

    def __call__(self, nodes: torch.Tensor) -> torch.Tensor:
        """Return u (n,) at the nodes (n, c)."""
        columns = self.features(nodes)
        values = columns.new_empty(len(columns))

        def add_click_term(chunk: slice) -> None:
            values[chunk] = columns[chunk, 1] + self.clicks(columns[chunk, :1].asinh())[:, 0]

        for_each_chunk(len(columns), _N_CLICK_LANDMARKS, columns.device, add_click_term)
        return values

    def calibrated(self, values: torch.Tensor, positive: torch.Tensor, negative: torch.Tensor) -> Cut:
        """Return the cut with the sign and range of a heatmap, from `values` (n,) of u at the fitted nodes."""
        reference = values.mean() if not len(negative) else (values.mean() + values[negative].mean()) / 2
        sign = 1.0 if float(values[positive].mean()) >= float(reference) else -1.0
        signed = sign * values
        low, high = float(signed.quantile(0.01)), float(signed.quantile(0.99))
        high = max(high, float(signed[positive].median()))
        if not high > low:
            low, high = float(signed.min()), float(signed.max())
        return self._replace(sign=sign, low=low, high=high)

    def heatmap(self, values: torch.Tensor) -> torch.Tensor:
        """Return the heatmap (n,), in [0, 1], of `values` (n,) of u."""
        return ((self.sign * values - self.low) / (self.high - self.low)).clamp(0, 1)


def cut_with_clicks(
    graph: LowRankGraph, clicked: list[torch.Tensor], click_weight: float, bg_weight: float, generator: torch.Generator
) -> tuple[Cut, float]:
    """Return the second eigenvector of the joint graph, not calibrated yet, and its eigenvalue."""
    nodes, landmarks = graph.columns.nodes, graph.extension.landmarks
    signal_projection = _signal_projection(graph, clicked, bg_weight)
    signal = landmarks.new_empty(len(nodes), 1)
    signal_extension = replace(graph.extension, projection=signal_projection)

    def compute_signal(chunk: slice) -> None:
        signal[chunk] = signal_extension.embed(graph.columns[chunk]).vectors.asinh()

    graph.columns.for_each_chunk("clicks", compute_signal)
    clicks = _click_graph(signal, generator)

    width = len(landmarks)
    gram = torch.zeros(width + _N_CLICK_LANDMARKS, width + _N_CLICK_LANDMARKS, dtype=torch.float64)

    def add_products(chunk: slice) -> Callable[[], object]:
        rows = torch.cat([_normalized(part, part.columns[chunk]) for part in (graph, clicks)], dim=1)
        products = (rows.T @ rows).cpu()
        return lambda: gram.add_(products)

    graph.columns.for_each_chunk("Gram matrix", add_products)
    root = torch.block_diag((1 - click_weight) ** 0.5 * graph.core.root, click_weight**0.5 * clicks.core.root)
    signs = torch.cat([graph.core.signs, clicks.core.signs])
    values, vectors = _eigenpairs(root.T @ gram @ root, signs)
    if len(values) < 2 or bool(is_zero(values[-2].to(landmarks))):
        raise ValueError(
            "Affinities must differ between pairs of nodes; at this `sigma`, all pairs have the same affinity. Lower "
            "`sigma` or `degree`, or pass other features."
        )
    projection = (root @ vectors[:, -2:-1]).to(landmarks)
    return (
        Cut(
            replace(graph.extension, projection=torch.cat([signal_projection, projection[:width]], dim=1)),
            replace(clicks.extension, projection=projection[width:]),
        ),
        float(values[-2]),
    )


def _eigenpairs(gram: torch.Tensor, signs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the eigenvalues (k,), ascending, of R J R^T, and the V (r, k) with which R V are its eigenvectors.

    J is the diagonal of the `signs` (r,), and `gram` is R^T R. With R^T R = Q L Q^T, R Q L^-1/2 is orthonormal, so the
    eigenvalues are those of L^1/2 Q^T J Q L^1/2.
    """
    values, vectors = eigh(gram)
    if bool((signs > 0).all()):
        return values, vectors / values.clamp_min(torch.finfo(values.dtype).tiny).sqrt()
    kept = values > _RANK_TOLERANCE * values[-1]
    lengths, vectors = values[kept].sqrt(), vectors[:, kept]
    inner = (vectors.T * signs) @ vectors
    values, turned = eigh(lengths[:, None] * inner * lengths)
    return values, vectors / lengths @ turned


def _signal_projection(graph: LowRankGraph, clicked: list[torch.Tensor], bg_weight: float) -> torch.Tensor:
    """Return the q (m, 1) with n (mean of A(x, P) - bg_weight * mean of A(x, N)) = d(x)^-1/2 C(x) q."""
    nodes, landmarks = graph.columns.nodes, graph.extension.landmarks
    total = torch.zeros_like(graph.extension.degree_weights)
    for indices, weight in zip(clicked, (1.0, -bg_weight), strict=True):
        if len(indices):
            total += weight * _normalized(graph, graph.extension.columns(nodes[indices])).mean(0)
    return len(nodes) * graph.core.weights(total.cpu().double())[:, None].to(landmarks)


def _click_graph(signal: torch.Tensor, generator: torch.Generator) -> LowRankGraph:
    """Return the graph of the click signal (n, 1)."""
    kernel = build_kernel(signal, sigma=_CLICK_SIGMA, generator=generator)
    # In one dimension, evenly spaced landmarks cover the range.
    fractions = torch.linspace(0, 1, _N_CLICK_LANDMARKS, dtype=signal.dtype, device=signal.device)
    landmarks = signal.min() + fractions * (signal.max() - signal.min())
    return _low_rank_graph(Nodes(signal, kernel), kernel.encode(landmarks[:, None]))


def _normalized(graph: LowRankGraph, columns: torch.Tensor) -> torch.Tensor:
    """Return D^-1/2 C (r, m) of nodes with the columns C (r, m)."""
    return columns * graph.extension.embed(columns).scale[:, None]
