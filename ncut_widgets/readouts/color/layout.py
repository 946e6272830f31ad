"""Directions to points in space: a layout is found once and then places any node."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import torch
from scipy.spatial.distance import cdist

from ncut_widgets.ncut import nystrom_propagate
from ncut_widgets.ncut.dense import eigh
from ncut_widgets.readouts._directions import unit_rows

from .mspace import mspace_layout
from .sampling import farthest_points
from .torchdr import import_torchdr, torchdr_layout, uses_torchdr
from .tsne import tsne_layout

__all__ = ["METHODS", "Layout", "find_layout", "import_library"]

METHODS = ("tsne", "umap", "umap_sphere", "pca", "mspace")
# With fewer nodes there are no neighbourhoods to preserve; the principal axes show all there is.
FEWEST_FOR_NEIGHBORS = 16
# Farthest points find what is small and different, but of all nodes they would be outliers, and slow: they are
# picked from this many times as many random ones.
_OVERSAMPLING = 3
_INITIAL_SPREAD = 1e-4
_UMAP_EPOCHS = 200


class Layout(Protocol):
    """Where nodes are, in the layout's own axes."""

    on_sphere: bool

    def place(self, rows: torch.Tensor) -> torch.Tensor:
        """Return coordinates (n, 3) of rows (n, k)."""


class PrincipalLayout:
    """The three leading principal axes of all nodes, each pointing where its largest loading is positive."""

    on_sphere = False

    def __init__(self, rows: torch.Tensor) -> None:
        # In float64, which holds the squares of float32 numbers; those of its own need a unit.
        self._mean = (rows.double() / len(rows)).sum(0)
        centred = rows.double() - self._mean
        largest = centred.abs().amax()
        centred = centred / torch.where(largest > 0, largest, 1)
        _, axes = eigh(centred.T @ centred)
        axes = axes.flip(1)[:, :3]
        # The first of the largest entries, however rounding orders them.
        leading = (axes.abs() > (1 - 1e-6) * axes.abs().amax(0)).int().argmax(0)
        axes = axes * axes[leading, torch.arange(axes.shape[1], device=axes.device)].sign()
        missing = axes.new_zeros((rows.shape[1], 3 - axes.shape[1]))
        self._axes = torch.cat([axes, missing], dim=1)

    def place(self, rows: torch.Tensor) -> torch.Tensor:
        # So that coordinates can be turned in their own precision, and squared in float64.
        farthest = min(torch.finfo(rows.dtype).max / 8, 1e100)
        return ((rows.double() - self._mean) @ self._axes).clamp(-farthest, farthest).to(rows.dtype)


class NeighborLayout:
    """Coordinates of a sample, carried to all nodes by their nearest sampled ones."""

    def __init__(self, sampled: torch.Tensor, coords: torch.Tensor, *, on_sphere: bool = False) -> None:
        self.on_sphere = on_sphere
        self._sampled, self._coords = sampled, coords if on_sphere else coords - coords.mean(0)

    def place(self, rows: torch.Tensor) -> torch.Tensor:
        coords = nystrom_propagate(self._coords, rows, self._sampled)
        # The mean of places on a sphere lies within it; that of angles would jump where they wrap around.
        return unit_rows(coords) if self.on_sphere else coords


def find_layout(
    rows: torch.Tensor,
    *,
    method: str,
    n_sample: int,
    n_neighbors: int,
    n_eig: Sequence[int],
    rng: np.random.Generator,
    on_step: Callable[[], object] | None = None,
) -> Layout:
    """Return the layout of rows (n, k) that `method` finds on `n_sample` of them; `on_step` as in `Coloring.fit`."""
    on_step = on_step or _go_on
    if method == "pca" or len(rows) < FEWEST_FOR_NEIGHBORS:
        return PrincipalLayout(rows)
    sampled = rows[_pick(rows, n_sample, rng).to(rows.device)]
    if method == "mspace":
        return NeighborLayout(sampled, mspace_layout(sampled, n_eig, on_step).to(rows.dtype))
    start = _start(sampled, rng)
    if uses_torchdr(method, rows.device):
        seed = int(rng.integers(2**31))
        places = torchdr_layout(sampled, start, method=method, n_neighbors=n_neighbors, seed=seed, on_step=on_step)
        return NeighborLayout(sampled, places.to(rows.dtype))
    numbers = sampled.cpu().float().numpy()
    if method == "tsne":
        # Beyond a third of the nodes a "neighbourhood" is most of the graph, and its width is not defined.
        coords = tsne_layout(numbers, start, perplexity=min(n_neighbors, (len(numbers) - 1) / 3), on_step=on_step)
    else:
        # UMAP stretches any start to one size; what counts is that it has the dimensions of the layout.
        on_sphere = method == "umap_sphere"
        start = start[:, :2] if on_sphere else start
        seed = int(rng.integers(2**31))
        on_step()
        coords = _umap_layout(numbers, start, min(n_neighbors, len(numbers) - 1), seed, on_sphere=on_sphere)
        on_step()
    table = torch.from_numpy(np.asarray(coords)).to(rows.device, rows.dtype)
    return NeighborLayout(sampled, table, on_sphere=method == "umap_sphere")


