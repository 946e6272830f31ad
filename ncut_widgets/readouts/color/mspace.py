"""M-space: the three dimensions in which a graph of the places has the spectral projectors of the graph of features."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from ncut_widgets._process import without_warnings
from ncut_widgets._threads import one_thread
from ncut_widgets.errors import DegenerateWarning
from ncut_widgets.ncut import Ncut
from ncut_widgets.readouts._directions import unit_rows

__all__ = ["mspace_layout"]

# A projector onto k eigenvectors is sqrt(k) long: weighed alike, the longest decides and the few eigenvectors of the
# whole are lost; at equal length, the detail is. This is halfway between.
_FALLOFF = -0.25
_STEPS = 200
_RATE = 0.05
_MOMENTUM, _SQUARED_MOMENTUM = 0.9, 0.999
# Below it an eigenvector in float64 is arbitrary, and there is nothing to keep.
_SMALLEST_EIGENVALUE = 1e-6


@one_thread
def mspace_layout(features: torch.Tensor, n_eig: Sequence[int], on_step: Callable[[], object]) -> torch.Tensor:
    """Return places (m, 3) whose normalised affinity is as close as can be to a mean of spectral projectors.

    With U_k the k leading eigenvectors of the normalised affinity of `features` (m, c), for each k of `n_eig`, and
    M(Z) that of the places Z by a Gaussian of width one,

        minimise |M(Z) - P|^2,   P = sum over k of w_k U_k U_k^T,   w_k ~ k^(-1/4),   sum of w_k = 1

    The eigenvalues of P have a gap at each k, so that the leading eigenvectors of M(Z) span nearly the same spaces
    where M(Z) is near P (Davis and Kahan), without an eigenproblem in each step. From spectral coordinates, by Adam
    with a rate that falls to zero.

    O(m^3) once and O(m^2) for each of 200 steps; deterministic.
    """
    vectors, counts = _eigenvectors(features, n_eig)
    shares = torch.tensor(counts, dtype=torch.float64) ** _FALLOFF
    leading = torch.arange(max(counts)) < torch.tensor(counts)[:, None]
    weights = (shares / shares.sum()) @ leading.double()
    target = ((vectors * weights.to(vectors)) @ vectors.T).float()
    return _descend(_start(vectors[:, : max(4, counts[0])]).float(), target, on_step)


def _eigenvectors(features: torch.Tensor, n_eig: Sequence[int]) -> tuple[torch.Tensor, list[int]]:
    """The leading eigenvectors (m, k) in float64, and the numbers of them to keep, as far as they mean anything."""
    ncut = Ncut(min(max(n_eig), len(features) - 1), solver="exact")
    # Those that are degenerate are left out below.
    with without_warnings(DegenerateWarning):
        vectors = ncut.fit_transform(features.detach().double())
    meaningful = max(1, int((ncut.eigval > _SMALLEST_EIGENVALUE).sum()))
    counts = sorted({min(k, meaningful) for k in n_eig})
    return vectors[:, : max(counts)], counts


def _start(vectors: torch.Tensor) -> torch.Tensor:
    """Principal coordinates of the leading eigenvectors as directions."""
    rows = unit_rows(vectors)
    rows = rows - rows.mean(0)
    left, singular, _ = torch.linalg.svd(rows, full_matrices=False)
    coords = left[:, :3] * singular[:3]
    # A direction is defined but for its sign: the largest entry is positive.
    coords = coords * coords.gather(0, coords.abs().argmax(0, keepdim=True)).sign()
    return torch.nn.functional.pad(coords, (0, 3 - coords.shape[1]))


def _descend(places: torch.Tensor, target: torch.Tensor, on_step: Callable[[], object]) -> torch.Tensor:
    mean, squared = torch.zeros_like(places), torch.zeros_like(places)
    for step in range(_STEPS):
        on_step()
        _, gradient = alignment(places, target)
        mean.lerp_(gradient, 1 - _MOMENTUM)
        squared.lerp_(gradient.square(), 1 - _SQUARED_MOMENTUM)
        unbiased = mean / (1 - _MOMENTUM ** (step + 1))
        size = (squared / (1 - _SQUARED_MOMENTUM ** (step + 1))).sqrt()
        places = places - _RATE * (1 - step / _STEPS) * unbiased / (size + 1e-8)
    return places


def alignment(places: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """|M(Z) - P|^2 and its gradient (m, d) at the places Z (m, d), for a symmetric target P (m, m)."""
    length = places.square().sum(1)
    affinity = torch.addmm(length[:, None] + length, places, places.T, alpha=-2).clamp_min_(0).mul_(-0.5).exp_()
    scale = affinity.sum(1).rsqrt()
    difference = (affinity * scale).mul_(scale[:, None]).sub_(target)
    value = difference.square().sum()
    # With s = d^-1/2 and G = dL/dM = 2 (M - P), dL/dK_ij is G_ij s_i s_j, and through the degree -s_i^3 (G * K s)_i.
    force = difference.mul_(affinity).mul_(2)
    through_degree = -(scale**3) * (force @ scale)
    force = force.mul_(scale).mul_(scale[:, None]).mul_(2)
    force += affinity * (through_degree[:, None] + through_degree)
    return value, force @ places - force.sum(1, keepdim=True) * places
