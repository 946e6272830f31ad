"""The two ways to an embedding, exact and by landmarks, and its extension to new nodes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from tqdm.auto import tqdm

from .affinity import Affinity, CallableAffinity
from .eigensolver import Eigenpairs, fix_signs, leading_eigenpairs
from .residual import ResidualProbe

__all__ = ["Extension", "Solution", "solve_exact", "solve_nystrom", "vanishing"]

_CHUNK_ELEMENTS = 1 << 22
# Up to so many elements are kept between the passes over the nodes; beyond that they are computed again.
_CACHE_ELEMENTS = 1 << 26

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
        vectors = self.projection.new_empty(len(X), self.projection.shape[1])
        for here in _chunks(X, self.landmarks, "extend", verbose):
            vectors[here] = self.embed(self.affinity(self.affinity.encode(X[here]), self.landmarks))
        return vectors


class Solution(NamedTuple):
    """The eigenpairs of a graph, the degrees of its nodes (n,), and the extension to others."""

    pairs: Eigenpairs
    degrees: torch.Tensor
    extension: Extension


class Columns:
    """The affinities C = k(E, Z), (n, m), of encoded nodes, served a few rows at a time, as often as asked for."""

    def __init__(self, E: torch.Tensor, affinity: Kernel, landmarks: torch.Tensor, verbose: bool) -> None:
        self.nodes = E
        self._affinity = affinity
        self._landmarks = landmarks
        self._verbose = verbose
        self._kept: dict[int, torch.Tensor] | None = {} if len(E) * len(landmarks) <= _CACHE_ELEMENTS else None

    def __call__(self, what: str) -> Iterator[tuple[slice, torch.Tensor]]:
        for here in _chunks(self.nodes, self._landmarks, what, self._verbose):
            if self._kept is None:
                yield here, self._affinity(self.nodes[here], self._landmarks)
                continue
            if here.start not in self._kept:
                self._kept[here.start] = self._affinity(self.nodes[here], self._landmarks)
            yield here, self._kept[here.start]


def _chunks(X: torch.Tensor, landmarks: torch.Tensor, what: str, verbose: bool) -> Iterator[slice]:
    rows = max(1, _CHUNK_ELEMENTS // max(len(landmarks), X.shape[1]))
    for start in tqdm(range(0, len(X), rows), desc=f"ncut: {what}", leave=False, disable=not verbose):
        yield slice(start, start + rows)


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
    sample: torch.Tensor,
    k: int,
    generator: torch.Generator,
    *,
    verbose: bool = False,
) -> tuple[Solution, torch.Tensor]:
    """Return the k leading eigenpairs of D^-1/2 C W^+ C^T D^-1/2, and an estimate of their residuals (k,).

    With R R^T = W^+, the eigenvectors of that n x n matrix of rank m are B V, where B = D^-1/2 C R and V are the
    eigenvectors of the m x m matrix B^T B. Where the `sample` is all nodes, that is what is done, in three passes over
    C. Otherwise one pass over all nodes gives D, with B^T B over the sample a draft of V, and a second pass over all
    finds, by Rayleigh and Ritz, the best eigenvectors in the space of twice as many drafted ones: what sampling mixed
    up is turned back, and what it moved out of a space that wide is little. D is not left to the sample: the
    eigenvalues of small clusters would be as wrong as their share in it.

    Parameters
    ----------
    X : torch.Tensor of shape (n, c)
        The nodes.
    affinity : Affinity or CallableAffinity
        Between encoded nodes.
    landmarks : torch.Tensor of shape (m, c')
        Encoded.
    sample : torch.Tensor of shape (s, c')
        Encoded nodes, drawn uniformly; all, in their order, where there are as many as nodes.
    k : int
        How many.
    generator : torch.Generator
        Of the CPU.
    verbose : bool
        Show progress bars.

    Notes
    -----
    O(n m (c' + k) + s m^2 + n c c') time. Beyond the input and the output, memory for the sample and 2 k numbers per
    node.
    """
    whole = len(sample) == len(X)
    columns = Columns(sample, affinity, landmarks, verbose)
    sums = torch.zeros(len(landmarks), dtype=torch.float64, device=landmarks.device)
    if whole:
        for _, C in columns("degrees"):
            sums += C.sum(0)
    else:
        for here in _chunks(X, landmarks, "degrees", verbose):
            sums += affinity(affinity.encode(X[here]), landmarks).sum(0)
    weight = len(X) / len(sample)
    draft = _draft(columns, affinity, landmarks, sums, k if whole else 2 * k, generator, weight=weight)
    if len(draft.values) < k:
        raise ValueError(
            f"`n_eig` must be at most {len(draft.values)}, the number of directions in which the nodes differ at this "
            f"sigma; got {k}. Lower it, or lower `sigma` or `degree`."
        )
    if whole:
        return _complete(draft, generator, verbose)
    return _extend_to_all(X, draft, k, generator, verbose)


class _Draft(NamedTuple):
    """Eigenvectors of the low-rank M that a sample of the nodes makes: D^-1/2 C P are those at any nodes."""

    columns: Columns
    degrees: torch.Tensor
    gram: torch.Tensor
    values: torch.Tensor
    # Its projection is P.
    extension: Extension


def _draft(
    columns: Columns,
    affinity: Kernel,
    landmarks: torch.Tensor,
    sums: torch.Tensor,
    k: int,
    generator: torch.Generator,
    *,
    weight: float,
) -> _Draft:
    """Return up to `k` eigenvectors of the graph of which every node of `columns` stands for `weight` nodes.

    `sums` are those of the columns of C over all nodes.
    """
    wide = landmarks.double() if isinstance(affinity, Affinity) else landmarks
    W = affinity(wide, wide).double()
    R = _inverse_root((W + W.T) / 2, 1e-7 if landmarks.dtype == torch.float32 else 1e-12)
    # A node's degree is at least its affinity to itself, which the approximation may miss for a node far from all.
    extension = Extension(affinity, landmarks, (R @ (R.T @ sums)).to(landmarks), landmarks, float(W.diagonal().min()))
    degrees = landmarks.new_empty(len(columns.nodes))
    gram = torch.zeros_like(W)
    for here, C in columns("Gram matrix"):
        degrees[here] = extension.degrees(C)
        scaled = C / degrees[here].sqrt()[:, None]
        gram += scaled.T @ scaled
    gram *= weight
    pairs = leading_eigenpairs(R.T @ gram @ R, min(k, R.shape[1]), first=R.T @ sums, generator=generator)
    rank = int((~vanishing(pairs.values.to(landmarks))).sum())
    projection = R @ pairs.vectors[:, :rank]
    return _Draft(columns, degrees, gram, pairs.values[:rank], replace(extension, projection=projection))


def _complete(draft: _Draft, generator: torch.Generator, verbose: bool) -> tuple[Solution, torch.Tensor]:
    """Turn the eigenvectors of a draft from all nodes into orthonormal ones."""
    # u = D^-1/2 C R v, whose inner products are known before u is: rounding is taken out in float64 here and once
    # more below, where u has been computed in the precision of the features.
    columns, degrees, gram, values, extension = draft
    work = degrees.dtype
    projection = extension.projection @ _whitening(extension.projection.T @ gram @ extension.projection)
    vectors = degrees.new_empty(len(degrees), projection.shape[1])
    for here, C in columns("eigenvectors"):
        vectors[here] = (C @ projection.to(work)) / degrees[here].sqrt()[:, None]
    inner = torch.zeros_like(projection[: projection.shape[1]])
    for chunk in vectors.split(_CHUNK_ELEMENTS // projection.shape[1]):
        inner += chunk.double().T @ chunk.double()
    turn = _whitening(inner)
    turn = turn * fix_signs(vectors @ turn.to(work)).double()
    vectors = vectors @ turn.to(work)
    extension = replace(extension, projection=(projection @ turn).to(work))
    probe = ResidualProbe(columns.nodes, vectors, extension, generator)
    for here in _chunks(columns.nodes, extension.landmarks, "residuals", verbose):
        probe.add(columns.nodes[here], vectors[here] / degrees[here].sqrt()[:, None])
    pairs = Eigenpairs(values.to(work), vectors, torch.zeros_like(values, dtype=work))
    return Solution(pairs, degrees, extension), probe.residuals(extension, pairs.values)


def _extend_to_all(
    X: torch.Tensor, draft: _Draft, k: int, generator: torch.Generator, verbose: bool
) -> tuple[Solution, torch.Tensor]:
    """Turn the eigenvectors of a draft from a sample into the `k` best ones over all nodes, orthonormal."""
    work = draft.degrees.dtype
    extension = replace(draft.extension, projection=draft.extension.projection.to(work))
    sampled = draft.degrees.new_empty(len(draft.degrees), k)
    for here, C in draft.columns("sample"):
        sampled[here] = extension.embed(C)[:, :k]
    probe = ResidualProbe(draft.columns.nodes, sampled, extension, generator, weight=len(X) / len(sampled))
    degrees = draft.degrees.new_empty(len(X))
    drafted = degrees.new_empty(len(X), extension.projection.shape[1])
    inner = torch.zeros_like(draft.gram[: drafted.shape[1], : drafted.shape[1]])
    for here in _chunks(X, extension.landmarks, "extend", verbose):
        E = extension.affinity.encode(X[here])
        C = extension.affinity(E, extension.landmarks)
        degrees[here] = extension.degrees(C)
        drafted[here] = extension.embed(C)
        inner += drafted[here].double().T @ drafted[here].double()
        probe.add(E, drafted[here] / degrees[here].sqrt()[:, None])
    # The trivial eigenvector is known, with its eigenvalue; what is best is asked of the others.
    values, rotation = torch.linalg.eigh(inner[1:, 1:])
    turn = torch.zeros_like(inner[:, :k])
    turn[0, 0] = 1
    turn[1:, 1:] = rotation.flip(1)[:, : k - 1]
    turn = turn @ _whitening(turn.T @ inner @ turn)
    vectors = degrees.new_empty(len(X), k)
    for here in _chunks(X, extension.landmarks, "rotate", verbose):
        torch.mm(drafted[here], turn.to(work), out=vectors[here])
    del drafted
    signs = fix_signs(vectors)
    vectors *= signs
    turn *= signs.double()
    values = torch.cat([values.new_ones(1), values.flip(0)[: k - 1]]).clamp_max(1).to(work)
    extension = replace(extension, projection=(draft.extension.projection @ turn).to(work))
    solution = Solution(Eigenpairs(values, vectors, torch.zeros_like(values)), degrees, extension)
    return solution, probe.residuals(extension, values, turn.to(work))


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
