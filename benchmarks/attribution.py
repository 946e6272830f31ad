"""Time and accuracy of channel attribution, against the recipe in the ncut-pytorch tutorial (if installed).

    python benchmarks/attribution.py [--nodes 10000] [--channels 300] [--clusters 8] [--threads 2]

Each engine computes the attributions of all clusters of one graph in a separate process, with the same sigma and
labels. The recipe is the gradient of minus the mean |k-way score| of a cluster, averaged over its nodes, with the most
exact gradients of that library. Prints a table and writes it as JSON. `peak MB` is the peak memory minus imports and
input. On a busy machine, trust CPU time and not wall time.

`first` and `sign` are measured on 20 generated graphs with 400 nodes and 16 channels. In each graph, three of four
clusters are defined by one planted channel. `first` is the share of planted channels with the largest magnitude for
their cluster, and `sign` the share with the right sign.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from subprocess_runner import INCUMBENT, has_incumbent, peak_megabytes, run_in_subprocess

from ncut_widgets import Ncut, channel_attribution, kway_ncut

ENGINES = ("gradient", "gradient, exact", "gradient_x_input", INCUMBENT)
SIGMA = 12.0
PLANTED = 8.0
PLANTED_SIGMA = 5.0


def clusters(n: int, channels: int) -> torch.Tensor:
    """Return nodes of twenty overlapping clusters."""
    generator = torch.Generator().manual_seed(0)
    centers = torch.randn(20, channels, generator=generator)
    return centers[torch.randint(20, (n,), generator=generator)] + torch.randn(n, channels, generator=generator)


def planted(seed: int) -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
    """Return nodes, labels and the planted channels of clusters 0, 1 and 2; cluster 3 has none."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(400) % 4)
    X = rng.normal(size=(400, 16)).astype(np.float32)
    planted_channels = rng.permutation(16)[:3]
    X[:, planted_channels] += np.float32(PLANTED) * np.eye(4, 3, dtype=np.float32)[labels]
    return torch.from_numpy(X), labels, planted_channels


def tutorial_recipe(X: torch.Tensor, labels: np.ndarray, sigma: float) -> np.ndarray:
    from ncut_pytorch import Ncut as TheirNcut
    from ncut_pytorch import kway_ncut as their_kway_ncut

    X = X.clone().requires_grad_()
    k = int(labels.max()) + 1
    eig = TheirNcut(n_eig=k, sigma=sigma, exact_gradient=True, device="cpu").fit_transform(X)
    scores = their_kway_ncut(eig)
    attributions = []
    for cluster in range(k):
        members = torch.from_numpy(labels == cluster)
        # ncut-pytorch numbers clusters differently: find the column of this cluster.
        column = int(scores[members].detach().abs().mean(0).argmax())
        loss = -scores[members, column].abs().mean()
        (gradient,) = torch.autograd.grad(loss, X, retain_graph=cluster + 1 < k)
        attributions.append(gradient[members].mean(0).numpy())
    return np.stack(attributions)


def attribute(engine: str, X: torch.Tensor, labels: np.ndarray, sigma: float) -> np.ndarray:
    if engine == INCUMBENT:
        return tutorial_recipe(X, labels, sigma)
    method, _, solver = engine.partition(", ")
    return channel_attribution(X, labels, method=method, ncut=Ncut(sigma=sigma, solver=solver or "auto")).raw


def measure(engine: str, options: argparse.Namespace) -> dict[str, float | str | bool]:
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    first, sign = [], []
    for seed in range(20):
        X, labels, planted_channels = planted(seed)
        raw = attribute(engine, X, labels, PLANTED_SIGMA)[:3]
        first.append(np.abs(raw).argmax(1) == planted_channels)
        sign.append(raw[np.arange(3), planted_channels] > 0)
    X = clusters(options.nodes, options.channels)
    eig = Ncut(options.clusters, sigma=options.sigma).fit_transform(X)
    labels = kway_ncut(eig, n_clusters=options.clusters).argmax(1).numpy()
    before, wall, processor = peak_megabytes(), time.perf_counter(), time.process_time()
    raw = attribute(engine, X, labels, options.sigma)
    return {
        "engine": engine,
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - processor,
        "peak": peak_megabytes() - before,
        "finite": bool(np.isfinite(raw).all()),
        "first": float(np.mean(first)),
        "sign": float(np.mean(sign)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--channels", type=int, default=300)
    parser.add_argument("--clusters", type=int, default=8)
    parser.add_argument("--sigma", type=float, default=SIGMA)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("attribution.json"))
    options = parser.parse_args()
    rows = []
    print(f"{'engine':<18}{'wall s':>9}{'cpu s':>9}{'peak MB':>9}{'finite':>8}{'first':>7}{'sign':>7}")
    for engine in ENGINES if has_incumbent() else ENGINES[:-1]:
        row = run_in_subprocess(measure, engine, options)
        rows.append(row)
        print(
            f"{engine:<18}{row['wall']:>9.2f}{row['cpu']:>9.2f}{row['peak']:>9.0f}{row['finite']!s:>8}"
            f"{row['first']:>7.2f}{row['sign']:>7.2f}",
            flush=True,
        )
    ours, theirs = rows[0], rows[-1]
    if theirs["engine"] == INCUMBENT:
        print(
            f"{ours['engine']} takes 1/{theirs['wall'] / ours['wall']:.1f} of the time of ncut-pytorch, "
            f"1/{theirs['cpu'] / ours['cpu']:.1f} of its CPU time"
        )
    options.out.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
