"""`ChannelAttribution`: which channels make a target, how to see them, and what speaks for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
import torch

from ncut_widgets._validation import check_in, check_positive_int, check_random_state
from ncut_widgets.grid import PatchGrid

from .faithfulness import Faithfulness, PermutedTargets, deletion_curves, permuted_targets
from .scores import Deletions, Step
from .targets import named_rows

__all__ = ["ChannelAttribution", "RankedChannel", "Traced"]

_SHOWN = 20


class RankedChannel(NamedTuple):
    """A channel of a target's ranking."""

    channel: int
    name: str
    score: float
    raw: float


class Traced(NamedTuple):
    """What maps are made of: the features (n, c), and gradients (t, n, m) of m channels for each target."""

    nodes: torch.Tensor
    grid: PatchGrid | None
    # (t, m)
    channels: np.ndarray
    gradients: np.ndarray


@dataclass(frozen=True, eq=False, repr=False)
class ChannelAttribution:
    """Which channels make which targets, with their maps and the evidence: see `channel_attribution`.

    Attributes
    ----------
    scores : float32 array of shape (t, c)
        The raw values divided by the sum of their magnitudes over all channels: the share of each channel, so that
        targets compare. Positive where more of the channel makes the target stronger.
    raw : float64 array of shape (t, c)
        As the method defines them.
    target_names, channel_names : tuple of str
    target_scores : float32 array of shape (t,)
        How strong each target is in the embedding, in [0, 1].
    method, region : str
        As passed.
    n_eig : int
        How many eigenvectors the targets were scored in.
    sigma : float or None
        Of the affinity.
    """

    raw: np.ndarray
    target_names: tuple[str, ...]
    channel_names: tuple[str, ...]
    target_scores: np.ndarray
    method: str
    region: str
    n_eig: int
    sigma: float | None
    traced: Traced = field(repr=False)
    # None where features are not those of the graph.
    deletions: Deletions | None = field(default=None, repr=False)

    @property
    def scores(self) -> np.ndarray:
        totals = np.abs(self.raw).sum(1, keepdims=True)
        return np.divide(self.raw, totals, out=np.zeros_like(self.raw), where=totals > 0).astype(np.float32)

    def ranking(self, *, by: str | None = None) -> np.ndarray:
        """Return the channels of every target in order, the most important first: integers (t, c).

        Parameters
        ----------
        by : "absolute" or "value", optional
            By default by magnitude for the method "gradient", whose sign says in which direction a channel works, and
            by value for the others, of which a negative one says that the channel works against the target.
        """
        by = ("absolute" if self.method == "gradient" else "value") if by is None else by
        by = check_in(by, "by", ("absolute", "value"))
        return np.argsort(-(np.abs(self.raw) if by == "absolute" else self.raw), axis=1, kind="stable")

    def top_k(self, k: int = 10, *, target: int | str = 0, by: str | None = None) -> list[RankedChannel]:
        """Return the first `k` channels of the ranking of one target, given by name or number."""
        row = self._row(target)
        k = check_positive_int(k, "k", maximum=len(self.channel_names))
        scores = self.scores[row]
        return [
            RankedChannel(int(j), self.channel_names[j], float(scores[j]), float(self.raw[row, j]))
            for j in self.ranking(by=by)[row, :k]
        ]

    def maps(self, channel: int | str, *, of: str = "features", target: int | str = 0) -> list[np.ndarray]:
        """Return a channel as an image: float32 arrays (rows, columns), one for each map of the grid.

        Parameters
        ----------
        channel : int or str
            By number or name.
        of : "features" or "gradient"
            The values of the channel, or d score / d value at every node, which is kept for the `n_maps` leading
            channels of a target.
        target : int or str
            Whose gradient.

        Raises
        ------
        ValueError
            Where the features came without a grid, or that gradient was not kept.
        """
        grid = self.traced.grid
        if grid is None:
            raise ValueError(
                "Maps need the places of the nodes, which an array lacks. Pass feature maps to `channel_attribution`."
            )
        j = self._channel(channel)
        if check_in(of, "of", ("features", "gradient")) == "features":
            values = self.traced.nodes[:, j].detach().cpu().float().numpy()
        else:
            row = self._row(target)
            kept = np.flatnonzero(self.traced.channels[row] == j)
            if not len(kept):
                raise ValueError(
                    f"`channel` must be one whose gradient was kept, {self.traced.channels[row].tolist()} for "
                    f"{self.target_names[row]!r}; got {j}. Raise `n_maps`, or use a gradient method: an ablation "
                    "has no maps."
                )
            values = self.traced.gradients[row, :, kept[0]]
        return [np.asarray(part) for part in grid.split(values)]

    def to_dataframe(self) -> Any:
        """Return a pandas table of one row for each target and channel: needs pandas.

        The columns are `target`, `channel` (its number), `name`, `score`, `raw` and `rank`, from 0.
        """
        if find_spec("pandas") is None:
            raise ModuleNotFoundError(
                "`to_dataframe` needs pandas, which is not installed. Run `pip install pandas`, or read `scores`.",
                name="pandas",
            )
        import pandas as pd  # type: ignore[import-untyped]

        t, c = self.raw.shape
        ranks = np.empty((t, c), dtype=np.int64)
        np.put_along_axis(ranks, self.ranking(), np.arange(c)[None].repeat(t, 0), axis=1)
        return pd.DataFrame(
            {
                "target": np.repeat(np.asarray(self.target_names, dtype=object), c),
                "channel": np.tile(np.arange(c), t),
                "name": np.tile(np.asarray(self.channel_names, dtype=object), t),
                "score": self.scores.reshape(-1),
                "raw": self.raw.reshape(-1),
                "rank": ranks.reshape(-1),
            }
        )

    def faithfulness(
        self,
        k: int | None = None,
        *,
        target: int | str | None = None,
        n_random: int = 5,
        random_state: Any = 0,
        progress: bool | Step = False,
    ) -> Faithfulness:
        """Return how the score of each target falls as its channels are replaced by their mean in all nodes.

        Parameters
        ----------
        k : int, optional
            Up to how many channels. By default 20, but at most half of them.
        target : int or str, optional
            By name or number; all by default.
        n_random : int
            How many random orders to compare with.
        random_state : int, numpy Generator or None
            Draws them.
        progress : bool or callable
            A bar, or what to call with the share that is done.

        Notes
        -----
        A cut for each point of each curve, at the sigma of the fit, exactly, of 2048 nodes where there are more:
        some hundredths of a second each.
        """
        deletions = self._evidence("faithfulness")
        c = len(self.channel_names)
        k = max(1, min(_SHOWN, c // 2)) if k is None else check_positive_int(k, "k", maximum=c)
        return deletion_curves(
            deletions,
            self.ranking(),
            named_rows(self.target_names, target),
            k,
            check_positive_int(n_random, "n_random"),
            check_random_state(random_state),
            progress,
        )

    def permuted_targets(
        self, n_permutations: int = 5, *, random_state: Any = 0, progress: bool | Step = False
    ) -> PermutedTargets:
        """Return what the same method attributes to targets of the same sizes whose nodes are drawn at random.

        An attribution that looks the same for them says something of the features and nothing of the target. Taken on
        the nodes that `faithfulness` takes.

        Parameters
        ----------
        n_permutations : int
            How many times to draw.
        random_state : int, numpy Generator or None
            Draws them.
        progress : bool or callable
            A bar, or what to call with the share that is done.
        """
        deletions = self._evidence("permuted_targets")
        n_permutations = check_positive_int(n_permutations, "n_permutations")
        rng = check_random_state(random_state)
        return permuted_targets(deletions, self.method, self.region, n_permutations, rng, progress)

    def _evidence(self, what: str) -> Deletions:
        if self.deletions is None:
            raise ValueError(
                f"`{what}` must be asked of an attribution to the features of the graph; got one through a backbone. "
                "Ask that of `channel_attribution`."
            )
        return self.deletions

    def _row(self, target: int | str) -> int:
        return named_rows(self.target_names, target)[0]

    def _channel(self, channel: int | str) -> int:
        return named_rows(self.channel_names, channel, "channel")[0]

    def __repr__(self) -> str:
        t, c = self.raw.shape
        targets = "1 target" if t == 1 else f"{t} targets"
        leaders = ", ".join(
            f"{name}: {self.channel_names[order[0]]}"
            for name, order in zip(self.target_names, self.ranking(), strict=True)
        )
        return f"ChannelAttribution({targets} x {c} channels by {self.method}; first: {leaders})"
