"""3D layouts: fitted to a sample of the nodes, applicable to any node."""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from scipy.spatial.distance import cdist

from ncut_widgets._progress import Progress
from ncut_widgets._progress import progress as progress_bar
from ncut_widgets.ncut import nystrom_propagate
from ncut_widgets.ncut.graph.linalg import eigh
from ncut_widgets.readouts._directions import unit_rows

from .mspace import MSPACE_STEPS, mspace_layout
from .sampling import farthest_points
from .torchdr import import_torchdr, torchdr_layout, torchdr_steps, uses_torchdr
from .tsne import TSNE_STEPS, tsne_layout

__all__ = ["METHODS", "Layout", "find_layout", "import_library"]

METHODS = ("tsne", "umap", "umap_sphere", "pca", "mspace")
# Fewer nodes have no meaningful neighborhoods and are placed on the principal axes.
_MIN_NODES_FOR_NEIGHBORS = 16
# Farthest-point sampling represents small clusters, but among all nodes it would be slow and select mostly outliers.
# It therefore selects from this many times as many random nodes.
_OVERSAMPLING = 3
_INITIAL_SPREAD = 1e-4
_UMAP_EPOCHS = 200
# Steps that are reported. UMAP on the CPU reports only its start and end.
_STEPS = {"tsne": TSNE_STEPS, "mspace": MSPACE_STEPS, "umap": 2, "umap_sphere": 2}


