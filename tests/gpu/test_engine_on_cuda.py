"""The engine and the colours on a CUDA device: the same as on the CPU, and nothing leaves the device unasked."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ncut_widgets.ncut import Ncut
from ncut_widgets.readouts import Coloring, kway_ncut

pytestmark = pytest.mark.gpu

DEVICE = torch.device("cuda:0")


def nodes(n=6000, channels=96, seed=0):
    rng = np.random.default_rng(seed)
    centres = 2 * np.random.default_rng(1).normal(size=(8, channels))
    X = centres[rng.integers(0, 8, n)] + rng.normal(size=(n, channels))
    return torch.from_numpy(X.astype(np.float32))


def captured(U, V):
    """The share of one subspace in another, whatever device they are on."""
    U, V = (torch.linalg.qr(W.detach().cpu().double()).Q for W in (U, V))
    return float((U.T @ V).square().sum()) / U.shape[1]


OPTIONS = {
    "exact": {"solver": "exact"},
    "landmarks": {"solver": "nystrom", "n_sample": 512},
    "auto": {"solver": "nystrom"},
    "cosine": {"affinity": "cosine", "solver": "nystrom"},
    "density": {"alpha": 1.0, "solver": "nystrom"},
    "repulsion": {"repulsion_weight": 0.3, "solver": "nystrom"},
    "farthest": {"sampling": "farthest", "n_sample": 512},
    "callable": {"affinity": lambda X, Z: (-torch.cdist(X, Z).square() / 200).exp(), "solver": "nystrom"},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_it_finds_what_the_cpu_finds(options):
    X, new = nodes(3000), nodes(500, seed=5)
    here = Ncut(8, **options).fit(X)
    there = Ncut(8, **options).fit(X.to(DEVICE))
    assert there.eigenvectors_.device == there.eigenvalues_.device == there.residual_.device == DEVICE
    assert captured(here.eigenvectors_, there.eigenvectors_) > 0.99
    torch.testing.assert_close(there.eigenvalues_.cpu(), here.eigenvalues_, rtol=0, atol=5e-3)
    embedded = there.transform(new.to(DEVICE))
    assert embedded.device == DEVICE
    assert captured(here.transform(new), embedded) > 0.98
    torch.testing.assert_close(there.transform(X.to(DEVICE)), there.eigenvectors_, rtol=0, atol=1e-4)


def test_weights_and_coverage():
    X, w = nodes(3000).to(DEVICE), torch.rand(3000, generator=torch.Generator().manual_seed(0)) + 0.1
    ncut = Ncut(8, solver="nystrom").fit(X, sample_weight=w.to(DEVICE))
    inner = (ncut.eigenvectors_ * w.to(DEVICE)[:, None]).T @ ncut.eigenvectors_
    torch.testing.assert_close(inner, torch.eye(8, device=DEVICE), rtol=0, atol=1e-4)
    covered = ncut.coverage(nodes(500, seed=5).to(DEVICE))
    assert covered.device == DEVICE
    assert float((covered >= 0.95).float().mean()) > 0.9
    assert float(ncut.coverage(nodes(100).to(DEVICE) + 100).max()) < 1e-3


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_every_precision_comes_back_as_it_went_in(dtype):
    X = nodes(3000)
    ncut = Ncut(8, solver="nystrom").fit(X.to(DEVICE, dtype))
    assert ncut.eigenvectors_.dtype == dtype
    assert ncut.eigenvectors_.device == DEVICE
    assert captured(Ncut(8, solver="nystrom").fit(X).eigenvectors_, ncut.eigenvectors_) > 0.99


def test_it_computes_there_and_answers_here():
    """`device` says where to compute; arrays come back to where the features are."""
    X = nodes(3000).numpy()
    ncut = Ncut(8, solver="nystrom", device=DEVICE).fit(X)
    assert isinstance(ncut.eigenvectors_, np.ndarray)
    assert isinstance(ncut.coverage(X[:10]), np.ndarray)
    np.testing.assert_allclose(ncut.transform(X), ncut.eigenvectors_, atol=1e-4)
    chunked = Ncut(8, solver="nystrom", device=DEVICE).fit_chunks(np.split(X, 3))
    parts = list(chunked.transform_chunks(np.split(X, 3)))
    assert captured(torch.from_numpy(np.concatenate(parts)), torch.from_numpy(ncut.eigenvectors_)) > 0.99


def test_more_nodes_than_are_gone_through_at_once():
    X = nodes(100_000)
    ncut = Ncut(8).fit(X.to(DEVICE))
    eig = ncut.eigenvectors_.double()
    torch.testing.assert_close(eig.T @ eig, torch.eye(8, dtype=torch.float64, device=DEVICE), rtol=0, atol=1e-4)
    assert captured(Ncut(8).fit(X).eigenvectors_, ncut.eigenvectors_) > 0.99


def test_the_same_seed_draws_the_same_nodes_as_on_the_cpu():
    X = nodes(3000)
    here, there = (Ncut(8, sampling="farthest", n_sample=64).fit(Y) for Y in (X, X.to(DEVICE)))
    torch.testing.assert_close(there.eigenvalues_.cpu(), here.eigenvalues_, rtol=0, atol=1e-3)


@pytest.mark.parametrize("solver", ["exact", "nystrom"])
def test_gradients_reach_the_features(solver):
    gradients = []
    for device in ("cpu", DEVICE):
        X = nodes(800, channels=16).double().to(device).requires_grad_()
        eig = Ncut(8, solver=solver, n_sample=200).fit_transform(X)
        (eig @ eig.T)[:20, :20].sum().backward()
        assert X.grad.device.type == torch.device(device).type
        gradients.append(X.grad.cpu())
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-3, atol=1e-3 * float(gradients[0].abs().max()))


@pytest.mark.parametrize("method", ["tsne", "pca"])
def test_colours(method):
    eig = Ncut(8, solver="nystrom").fit(nodes(3000).to(DEVICE)).eigenvectors_
    coloring = Coloring(method).fit(eig)
    rgb, again = torch.as_tensor(coloring.rgb_), torch.as_tensor(coloring.transform(eig))
    assert rgb.device == again.device == DEVICE
    assert rgb.shape == (3000, 3)
    assert float(rgb.min()) >= 0
    assert float(rgb.max()) <= 1
    labels = kway_ncut(eig, n_clusters=8).argmax(1)
    assert labels.device == DEVICE
    within = torch.stack([rgb[labels == i].std(0).mean() for i in range(8) if (labels == i).sum() > 1]).mean()
    assert float(within) < 0.7 * float(rgb.std(0).mean())


def test_where_memory_is_short_it_takes_smaller_pieces():
    """With room for a fraction of the affinities to the landmarks."""
    X = nodes(200_000, channels=64).to(DEVICE)
    expected = Ncut(8, n_sample=512).fit(X)
    torch.cuda.empty_cache()
    room = torch.cuda.memory_reserved(DEVICE) + 320 * 2**20
    torch.cuda.set_per_process_memory_fraction(room / torch.cuda.get_device_properties(DEVICE).total_memory, DEVICE)
    try:
        tight = Ncut(8, n_sample=512).fit(X)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, DEVICE)
    assert captured(expected.eigenvectors_, tight.eigenvectors_) > 0.999
