"""`ChannelAttribution`: scores and rankings of channels, their maps, and checks."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
import torch

from ncut_widgets._progress import Progress
from ncut_widgets._validation import check_in, check_positive_int, check_random_state
from ncut_widgets.grid import PatchGrid

from .faithfulness import Faithfulness, PermutedTargets, deletion_curves, permuted_targets
from .scores import ChannelAblation
from .targets import target_indices

__all__ = ["ChannelAttribution", "MapData", "RankedChannel"]

_DEFAULT_MAX_DELETED = 20


class RankedChannel(NamedTuple):
    """A channel in the ranking of a target."""

    channel: int
    name: str
    score: float
    raw: float


class MapData(NamedTuple):
    """The data of channel maps: features (n, c), and for each of t targets the gradients of its m leading channels."""

    nodes: torch.Tensor
    grid: PatchGrid | None
    # (t, m)
    channels: np.ndarray
    # (t, n, m)
    gradients: np.ndarray


@dataclass(frozen=True, eq=False, repr=False)
class ChannelAttribution:
    """The attribution of targets to channels, with maps and checks: see `channel_attribution`.

    Attributes
    ----------
    scores : float32 array of shape (t, c)
        The raw values divided by the sum of their magnitudes over all channels, so that targets can be compared. A
        score is positive if more of the channel makes the target stronger.
    raw : float64 array of shape (t, c)
        The values that the method defines.
    target_names, channel_names : tuple of str
        Names of the t targets and c channels.
    target_scores : float32 array of shape (t,)
        The strength of each target in the embedding, in [0, 1].
    method, region : str
        The options of the attribution.
    n_eig : int
        Number of eigenvectors in which the targets are scored.
    sigma : float or None
        Bandwidth of the affinity.
    """

    raw: np.ndarray
    target_names: tuple[str, ...]
    channel_names: tuple[str, ...]
    target_scores: np.ndarray
    method: str
    region: str
    n_eig: int
    sigma: float | None
    map_data: MapData = field(repr=False)
    # None if the channels are not the features of the graph.
    ablation: ChannelAblation | None = field(default=None, repr=False)

    @property
    def scores(self) -> np.ndarray:
        totals = np.abs(self.raw).sum(1, keepdims=True)
        return np.divide(self.raw, totals, out=np.zeros_like(self.raw), where=totals > 0).astype(np.float32)

    def ranking(self, *, by: str | None = None) -> np.ndarray:
        """Return the channels of each target in descending order of importance: integers (t, c).

        Parameters
        ----------
        by : "absolute" or "value", optional
            The default is "absolute" for the method "gradient", whose sign is the direction in which a channel works.
            For the other methods it is "value", because a negative value means that a channel weakens the target.
        """
        by = ("absolute" if self.method == "gradient" else "value") if by is None else by
        by = check_in(by, "by", ("absolute", "value"))
        return np.argsort(-(np.abs(self.raw) if by == "absolute" else self.raw), axis=1, kind="stable")

    def top_k(self, k: int = 10, *, target: int | str = 0, by: str | None = None) -> list[RankedChannel]:
        """Return the `k` most important channels of one target, given by name or index."""
        row = self._row(target)
        k = check_positive_int(k, "k", maximum=len(self.channel_names))
        scores = self.scores[row]
        return [
            RankedChannel(int(j), self.channel_names[j], float(scores[j]), float(self.raw[row, j]))
            for j in self.ranking(by=by)[row, :k]
        ]

    def maps(self, channel: int | str, *, of: str = "features", target: int | str = 0) -> list[np.ndarray]:
        """Return the maps of a channel: float32 arrays (rows, columns), one for each map of the grid.

        Parameters
        ----------
        channel : int or str
            Index or name of the channel.
        of : "features" or "gradient"
            The values of the channel, or d score / d value at every node. Gradients are stored for the `n_maps`
            leading channels of each target.
        target : int or str
            Index or name of the target of the gradient.

        Raises
        ------
        ValueError
            If the features had no grid, or the gradient is not stored.
        """
        grid = self.map_data.grid
        if grid is None:
            raise ValueError(
                "`maps` requires the positions of the nodes, but the features were an array. Pass feature maps to "
                "`channel_attribution`."
            )
        j = self._channel(channel)
        if check_in(of, "of", ("features", "gradient")) == "features":
            values = self.map_data.nodes[:, j].detach().cpu().float().numpy()
        else:
            row = self._row(target)
            stored = np.flatnonzero(self.map_data.channels[row] == j)
            if not len(stored):
                raise ValueError(
                    f"`channel` must be a channel with a stored gradient, {self.map_data.channels[row].tolist()} for "
                    f"{self.target_names[row]!r}; got {j}. Raise `n_maps`, or use a gradient method, because ablation "
                    "computes no gradients."
                )
            values = self.map_data.gradients[row, :, stored[0]]
        return [np.asarray(part) for part in grid.split(values)]

    def to_dataframe(self) -> Any:
        """Return a pandas DataFrame with one row per target and channel. Requires pandas.

        The columns are `target`, `channel` (its index), `name`, `score`, `raw` and `rank`, which starts at 0.
        """
        if find_spec("pandas") is None:
            raise ModuleNotFoundError(
                "`to_dataframe` requires pandas, which is not installed. Run `pip install pandas`, or use `scores`.",
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
        progress: Progress = None,
    ) -> Faithfulness:
        """Return the scores of each target as its channels are replaced by their mean, in order of the ranking.

        Parameters
        ----------
        k : int, optional
            Maximum number of channels to replace. The default is 20, but at most half of the channels.
        target : int or str, optional
            Index or name of one target. The default is all targets.
        n_random : int
            Number of random orders to compare with.
        random_state : int, numpy.random.Generator or None
            Draws the random orders.
        progress : bool, callable or None
            As in `channel_attribution`.

        Notes
        -----
        Each point of a curve takes an exact cut with the sigma of the fit, of at most 2048 sampled nodes. A cut takes a
        few hundredths of a second.
        """
        ablation = self._ablation("faithfulness")
        c = len(self.channel_names)
        k = max(1, min(_DEFAULT_MAX_DELETED, c // 2)) if k is None else check_positive_int(k, "k", maximum=c)
        return deletion_curves(
            ablation,
            self.ranking(),
            target_indices(self.target_names, target),
            k,
            check_positive_int(n_random, "n_random"),
            check_random_state(random_state),
            progress,
        )

    def permuted_targets(
        self, n_permutations: int = 5, *, random_state: Any = 0, progress: Progress = None
    ) -> PermutedTargets:
        """Compare the attribution with that of random targets of the same sizes, by the same method.

        If both are similar, the attribution depends on the features but not on the target. Uses the same sample of
        nodes as `faithfulness`.

        Parameters
        ----------
        n_permutations : int
            Number of random permutations of the nodes.
        random_state : int, numpy.random.Generator or None
            Draws the permutations.
        progress : bool, callable or None
            As in `channel_attribution`.
        """
        ablation = self._ablation("permuted_targets")
        n_permutations = check_positive_int(n_permutations, "n_permutations")
        rng = check_random_state(random_state)
        return permuted_targets(ablation, self.method, self.region, n_permutations, rng, progress)

    def _ablation(self, method: str) -> ChannelAblation:
        if self.ablation is None:
            raise ValueError(
                f"`{method}` requires an attribution to the features of the graph; got an attribution through a "
                "backbone. Call it on the result of `channel_attribution`."
            )
        return self.ablation

    def _row(self, target: int | str) -> int:
        return target_indices(self.target_names, target)[0]

    def _channel(self, channel: int | str) -> int:
        return target_indices(self.channel_names, channel, "channel")[0]

    def __repr__(self) -> str:
        t, c = self.raw.shape
        targets = "1 target" if t == 1 else f"{t} targets"
        top_channels = ", ".join(
            f"{name}: {self.channel_names[order[0]]}"
            for name, order in zip(self.target_names, self.ranking(), strict=True)
        )
        return f"ChannelAttribution({targets} x {c} channels by {self.method}; first: {top_channels})"
