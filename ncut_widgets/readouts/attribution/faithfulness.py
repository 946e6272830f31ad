"""Whether an attribution can be believed: what its channels do to the score, and what chance attributes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import rankdata

from ncut_widgets._threads import one_thread

from .methods import attribute_all
from .scores import Deletions, Step, steps
from .targets import Targets

__all__ = ["Faithfulness", "PermutedTargets", "deletion_curves", "permuted_targets"]

_MOST_COUNTS = 9


@dataclass(frozen=True, eq=False, repr=False)
class Faithfulness:
    """The scores of targets as more and more channels are replaced by their mean.

    Attributes
    ----------
    target_names : tuple of str
        The t targets.
    counts : integer array of shape (s,)
        How many channels were deleted, from 0.
    top, bottom : float32 array of shape (t, s)
        Scores without so many channels from the top, and from the bottom, of a target's ranking.
    random : float32 array of shape (t, r, s)
        Without so many channels drawn at random, r times over.
    area : float32 array of shape (t,)
        Mean height of the random curve above the top one: how much more of the score the top channels carry than any.
        Above 0 where the attribution holds.
    area_to_bottom : float32 array of shape (t,)
        Mean height of the bottom curve above the top one.
    """

    target_names: tuple[str, ...]
    counts: np.ndarray
    top: np.ndarray
    bottom: np.ndarray
    random: np.ndarray

    @property
    def area(self) -> np.ndarray:
        return self._mean_height(self.random.mean(1) - self.top)

    @property
    def area_to_bottom(self) -> np.ndarray:
        return self._mean_height(self.bottom - self.top)

    def _mean_height(self, curves: np.ndarray) -> np.ndarray:
        widths = np.diff(self.counts)
        return ((curves[:, 1:] + curves[:, :-1]) / 2 @ widths / widths.sum()).astype(np.float32)

    def __repr__(self) -> str:
        areas = ", ".join(f"{name} {area:.3f}" for name, area in zip(self.target_names, self.area, strict=True))
        return f"Faithfulness(up to {self.counts[-1]} channels, area: {areas})"


@dataclass(frozen=True, eq=False, repr=False)
class PermutedTargets:
    """What is attributed to targets whose nodes have been drawn at random, beside what is to the real ones.

    Attributes
    ----------
    target_names : tuple of str
        The t targets.
    scores : float32 array of shape (t,)
        Of the real targets.
    permuted_scores : float32 array of shape (t, p)
        Of p permutations.
    correlation : float32 array of shape (t, p)
        Rank correlation of the attribution of a permuted target with that of the real one. Near 0 where attributions
        are about the target; near 1 where they are about the features alone.
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
    deletions: Deletions,
    rankings: np.ndarray,
    rows: list[int],
    k: int,
    n_random: int,
    rng: np.random.Generator,
    show: bool | Step,
) -> Faithfulness:
    """Return the curves of some targets, up to `k` of the channels by their `rankings` (t, c)."""
    c = rankings.shape[1]
    # Close together where the curves are steep.
    counts = np.unique(np.rint(k * np.linspace(0, 1, min(k + 1, _MOST_COUNTS)) ** 1.5).astype(np.int64))
    if k < _MOST_COUNTS:
        counts = np.arange(k + 1)
    later = counts[1:]
    top, bottom = (np.empty((len(rows), len(counts)), np.float32) for _ in range(2))
    random = np.empty((len(rows), n_random, len(counts)), np.float32)
    with steps(1 + len(later) * (2 * len(rows) + n_random), "deletion", show) as done:
        whole = deletions.scores([]).numpy()[rows]
        top[:, 0] = bottom[:, 0] = whole
        random[:, :, 0] = whole[:, None]
        done(1)
        for j in range(n_random):
            order = rng.permutation(c)
            for s, count in enumerate(later, 1):
                random[:, j, s] = deletions.scores(order[:count].tolist()).numpy()[rows]
                done(1)
        for i, row in enumerate(rows):
            for s, count in enumerate(later, 1):
                top[i, s] = deletions.scores(rankings[row, :count].tolist())[row]
                bottom[i, s] = deletions.scores(rankings[row, c - count :].tolist())[row]
                done(2)
    return Faithfulness(tuple(deletions.targets.names[row] for row in rows), counts, top, bottom, random)


@one_thread
def permuted_targets(
    deletions: Deletions,
    method: str,
    region: str,
    n_permutations: int,
    rng: np.random.Generator,
    show: bool | Step,
) -> PermutedTargets:
    """Return what the method says of targets of other nodes, as many as the real ones have."""
    n = len(deletions.nodes)
    several: list[Targets] = [deletions.targets]
    several += [deletions.targets.take(torch.from_numpy(rng.permutation(n))) for _ in range(n_permutations)]
    raw, scores = attribute_all(deletions, several, method, region, show)
    signed = np.abs(raw) if method == "gradient" else raw
    ranks = rankdata(signed, axis=2)
    ranks = ranks - ranks.mean(2, keepdims=True)
    lengths = np.sqrt(np.square(ranks).sum(2))
    products = (ranks[1:] * ranks[:1]).sum(2)
    # All channels alike are like nothing.
    lengths = lengths[1:] * lengths[:1]
    correlation = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
    return PermutedTargets(
        deletions.targets.names,
        scores[0].astype(np.float32),
        scores[1:].T.astype(np.float32),
        correlation.T.astype(np.float32),
    )
