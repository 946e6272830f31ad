"""Agreement of `segment` with human segmentations: the region benchmarks of Arbelaez et al. (2011).

    python benchmarks/segmentation.py FOLDER [--n-clusters 2,3,4,6,8,12,16,24] [--output segmentation.json]

FOLDER contains images/NAME.jpg and truth/NAME.npz, whose "segments" (people, height, width) are integer label maps.
Higher is better for covering and the probabilistic Rand index (PRI), lower for the variation of information (VI, in
bits). Each is given at the best number of clusters for the whole set (ODS) and for each image (OIS).
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from ncut_widgets.features import load_images
from ncut_widgets.pipeline import segment

METRICS = ("covering", "PRI", "VI")


def region_scores(labels: np.ndarray, truth: np.ndarray) -> tuple[float, float, float]:
    """Return covering of `truth` by `labels`, probabilistic Rand index, and variation of information in bits."""
    _, a = np.unique(labels, return_inverse=True)
    _, b = np.unique(truth, return_inverse=True)
    width = int(b.max()) + 1
    table = np.bincount(a.ravel() * width + b.ravel(), minlength=(int(a.max()) + 1) * width)
    table = table.reshape(-1, width).astype(float)
    n, in_labels, in_truth = table.sum(), table.sum(1), table.sum(0)
    overlap = table / (in_labels[:, None] + in_truth[None] - table)
    covering = (in_truth * overlap.max(0)).sum() / n
    disagreeing = ((in_labels**2).sum() + (in_truth**2).sum()) / 2 - (table**2).sum()
    joint, first, second = (-(p * np.log2(p)).sum() for p in (table[table > 0] / n, in_labels / n, in_truth / n))
    return float(covering), float(1 - disagreeing / (n * (n - 1) / 2)), float(2 * joint - first - second)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--n-clusters", default="2,3,4,6,8,12,16,24")
    parser.add_argument("--output", type=Path, default=Path("segmentation.json"))
    arguments = parser.parse_args()
    counts = [int(k) for k in arguments.n_clusters.split(",")]
    images, scores, start = load_images(arguments.folder / "images"), [], time.perf_counter()
    for image in images:
        truths = np.load(arguments.folder / "truth" / f"{Path(image.info['name']).stem}.npz")["segments"]
        labels = [segment(image, n_clusters=k)[0] for k in counts]
        scores.append([np.mean([region_scores(found, truth) for truth in truths], axis=0) for found in labels])
    table = np.array(scores)  # (image, count, metric)
    seconds = (time.perf_counter() - start) / (len(images) * len(counts))
    sign = np.array([1, 1, -1])
    ods = (sign * table.mean(0)).max(0) * sign
    ois = (sign * table).max(1).mean(0) * sign
    print(f"{len(images)} images, {seconds:.2f} s per cut")
    print(f"{'':10s}{'ODS':>8s}{'OIS':>8s}")
    for name, all_images, each_image in zip(METRICS, ods, ois, strict=True):
        print(f"{name:10s}{all_images:8.3f}{each_image:8.3f}")
    for k, covering in zip(counts, table[:, :, 0].mean(0), strict=True):
        print(f"covering at n_clusters={k}: {covering:.3f}")
    report = {
        "images": len(images),
        "seconds_per_cut": seconds,
        **{name: {"ODS": float(a), "OIS": float(b)} for name, a, b in zip(METRICS, ods, ois, strict=True)},
        "covering_by_n_clusters": dict(zip(counts, table[:, :, 0].mean(0).tolist(), strict=True)),
    }
    arguments.output.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
