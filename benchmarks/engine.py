"""How fast and how faithful `Ncut` is: time of fit, and the share of the exact eigenspace that landmarks capture.

    python benchmarks/engine.py [--threads 2] [--nodes 2400 29000] [--channels 50] [--out engine.json]

Prints a table and writes it as JSON. Processor time is printed beside wall time: on a busy machine only the first
says anything.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from ncut_widgets.ncut import Ncut

N_EIG = 20
COMPARED_NODES = 4000


def photo_like(n: int, channels: int) -> np.ndarray:
    """Smooth fields, edges and coordinates over square grids of about 2400 nodes, as features of photographs are."""
    rng = np.random.default_rng(0)
    side = 49
    maps = []
    for _ in range(-(-n // side**2)):
        regions = gaussian_filter(rng.normal(size=(side, side, 6)), (6, 6, 0)).argmax(-1)
        tints = rng.normal(size=(6, channels - 2))[regions]
        texture = gaussian_filter(rng.normal(size=(side, side, channels - 2)), (1, 1, 0))
        place = np.moveaxis(np.indices((side, side)), 0, -1) / side
        maps.append(np.concatenate([gaussian_filter(tints, (1, 1, 0)) + texture, place], axis=-1))
    return np.concatenate([m.reshape(-1, channels) for m in maps])[:n].astype(np.float32)


def timed(X: np.ndarray, **options: object) -> tuple[Ncut, float, float]:
    wall, processor = time.perf_counter(), time.process_time()
    ncut = Ncut(N_EIG, **options).fit(X)
    return ncut, time.perf_counter() - wall, time.process_time() - processor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, nargs="+", default=[2400, 29000])
    parser.add_argument("--channels", type=int, default=50)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("engine.json"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    Ncut(2).fit(photo_like(100, 8))

    rows = []
    heading = f"captured on {COMPARED_NODES}"
    print(f"{'nodes':>7} {'degree':>6} {'wall s':>7} {'cpu s':>6} {'residual':>8} {heading:>16}")
    for n in options.nodes:
        X = photo_like(n, options.channels)
        for degree in (None, 0.1, 0.03):
            ncut, wall, processor = timed(X, degree=degree)
            few = X[np.random.default_rng(0).permutation(n)[:COMPARED_NODES]]
            exact, _, _ = timed(few, degree=degree, solver="exact")
            near, _, _ = timed(few, degree=degree, solver="nystrom")
            captured = float(np.square(exact.eigenvectors_.T @ near.eigenvectors_).sum() / N_EIG)
            row = {
                "nodes": n,
                "degree": degree,
                "wall": wall,
                "cpu": processor,
                "residual": float(ncut.residual_.max()),
                "captured": captured,
            }
            rows.append(row)
            print(
                f"{n:>7} {degree or 'auto':>6} {wall:>7.2f} {processor:>6.2f} {row['residual']:>8.3f} {captured:>16.4f}"
            )
    options.out.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
