"""What channels are attributed to: clusters that share one rotation, or masks, each with a score of the embedding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch.autograd.function import once_differentiable

from ncut_widgets._validation import check_positive_int, to_numpy
from ncut_widgets.readouts._directions import unit_rows

__all__ = ["Clusters", "Masks", "Targets", "check_targets", "named_rows"]

_MASK_EIGENVECTORS = 20
# Singular values that are smaller, relative to the largest, leave a rotation undetermined.
_RANK = 1e-7


@dataclass(frozen=True)
class Clusters:
    """All clusters of a labelling, and those that are asked for.

    With V the rows of the embedding at length one and H the labels as indicators, the rotation is the R that brings V
    closest to H, the polar factor of V^T H, and the score of a cluster is the mean of |(V R)(i, t)| over its nodes.
    `Kway` ends in the same R. It follows the embedding: held fixed, a score would change with every rotation among the
    eigenvectors that a new cut would undo, and where clusters are clear their eigenvalues are close and that is most
    of the change.
    """

    names: tuple[str, ...]
    labels: torch.Tensor
    chosen: torch.Tensor
    n_clusters: int
    n_eig: int

    def scores(self, eig: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:  # noqa: ARG002
        """Return the score (t,) of every target in the embedding (n, q)."""
        labels = self.labels.to(eig.device)
        rows = unit_rows(eig)
        sums = rows.new_zeros(self.n_clusters, rows.shape[1]).index_add(0, labels, rows)
        directions = _Polar.apply(sums)
        own = (rows * directions[labels]).sum(1).abs()
        counts = torch.bincount(labels, minlength=self.n_clusters)
        means = own.new_zeros(self.n_clusters).index_add(0, labels, own) / counts
        return means[self.chosen.to(eig.device)]

    def members(self, target: int) -> torch.Tensor:
        """Return which nodes (n,) are the target's."""
        return self.labels == self.chosen[target]

    def take(self, nodes: torch.Tensor) -> Clusters:
        """Return the targets of some nodes, of which every cluster has some."""
        return replace(self, labels=self.labels[nodes])

    @property
    def strata(self) -> list[torch.Tensor]:
        """What has to be in a sample of the nodes."""
        return [self.labels == cluster for cluster in range(self.n_clusters)]


