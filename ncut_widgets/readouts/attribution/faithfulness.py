"""Checks of an attribution: deletion curves of its channels, and attributions to permuted targets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import rankdata

from ncut_widgets._progress import Progress
from ncut_widgets._threads import one_thread

from .methods import attribute_target_sets
from .scores import ChannelAblation, progress_steps
from .targets import Targets

__all__ = ["Faithfulness", "PermutedTargets", "deletion_curves", "permuted_targets"]

_MAX_POINTS = 9


@dataclass(frozen=True, eq=False, repr=False)
class Faithfulness:
    """Deletion curves: the scores of targets as channels are replaced by their mean, one after the other.

    Attributes
    ----------
    target_names : tuple of str
        Names of the t targets.
    counts : integer array of shape (s,)
        Numbers of deleted channels, from 0.
    top, bottom : float32 array of shape (t, s)
        Scores after deletion of that many channels from the top, or the bottom, of the ranking of a target.
    random : float32 array of shape (t, r, s)
        Scores after deletion of that many random channels, for r random orders.
    area : float32 array of shape (t,)
        Mean difference between the random curve and the top curve: how much more the score depends on the top channels
        than on random ones. It is positive if the attribution is faithful.
    area_to_bottom : float32 array of shape (t,)
        Mean difference between the bottom curve and the top curve.
    """

    target_names: tuple[str, ...]
    counts: np.ndarray
    top: np.ndarray
    bottom: np.ndarray
    random: np.ndarray

    @property
    def area(self) -> np.ndarray:
        return self._mean_difference(self.random.mean(1) - self.top)

    @property
    def area_to_bottom(self) -> np.ndarray:
        return self._mean_difference(self.bottom - self.top)

    def _mean_difference(self, curves: np.ndarray) -> np.ndarray:
        widths = np.diff(self.counts)
        return ((curves[:, 1:] + curves[:, :-1]) / 2 @ widths / widths.sum()).astype(np.float32)

    def __repr__(self) -> str:
        areas = ", ".join(f"{name} {area:.3f}" for name, area in zip(self.target_names, self.area, strict=True))
        return f"Faithfulness(up to {self.counts[-1]} channels, area: {areas})"


@dataclass(frozen=True, eq=False, repr=False)
class PermutedTargets:
    """Comparison of the attributions to real targets and to targets with randomly permuted nodes.

    Attributes
    ----------
    target_names : tuple of str
        Names of the t targets.
    scores : float32 array of shape (t,)
        Scores of the real targets.
    permuted_scores : float32 array of shape (t, p)
        Scores of the targets in p permutations.
    correlation : float32 array of shape (t, p)
        Rank correlation between the attributions to a permuted target and to the real one. It is near 0 if the
        attribution depends on the target, and near 1 if it depends only on the features.
    """

    target_names: tuple[str, ...]
    scores: np.ndarray
    permuted_scores: np.ndarray
    correlation: np.ndarray

    def __repr__(self) -> str:
        rows = zip(self.target_names, self.correlation.mean(1), strict=True)
        return f"PermutedTargets(mean correlation: {', '.join(f'{name} {value:.2f}' for name, value in rows)})"


@one_thread
def deletion_curves(
    ablation: ChannelAblation,
    rankings: np.ndarray,
    rows: list[int],
    k: int,
    n_random: int,
    rng: np.random.Generator,
    show: Progress,
) -> Faithfulness:
    """Return the curves of the targets `rows`, for up to `k` channels of their `rankings` (t, c)."""
    c = rankings.shape[1]
    # Points are denser for small counts, at which the curves are steep.
    counts = np.unique(np.rint(k * np.linspace(0, 1, min(k + 1, _MAX_POINTS)) ** 1.5).astype(np.int64))
    if k < _MAX_POINTS:
        counts = np.arange(k + 1)
    nonzero_counts = counts[1:]
    top, bottom = (np.empty((len(rows), len(counts)), np.float32) for _ in range(2))
    random = np.empty((len(rows), n_random, len(counts)), np.float32)
    with progress_steps(1 + len(nonzero_counts) * (2 * len(rows) + n_random), "deletion", show) as advance:
        full_scores = ablation.scores([]).numpy()[rows]
        top[:, 0] = bottom[:, 0] = full_scores
        random[:, :, 0] = full_scores[:, None]
        advance(1)
        for j in range(n_random):
            order = rng.permutation(c)
            for s, count in enumerate(nonzero_counts, 1):
                random[:, j, s] = ablation.scores(order[:count].tolist()).numpy()[rows]
                advance(1)
        for i, row in enumerate(rows):
            for s, count in enumerate(nonzero_counts, 1):
                top[i, s] = ablation.scores(rankings[row, :count].tolist())[row]
                bottom[i, s] = ablation.scores(rankings[row, c - count :].tolist())[row]
                advance(2)
    return Faithfulness(tuple(ablation.targets.names[row] for row in rows), counts, top, bottom, random)


@one_thread
def permuted_targets(
    ablation: ChannelAblation,
    method: str,
    region: str,
    n_permutations: int,
    rng: np.random.Generator,
    show: Progress,
) -> PermutedTargets:
    """Return the comparison with `n_permutations` random permutations of the nodes of all targets."""
    n = len(ablation.nodes)
    target_sets: list[Targets] = [ablation.targets]
    target_sets += [ablation.targets.take(torch.from_numpy(rng.permutation(n))) for _ in range(n_permutations)]
    raw, scores = attribute_target_sets(ablation, target_sets, method, region, show)
    importance = np.abs(raw) if method == "gradient" else raw
    ranks = rankdata(importance, axis=2)
    ranks = ranks - ranks.mean(2, keepdims=True)
    norms = np.sqrt(np.square(ranks).sum(2))
    products = (ranks[1:] * ranks[:1]).sum(2)
    norms = norms[1:] * norms[:1]
    # The correlation is 0 if all channels have the same rank.
    correlation = np.divide(products, norms, out=np.zeros_like(products), where=norms > 0)
    return PermutedTargets(
        ablation.targets.names,
        scores[0].astype(np.float32),
        scores[1:].T.astype(np.float32),
        correlation.T.astype(np.float32),
    )
