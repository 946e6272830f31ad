"""M-space: a 3D layout whose graph has almost the same spectral projectors as the graph of the features."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from ncut_widgets._process import without_warnings
from ncut_widgets._threads import one_thread
from ncut_widgets.errors import DegenerateWarning
from ncut_widgets.ncut import Ncut
from ncut_widgets.readouts._directions import unit_rows

__all__ = ["MSPACE_STEPS", "mspace_layout"]

# Weights are k to this power. A projector onto k eigenvectors has the norm sqrt(k). With an exponent of 0, details
# would dominate the overall structure, and with -0.5, which equalizes the norms, details would be lost.
_WEIGHT_EXPONENT = -0.25
MSPACE_STEPS = 200
_LEARNING_RATE = 0.05
_ADAM_BETA1, _ADAM_BETA2 = 0.9, 0.999
# Eigenvectors with smaller eigenvalues are arbitrary in float64.
_MIN_EIGENVALUE = 1e-6


@one_thread
def mspace_layout(features: torch.Tensor, n_eig: Sequence[int], on_step: Callable[[], object]) -> torch.Tensor:
    """Return coordinates (m, 3) whose normalized affinity approximates a mean of spectral projectors.

    With U_k the k leading eigenvectors of the normalized affinity of `features` (m, c), for each k in `n_eig`, and M(Z)
    the normalized affinity of the coordinates Z with a Gaussian kernel of sigma 1,

        minimize |M(Z) - P|^2,   P = sum over k of w_k U_k U_k^T,   w_k ~ k^(-1/4),   sum of w_k = 1

    The eigenvalues of P have a gap at each k. If M(Z) is close to P, its leading eigenvectors therefore span almost the
    same spaces (Davis and Kahan), and no step has to solve an eigenproblem. The optimizer is Adam, with a learning rate
    that decreases to 0, from spectral coordinates.

    O(m^3) once, and O(m^2) for each of 200 steps. Deterministic.
    """
    vectors, counts = _eigenvectors(features, n_eig)
    projector_weights = torch.tensor(counts, dtype=torch.float64) ** _WEIGHT_EXPONENT
    included = torch.arange(max(counts)) < torch.tensor(counts)[:, None]
    weights = (projector_weights / projector_weights.sum()) @ included.double()
    target = ((vectors * weights.to(vectors)) @ vectors.T).float()
    return _descend(_initial_layout(vectors[:, : max(4, counts[0])]).float(), target, on_step)


def _eigenvectors(features: torch.Tensor, n_eig: Sequence[int]) -> tuple[torch.Tensor, list[int]]:
    """Return the leading eigenvectors (m, k) in float64, and `n_eig` limited to well-defined eigenvectors."""
    ncut = Ncut(min(max(n_eig), len(features) - 1), solver="exact")
    # Degenerate eigenvectors are removed below.
    with without_warnings(DegenerateWarning):
        vectors = ncut.fit_transform(features.detach().double())
    n_defined = max(1, int((ncut.eigval > _MIN_EIGENVALUE).sum()))
    counts = sorted({min(k, n_defined) for k in n_eig})
    return vectors[:, : max(counts)], counts


def _initial_layout(vectors: torch.Tensor) -> torch.Tensor:
    """Return three principal coordinates (m, 3) of the unit rows of the leading eigenvectors."""
    rows = unit_rows(vectors)
    rows = rows - rows.mean(0)
    left, singular, _ = torch.linalg.svd(rows, full_matrices=False)
    coords = left[:, :3] * singular[:3]
    # Fix the signs: the entry with the largest magnitude is positive.
    coords = coords * coords.gather(0, coords.abs().argmax(0, keepdim=True)).sign()
    return torch.nn.functional.pad(coords, (0, 3 - coords.shape[1]))


def _descend(coords: torch.Tensor, target: torch.Tensor, on_step: Callable[[], object]) -> torch.Tensor:
    mean, mean_square = torch.zeros_like(coords), torch.zeros_like(coords)
    for step in range(MSPACE_STEPS):
        on_step()
        _, gradient = loss_and_gradient(coords, target)
        mean.lerp_(gradient, 1 - _ADAM_BETA1)
        mean_square.lerp_(gradient.square(), 1 - _ADAM_BETA2)
        unbiased_mean = mean / (1 - _ADAM_BETA1 ** (step + 1))
        rms = (mean_square / (1 - _ADAM_BETA2 ** (step + 1))).sqrt()
        coords = coords - _LEARNING_RATE * (1 - step / MSPACE_STEPS) * unbiased_mean / (rms + 1e-8)
    return coords


def loss_and_gradient(coords: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return |M(Z) - P|^2 and its gradient (m, d) at the coordinates Z (m, d), for a symmetric target P (m, m)."""
    squared_norms = coords.square().sum(1)
    squared_distances = torch.addmm(squared_norms[:, None] + squared_norms, coords, coords.T, alpha=-2).clamp_min_(0)
    affinity = squared_distances.mul_(-0.5).exp_()
    scale = affinity.sum(1).rsqrt()
    difference = (affinity * scale).mul_(scale[:, None]).sub_(target)
    loss = difference.square().sum()
    # With s = d^-1/2 and G = dL/dM = 2 (M - P), dL/dK_ij is G_ij s_i s_j, and through the degree -s_i^3 (G * K s)_i.
    force = difference.mul_(affinity).mul_(2)
    through_degree = -(scale**3) * (force @ scale)
    force = force.mul_(scale).mul_(scale[:, None]).mul_(2)
    force += affinity * (through_degree[:, None] + through_degree)
    return loss, force @ coords - force.sum(1, keepdim=True) * coords
