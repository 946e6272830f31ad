"""Targets of an attribution, clusters or masks, and their scores in an embedding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch.autograd.function import once_differentiable

from ncut_widgets._validation import check_positive_int, to_numpy
from ncut_widgets.readouts._directions import unit_rows

__all__ = ["ClusterTargets", "MaskTargets", "Targets", "check_targets", "target_indices"]

_MASK_N_EIG = 20
# Singular values below this fraction of the largest are treated as zero.
_RANK_TOLERANCE = 1e-7


@dataclass(frozen=True)
class ClusterTargets:
    """Clusters as targets: the labels of all nodes, and the clusters to attribute.

    With V the unit rows of the embedding and H the indicator matrix of the labels, R is the rotation that brings V
    closest to H, the polar factor of V^T H. The score of cluster t is the mean of |(V R)(i, t)| over its nodes i.
    `Kway` converges to the same R.

    R is a function of the embedding. With a fixed R, a score would also change with rotations within the space of the
    eigenvectors, which do not change the clusters. For well-separated clusters, whose eigenvalues are close, this
    would be most of the change.
    """

    names: tuple[str, ...]
    labels: torch.Tensor
    chosen: torch.Tensor
    n_clusters: int
    n_eig: int

    def scores(self, eigenvectors: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:  # noqa: ARG002
        """Return the score (t,) of every target in the embedding (n, q)."""
        labels = self.labels.to(eigenvectors.device)
        rows = unit_rows(eigenvectors)
        sums = rows.new_zeros(self.n_clusters, rows.shape[1]).index_add(0, labels, rows)
        directions = _PolarFactor.apply(sums)
        own = (rows * directions[labels]).sum(1).abs()
        counts = torch.bincount(labels, minlength=self.n_clusters)
        means = own.new_zeros(self.n_clusters).index_add(0, labels, own) / counts
        return means[self.chosen.to(eigenvectors.device)]

    def members(self, target: int) -> torch.Tensor:
        """Return the nodes of a target as booleans (n,)."""
        return self.labels == self.chosen[target]

    def take(self, nodes: torch.Tensor) -> ClusterTargets:
        """Return the targets restricted to `nodes`, which must include nodes of every cluster."""
        return replace(self, labels=self.labels[nodes])

    @property
    def strata(self) -> list[torch.Tensor]:
        """Sets of nodes that a sample must represent."""
        return [self.labels == cluster for cluster in range(self.n_clusters)]


@dataclass(frozen=True)
class MaskTargets:
    """Masks as targets. The score is the cosine between the centered mask and the space of the eigenvectors.

    A mean similarity between nodes of the mask would be less specific: it is high in any embedding with dense regions,
    and also depends on eigenvectors that are unrelated to the mask.
    """

    names: tuple[str, ...]
    table: torch.Tensor
    n_eig: int

    def scores(self, eigenvectors: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
        """Return the score (t,) of every target in the embedding (n, q), orthonormal under the weights (n,)."""
        masks = self.table.to(eigenvectors)
        w = eigenvectors.new_ones(len(eigenvectors)) if weights is None else weights.to(eigenvectors)
        masks = masks - (masks @ w / w.sum())[:, None]
        return ((masks * w) @ eigenvectors).norm(dim=1) / (masks.square() @ w).sqrt()

    def members(self, target: int) -> torch.Tensor:
        """Return the nodes of a target as booleans (n,)."""
        return self.table[target]

    def take(self, nodes: torch.Tensor) -> MaskTargets:
        """Return the targets restricted to `nodes`, which must include nodes inside and outside of every mask."""
        return replace(self, table=self.table[:, nodes])

    @property
    def strata(self) -> list[torch.Tensor]:
        """Sets of nodes that a sample must represent."""
        return [*self.table, *~self.table]


Targets = ClusterTargets | MaskTargets


class _PolarFactor(torch.autograd.Function):
    """The matrix with orthonormal rows that is closest to M (k, q), k <= q: A B^T, with M = A S B^T.

    The gradient divides by sums of singular values. The gradient of the decomposition itself would divide by their
    differences.
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
        within = (inner - inner.T) * _reciprocal(singular[:, None] + singular, singular)
        rotated = left.T @ gradient
        beyond = (rotated - (rotated @ right.T) @ right) * _reciprocal(singular, singular)[:, None]
        return left @ (within @ right + beyond)


