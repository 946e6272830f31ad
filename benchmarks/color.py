"""Time of each coloring, and how much of the graph it preserves, against ncut-pytorch (if installed).

    python benchmarks/color.py [--threads 2] [--nodes 2000] [--steps 3000] [--out color.json]

"kept" compares the exact graph of the features with the graph of the 3D coordinates (for ncut-pytorch: of the colors),
each with the sigma that `Ncut` chooses. It is the shared part of the spectral projectors onto 4, 16 and 64
eigenvectors. For more than 6000 nodes it is not computed, and the M-space of ncut-pytorch, which takes minutes, is left
out. Prints a table with time ratios and writes it as JSON. On a busy machine, trust CPU time and not wall time. UMAP is
compiled before the measurement.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from ncut_widgets.ncut import Ncut
from ncut_widgets.readouts import Coloring

COUNTS = (4, 16, 64)
MAX_EXACT_NODES = 6000
METHODS = ("pca", "tsne", "umap", "umap_sphere", "mspace")


def photo_like(n: int, channels: int = 50) -> np.ndarray:
    """Return nodes of smooth fields, edges and coordinates, similar to features of four photographs."""
    rng = np.random.default_rng(0)
    side = max(8, round(n**0.5))
    maps = []
    for _ in range(4):
        regions = gaussian_filter(rng.normal(size=(side, side, 6)), (side / 8, side / 8, 0)).argmax(-1)
        tints = rng.normal(size=(6, channels - 2))[regions]
        texture = gaussian_filter(rng.normal(size=(side, side, channels - 2)), (1, 1, 0))
        position = np.moveaxis(np.indices((side, side)), 0, -1) / side
        maps.append(np.concatenate([gaussian_filter(tints, (1, 1, 0)) + texture, position], axis=-1))
    nodes = np.concatenate([m.reshape(-1, channels) for m in maps])
    return nodes[rng.choice(len(nodes), n, replace=False)].astype(np.float32)


def projectors(X: np.ndarray) -> np.ndarray:
    return Ncut(max(COUNTS), solver="exact").fit(X.astype(np.float64)).eigenvectors_


def kept(exact: np.ndarray, coords: np.ndarray) -> list[float]:
    ours = projectors(coords)
    return [float(np.square(exact[:, :k].T @ ours[:, :k]).sum() / k) for k in COUNTS]


def theirs(features: np.ndarray, eig: np.ndarray, steps: int, exact: bool) -> dict[str, Callable[[], Any]]:
    if importlib.util.find_spec("ncut_pytorch") is None:
        print("ncut-pytorch is not installed; measuring only ours.")
        return {}
    from ncut_pytorch import color

    X, U = torch.from_numpy(features), torch.from_numpy(eig)
    runs: dict[str, Callable[[], Any]] = {
        "ncut-pytorch tsne": lambda: color.tsne_color(U, seed=0),
        "ncut-pytorch umap": lambda: color.umap_color(U, seed=0),
        "ncut-pytorch umap_sphere": lambda: color.umap_sphere_color(U, seed=0),
    }
    if exact:
        runs["ncut-pytorch mspace"] = lambda: color.mspace_color(
            X, n_eig_list=list(COUNTS), encoder_training_steps=steps
        )
    return runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=3000, help="of ncut-pytorch's M-space; 3000 is its default")
    parser.add_argument("--out", type=Path, default=Path("color.json"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    warnings.simplefilter("ignore")

    features = photo_like(options.nodes)
    exact = projectors(features) if options.nodes <= MAX_EXACT_NODES else None
    eig = Ncut(20).fit_transform(features)
    runs: dict[str, Callable[[], Any]] = {
        method: lambda method=method: Coloring(method).fit(features if method == "mspace" else eig).coords_
        for method in METHODS
    }
    runs |= theirs(features, eig, options.steps, exact is not None)
    for method in METHODS:
        Coloring(method).fit(eig[:100])

    rows: list[dict[str, Any]] = []
    print(f"{'':>25} {'wall s':>7} {'cpu s':>7}   kept {'  '.join(f'{k:>5}' for k in COUNTS)}")
    for name, run in runs.items():
        wall, processor = time.perf_counter(), time.process_time()
        coords = np.asarray(run())
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        shares = None if exact is None else kept(exact, coords)
        rows.append({"name": name, "nodes": options.nodes, "wall": wall, "cpu": processor, "kept": shares})
        printed = "" if shares is None else "  ".join(f"{share:.3f}" for share in shares)
        print(f"{name:>25} {wall:>7.2f} {processor:>7.2f}        {printed}", flush=True)
    took = {row["name"]: row for row in rows}
    for method in METHODS:
        if other := took.get(f"ncut-pytorch {method}"):
            ratios = [other[clock] / took[method][clock] for clock in ("wall", "cpu")]
            took[method]["times_faster"] = ratios
            print(f"{method:>25} {ratios[0]:>6.1f}x {ratios[1]:>6.1f}x   faster than ncut-pytorch")
    options.out.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
