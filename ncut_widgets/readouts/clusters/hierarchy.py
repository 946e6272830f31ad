"""Cuts into more and more clusters, whose numbers and colours stay with them from one cut to the next."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from numbers import Integral
from typing import Any

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from ncut_widgets._validation import Like, check_features, check_positive_int, check_random_state

from .kway import Kway, check_n_eig
from .palette import Palette

__all__ = ["Hierarchy", "hierarchy"]

MAX_LEVEL = 64
_GREY = 0.5


class Hierarchy:
    """The same nodes cut into more and more clusters: see `hierarchy`, which makes it.

    A level is known by its number of clusters. It is cut when it is first asked for, and so are those before it, from
    which it has its numbers.

    Attributes
    ----------
    levels : tuple of int
        The numbers of clusters, ascending.

    Examples
    --------
    >>> import numpy as np
    >>> tree = hierarchy(np.array([[3.0, 0, 0], [3, 0, 0], [0, 2, 2], [0, 2, 2], [0, 2, -2]]), n_clusters=(2, 3))
    >>> tree
    Hierarchy(5 nodes, levels 2, 3)
    >>> tree.children(2)
    ((0, 2), (1,))
    """

    def __init__(
        self, eig: torch.Tensor, like: Like, levels: tuple[int, ...], seed: int, n_eig: int | None = None
    ) -> None:
        self.levels = levels
        self._n_eig = n_eig
        self._like = like
        self._seed = seed
        # A copy: levels are cut later on, and must not see what the caller does to the eigenvectors meanwhile.
        self._eig = eig.detach()[:, : n_eig or levels[-1]].clone()
        self._cut: dict[int, np.ndarray] = {}

    def labels(self, level: int) -> Any:
        """Return the cluster of each node: uint8 (n,), of the kind of the eigenvectors.

        Parameters
        ----------
        level : int
            One of `levels`.
        """
        return self._restore(self._labels(self._check(level)))

    def parents(self, level: int) -> Any:
        """Return the cluster one level up that covers most of each cluster: integers (level,).

        Of several that cover as much, the one with the smallest number. -1 where there is none: at the first level,
        and for an empty cluster.

        Parameters
        ----------
        level : int
            One of `levels`.
        """
        return self._restore(self._parents(self._check(level)))

    def children(self, level: int) -> tuple[tuple[int, ...], ...]:
        """Return, for each cluster, the clusters one level down whose parent it is; none at the last level.

        Parameters
        ----------
        level : int
            One of `levels`.
        """
        place = self._check(level)
        if place + 1 == len(self.levels):
            return ((),) * level
        parents = self._parents(place + 1)
        return tuple(tuple(np.flatnonzero(parents == cluster).tolist()) for cluster in range(level))

    def shares(self, level: int) -> Any:
        """Return the share of all nodes that each cluster has, in [0, 1]: (level,); 0 for an empty cluster.

        Parameters
        ----------
        level : int
            One of `levels`.
        """
        labels = self._labels(self._check(level))
        return self._restore(np.bincount(labels, minlength=level) / len(labels))

    def colors(self, rgb: Any, level: int | None = None) -> Any:
        """Return a colour for each cluster: (level, 3) in [0, 1]; row i is cluster i at every level.

        It is close to the mean colour of the cluster's nodes at the level where its number first appears, but moved
        away from the colours of all smaller numbers: by 15 in CIELAB, or as far as 40 from the mean allows. So more
        levels only add colours at the end.

        Parameters
        ----------
        rgb : array or tensor of shape (n, 3)
            The colour of each node, in [0, 1], such as those of `Coloring`.
        level : int, optional
            Of the clusters of this level and those before it; of all levels by default.

        Returns
        -------
        array or tensor of shape (level, 3)
            sRGB, of the kind, dtype and device of `rgb`. An empty cluster's is derived from grey.

        Raises
        ------
        TypeError, ValueError
            Where `rgb` is not a colour in [0, 1] for each node.

        Notes
        -----
        Cuts all levels up to `level`.
        """
        last = len(self.levels) - 1 if level is None else self._check(level)
        tensor, like = check_features(rgb, "rgb", n_channels=3, channels="red, green and blue")
        colors = tensor.detach().cpu().double().numpy()
        if len(colors) != len(self._eig):
            raise ValueError(
                f"`rgb` must have a row for each of the {len(self._eig)} nodes; got {len(colors)}. "
                "Pass the colors of the nodes that were cut."
            )
        if colors.min() < 0 or colors.max() > 1:
            raise ValueError(
                f"`rgb` must be in [0, 1]; got values from {colors.min():.3g} to {colors.max():.3g}. "
                "Divide 8-bit colors by 255."
            )
        palette = Palette()
        table: list[np.ndarray] = []
        for place, count in enumerate(self.levels[: last + 1]):
            labels = self._labels(place)
            counts = np.bincount(labels, minlength=count)
            sums = np.stack([np.bincount(labels, colors[:, c], minlength=count) for c in range(3)], axis=1)
            means = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], _GREY)
            table += [palette.take(mean) for mean in means[len(table) :]]
        return like.restore(torch.from_numpy(np.stack(table)))

    def __repr__(self) -> str:
        return f"Hierarchy({len(self._eig)} nodes, levels {', '.join(map(str, self.levels))})"

    def _check(self, level: Any) -> int:
        """The place of a level among all."""
        if check_positive_int(level, "level") not in self.levels:
            raise ValueError(
                f"`level` must be one of {', '.join(map(str, self.levels))}; got {level}. "
                "Pass one of these, or add it to `n_clusters` of `hierarchy`."
            )
        return self.levels.index(level)

    def _labels(self, place: int) -> np.ndarray:
        # Threads that ask at the same time may cut a level twice, and find the same.
        for i, level in enumerate(self.levels[: place + 1]):
            if level not in self._cut:
                kway = Kway(level, n_eig=self._n_eig, random_state=self._seed).fit(self._eig)
                fitted = kway.labels_.cpu().numpy()
                numbers = np.arange(level)
                if i > 0:
                    before = self.levels[i - 1]
                    numbers = _inherit(_overlap(self._cut[before], fitted, before, level))
                self._cut[level] = numbers[fitted].astype(np.uint8)
        return self._cut[self.levels[place]]

    def _parents(self, place: int) -> np.ndarray:
        level = self.levels[place]
        labels = self._labels(place)
        if place == 0:
            return np.full(level, -1)
        overlap = _overlap(self._labels(place - 1), labels, self.levels[place - 1], level)
        return np.where(overlap.any(axis=0), overlap.argmax(axis=0), -1)

    def _restore(self, result: np.ndarray) -> Any:
        # A copy, so that what the caller does to it stays with the caller.
        return self._like.restore(torch.from_numpy(result.copy()))


def hierarchy(
    eig: Any, *, n_clusters: Iterable[int] = (2, 4, 8, 16, 32), n_eig: int | None = None, random_state: Any = 0
) -> Hierarchy:
    """Return k-way cuts of the same nodes into more and more clusters, numbered so that they can be followed.

    Each level is the cut that `kway_ncut` makes with the same `random_state`, by itself: a cluster need not lie within
    a single one of the level before, but has a parent, the one that covers most of it. A number is a lineage. At level
    K the clusters are 0 to K - 1; from one level to the next, each cluster hands its number to the one that has most
    of its nodes,

        maximise  sum_i |C(i) & C'(s(i))|   over all ways s of giving each old cluster i its own new one

    (Hungarian method), and the new clusters that nobody chose get the new numbers, the largest first. So a number
    keeps its meaning, its colour and its name wherever the cut goes on, and more levels leave the first as they are.

    Parameters
    ----------
    eig : array or tensor of shape (n, n_eig)
        Eigenvectors by descending eigenvalue, the trivial one first, as `Ncut` returns them.
    n_clusters : iterable of int
        The levels, ascending, each at most 64 and n: for instance ``range(2, 21)`` for a slider.
    n_eig : int, optional
        How many of the leading eigenvectors every level looks at, as in `Kway`. By default each looks at as many as it
        has clusters.
    random_state : int, numpy.random.Generator or None
        Draws the starts of every cut.

    Returns
    -------
    Hierarchy
        With `labels`, `parents`, `children` and `shares` of each level, and `colors` of all clusters.

    Raises
    ------
    TypeError, ValueError
        Where eigenvectors are not finite or too few, or levels are none.

    Notes
    -----
    Levels are cut when they are first asked for; the eigenvectors are copied. All from 2 to 32 take about 1.5 s for
    38 600 nodes on one core, all from 2 to 64 about six. Deterministic for a given `random_state`. K-way may leave a
    cluster empty, where there are fewer different directions than clusters: it keeps its number, with a share of 0.

    References
    ----------
    Yu, Shi. Multiclass Spectral Clustering. ICCV 2003.
    Kuhn. The Hungarian method for the assignment problem. Naval Research Logistics Quarterly 1955.

    Examples
    --------
    >>> import numpy as np
    >>> eig = np.array([[3.0, 0, 0], [3, 0, 0], [0, 2, 2], [0, 2, 2], [0, 2, -2]])
    >>> tree = hierarchy(eig, n_clusters=(2, 3))
    >>> tree.labels(2), tree.labels(3)
    (array([1, 1, 0, 0, 0], dtype=uint8), array([1, 1, 0, 0, 2], dtype=uint8))
    >>> tree.parents(3)
    array([0, 1, 0])
    """
    tensor, like = check_features(eig, "eig")
    levels = _check_levels(n_clusters, n_eig, *tensor.shape)
    # One seed for all levels: what a level finds must not depend on which others there are.
    drawn = int(check_random_state(random_state).integers(2**63))
    seed = int(random_state) if isinstance(random_state, Integral) else drawn
    return Hierarchy(tensor, like, levels, seed, n_eig)


def _check_levels(n_clusters: Any, n_eig: Any, n: int, n_passed: int) -> tuple[int, ...]:
    if isinstance(n_clusters, str) or not isinstance(n_clusters, Iterable):
        raise TypeError(
            f"`n_clusters` must be several numbers of clusters; got {n_clusters!r}. "
            "Pass for instance (2, 4, 8), or use `kway_ncut` for a single cut."
        )
    levels = tuple(check_positive_int(level, "n_clusters", maximum=MAX_LEVEL) for level in n_clusters)
    if not levels or any(low >= high for low, high in pairwise(levels)):
        raise ValueError(f"`n_clusters` must be ascending; got {levels}. Pass for instance (2, 4, 8).")
    check_n_eig(n_eig, levels[-1], n_passed)
    if levels[-1] > n:
        raise ValueError(
            f"`n_clusters` must be at most the number of nodes, {n}; got {levels[-1]}. "
            "Leave the larger ones out or pass more images."
        )
    return levels


def _overlap(upper: np.ndarray, lower: np.ndarray, n_upper: int, n_lower: int) -> np.ndarray:
    """How many nodes each pair of clusters shares: (n_upper, n_lower)."""
    pairs = upper.astype(np.intp) * n_lower + lower
    return np.bincount(pairs, minlength=n_upper * n_lower).reshape(n_upper, n_lower)


def _inherit(overlap: np.ndarray) -> np.ndarray:
    """The number of each new cluster (level,) from how many nodes it shares with each numbered one before it."""
    n_before, level = overlap.shape
    olds, heirs = linear_sum_assignment(overlap, maximize=True)
    numbers = np.full(level, -1)
    numbers[heirs] = olds
    new = np.flatnonzero(numbers < 0)
    sizes = overlap.sum(axis=0)
    numbers[new[np.argsort(-sizes[new], kind="stable")]] = np.arange(n_before, level)
    return numbers