def _reciprocal(values: torch.Tensor, singular: torch.Tensor) -> torch.Tensor:
    """Return 1 / values, or 0 for values that are negligible relative to the largest singular value."""
    nonzero = values > _RANK_TOLERANCE * singular.max()
    return torch.where(nonzero, 1 / torch.where(nonzero, values, 1), 0)


def check_targets(target: Any, n: int, *, clusters: Any, n_eig: int | None) -> Targets:
    """Return the validated targets among `n` nodes."""
    if n_eig is not None:
        n_eig = check_positive_int(n_eig, "n_eig", maximum=n - 1)
    if not isinstance(target, Mapping):
        array = _to_array(target, "target")
        if array.dtype.kind in "iu" and array.size == n:
            return _check_clusters(array.reshape(-1), clusters, n_eig)
        target = {"target": array}
    if clusters is not None:
        raise ValueError(
            f"`clusters` must be None unless `target` holds the labels of all {n} nodes; got {clusters!r}. "
            "Leave it out, or pass labels."
        )
    if not target:
        raise ValueError("`target` must hold at least one mask; got an empty mapping. Pass names with their masks.")
    names = tuple(str(name) for name in target)
    table = np.stack([_check_mask(part, name, n) for name, part in zip(names, target.values(), strict=True)])
    return MaskTargets(names, torch.from_numpy(table), n_eig or min(_MASK_N_EIG, n - 1))


def _check_clusters(labels: np.ndarray, clusters: Any, n_eig: int | None) -> ClusterTargets:
    n = len(labels)
    found, index = np.unique(labels, return_inverse=True)
    if not 2 <= len(found) < n:
        raise ValueError(
            f"`target` must have 2 to {n - 1} clusters for {n} nodes; got {len(found)}. "
            "Pass labels with that many clusters, or a mask."
        )
    if n_eig is not None and n_eig < len(found):
        raise ValueError(
            f"`n_eig` must be at least the number of clusters, {len(found)}; got {n_eig}. Raise it, or leave it out."
        )
    requested = found if clusters is None else np.atleast_1d(_to_array(clusters, "clusters"))
    missing = sorted(set(requested.tolist()) - set(found.tolist()))
    if missing or not len(requested):
        raise ValueError(
            f"`clusters` must be labels in `target`, {found.tolist()}; got {missing or 'none'}. Pass one or more of "
            "these labels."
        )
    chosen = np.searchsorted(found, requested)
    names = tuple(f"cluster {label}" for label in requested.tolist())
    return ClusterTargets(
        names,
        torch.from_numpy(index.reshape(-1).astype(np.int64)),
        torch.from_numpy(chosen.astype(np.int64)),
        len(found),
        n_eig or len(found),
    )


def _to_array(values: Any, name: str) -> np.ndarray:
    array = to_numpy(values) if isinstance(values, torch.Tensor) else np.asarray(values)
    if array.dtype.kind not in "biu" and array.size:
        raise TypeError(
            f"`{name}` must hold labels, node indices or a mask; got {array.dtype}. Pass integers or booleans. Convert "
            "scores to labels with `scores.argmax(1)`."
        )
    return array


def _check_mask(part: Any, name: str, n: int) -> np.ndarray:
    """Return a mask (n,) from booleans or node indices."""
    array = _to_array(part, f"target[{name!r}]" if name != "target" else "target")
    if array.dtype.kind == "b":
        if array.size != n:
            raise ValueError(
                f"`target` must have one value for each of {n} nodes in a mask; got {array.size} in {name!r}. "
                "Pass a mask of patches, not of pixels."
            )
        mask = array.reshape(-1)
    else:
        outside = (array < 0) | (array >= n)
        if outside.any():
            raise ValueError(
                f"`target` must hold nodes in 0 to {n - 1}; got {array[outside].flat[0]} in {name!r}. "
                "Pass node indices."
            )
        mask = np.zeros(n, dtype=bool)
        mask[array.reshape(-1).astype(np.int64)] = True
    if not 0 < mask.sum() < n:
        raise ValueError(
            f"`target` must select at least one node but not all; got {int(mask.sum())} of {n} in {name!r}. "
            "Select some of the nodes."
        )
    return mask


def target_indices(names: tuple[str, ...], target: Any, what: str = "target") -> list[int]:
    """Return the index of a target, given by name or index, in a list; all indices if `target` is None."""
    if target is None:
        return list(range(len(names)))
    if isinstance(target, str):
        if target not in names:
            raise ValueError(f"`{what}` must be one of {list(names)}; got {target!r}. Pick one of these.")
        return [names.index(target)]
    return [check_positive_int(target, what, minimum=0, maximum=len(names) - 1)]
