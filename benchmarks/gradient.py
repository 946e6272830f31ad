"""Time and accuracy of the exact gradient, against ncut-pytorch (if installed).

    python benchmarks/gradient.py [--nodes 6000] [--channels 300] [--eigenvectors 8] [--threads 2] [--out gradient.json]

Each engine runs forward and backward once in a separate process, with the same sigma. Prints a table and writes it as
JSON. `peak MB` is the peak memory minus imports and input. On a busy machine, trust CPU time and not wall time. `error`
compares the gradient of the first 1500 nodes in float32 with that of autograd through a full eigendecomposition in
float64.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path

import torch
from subprocess_runner import INCUMBENT, has_incumbent, peak_megabytes, run_in_subprocess

from ncut_widgets.ncut import Ncut

COMPARED_NODES = 1500
ENGINES = ("exact", "nystrom", INCUMBENT)
SIGMA = 12.0


def clusters(n: int, channels: int) -> torch.Tensor:
    """Return nodes of twenty overlapping clusters, for which no eigenvalues coincide."""
    generator = torch.Generator().manual_seed(0)
    centers = torch.randn(20, channels, generator=generator)
    return centers[torch.randint(20, (n,), generator=generator)] + torch.randn(n, channels, generator=generator)


def embed(engine: str, X: torch.Tensor, k: int, sigma: float) -> torch.Tensor:
    if engine == INCUMBENT:
        from ncut_pytorch.ncuts.ncut_nystrom import ncut_fn

        return ncut_fn(X, n_eig=k, sigma=sigma, exact_gradient=True, device="cpu")[0]
    if engine == "autograd":
        A = torch.exp(-torch.cdist(X, X).square() / (2 * sigma**2))
        root = A.sum(1).sqrt()
        return torch.linalg.eigh(A / root[:, None] / root).eigenvectors.flip(1)[:, :k]
    return Ncut(k, sigma=sigma, solver=engine).fit_transform(X)


def loss_gradient(vectors: torch.Tensor, X: torch.Tensor) -> torch.Tensor:
    """Return the gradient of a loss without signs and scales: ncut-pytorch's columns are not orthonormal."""
    weights = torch.randn(vectors.shape, generator=torch.Generator().manual_seed(1)).to(vectors)
    squared = vectors.square()
    return torch.autograd.grad((weights * squared / squared.sum(0)).sum(), X)[0]


def measure(engine: str, options: argparse.Namespace) -> dict[str, float | str | bool]:
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    k, sigma = options.eigenvectors, options.sigma
    few = clusters(COMPARED_NODES, options.channels)
    ours, theirs = few.clone().requires_grad_(), few.double().requires_grad_()
    warm = few[:200].clone().requires_grad_()
    loss_gradient(embed(engine, warm, k, sigma), warm)
    X = clusters(options.nodes, options.channels).requires_grad_()
    before, wall, processor = peak_megabytes(), time.perf_counter(), time.process_time()
    vectors = embed(engine, X, k, sigma)
    forward = time.perf_counter()
    gradient = loss_gradient(vectors, X)
    row: dict[str, float | str | bool] = {
        "engine": engine,
        "forward": forward - wall,
        "backward": time.perf_counter() - forward,
        "cpu": time.process_time() - processor,
        "peak": peak_megabytes() - before,
        "finite": bool(gradient.isfinite().all()),
    }
    reference = loss_gradient(embed("autograd", theirs, k, sigma), theirs)
    found = loss_gradient(embed(engine, ours, k, sigma), ours)
    return {**row, "error": float((found - reference).norm() / reference.norm())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=6000)
    parser.add_argument("--channels", type=int, default=300)
    parser.add_argument("--eigenvectors", type=int, default=8)
    parser.add_argument("--sigma", type=float, default=SIGMA)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("gradient.json"))
    options = parser.parse_args()
    rows = []
    print(f"{'engine':<13}{'forward s':>10}{'backward s':>11}{'cpu s':>8}{'peak MB':>9}{'finite':>8}{'error':>10}")
    for engine in ENGINES if has_incumbent() else ENGINES[:-1]:
        row = run_in_subprocess(measure, engine, options)
        rows.append(row)
        print(
            f"{engine:<13}{row['forward']:>10.2f}{row['backward']:>11.2f}{row['cpu']:>8.1f}{row['peak']:>9.0f}"
            f"{row['finite']!s:>8}{row['error']:>10.1e}"
        )
    ours, theirs = rows[0], rows[-1]
    if theirs["engine"] == INCUMBENT:
        wall = (theirs["forward"] + theirs["backward"]) / (ours["forward"] + ours["backward"])
        print(f"exact is {wall:.1f} times as fast as ncut-pytorch, {theirs['cpu'] / ours['cpu']:.1f} times in CPU time")
    options.out.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
