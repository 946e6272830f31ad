"""Accuracy of clicks across the two images of a stereo pair with measured disparity.

    python benchmarks/clicks.py [--clicks 1000] [--threads 2] [--out clicks.json]

The pair is scikit-image's `stereo_motorcycle`, 741 x 500 pixels. A click in the left image is matched to the most
similar patch in the right image, by eigenvectors or by features. PCK@a is the share of clicks whose matched patch
center is within a times the long side of the true position; patches are about 12 pixels wide. "in mask" is the share of
true positions inside the mask of `click_mask`, and "mask" the share of the right image that the mask covers. Two
baselines are the same position in both images (no disparity is above 60 pixels) and a random patch. Clicks on parts
that are hidden in the right image are included, so no method reaches 1. Prints a table and writes it as JSON.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from skimage.data import stereo_motorcycle

from ncut_widgets import Ncut, PatchGrid, click_mask, embed

SHARES = (0.01, 0.02, 0.05, 0.1)
# Enough for a stable mean.
MAX_MASKS = 200


def clicks(disparity: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return n random pixels (n, 2) of the left image that have a match in the right image, and the matches (n, 2)."""
    width = disparity.shape[1]
    y, x = np.nonzero(np.isfinite(disparity) & (np.arange(width) >= np.where(np.isfinite(disparity), disparity, width)))
    drawn = np.random.default_rng(0).choice(len(y), n, replace=False)
    y, x = y[drawn], x[drawn]
    return np.stack([x, y], 1).astype(float), np.stack([x - disparity[y, x], y], 1).astype(float)


def most_similar(rows: np.ndarray, nodes: list[int], grid: PatchGrid) -> np.ndarray:
    """Return, for each node of the left image, the node of the right image with the largest cosine similarity."""
    unit = rows.astype(np.float64) / np.linalg.norm(rows, axis=1, keepdims=True)
    first = int(grid.offsets[1])
    return first + (unit[nodes] @ unit[first:].T).argmax(1)


def masked(eig: np.ndarray, nodes: list[int], matches: list[int], grid: PatchGrid) -> tuple[float, float]:
    """Return how often the mask of a click contains its match, and the share of the right image that it covers."""
    contained, size = [], []
    for node, match in list(zip(nodes, matches, strict=True))[:MAX_MASKS]:
        mask = click_mask(eig, [node], grid=grid)
        contained.append(mask[match])
        size.append(mask[int(grid.offsets[1]) :].mean())
    return float(np.mean(contained)), float(np.mean(size))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clicks", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("clicks.json"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    left, right, disparity = stereo_motorcycle()
    images = [left, right]
    shown = embed(images, progress=False)
    features, grid = shown.features, shown.features.grid
    points, truth = clicks(disparity, options.clicks)
    nodes = [grid.node_at(0, x, y) for x, y in points]
    matches = [grid.node_at(1, x, y) for x, y in truth]
    first, n = int(grid.offsets[1]), grid.n_nodes

    embeddings = {
        "20 eigenvectors, as explore()": shown.eigenvectors,
        "100 of them": embed(images, features=features, n_eig=100, progress=False).eigenvectors,
        "20 eigenvectors, Ncut's sigma": Ncut(20).fit_transform(features),
        "100 of them, Ncut's sigma": Ncut(100).fit_transform(features),
    }
    matched = {name: most_similar(eig, nodes, grid) for name, eig in embeddings.items()}
    matched["the features themselves"] = most_similar(np.asarray(features.flatten()), nodes, grid)
    matched["the same place"] = np.array(nodes) + first
    matched["chance"] = np.random.default_rng(1).integers(first, n, len(nodes))

    rows: list[dict[str, Any]] = []
    print(f"{'':>30}  {'  '.join(f'PCK@{share:<4}' for share in SHARES)}  median px  in mask   mask")
    for name, found in matched.items():
        centers = np.array([((x0 + x1) / 2, (y0 + y1) / 2) for x0, y0, x1, y1 in map(grid.box, found.tolist())])
        error = np.linalg.norm(centers - truth, axis=1)
        pck = {share: float(np.mean(error <= share * max(disparity.shape))) for share in SHARES}
        row: dict[str, Any] = {"name": name, "clicks": len(nodes), "pck": pck, "median": float(np.median(error))}
        line = f"{name:>30}  {'  '.join(f'{value:8.3f}' for value in pck.values())}  {row['median']:9.1f}"
        if name in embeddings:
            row["in_mask"], row["mask"] = masked(embeddings[name], nodes, matches, grid)
            line += f"  {row['in_mask']:7.3f}  {row['mask']:5.3f}"
        rows.append(row)
        print(line, flush=True)
    options.out.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
