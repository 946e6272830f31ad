"""Draw docs/images/balanced_graphs.png: four ways to balance one large region and three small ones.

    python docs/figures/balanced_graphs.py

takes 15 seconds on one core.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.lines import Line2D
from scipy.optimize import linear_sum_assignment

import ncut_widgets as nw
from ncut_widgets.errors import OutlierWarning

IMAGE = Path(__file__).parents[1] / "images" / "balanced_graphs.png"
N_LARGE, N_SMALL, DISTANCE = 2376, 8, 5.0
SHOWN_SIGMA = 2.0
SIGMAS = np.geomspace(0.5, 5, 9)
GRAPHS = {
    "default": {},
    "alpha=1": {"alpha": 1.0},
    'sampling="farthest"': {"sampling": "farthest", "n_sample": 100},
    "sample_weight": {},
}
COLORS = ("#4c72b0", "#dd8452", "#55a868", "#c44e52")


def regions(seed):
    """Return the nodes (n, 2) of a large region and three small ones around it, and the region of each node (n,)."""
    rng = np.random.default_rng(seed)
    angles = np.deg2rad([90, 210, 330])
    centers = [(0, 0), *(DISTANCE * np.stack([np.cos(angles), np.sin(angles)], axis=1))]
    sizes = [N_LARGE, N_SMALL, N_SMALL, N_SMALL]
    nodes = np.concatenate([rng.normal(c, 1, (size, 2)) for c, size in zip(centers, sizes, strict=True)])
    return nodes, np.repeat(np.arange(4), sizes)


def clusters(name, nodes, region, sigma):
    """Return the cluster of each node (n,), numbered like the best matching regions, and the mean recall."""
    weights = 1 / np.bincount(region)[region] if name == "sample_weight" else None
    ncut = nw.Ncut(n_eig=4, sigma=sigma, **GRAPHS[name]).fit(nodes, sample_weight=weights)
    labels = nw.kway_ncut(ncut.eigenvectors_, n_clusters=4).argmax(1)
    shares = np.zeros((4, 4))
    np.add.at(shares, (region, labels), 1)
    shares /= shares.sum(1, keepdims=True)
    rows, columns = linear_sum_assignment(-shares)
    return np.argsort(columns)[labels], shares[rows, columns].mean()


def line_of_varying_density(n=4000):
    """Return nodes (n,) on the line from 0 to 1, e^5 times as dense at 0 as at 1, and the density at each (n,)."""
    s = -np.log(1 - (np.arange(n) + 0.5) / n * (1 - np.exp(-5))) / 5
    return s, np.exp(-5 * s)


def draw_regions(axes):
    nodes, region = regions(0)
    for panel, name, color in zip(axes, GRAPHS, COLORS, strict=True):
        labels, recall = clusters(name, nodes, region, SHOWN_SIGMA)
        small = region > 0
        for chosen, size in ((~small, 3), (small, 26)):
            panel.scatter(*nodes[chosen].T, s=size, c=np.take(COLORS, labels[chosen]), linewidths=0)
        panel.set_title(name, fontsize=10, color=color, fontweight="bold")
        panel.set_xlabel(f"mean recall {recall:.2f}", fontsize=9)
        panel.set(xticks=[], yticks=[], aspect="equal", xlim=(-7.5, 7.5), ylim=(-5.5, 7.8))


def draw_recall(axes, n_seeds=3):
    sets = [regions(seed) for seed in range(n_seeds)]
    for name, color in zip(GRAPHS, COLORS, strict=True):
        recall = [[clusters(name, *data, sigma)[1] for data in sets] for sigma in SIGMAS]
        axes.plot(SIGMAS, np.mean(recall, axis=1), "o-", ms=4, color=color)
    automatic = np.mean([nw.Ncut(n_eig=4).fit(nodes).sigma_ for nodes, _ in sets])
    axes.axvline(automatic, color="0.6", lw=1, ls="--", zorder=0)
    axes.annotate("automatic", (automatic, 0.42), xytext=(4, 0), textcoords="offset points", color="0.4", fontsize=8)
    axes.set_xscale("log")
    axes.set_xticks([0.5, 1, 2, 5], ["0.5", "1", "2", "5"])
    axes.minorticks_off()
    axes.set(xlabel="sigma, in standard deviations of a region", ylabel="mean recall of the regions", ylim=(0.4, 1.03))


def draw_line(axes):
    s, density = line_of_varying_density()
    for name, color in zip(GRAPHS, COLORS, strict=True):
        weights = 1 / density if name == "sample_weight" else None
        ncut = nw.Ncut(n_eig=2, sigma=0.05, **GRAPHS[name]).fit(s[:, None], sample_weight=weights)
        u = ncut.eigenvectors_[:, 1] / ncut.eigenvectors_[:, 0]
        u = u * np.sign(u[0] - u[-1])
        axes.plot(s, 2 * (u - u.min()) / np.ptp(u) - 1, color=color, lw=2)
    axes.plot(s, np.cos(np.pi * s), color="0.3", lw=1, ls=":")
    axes.set(
        xlabel="position on a line that is 148 times as dense at 0 as at 1",
        ylabel="eigenvector 1 / eigenvector 0",
        yticks=[],
    )


def main():
    # At small sigma the small regions count as outliers, which is part of the figure.
    warnings.simplefilter("ignore", OutlierWarning)
    figure = plt.figure(figsize=(10, 6.2), layout="constrained", dpi=110)
    top, bottom = figure.subfigures(2, 1, height_ratios=[1, 1.05])
    draw_regions(top.subplots(1, 4))
    left, right = bottom.subplots(1, 2)
    draw_recall(left)
    draw_line(right)
    handles = [Line2D([], [], color=color, lw=2) for color in COLORS]
    right.legend(handles, list(GRAPHS), fontsize=8, frameon=False, loc="upper right")
    for panel in (left, right):
        panel.spines[["top", "right"]].set_visible(False)
    figure.savefig(IMAGE)


if __name__ == "__main__":
    main()