class Layout(Protocol):
    """A fitted layout, which places nodes in its own coordinate system."""

    on_sphere: bool

    def place(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the coordinates (n, 3) of rows (n, k)."""


class PrincipalLayout:
    """Coordinates on the three leading principal axes of all nodes, with the largest loading of each axis positive."""

    on_sphere = False

    def __init__(self, rows: torch.Tensor) -> None:
        # Float64 holds the squares of float32 values. Float64 values are scaled, because sums and squares may overflow;
        # by a power of two, so that the division is exact.
        self._unit = math.ldexp(1.0, math.frexp(float(rows.abs().amax()))[1] - 1)
        self._mean = (rows.double() / self._unit).mean(0)
        centered = rows.double() / self._unit - self._mean
        largest = centered.abs().amax()
        centered = centered / torch.where(largest > 0, largest, 1)
        _, axes = eigh(centered.T @ centered)
        axes = axes.flip(1)[:, :3]
        # The first of the largest entries, with a tolerance for rounding.
        leading = (axes.abs() > (1 - 1e-6) * axes.abs().amax(0)).int().argmax(0)
        axes = axes * axes[leading, torch.arange(axes.shape[1], device=axes.device)].sign()
        missing = axes.new_zeros((rows.shape[1], 3 - axes.shape[1]))
        self._axes = torch.cat([axes, missing], dim=1)

    def place(self, rows: torch.Tensor) -> torch.Tensor:
        # Clamped, so that coordinates can be rotated in their own precision and squared in float64.
        limit = min(torch.finfo(rows.dtype).max / 8, 1e100)
        coords = (rows.double() / self._unit - self._mean) @ self._axes * self._unit
        return coords.clamp(-limit, limit).to(rows.dtype)


class NeighborLayout:
    """The layout of a sample, in which other nodes are placed by their nearest sampled nodes."""

    def __init__(self, sampled: torch.Tensor, coords: torch.Tensor, *, on_sphere: bool = False) -> None:
        self.on_sphere = on_sphere
        self._sampled, self._coords = sampled, coords if on_sphere else coords - coords.mean(0)

    def place(self, rows: torch.Tensor) -> torch.Tensor:
        coords = nystrom_propagate(self._coords, rows, self._sampled)
        # A mean of points is inside the sphere, and is projected onto it. Angles wrap around and have no mean.
        return unit_rows(coords) if self.on_sphere else coords


def find_layout(
    rows: torch.Tensor,
    *,
    method: str,
    n_sample: int,
    n_neighbors: int,
    n_eig: Sequence[int],
    rng: np.random.Generator,
    progress: Progress = False,
) -> Layout:
    """Return the layout of rows (n, k) by `method`, fitted to `n_sample` rows; `progress` is as in `Coloring.fit`."""
    if method == "pca" or len(rows) < _MIN_NODES_FOR_NEIGHBORS:
        return PrincipalLayout(rows)
    sampled = rows[_sample(rows, n_sample, rng).to(rows.device)]
    on_device = uses_torchdr(method, rows.device)
    n_steps = torchdr_steps(method) if on_device else _STEPS[method]
    with progress_bar(n_steps, f"colors: {method} of {len(rows)} nodes", unit="step", show=progress) as advance:

        def on_step() -> None:
            advance(1)

        if method == "mspace":
            return NeighborLayout(sampled, mspace_layout(sampled, n_eig, on_step).to(rows.dtype))
        start = _initial_layout(sampled, rng)
        if on_device:
            seed = int(rng.integers(2**31))
            layout = torchdr_layout(sampled, start, method=method, n_neighbors=n_neighbors, seed=seed, on_step=on_step)
            return NeighborLayout(sampled, layout.to(rows.dtype))
        array = sampled.cpu().float().numpy()
        if method == "tsne":
            # A larger perplexity would cover most of the nodes, and its bandwidth would not be defined.
            coords = tsne_layout(array, start, perplexity=min(n_neighbors, (len(array) - 1) / 3), on_step=on_step)
        else:
            # UMAP rescales the initial layout, which must have the dimensions of the result: on a sphere, two angles.
            on_sphere = method == "umap_sphere"
            start = start[:, :2] if on_sphere else start
            seed = int(rng.integers(2**31))
            on_step()
            coords = _umap_layout(array, start, min(n_neighbors, len(array) - 1), seed, on_sphere=on_sphere)
            on_step()
    table = torch.from_numpy(np.asarray(coords)).to(rows.device, rows.dtype)
    return NeighborLayout(sampled, table, on_sphere=method == "umap_sphere")


def import_library(method: str, device: torch.device) -> None:
    """Import the library for `method` on `device`, if any. The first import takes one or two seconds.

    Call it in the main thread before a worker thread needs the library, because it temporarily changes the warning
    filters of the process.
    """
    if uses_torchdr(method, device):
        import_torchdr()
    elif method in ("umap", "umap_sphere") and "umap" not in sys.modules:
        with warnings.catch_warnings():
            # The import warns if TensorFlow is not installed, which is not needed here.
            warnings.filterwarnings("ignore", message="Tensorflow not installed", category=ImportWarning)
            import umap  # noqa: F401


def _sample(rows: torch.Tensor, n_sample: int, rng: np.random.Generator) -> torch.Tensor:
    """Return the indices of at most `n_sample` rows, by farthest-point sampling from random candidates."""
    if len(rows) <= n_sample:
        return torch.arange(len(rows))
    candidates = torch.from_numpy(rng.choice(len(rows), min(len(rows), _OVERSAMPLING * n_sample), replace=False))
    pool = rows[candidates.to(rows.device)]
    # Float32 distances are inaccurate far from the origin, and the squares of values above 1e19 overflow.
    pool = pool - pool.mean(0)
    pool = pool / pool.abs().amax().clamp_min(torch.finfo(pool.dtype).tiny)
    return candidates[torch.from_numpy(farthest_points(pool.cpu().float().numpy(), n_sample))]


def _initial_layout(sampled: torch.Tensor, rng: np.random.Generator) -> np.ndarray:
    """Return principal coordinates (m, 3), scaled down, with noise that separates equal rows."""
    coords = PrincipalLayout(sampled).place(sampled).cpu().float().numpy()
    spread = coords[:, 0].std()
    noise = rng.normal(size=coords.shape)
    return (_INITIAL_SPREAD * (coords / (spread if spread > 0 else 1) + 0.01 * noise)).astype(np.float32)


def _umap_layout(rows: np.ndarray, start: np.ndarray, n_neighbors: int, seed: int, *, on_sphere: bool) -> np.ndarray:
    import_library("umap", torch.device("cpu"))
    from umap.distances import named_distances_with_gradients
    from umap.umap_ import find_ab_params, fuzzy_simplicial_set, simplicial_set_embedding

    state = np.random.RandomState(seed)
    # For a small sample, `umap.UMAP` would call a function for each pair of nodes, which takes longer than the layout.
    graph, _, _ = fuzzy_simplicial_set(cdist(rows, rows).astype(np.float32), n_neighbors, state, "precomputed")
    # Nodes are closer together on a sphere, because its area is limited.
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
    # UMAP measures the first angle from the pole.
    polar, azimuth = coords.astype(np.float64).T
    return np.stack([np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)], axis=1)
