"""The CRF against one that visits every pair of pixels, with labels and energies as in the paper."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from ncut_widgets import sample_images
from ncut_widgets.readouts import DenseCrf, refine_heatmap

NAMES = pytest.mark.parametrize("name", ["cat", "astronaut", "coffee", "temple", "flower", "rocket"])


def picture_and_mask(name, height, width, stride):
    """A small photograph, with a disc of patches."""
    [image] = [image for image in sample_images() if image.info["name"] == name]
    y, x = np.indices((height // stride, width // stride))
    inside = np.hypot((y + 0.5) * stride / height - 0.5, ((x + 0.5) * stride - width / 2) / height) < 0.4
    return image.resize((width, height), Image.Resampling.BOX), inside


def gaussian(points):
    """The kernel matrix of points in units of their deviations, symmetrically normalized."""
    affinity = np.exp(-0.5 * np.square(points[:, None] - points[None]).sum(-1))
    scale = 1 / np.sqrt(affinity.sum(1))
    return scale[:, None] * affinity * scale


def every_pair(p, rgb, crf):
    """Mean field over both labels: Q = softmax(-unary + messages), a message for each label from all pixels."""
    rows, columns = np.indices(p.shape)
    places = np.column_stack([rows.ravel(), columns.ravel()]).astype(float)
    appearance = gaussian(np.column_stack([places / crf.alpha, rgb.reshape(-1, 3) / crf.beta]))
    smoothness = gaussian(places / crf.gamma)
    unary = -np.log(np.column_stack([1 - p.ravel(), p.ravel()]))
    q = np.exp(-unary)
    for _ in range(crf.n_iter):
        q = np.exp(-unary + crf.w1 * appearance @ q + crf.w2 * smoothness @ q)
        q /= q.sum(1, keepdims=True)
    return q[:, 1].reshape(p.shape)


def assert_close(marginals, expected):
    """Steps of strong coupling drive pixels to 0 or 1, but for a few on the fence, which may fall to either side."""
    error = np.abs(marginals - expected)
    assert 0.1 < (expected > 0.5).mean() < 0.9
    assert error.mean() < 0.01
    assert (error < 0.05).mean() > 0.94
    assert ((marginals > 0.5) == (expected > 0.5)).mean() >= 0.99


@NAMES
@pytest.mark.parametrize("alpha", [80, 12])
def test_marginals_of_a_mask_of_pixels_are_those_of_every_pair(name, alpha):
    picture, inside = picture_and_mask(name, 24, 32, 4)
    inside = np.kron(inside, np.ones((4, 4)))
    crf = DenseCrf(alpha=alpha)
    expected = every_pair(inside.clip(0.01, 0.99), np.asarray(picture, dtype=float), crf)
    assert_close(refine_heatmap(inside, picture, method=crf), expected)


@NAMES
def test_marginals_of_a_mask_of_patches_are_those_of_every_pair(name):
    picture, inside = picture_and_mask(name, 48, 64, 4)
    unary = refine_heatmap(inside, picture, method=DenseCrf(w1=0, w2=0))
    expected = every_pair(unary, np.asarray(picture, dtype=float), DenseCrf())
    assert_close(refine_heatmap(inside, picture, method="crf"), expected)


@NAMES
def test_one_step_with_weight_one_is_close_everywhere(name):
    picture, inside = picture_and_mask(name, 24, 32, 1)
    heat = np.where(inside, 0.8, 0.2)
    crf = DenseCrf(w1=1, w2=0, n_iter=1)
    expected = every_pair(heat, np.asarray(picture, dtype=float), crf)
    np.testing.assert_allclose(refine_heatmap(heat, picture, method=crf), expected, atol=0.03)


def test_smoothness_alone_is_exact():
    picture, _ = picture_and_mask("cat", 24, 32, 1)
    heat = np.random.default_rng(0).random((24, 32)).clip(0.01, 0.99)
    crf = DenseCrf(w1=0, gamma=2)
    expected = every_pair(heat, np.asarray(picture, dtype=float), crf)
    np.testing.assert_allclose(refine_heatmap(heat, picture, method=crf), expected, atol=2e-3)
