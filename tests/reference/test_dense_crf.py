"""`DenseCrf` against a direct implementation of the paper that evaluates every pair of pixels."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from ncut_widgets import sample_images
from ncut_widgets.readouts import DenseCrf, refine_heatmap

NAMES = pytest.mark.parametrize("name", ["cat", "astronaut", "coffee", "temple", "flower", "rocket"])


def image_and_mask(name, height, width, stride):
    """Return a small photograph and a mask of its patches, a disc."""
    [image] = [image for image in sample_images() if image.info["name"] == name]
    y, x = np.indices((height // stride, width // stride))
    inside = np.hypot((y + 0.5) * stride / height - 0.5, ((x + 0.5) * stride - width / 2) / height) < 0.4
    return image.resize((width, height), Image.Resampling.BOX), inside


def gaussian(points):
    """Return the symmetrically normalized Gaussian kernel matrix of points with unit bandwidth."""
    affinity = np.exp(-0.5 * np.square(points[:, None] - points[None]).sum(-1))
    scale = 1 / np.sqrt(affinity.sum(1))
    return scale[:, None] * affinity * scale


def dense_marginals(p, rgb, crf):
    """Run mean-field inference over both labels: Q = softmax(-unary + messages from all pixels)."""
    rows, columns = np.indices(p.shape)
    positions = np.column_stack([rows.ravel(), columns.ravel()]).astype(float)
    appearance = gaussian(np.column_stack([positions / crf.alpha, rgb.reshape(-1, 3) / crf.beta]))
    smoothness = gaussian(positions / crf.gamma)
    unary = -np.log(np.column_stack([1 - p.ravel(), p.ravel()]))
    q = np.exp(-unary)
    for _ in range(crf.n_iter):
        q = np.exp(-unary + crf.w1 * appearance @ q + crf.w2 * smoothness @ q)
        q /= q.sum(1, keepdims=True)
    return q[:, 1].reshape(p.shape)


def assert_close(marginals, expected):
    """Allow a few differing pixels: strong coupling drives all to 0 or 1, and undecided ones may go either way."""
    error = np.abs(marginals - expected)
    assert 0.1 < (expected > 0.5).mean() < 0.9
    assert error.mean() < 0.01
    assert (error < 0.05).mean() > 0.94
    assert ((marginals > 0.5) == (expected > 0.5)).mean() >= 0.99


@NAMES
@pytest.mark.parametrize("alpha", [80, 12])
def test_pixel_mask_marginals_match_dense_crf(name, alpha):
    image, inside = image_and_mask(name, 24, 32, 4)
    inside = np.kron(inside, np.ones((4, 4)))
    crf = DenseCrf(alpha=alpha)
    expected = dense_marginals(inside.clip(0.01, 0.99), np.asarray(image, dtype=float), crf)
    assert_close(refine_heatmap(inside, image, method=crf), expected)


@NAMES
def test_patch_mask_marginals_match_dense_crf(name):
    image, inside = image_and_mask(name, 48, 64, 4)
    unary = refine_heatmap(inside, image, method=DenseCrf(w1=0, w2=0))
    expected = dense_marginals(unary, np.asarray(image, dtype=float), DenseCrf())
    assert_close(refine_heatmap(inside, image, method="crf"), expected)


@NAMES
def test_single_step_matches_dense_crf(name):
    image, inside = image_and_mask(name, 24, 32, 1)
    heat = np.where(inside, 0.8, 0.2)
    crf = DenseCrf(w1=1, w2=0, n_iter=1)
    expected = dense_marginals(heat, np.asarray(image, dtype=float), crf)
    np.testing.assert_allclose(refine_heatmap(heat, image, method=crf), expected, atol=0.03)


def test_smoothness_only_is_exact():
    image, _ = image_and_mask("cat", 24, 32, 1)
    heat = np.random.default_rng(0).random((24, 32)).clip(0.01, 0.99)
    crf = DenseCrf(w1=0, gamma=2)
    expected = dense_marginals(heat, np.asarray(image, dtype=float), crf)
    np.testing.assert_allclose(refine_heatmap(heat, image, method=crf), expected, atol=2e-3)