def import_library(method: str, device: torch.device) -> None:
    """Import what lays out rows on `device` by `method`: a second or two, which nobody else should pay.

    To be called in the main thread before a worker needs it, because it changes the filters of warnings for a while.
    """
    if uses_torchdr(method, device):
        import_torchdr()
    elif method in ("umap", "umap_sphere") and "umap" not in sys.modules:
        with warnings.catch_warnings():
            # It warns that TensorFlow, which nothing here uses, is not installed.
            warnings.filterwarnings("ignore", message="Tensorflow not installed", category=ImportWarning)
            import umap  # noqa: F401


def _go_on() -> None:
    """Nobody wants to know of each step."""


def _pick(rows: torch.Tensor, n_sample: int, rng: np.random.Generator) -> torch.Tensor:
    if len(rows) <= n_sample:
        return torch.arange(len(rows))
    candidates = torch.from_numpy(rng.choice(len(rows), min(len(rows), _OVERSAMPLING * n_sample), replace=False))
    pool = rows[candidates.to(rows.device)]
    # Far from the origin float32 cannot tell distances, and above 1e19 their squares overflow.
    pool = pool - pool.mean(0)
    pool = pool / pool.abs().amax().clamp_min(torch.finfo(pool.dtype).tiny)
    return candidates[torch.from_numpy(farthest_points(pool.cpu().float().numpy(), n_sample))]


def _start(sampled: torch.Tensor, rng: np.random.Generator) -> np.ndarray:
    """Principal coordinates, shrunk, with enough noise to tell equal nodes apart."""
    coords = PrincipalLayout(sampled).place(sampled).cpu().float().numpy()
    spread = coords[:, 0].std()
    noise = rng.normal(size=coords.shape)
    return (_INITIAL_SPREAD * (coords / (spread if spread > 0 else 1) + 0.01 * noise)).astype(np.float32)


def _umap_layout(rows: np.ndarray, start: np.ndarray, n_neighbors: int, seed: int, *, on_sphere: bool) -> np.ndarray:
    import_library("umap", torch.device("cpu"))
    from umap.distances import named_distances_with_gradients
    from umap.umap_ import find_ab_params, fuzzy_simplicial_set, simplicial_set_embedding

    state = np.random.RandomState(seed)
    # `umap.UMAP` calls a function for each pair of so few nodes, which takes longer than the layout.
    graph, _, _ = fuzzy_simplicial_set(cdist(rows, rows).astype(np.float32), n_neighbors, state, "precomputed")
    # A sphere has only so much room: places are closer there.
    a, b = find_ab_params(spread=1.0, min_dist=0.1 if on_sphere else 0.3)
    coords, _ = simplicial_set_embedding(
        rows,
        graph,
        n_components=start.shape[1],
        initial_alpha=1.0,
        a=a,
        b=b,
        gamma=1.0,
        negative_sample_rate=5,
        n_epochs=_UMAP_EPOCHS,
        init=start,
        random_state=state,
        metric="euclidean",
        metric_kwds={},
        densmap=False,
        densmap_kwds={},
        output_dens=False,
        output_metric=named_distances_with_gradients["haversine" if on_sphere else "euclidean"],
        euclidean_output=not on_sphere,
    )
    if not on_sphere:
        return coords
    # UMAP's first angle is measured from the pole.
    polar, azimuth = coords.astype(np.float64).T
    return np.stack([np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)], axis=1)
