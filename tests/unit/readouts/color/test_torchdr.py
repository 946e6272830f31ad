"""Layouts by TorchDR, run on the CPU: quality, determinism, global state, and when they are used."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from importlib import metadata

import numpy as np
import pytest
import torch
from sklearn.metrics import silhouette_score

from helpers.matrices import noisy_directions
from ncut_widgets.readouts import Coloring
from ncut_widgets.readouts.color import layout as layout_module
from ncut_widgets.readouts.color.torchdr import TORCHDR_METHODS, torchdr_layout, uses_torchdr


@pytest.fixture
def as_on_cuda(monkeypatch):
    """Use TorchDR for the methods that use it on CUDA."""
    cuda = torch.device("cuda", 0)
    monkeypatch.setattr(layout_module, "uses_torchdr", lambda method, device: uses_torchdr(method, cuda))


def blobs(n_clusters=3, n_per_cluster=40, **options):
    return noisy_directions(n_clusters, n_per_cluster, **options)


def layout(method, rows, *, n_neighbors=20, seed=0, on_step=lambda: None):
    start = np.random.default_rng(1).normal(size=(len(rows), 3)).astype(np.float32)
    rows = torch.as_tensor(rows)
    return torchdr_layout(rows, start, method=method, n_neighbors=n_neighbors, seed=seed, on_step=on_step)


@pytest.mark.parametrize("method", TORCHDR_METHODS)
class TestLayout:
    @pytest.mark.parametrize(("scale", "offset"), [(1, 0), (1e-3, 2), (1e4, 0)])
    def test_separates_clusters_of_any_scale_and_offset(self, method, scale, offset):
        eig, labels = blobs()
        coords = layout(method, scale * eig + offset)
        assert coords.shape == (120, 3)
        assert not coords.requires_grad
        assert silhouette_score(coords, labels) > 0.8

    def test_is_deterministic_and_leaves_global_state(self, method):
        eig, _ = blobs(n_per_cluster=10)
        first = layout(method, eig)
        for seed in (random.seed, np.random.seed, torch.manual_seed):
            seed(7)
        before = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state(), dict(os.environ)  # noqa: NPY002
        settings = torch.backends.cudnn.benchmark, torch.is_grad_enabled(), torch.get_default_dtype()
        again = layout(method, eig)
        assert torch.equal(first, again)
        assert random.getstate() == before[0]
        np.testing.assert_array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
        assert torch.equal(torch.get_rng_state(), before[2])
        assert dict(os.environ) == before[3]
        assert (torch.backends.cudnn.benchmark, torch.is_grad_enabled(), torch.get_default_dtype()) == settings

    def test_does_not_affect_draws_of_other_threads(self, method):
        torch.manual_seed(7)
        expected = torch.rand(3)
        torch.manual_seed(7)
        drawn = []

        def on_step():
            if len(drawn) < 3:
                thread = threading.Thread(target=lambda: drawn.append(float(torch.rand(()))))
                thread.start()
                thread.join()

        layout(method, blobs(n_per_cluster=10)[0], on_step=on_step)
        assert drawn == expected.tolist()

    @pytest.mark.parametrize("off", [torch.no_grad, torch.inference_mode])
    def test_works_with_gradients_disabled(self, method, off):
        eig, _ = blobs(n_per_cluster=10)
        with off():
            coords = layout(method, eig)
        assert torch.equal(coords, layout(method, eig))


def test_seed_changes_the_umap_layout():
    eig, _ = blobs(n_per_cluster=10)
    assert not torch.equal(layout("umap", eig, seed=0), layout("umap", eig, seed=1))


@pytest.mark.parametrize("method", TORCHDR_METHODS)
class TestColoring:
    def test_clusters_get_distinct_colors(self, as_on_cuda, method):
        eig, labels = blobs()
        steps = []
        coloring = Coloring(method, n_neighbors=30).fit(eig, progress=steps.append)
        assert len(steps) == {"tsne": 500, "umap": 200}[method], "one call per step of TorchDR"
        assert coloring.rgb_.min() == 0
        assert coloring.rgb_.max() == 1
        assert silhouette_score(coloring.rgb_, labels) > 0.6
        np.testing.assert_allclose(coloring.transform(eig), coloring.rgb_, atol=1e-6)

    def test_unsampled_nodes_get_the_color_of_their_cluster(self, as_on_cuda, method):
        eig, labels = blobs()
        rgb = Coloring(method, n_sample=60, n_neighbors=10).fit(eig).rgb_
        centers = np.stack([rgb[labels == k].mean(0) for k in range(3)])
        assert (np.linalg.norm(rgb[:, None] - centers, axis=2).argmin(1) == labels).mean() > 0.97

    def test_refit_keeps_colors(self, as_on_cuda, method):
        eig, _ = blobs(n_clusters=4, n_per_cluster=30)
        rng = np.random.default_rng(0)
        rotation = np.linalg.qr(rng.normal(size=(8, 8)))[0]
        changed = ((eig + 0.05 * rng.normal(size=eig.shape)) @ rotation).astype(np.float32)
        coloring = Coloring(method, n_neighbors=30).fit(eig)
        first = coloring.rgb_
        refitted = coloring.fit(changed).rgb_
        fresh = Coloring(method, n_neighbors=30, random_state=5).fit(changed).rgb_
        assert np.abs(refitted - first).mean() < 0.5 * np.abs(fresh - first).mean()

    @pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
    def test_keeps_the_dtype(self, as_on_cuda, method, dtype):
        eig = torch.from_numpy(blobs(n_per_cluster=10)[0]).to(dtype)
        assert Coloring(method).fit(eig).rgb_.dtype == dtype

    @pytest.mark.parametrize("n", [16, 17, 20])
    def test_fewer_nodes_than_neighbors(self, as_on_cuda, method, n):
        rgb = Coloring(method).fit(np.random.default_rng(n).normal(size=(n, 4))).rgb_
        assert len(np.unique(rgb, axis=0)) == n

    def test_equal_and_zero_rows_give_finite_colors(self, as_on_cuda, method):
        eig = np.zeros((40, 3), dtype=np.float32)
        eig[:20, 0] = 1
        eig[20:30, 1] = 1
        rgb = Coloring(method).fit(eig).rgb_
        assert np.isfinite(rgb).all()
        assert np.abs(rgb[:20].mean(0) - rgb[20:30].mean(0)).max() > 0.3

    def test_constant_rows_give_finite_colors(self, as_on_cuda, method):
        rgb = Coloring(method).fit(np.full((40, 3), 0.2)).rgb_
        assert np.isfinite(rgb).all()

    def test_interrupted_fit_keeps_the_previous_one(self, as_on_cuda, method):
        eig, _ = blobs(n_per_cluster=10)
        coloring = Coloring(method).fit(eig)
        rgb = coloring.rgb_
        steps = []

        def progress(fraction):
            steps.append(fraction)
            if len(steps) == 5:
                raise InterruptedError("stop")

        with pytest.raises(InterruptedError, match="stop"):
            coloring.fit(eig[::-1].copy(), progress=progress)
        np.testing.assert_array_equal(coloring.rgb_, rgb)


class TestUsesTorchdr:
    @pytest.mark.parametrize("method", ["tsne", "umap", "umap_sphere", "pca", "mspace"])
    @pytest.mark.parametrize("device", ["cuda:0", "cpu", "mps"])
    def test_for_tsne_and_umap_on_cuda(self, method, device):
        assert uses_torchdr(method, torch.device(device)) == (method in ("tsne", "umap") and device == "cuda:0")

    @pytest.mark.parametrize(
        ("version", "new_enough"), [("0.4.1", False), ("0.5", True), ("0.10.dev0", True), ("1.0rc1", True)]
    )
    def test_requires_version_0_5(self, monkeypatch, version, new_enough):
        monkeypatch.setattr(metadata, "version", lambda name: version)
        assert uses_torchdr("tsne", torch.device("cuda")) == new_enough

    def test_not_if_it_is_not_installed(self, monkeypatch):
        def version(name):
            raise metadata.PackageNotFoundError(name)

        monkeypatch.setattr(metadata, "version", version)
        assert not uses_torchdr("tsne", torch.device("cuda"))

    def test_is_not_imported_for_layouts_on_the_cpu(self):
        script = (
            "import sys, numpy, ncut_widgets\n"
            "ncut_widgets.tsne_color(numpy.random.default_rng(0).normal(size=(30, 4)))\n"
            "print('torchdr' in sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "False"
