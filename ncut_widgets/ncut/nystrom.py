"""The two ways to an embedding, exact and by landmarks, and its extension to new nodes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from tqdm.auto import tqdm

from .affinity import Affinity, CallableAffinity
from .eigensolver import Eigenpairs, fix_signs, leading_eigenpairs

__all__ = ["Extension", "Solution", "sampled_residuals", "solve_exact", "solve_nystrom", "vanishing"]

_CHUNK_ELEMENTS = 1 << 22
# Up to so many elements are kept between the passes over the nodes; beyond that they are computed again.
_CACHE_ELEMENTS = 1 << 26
_RESIDUAL_ROWS = 256

Kernel = Affinity | CallableAffinity


@dataclass(frozen=True)
class Extension:
    """u(x) = d(x)^-1/2 k(x, Z) P with d(x) = k(x, Z) q: what `transform` needs of the landmarks Z."""

    affinity: Kernel
    landmarks: torch.Tensor
    degree_weights: torch.Tensor
    projection: torch.Tensor
    lowest_degree: float

    def degrees(self, C: torch.Tensor) -> torch.Tensor:
        """Return the degrees (r,) of nodes with affinities `C` (r, m) to the landmarks."""
        return (C @ self.degree_weights).clamp_min(self.lowest_degree)

    def embed(self, C: torch.Tensor) -> torch.Tensor:
        """Return the eigenvectors (r, k) at nodes with affinities `C` (r, m) to the landmarks."""
        return (C @ self.projection) / self.degrees(C).sqrt()[:, None]

    def __call__(self, X: torch.Tensor, *, verbose: bool = False) -> torch.Tensor:
        """Return the eigenvectors (n, k) at the nodes `X` (n, c)."""
        return torch.cat(
            [self.embed(C) for _, C in Columns(X, self.affinity, self.landmarks, verbose, keep=False)("extend")]
        )


class Solution(NamedTuple):
    """The eigenpairs of a graph, the degrees of its nodes (n,), and the extension to others."""

    pairs: Eigenpairs
    degrees: torch.Tensor
    extension: Extension


class Columns:
    """The affinities C = k(X, Z), (n, m), served a few rows at a time, as often as asked for."""

    def __init__(
        self, X: torch.Tensor, affinity: Kernel, landmarks: torch.Tensor, verbose: bool, keep: bool = True
    ) -> None:
        self._X = X
        self._affinity = affinity
        self._landmarks = landmarks
        self._verbose = verbose
        self._rows = max(1, _CHUNK_ELEMENTS // max(len(landmarks), X.shape[1]))
        keep = keep and len(X) * len(landmarks) <= _CACHE_ELEMENTS
        self._kept: list[torch.Tensor] | None = [] if keep else None

    def __call__(self, what: str) -> Iterator[tuple[slice, torch.Tensor]]:
        starts = range(0, len(self._X), self._rows)
        for i, start in enumerate(tqdm(starts, desc=f"ncut: {what}", leave=False, disable=not self._verbose)):
            here = slice(start, start + self._rows)
            if self._kept is not None and i < len(self._kept):
                yield here, self._kept[i]
                continue
            C = self._affinity(self._affinity.encode(self._X[here]), self._landmarks)
            if self._kept is not None:
                self._kept.append(C)
            yield here, C


def solve_exact(X: torch.Tensor, affinity: Kernel, k: int, generator: torch.Generator) -> Solution:
    """Return the k leading eigenpairs of M = D^-1/2 A D^-1/2 itself, in O(n^2) memory."""
    E = affinity.encode(X)
    A = affinity(E, E)
    A = A.add_(A.T.clone()).mul_(0.5)
    if isinstance(affinity, Affinity):
        A.fill_diagonal_(1)
    degrees = A.sum(1)
    if not bool((degrees > 0).all()):
        raise ValueError(
            "`affinity` must connect every node to some node; got a row of zeros. Give a node affinity to itself."
        )
    root = degrees.sqrt()
    M = A.div_(root[:, None]).div_(root)
    pairs = leading_eigenpairs(M, k, first=root, generator=generator)
    extension = Extension(
        affinity,
        landmarks=E,
        degree_weights=torch.ones_like(degrees),
        projection=pairs.vectors / root[:, None] * _inverse(pairs.values),
        lowest_degree=torch.finfo(E.dtype).tiny,
    )
    return Solution(pairs, degrees, extension)


def solve_nystrom(
    X: torch.Tensor,
    affinity: Kernel,
    landmarks: torch.Tensor,
    k: int,
    generator: torch.Generator,
    *,
    verbose: bool = False,
) -> Solution:
    """Return the k leading eigenpairs of D^-1/2 C W^+ C^T D^-1/2 with the `landmarks` (m, c') as they are encoded.

    With R R^T = W^+, the eigenvectors of that n x n matrix of rank m are B V, where B = D^-1/2 C R and V are the
    eigenvectors of the m x m matrix B^T B: three passes over C, O(n m^2) time.
    """
    columns = Columns(X, affinity, landmarks, verbose)
    wide = landmarks.double() if isinstance(affinity, Affinity) else landmarks
    W = affinity(wide, wide).double()
    R = _inverse_root((W + W.T) / 2, 1e-7 if landmarks.dtype == torch.float32 else 1e-12)
    sums = torch.zeros(len(landmarks), dtype=torch.float64, device=landmarks.device)
    for _, C in columns("degrees"):
        sums += C.sum(0)
    # A node's degree is at least its affinity to itself, which the approximation may miss for a node far from all.
    draft = Extension(affinity, landmarks, (R @ (R.T @ sums)).to(landmarks), landmarks, float(W.diagonal().min()))
    degrees = landmarks.new_empty(len(X))
    gram = torch.zeros_like(W)
    for here, C in columns("Gram matrix"):
        degrees[here] = draft.degrees(C)
        scaled = C / degrees[here].sqrt()[:, None]
        gram += scaled.T @ scaled
    rank = R.shape[1]
    pairs = leading_eigenpairs(R.T @ gram @ R, min(k, rank), first=R.T @ sums, generator=generator)
    rank = min(rank, int((~vanishing(pairs.values.to(degrees))).sum()))
    if rank < k:
        raise ValueError(
            f"`n_eig` must be at most {rank}, the number of directions in which the nodes differ at this sigma; got "
            f"{k}. Lower it, or lower `sigma` or `degree`."
        )
    return _extend_to_all(columns, draft, degrees, gram, R @ pairs.vectors, pairs)


def _extend_to_all(
    columns: Columns,
    draft: Extension,
    degrees: torch.Tensor,
    gram: torch.Tensor,
    directions: torch.Tensor,
    pairs: Eigenpairs,
) -> Solution:
    """Turn eigenvectors in the space of the landmarks into orthonormal ones over all nodes."""
    # u = D^-1/2 C R v, whose inner products are known before u is: rounding is taken out in float64 here and once
    # more below, where u has been computed in the precision of the features.
    projection = directions @ _whitening(directions.T @ gram @ directions)
    work = degrees.dtype
    vectors = degrees.new_empty(len(degrees), projection.shape[1])
    for here, C in columns("eigenvectors"):
        vectors[here] = (C @ projection.to(work)) / degrees[here].sqrt()[:, None]
    inner = torch.zeros_like(projection[: projection.shape[1]])
    for chunk in vectors.split(_CHUNK_ELEMENTS // projection.shape[1]):
        inner += chunk.double().T @ chunk.double()
    turn = _whitening(inner)
    turn = turn * fix_signs(vectors @ turn.to(work)).double()
    vectors = vectors @ turn.to(work)
    extension = Extension(
        draft.affinity, draft.landmarks, draft.degree_weights, (projection @ turn).to(work), draft.lowest_degree
    )
    values = pairs.values.to(work)
    return Solution(Eigenpairs(values, vectors, torch.zeros_like(values)), degrees, extension)


def _inverse_root(W: torch.Tensor, noise: float) -> torch.Tensor:
    """Return R (m, r) with R R^T the pseudo-inverse of the positive part of the float64 `W`."""
    values, vectors = torch.linalg.eigh(W)
    # C carries its own rounding: directions of W below that level hold noise, which the inverse would blow up.
    kept = values > noise * values[-1]
    return vectors[:, kept] / values[kept].sqrt()


def _whitening(inner: torch.Tensor) -> torch.Tensor:
    """Return the upper triangular T with T^T inner T = 1: Gram-Schmidt in the order of the columns."""
    factor = torch.linalg.cholesky(inner)
    eye = torch.eye(len(inner), dtype=inner.dtype, device=inner.device)
    return torch.linalg.solve_triangular(factor, eye, upper=False).T.contiguous()


def vanishing(values: torch.Tensor) -> torch.Tensor:
    """Return which eigenvalues are zero up to rounding: such vectors are arbitrary and live on the nodes given only."""
    return values.abs() < 1e2 * torch.finfo(values.dtype).eps


def _inverse(values: torch.Tensor) -> torch.Tensor:
    return torch.where(vanishing(values), 0.0, 1 / torch.where(vanishing(values), 1.0, values))


def sampled_residuals(
    X: torch.Tensor, affinity: Kernel, solution: Solution, generator: torch.Generator
) -> torch.Tensor:
    """Return an estimate of |M u - lambda u| (k,), M being made with the true affinities of 256 sampled nodes.

    Half of the nodes are drawn uniformly and half where the eigenvectors are large, weighted accordingly: vectors
    that live on few nodes are seen too. The degrees of all other nodes are those of the approximation, which are too
    small where landmarks are few: the estimate is then cautious, up to some three times the true residual.
    """
    pairs, degrees, _ = solution
    n = len(degrees)
    chance = 0.5 / n + 0.5 * pairs.vectors.square().mean(1).double().cpu()
    chance = chance / chance.sum()
    picked = torch.searchsorted(
        chance.cumsum(0), torch.rand(min(_RESIDUAL_ROWS, n), generator=generator, dtype=torch.float64)
    ).clamp_max(n - 1)
    nodes = affinity.encode(X[picked.to(X.device)])
    image = torch.zeros(len(picked), pairs.vectors.shape[1], dtype=degrees.dtype, device=degrees.device)
    own = torch.zeros_like(image[:, 0])
    rows = max(1, _CHUNK_ELEMENTS // max(len(picked), X.shape[1]))
    for start in range(0, n, rows):
        here = slice(start, start + rows)
        A = affinity(nodes, affinity.encode(X[here]))
        own += A.sum(1)
        image += A @ (pairs.vectors[here] / degrees[here].sqrt()[:, None])
    at = picked.to(degrees.device)
    missing = image / own.sqrt()[:, None] - pairs.vectors[at] * pairs.values
    weights = (1 / (len(picked) * chance[picked])).to(missing)
    return (missing.square() * weights[:, None]).sum(0).sqrt()
