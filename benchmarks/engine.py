"""Time, memory and accuracy of `Ncut`, ncut-pytorch and scikit-learn.

    python benchmarks/engine.py [--max-nodes 1000000] [--threads 2] [--out engine.json]

Prints a table and writes it as JSON. Each measurement runs in a separate process, on the same data and with the same
sigma. ncut-pytorch (3.2.0 was compared) is left out if it or its dependency fpsample is not installed.

- kind: "clusters" are 20 clusters in 768 channels, each spread along 16 directions and by noise in all; "photos" are
  smooth fields, edges and coordinates on square grids, in 48 channels, similar to features of photographs.
- engine: "scikit-learn" is its `spectral_embedding` of the full affinity matrix, for up to 12 000 nodes. It cannot
  embed new nodes.
- wall, cpu: seconds of `fit_transform` with 20 eigenvectors, after a small warm-up. On a busy machine, trust only CPU
  time.
- transform: wall and CPU seconds for the first 100 000 nodes.
- memory: peak MB of the process minus its memory before the call, output included.
- lost: the share of the exact 20-dimensional eigenspace that is missed, for up to 12 000 nodes, for which the exact
  solution is computed.

Lines with "x" are the values of the engine above as multiples of ours.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from subprocess_runner import INCUMBENT, has_incumbent, peak_megabytes, run_in_subprocess

from ncut_widgets.ncut import Ncut

N_EIG = 20
NODES = (1000, 12_000, 100_000, 1_000_000)
EXACT_NODES = 12_000
TRANSFORMED_NODES = 100_000
BLOCK = 10_000


def clusters(n: int) -> np.ndarray:
    """Return nodes of 20 clusters in 768 channels, generated in place: a million nodes take 3 GB."""
    rng = np.random.default_rng(0)
    centers, spread = rng.normal(size=(20, 768)), 0.2 * rng.normal(size=(16, 768))
    X = np.empty((n, 768), dtype=np.float32)
    for start in range(0, n, BLOCK):
        block = X[start : start + BLOCK]
        rng.standard_normal(out=block, dtype=np.float32)
        block *= 0.5
        block += centers[rng.integers(0, 20, len(block))] + rng.normal(size=(len(block), 16)) @ spread
    return X


def photos(n: int, channels: int = 48) -> np.ndarray:
    """Return smooth fields, edges and coordinates on square grids of about 2400 nodes."""
    rng = np.random.default_rng(0)
    side = 49
    X = np.empty((n, channels), dtype=np.float32)
    for start in range(0, n, side**2):
        regions = gaussian_filter(rng.normal(size=(side, side, 6)), (6, 6, 0)).argmax(-1)
        tints = rng.normal(size=(6, channels - 2))[regions]
        texture = gaussian_filter(rng.normal(size=(side, side, channels - 2)), (1, 1, 0))
        place = np.moveaxis(np.indices((side, side)), 0, -1) / side
        maps = np.concatenate([gaussian_filter(tints, (1, 1, 0)) + texture, place], axis=-1)
        X[start : start + side**2] = maps.reshape(-1, channels)[: n - start]
    return X


KINDS: dict[str, Callable[[int], np.ndarray]] = {"clusters": clusters, "photos": photos}


class ScikitLearn:
    """The same eigenvectors from scikit-learn, computed from the full affinity matrix."""

    def __init__(self, sigma: float) -> None:
        self._sigma = sigma

    def fit_transform(self, X: torch.Tensor) -> torch.Tensor:
        from sklearn.manifold import spectral_embedding
        from sklearn.metrics.pairwise import rbf_kernel

        A = rbf_kernel(X.numpy(), gamma=1 / (2 * self._sigma**2))
        vectors = spectral_embedding(A, n_components=N_EIG, drop_first=False, random_state=0)
        return torch.from_numpy(vectors * np.sqrt(A.sum(1))[:, None])


def ours(sigma: float | None, exact: bool = False) -> Any:
    return Ncut(N_EIG, sigma=sigma, solver="exact" if exact else "auto")


def theirs(sigma: float | None) -> Any:
    from ncut_pytorch import Ncut as Incumbent

    return Incumbent(n_eig=N_EIG, sigma=sigma)


ENGINES: dict[str, Callable[[Any], Any]] = {"ours": ours, INCUMBENT: theirs, "scikit-learn": ScikitLearn}


def clock() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def measure(engine: str, kind: str, n: int, sigma: float | None, threads: int) -> dict[str, Any]:
    """Return the measurements of one fit, with its eigenvectors as "vectors" if the exact ones are known."""
    torch.set_num_threads(threads)
    warnings.simplefilter("ignore")
    make = ENGINES[engine]
    X = torch.from_numpy(KINDS[kind](n))
    few = X[: min(n, 9000)]
    make(sigma).fit_transform(few if engine != "scikit-learn" else few[:500])
    before = peak_megabytes()
    wall, cpu = clock()
    model = make(sigma)
    vectors = model.fit_transform(X)
    wall, cpu = (now - then for now, then in zip(clock(), (wall, cpu), strict=True))
    memory = peak_megabytes() - before
    result = {"wall": wall, "cpu": cpu, "memory": memory}
    if hasattr(model, "transform"):
        model.transform(X[:1000])
        wall, cpu = clock()
        model.transform(X[:TRANSFORMED_NODES])
        wall, cpu = (now - then for now, then in zip(clock(), (wall, cpu), strict=True))
        result |= {"transform wall": wall, "transform cpu": cpu}
    if engine == "ours":
        result |= {"sigma": model.sigma_, "residual": float(model.residual_.max()), "landmarks": model.n_landmarks_}
    return result | ({"vectors": vectors.numpy()} if n <= EXACT_NODES else {})


def exact_vectors(kind: str, n: int, sigma: float, threads: int) -> np.ndarray:
    torch.set_num_threads(threads)
    return ours(sigma, exact=True).fit_transform(KINDS[kind](n).astype(np.float64))


def lost(exact: np.ndarray, vectors: np.ndarray) -> float:
    """Return the share of the space of `exact` that `vectors`, orthonormal or not, do not span."""
    basis = np.linalg.qr(vectors.astype(np.float64))[0]
    return float(1 - np.square(exact.astype(np.float64).T @ basis).sum() / exact.shape[1])


COLUMNS = {"wall": 8, "cpu": 8, "transform wall": 15, "transform cpu": 14, "memory": 8, "lost": 9}


def line(name: str, row: dict[str, Any], sign: str = "") -> str:
    cells = []
    for column, width in COLUMNS.items():
        value = row.get(column)
        form = (
            ".1e"
            if column == "lost" and not sign
            else ".0f"
            if column in ("memory", "lost")
            else ".1f"
            if sign
            else ".2f"
        )
        cells.append(f"{'' if value is None else format(value, form) + sign:>{width}}")
    return f"{name:>32}{''.join(cells)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--max-nodes", type=int, default=1_000_000)
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("engine.json"))
    options = parser.parse_args()
    engines = ["ours", "scikit-learn"]
    if has_incumbent():
        engines.insert(1, INCUMBENT)

    rows: list[dict[str, Any]] = []
    print(f"{'':>32}" + "".join(f"{column:>{width}}" for column, width in COLUMNS.items()))
    for kind in options.kinds:
        for n in (n for n in NODES if n <= options.max_nodes):
            sigma, exact, first = None, None, None
            for engine in engines:
                if engine == "scikit-learn" and n > EXACT_NODES:
                    continue
                row = {"kind": kind, "nodes": n, "engine": engine}
                row |= run_in_subprocess(measure, engine, kind, n, sigma, options.threads)
                sigma = sigma or row["sigma"]
                if "vectors" in row:
                    if exact is None:
                        exact = run_in_subprocess(exact_vectors, kind, n, sigma, options.threads)
                    # Rounding can make this slightly negative for exact solutions.
                    row["lost"] = max(lost(exact, row.pop("vectors")), 0.0)
                rows.append(row)
                print(line(f"{kind} {n} {engine}", row), flush=True)
                first = first or row
                if row is not first:
                    print(line("", {c: row[c] / max(first[c], 1e-12) for c in COLUMNS if c in row}, "x"), flush=True)
    options.out.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