@dataclass(frozen=True)
class Masks:
    """Any sets of nodes. The score of one is the cosine between the mask, less its mean, and the embedding's span.

    A mean similarity of nodes to one another would say little: it is high in any embedding in which nodes crowd, and
    among many eigenvectors it is about those that have nothing to do with the mask.
    """

    names: tuple[str, ...]
    table: torch.Tensor
    n_eig: int

    def scores(self, eig: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
        """Return the score (t,) of every target in the embedding (n, q), orthonormal under the weights (n,)."""
        masks = self.table.to(eig)
        w = eig.new_ones(len(eig)) if weights is None else weights.to(eig)
        masks = masks - (masks @ w / w.sum())[:, None]
        return ((masks * w) @ eig).norm(dim=1) / (masks.square() @ w).sqrt()

    def members(self, target: int) -> torch.Tensor:
        """Return which nodes (n,) are the target's."""
        return self.table[target]

    def take(self, nodes: torch.Tensor) -> Masks:
        """Return the targets of some nodes, of which every mask has some."""
        return replace(self, table=self.table[:, nodes])

    @property
    def strata(self) -> list[torch.Tensor]:
        """What has to be in a sample of the nodes."""
        return [*self.table, *~self.table]


Targets = Clusters | Masks


class _Polar(torch.autograd.Function):
    """The matrix of orthonormal rows that is closest to M (k, q), k <= q: with M = A S B^T, it is A B^T.

    Differentiating a decomposition divides by differences of singular values; this divides by their sums.
    """

    @staticmethod
    def forward(ctx: Any, M: torch.Tensor) -> torch.Tensor:
        left, singular, right = torch.linalg.svd(M, full_matrices=False)
        ctx.save_for_backward(left, singular, right)
        return left @ right

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        left, singular, right = ctx.saved_tensors
        inner = left.T @ gradient @ right.T
        within = (inner - inner.T) * _inverse(singular[:, None] + singular, singular)
        turned = left.T @ gradient
        beyond = (turned - (turned @ right.T) @ right) * _inverse(singular, singular)[:, None]
        return left @ (within @ right + beyond)


def _inverse(values: torch.Tensor, singular: torch.Tensor) -> torch.Tensor:
    known = values > _RANK * singular.max()
    return torch.where(known, 1 / torch.where(known, values, 1), 0)


def check_targets(target: Any, n: int, *, clusters: Any, n_eig: int | None) -> Targets:
    """Return what was passed as targets of `n` nodes, or say what is wrong with it."""
    if n_eig is not None:
        n_eig = check_positive_int(n_eig, "n_eig", maximum=n - 1)
    if not isinstance(target, Mapping):
        array = _array(target, "target")
        if array.dtype.kind in "iu" and array.size == n:
            return _clusters(array.reshape(-1), clusters, n_eig)
        target = {"target": array}
    if clusters is not None:
        raise ValueError(
            f"`clusters` must be None unless `target` labels all {n} nodes; got {clusters!r}. "
            "Leave it out, or pass labels."
        )
    if not target:
        raise ValueError("`target` must hold at least one mask; got none. Pass a mapping of names to masks.")
    names = tuple(str(name) for name in target)
    table = np.stack([_mask(part, name, n) for name, part in zip(names, target.values(), strict=True)])
    return Masks(names, torch.from_numpy(table), n_eig or min(_MASK_EIGENVECTORS, n - 1))


def _clusters(labels: np.ndarray, clusters: Any, n_eig: int | None) -> Clusters:
    n = len(labels)
    found, index = np.unique(labels, return_inverse=True)
    if not 2 <= len(found) < n:
        raise ValueError(
            f"`target` must have 2 to {n - 1} clusters for {n} nodes; got {len(found)}. "
            "Pass the labels of another cut, or a mask."
        )
    if n_eig is not None and n_eig < len(found):
        raise ValueError(
            f"`n_eig` must be at least the number of clusters, {len(found)}; got {n_eig}. Raise it, or leave it out."
        )
    wanted = found if clusters is None else np.atleast_1d(_array(clusters, "clusters"))
    missing = sorted(set(wanted.tolist()) - set(found.tolist()))
    if missing or not len(wanted):
        raise ValueError(
            f"`clusters` must be among the labels in `target`, {found.tolist()}; got {missing or 'none'}. Leave "
            "these out."
        )
    chosen = np.searchsorted(found, wanted)
    names = tuple(f"cluster {label}" for label in wanted.tolist())
    return Clusters(
        names,
        torch.from_numpy(index.reshape(-1).astype(np.int64)),
        torch.from_numpy(chosen.astype(np.int64)),
        len(found),
        n_eig or len(found),
    )


def _array(values: Any, name: str) -> np.ndarray:
    array = to_numpy(values) if isinstance(values, torch.Tensor) else np.asarray(values)
    if array.dtype.kind not in "biu" and array.size:
        raise TypeError(
            f"`{name}` must hold labels, node indices or a mask; got {array.dtype}. Pass integers or booleans: of "
            "scores, `scores.argmax(1)`."
        )
    return array


def _mask(part: Any, name: str, n: int) -> np.ndarray:
    array = _array(part, f"target[{name!r}]" if name != "target" else "target")
    if array.dtype.kind == "b":
        if array.size != n:
            raise ValueError(
                f"`target` must have one entry for each of {n} nodes in a mask; got {array.size} in {name!r}. "
                "Pass a mask of patches, not of pixels."
            )
        mask = array.reshape(-1)
    else:
        outside = (array < 0) | (array >= n)
        if outside.any():
            raise ValueError(f"`target` must lie in 0 to {n - 1}; got node {array[outside].flat[0]} in {name!r}.")
        mask = np.zeros(n, dtype=bool)
        mask[array.reshape(-1).astype(np.int64)] = True
    if not 0 < mask.sum() < n:
        raise ValueError(
            f"`target` must select some of the nodes, but not all; got {int(mask.sum())} of {n} in {name!r}. "
            "Select part of them."
        )
    return mask


def named_rows(names: tuple[str, ...], target: Any, what: str = "target") -> list[int]:
    """Return the indices of targets by name or number; of all where `target` is None."""
    if target is None:
        return list(range(len(names)))
    if isinstance(target, str):
        if target not in names:
            raise ValueError(f"`{what}` must be one of {list(names)}; got {target!r}. Pick one of these.")
        return [names.index(target)]
    return [check_positive_int(target, what, minimum=0, maximum=len(names) - 1)]
