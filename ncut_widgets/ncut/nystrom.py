"""The eigenvectors of the graph as its landmarks see it: no n x n matrix, and memory for a few numbers per node."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch

from .affinity import Affinity, Kernel
from .eigensolver import Eigenpairs, fix_signs, leading_eigenpairs
from .nodes import Nodes
from .residual import ResidualProbe
from .solution import Extension, Solution, vanishing

__all__ = ["Options", "inverse_root", "solve_nystrom"]

# Up to so many affinities to landmarks are kept between the passes over the nodes; beyond, they are computed again,
# which takes less time than memory fresh from the operating system.
_KEPT_AFFINITIES = 1 << 23
# Directions of W below that share of its largest are noise in a C of that precision.
_NOISE = {torch.float32: 1e-7, torch.float64: 1e-12}
_INDEFINITE = 1.0


@dataclass(frozen=True)
class Options:
    """What to solve: how many eigenpairs, how much density to take out, how much weight repulsion has."""

    k: int
    alpha: float = 0.0
    repulsion_weight: float = 0.0


def solve_nystrom(
    nodes: Nodes, sampled: torch.Tensor, landmarks: torch.Tensor, options: Options, generator: torch.Generator
) -> tuple[Solution, torch.Tensor]:
    """Return the k leading eigenpairs of S D^-1/2 C W^+ C^T D^-1/2 S, and an estimate of their residuals (k,).

    With F F^T = W^+ and S^2 the weights of the nodes, the eigenvectors of that n x n matrix of rank m are B V, where
    B = S D^-1/2 C F and V are the eigenvectors of the m x m matrix B^T B. Where all nodes are `sampled`, that is what
    is done. Otherwise one pass over all nodes gives D, with B^T B over the sample a draft of V, and a second pass over
    all finds, by Rayleigh and Ritz, the best eigenvectors in the space of twice as many drafted ones: what sampling
    mixed up is turned back, and what it moved out of a space that wide is little. D is not left to the sample: the
    eigenvalues of small clusters would be as wrong as their share in it.

    Parameters
    ----------
    nodes : Nodes
        All n of them.
    sampled : torch.Tensor of shape (s,)
        Indices of nodes drawn uniformly; all, in their order, where there are as many as nodes.
    landmarks : torch.Tensor of shape (m, c')
        Encoded; nodes or not.
    options : Options
        What is asked for.
    generator : torch.Generator
        Of the CPU.

    Notes
    -----
    O(n m (c' + k) + s m^2 + n c c') time. Beyond the input, memory for 2 k numbers per node and for what `Nodes` and
    `_Columns` keep while it is little. The small problems are solved in float64 and on the CPU: W^-1/2 in float32 goes
    wrong past 1024 landmarks, not every accelerator has float64, and none solves them much faster.
    """
    whole = len(sampled) == len(nodes)
    draft = _draft(nodes, sampled, landmarks, replace(options, k=options.k if whole else 2 * options.k), generator)
    if len(draft.values) < options.k:
        raise ValueError(
            f"`n_eig` must be at most {len(draft.values)}, the number of directions in which the nodes differ at this "
            f"sigma; got {options.k}. Lower it, or lower `sigma` or `degree`."
        )
    if whole:
        return _complete(draft, options, generator)
    return _extend_to_all(draft, options, generator)


class _Core(NamedTuple):
    """W^+ = F J F^T of the attraction less that of the repulsion, J being a diagonal of signs."""

    root: torch.Tensor
    signs: torch.Tensor

    def weights(self, sums: torch.Tensor) -> torch.Tensor:
        """Return the a with C a = |A| w, where `sums` are C^T w: what repels adds to a degree, too."""
        return self.root @ (self.signs.abs() * (self.root.T @ sums))


class _Draft(NamedTuple):
    """Eigenvectors of the low-rank M that a sample of the nodes makes: (v / d)^1/2 C P are those at any nodes."""

    columns: _Columns
    sampled: torch.Tensor
    gram: torch.Tensor
    values: torch.Tensor
    # In float64 and on the CPU, as all that is small.
    projection: torch.Tensor
    # Its projection is not there yet.
    extension: Extension


class _Columns:
    """The affinities C of nodes to the landmarks, computed once where they fit."""

    def __init__(self, nodes: Nodes, extension: Extension) -> None:
        self.nodes = nodes
        self._extension = extension
        self.width = len(extension.landmarks) * (1 if extension.affinity.repulsion_sigma is None else 2)
        self._kept: torch.Tensor | None = None
        if len(nodes) * self.width <= _KEPT_AFFINITIES:
            kept = extension.landmarks.new_empty(len(nodes), self.width)

            def keep(here: slice) -> None:
                kept[here] = self[here]

            self.sweep("affinities", keep)
            self._kept = kept

    def __getitem__(self, here: slice) -> torch.Tensor:
        return self._extension.columns(self.nodes[here]) if self._kept is None else self._kept[here]

    def sweep(self, what: str, body: Callable[[slice], None]) -> None:
        self.nodes.sweep(self.width, what, body)

    def take(self, sampled: torch.Tensor) -> _Columns:
        """Return the columns of some of the nodes, each of which stands for its share of all."""
        if len(sampled) == len(self.nodes):
            return self
        nodes = self.nodes.take(sampled)
        if self._kept is None:
            return _Columns(nodes, self._extension)
        taken = object.__new__(_Columns)
        taken.nodes, taken._extension, taken.width = nodes, self._extension, self.width
        taken._kept = self._kept[sampled.to(self._kept.device)]
        return taken

    def sums(self, density: Callable[[torch.Tensor], torch.Tensor | None] | None = None) -> torch.Tensor:
        """Return the sum of the rows of C by the weights of the nodes, times the `density` weights of the rows."""
        total = torch.zeros(self.width, dtype=torch.float64)

        def add(here: slice) -> None:
            C = self[here]
            of_rows = None if density is None else density(C)
            mass = self.nodes.mass(here, C)
            total.add_((C.T @ (mass if of_rows is None else mass * of_rows)).cpu())

        self.sweep("degrees", add)
        return total


def _draft(
    nodes: Nodes, sampled: torch.Tensor, landmarks: torch.Tensor, options: Options, generator: torch.Generator
) -> _Draft:
    """Return up to `options.k` eigenvectors of the graph, B^T B being estimated on the sample."""
    affinity = nodes.affinity
    core, lowest = _core(affinity, landmarks, options.repulsion_weight)
    none = landmarks.new_zeros(len(core.root), 0)
    extension = Extension(affinity, landmarks, none, None, none, options.alpha, lowest * nodes.lightest)
    columns = _Columns(nodes, extension)
    if options.alpha:
        density = core.weights(columns.sums())
        density[len(landmarks) :] = 0
        extension = replace(extension, density_weights=density.to(landmarks))
    sums = columns.sums(extension.densities)
    extension = replace(extension, degree_weights=core.weights(sums).to(landmarks))

    drawn = columns.take(sampled)
    gram = torch.zeros(columns.width, columns.width, dtype=torch.float64)

    def add(here: slice) -> None:
        C = drawn[here]
        scaled = C * (extension.embed(C).scale * drawn.nodes.mass(here, C).sqrt())[:, None]
        gram.add_((scaled.T @ scaled).cpu())

    drawn.sweep("Gram matrix", add)
    inner = core.root.T @ gram @ core.root
    k = min(options.k, len(inner))
    if bool((core.signs > 0).all()):
        pairs = leading_eigenpairs(inner, k, first=core.root.T @ sums, generator=generator)
        lift = core.root
    else:
        # With B^T B = L L^T, those of B J B^T are the B J L v, v being those of L^T J L.
        spectrum, basis = torch.linalg.eigh(inner)
        factor = core.signs[:, None] * (basis * spectrum.clamp_min(0).sqrt())
        pairs = leading_eigenpairs(factor.T @ (core.signs[:, None] * factor), k, first=None, generator=generator)
        lift = core.root @ factor
    rank = int((~vanishing(pairs.values.to(landmarks))).sum())
    projection = lift @ pairs.vectors[:, :rank]
    return _Draft(columns, sampled, gram, pairs.values[:rank], projection, extension)


def _complete(draft: _Draft, options: Options, generator: torch.Generator) -> tuple[Solution, torch.Tensor]:
    """Turn the eigenvectors of a draft from all nodes into orthonormal ones."""
    # Inner products of (v / d)^1/2 C P are known before it is: rounding is taken out here, and once more below where
    # it has been computed in the precision of the features.
    columns, _, gram, values, projection, extension = draft
    nodes, like = columns.nodes, extension.landmarks
    projection = projection @ _whitening(projection.T @ gram @ projection)
    extension = replace(extension, projection=projection.to(like))
    degrees, vectors = like.new_empty(len(nodes)), like.new_empty(len(nodes), projection.shape[1])

    def embed(here: slice) -> None:
        vectors[here], degrees[here], _, _ = extension.embed(columns[here])

    columns.sweep("eigenvectors", embed)
    turn = _whitening(nodes.inner(vectors))
    turn = turn * fix_signs(vectors @ turn.to(like)).cpu().double()
    vectors = vectors @ turn.to(like)
    extension = replace(extension, projection=(projection @ turn).to(like))
    probe = ResidualProbe(nodes, vectors, extension, options.repulsion_weight, generator)
    nodes.sweep(
        max(probe.width, columns.width), "residuals", lambda here: probe.add(here, extension.embed(columns[here]))
    )
    pairs = Eigenpairs(values.to(like), vectors, torch.zeros_like(values).to(like))
    return Solution(pairs, degrees, extension), probe.residuals(extension, pairs.values)


def _extend_to_all(draft: _Draft, options: Options, generator: torch.Generator) -> tuple[Solution, torch.Tensor]:
    """Turn the eigenvectors of a draft from a sample into the k best ones over all nodes, orthonormal."""
    columns, sampled, _, _, projection, extension = draft
    nodes, like, k = columns.nodes, extension.landmarks, options.k
    extension = replace(extension, projection=projection.to(like))
    degrees, drafted = like.new_empty(len(nodes)), like.new_empty(len(nodes), projection.shape[1])
    first = replace(extension, projection=extension.projection[:, :k].contiguous())
    drawn = columns.take(sampled)
    seen = like.new_empty(len(sampled), k)

    def embed_sample(here: slice) -> None:
        seen[here] = first.embed(drawn[here]).vectors

    drawn.sweep("sample", embed_sample)
    probe = ResidualProbe(drawn.nodes, seen, extension, options.repulsion_weight, generator, of=nodes)

    def embed(here: slice) -> None:
        embedded = extension.embed(columns[here])
        probe.add(here, embedded)
        degrees[here], drafted[here] = embedded.degrees, embedded.vectors

    columns.sweep("extend", embed)
    inner = nodes.inner(drafted)
    # The trivial eigenvector is known, with its eigenvalue; what is best is asked of the others.
    values, rotation = torch.linalg.eigh(inner[1:, 1:])
    turn = torch.zeros_like(inner[:, :k])
    turn[0, 0] = 1
    turn[1:, 1:] = rotation.flip(1)[:, : k - 1]
    turn = turn @ _whitening(turn.T @ inner @ turn)
    vectors = drafted @ turn.to(like)
    signs = fix_signs(vectors)
    vectors *= signs
    turn *= signs.cpu().double()
    values = torch.cat([values.new_ones(1), values.flip(0)[: k - 1]]).clamp_max(1).to(like)
    extension = replace(extension, projection=(projection @ turn).to(like))
    solution = Solution(Eigenpairs(values, vectors, torch.zeros_like(values)), degrees, extension)
    return solution, probe.residuals(extension, values, turn.to(like))


def _core(affinity: Kernel, landmarks: torch.Tensor, repulsion_weight: float) -> tuple[_Core, float]:
    """Return the core of the low-rank A, and the least affinity of a landmark to itself."""
    wide = landmarks.cpu().double() if isinstance(affinity, Affinity) else landmarks
    if affinity.repulsion_sigma is None:
        W = affinity(wide, wide).cpu().double()
        root = inverse_root(W, landmarks.dtype)
        return _Core(root, torch.ones_like(root[0])), float(W.diagonal().min())
    attraction, repulsion = affinity.both(wide, wide)
    root = inverse_root(attraction, landmarks.dtype)
    other_root, other_signs = _signed_root(repulsion, _NOISE[landmarks.dtype])
    roots = torch.block_diag(root, repulsion_weight**0.5 * other_root)
    return _Core(roots, torch.cat([torch.ones_like(root[0]), -other_signs])), float(attraction.diagonal().min())


def inverse_root(W: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return F (m, r) with F F^T the pseudo-inverse of what is positive in the float64 `W`, for a C of that `dtype`."""
    values, vectors = torch.linalg.eigh((W + W.T) / 2)
    # C carries its own rounding: directions of W below that level hold noise, which the inverse would blow up. An
    # affinity that is not quite positive definite ("cosine" is none) says by its negative eigenvalues what is noise.
    kept = values > max(_NOISE[dtype] * float(values[-1]), -_INDEFINITE * float(values[0]))
    return vectors[:, kept] / values[kept].sqrt()


def _signed_root(W: torch.Tensor, noise: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Return F (m, r) and signs (r,) with F diag(signs) F^T the pseudo-inverse of the float64 `W`."""
    values, vectors = torch.linalg.eigh((W + W.T) / 2)
    kept = values.abs() > noise * values.abs().amax()
    return vectors[:, kept] / values[kept].abs().sqrt(), values[kept].sign()


def _whitening(inner: torch.Tensor) -> torch.Tensor:
    """Return the upper triangular T with T^T inner T = 1: Gram-Schmidt in the order of the columns."""
    factor = torch.linalg.cholesky(inner)
    eye = torch.eye(len(inner), dtype=inner.dtype)
    return torch.linalg.solve_triangular(factor, eye, upper=False).T.contiguous()
