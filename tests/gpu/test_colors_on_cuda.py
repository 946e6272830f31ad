"""Colours of CUDA tensors: t-SNE and UMAP are laid out on the device by TorchDR."""

from __future__ import annotations

import pytest
import torch

from helpers.matrices import noisy_directions
from ncut_widgets.readouts import Coloring

pytestmark = pytest.mark.gpu

DEVICE = torch.device("cuda:0")


def blobs(n_clusters=5, n_per_cluster=400, **options):
    """Return `noisy_directions` on the device."""
    rows, labels = noisy_directions(n_clusters, n_per_cluster, **options)
    return torch.from_numpy(rows).to(DEVICE), torch.from_numpy(labels).to(DEVICE)


@pytest.mark.parametrize(("method", "n_steps"), [("tsne", 500), ("umap", 200)])
def test_torchdr_lays_out_here(method, n_steps):
    eig, labels = blobs()
    steps = []
    rgb = Coloring(method).fit(eig, progress=steps.append).rgb_
    assert len(steps) == n_steps, "those of TorchDR's: the layouts on the CPU have others"
    assert rgb.device == DEVICE
    centers = torch.stack([rgb[labels == k].mean(0) for k in range(5)])
    assert float((torch.cdist(rgb, centers).argmin(1) == labels).float().mean()) > 0.97


@pytest.mark.parametrize("method", ["tsne", "umap"])
def test_same_seed_same_colors_and_global_generators_untouched(method):
    eig, _ = blobs()
    before = torch.get_rng_state(), torch.cuda.get_rng_state(DEVICE)
    first, again = (Coloring(method, random_state=3).fit(eig).rgb_ for _ in range(2))
    assert torch.equal(first, again)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert torch.equal(torch.cuda.get_rng_state(DEVICE), before[1])


def test_the_sphere_stays_with_umap():
    eig, _ = blobs(n_per_cluster=60)
    steps = []
    coords = Coloring("umap_sphere").fit(eig, progress=steps.append).coords_
    assert len(steps) == 2
    assert coords.device == DEVICE
    torch.testing.assert_close(coords.norm(dim=1), torch.ones(len(eig), device=DEVICE))
