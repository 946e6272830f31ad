"""The built-in backbone: its named channels respond to what they describe, and its cost is bounded."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from ncut_widgets.features import Multiscale, extract_features
from ncut_widgets.features.edge_aware import smooth_within_edges


def halves(left, right, size=(96, 64)):
    image = np.empty((size[1], size[0], 3), dtype=np.uint8)
    image[:, : size[0] // 2] = left
    image[:, size[0] // 2 :] = right
    return Image.fromarray(image)


def stripes(vertical, period=8, size=(96, 64)):
    x = np.arange(size[0]) if vertical else np.arange(size[1])[:, None]
    wave = np.uint8(127 + 60 * np.sin(2 * np.pi * x / period))
    return Image.fromarray(np.broadcast_to(wave, (size[1], size[0])).copy()).convert("RGB")


def channel(features, name):
    """Return the mean of the channels whose name starts with `name`, per map."""
    columns = [i for i, other in enumerate(features.channel_names) if other.startswith(name)]
    assert columns, name
    return [m[..., columns].mean(2) for m in features.maps]


@pytest.mark.parametrize(
    ("left", "right", "name"),
    [
        ((30, 30, 30), (200, 200, 200), "lightness"),
        ((60, 160, 60), (200, 60, 60), "green to red"),
        ((60, 60, 200), (200, 200, 60), "blue to yellow"),
    ],
)
def test_color_difference_appears_in_named_channel(left, right, name):
    features = extract_features(halves(left, right), progress=False)
    index = features.channel_names.index(name)
    grid = features.maps[0][..., index]
    assert (grid[:, :6].max() < grid[:, 6:].min()).all()


def test_orientation_and_contrast_channels():
    upright, level, flat = stripes(True), stripes(False), Image.new("RGB", (96, 64), (127, 127, 127))
    features = extract_features([upright, level, flat], progress=False)
    along = channel(features, "vertical minus horizontal edges")
    assert along[0].mean() > 1 > abs(along[2].mean()) + 1e-3 > -1 > along[1].mean()
    x = np.add.outer(np.arange(64), np.arange(96))
    rising = Image.fromarray(np.uint8(127 + 60 * np.sin(2 * np.pi * x / 12))).convert("RGB")
    both = extract_features([rising, rising.transpose(Image.Transpose.FLIP_TOP_BOTTOM)], progress=False)
    diagonal = channel(both, "rising minus falling edges")
    assert diagonal[0].mean() > 1 > -1 > diagonal[1].mean()
    contrast = channel(features, "contrast")
    assert contrast[0].mean() > 2 > contrast[2].mean()
    lightness = channel(features, "lightness near 60")
    assert abs(lightness[2].std()) < 1e-4


def test_position_increases_down_and_right():
    features = extract_features(Image.new("RGB", (96, 64)), progress=False)
    vertical, horizontal = channel(features, "vertical position")[0], channel(features, "horizontal position")[0]
    assert (np.diff(vertical, axis=0) > 0).all()
    assert (np.diff(horizontal, axis=1) > 0).all()
    # A step of one patch has the same distance in both directions.
    np.testing.assert_allclose(np.diff(horizontal, axis=1).mean(), np.diff(vertical, axis=0).mean(), rtol=1e-5)


def test_smoothing_keeps_steps_and_removes_noise():
    rng = np.random.default_rng(0)
    noisy = np.asarray(halves((90, 90, 90), (190, 190, 190))) + rng.normal(0, 12, (64, 96, 3))
    image = Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
    lightness = extract_features(image, progress=False).maps[0][..., 0]
    within = max(lightness[:, :5].std(), lightness[:, 7:].std())
    assert lightness[:, 7:].mean() - lightness[:, :5].mean() > 20 * within


@pytest.mark.parametrize(("size", "grid"), [((480, 320), (40, 60)), ((3000, 1000), (21, 64)), ((5, 3), (1, 1))])
def test_patches_follow_aspect_ratio_up_to_resolution(size, grid):
    assert Multiscale()([Image.new("RGB", size)])[0].shape[:2] == grid


def test_stride_and_resolution_set_grid_and_name():
    image = Image.new("RGB", (256, 128))
    backbone = Multiscale(stride=16, resolution=128)
    features = extract_features(image, backbone=backbone, progress=False)
    assert features.maps[0].shape[:2] == (4, 8)
    assert features.sources == ("multiscale, 128 px, stride 16",)
    assert len(set(features.channel_names)) == features.shape[1]


def test_mirrored_image_has_mirrored_features():
    rng = np.random.default_rng(1)
    image = Image.fromarray(rng.integers(0, 256, (4, 6, 3), dtype=np.uint8)).resize((96, 64), Image.Resampling.BICUBIC)
    mirrored = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    features = extract_features([image, mirrored], progress=False)
    changed = ("rising minus falling edges", "horizontal position")
    kept = [i for i, name in enumerate(features.channel_names) if not name.startswith(changed)]
    plain, flipped = features.maps
    # The smoothing runs right, then left, so the result is only approximately mirrored.
    apart = plain[:, ::-1, kept] - flipped[..., kept]
    assert np.sqrt(np.square(apart).mean()) < 0.05 * plain[..., kept].std()


def test_smoothing_keeps_constants_range_and_edges():
    rng = np.random.default_rng(0)
    values = rng.uniform(size=(12, 20, 2)).astype(np.float32)
    original = values.copy()
    smooth = smooth_within_edges(values, np.zeros((12, 20, 1), np.float32), radius=6, contrast=1)
    np.testing.assert_array_equal(values, original)
    assert smooth.std(axis=(0, 1)).max() < 0.4 * values.std(axis=(0, 1)).min()
    assert values.min() <= smooth.min() <= smooth.max() <= values.max()
    guide = np.zeros((12, 20, 1), np.float32)
    guide[:, 10:] = 1000
    split = smooth_within_edges(values, guide, radius=6, contrast=1)
    alone = smooth_within_edges(values[:, :10], guide[:, :10], radius=6, contrast=1)
    np.testing.assert_allclose(split[:, :10], alone, atol=1e-5)
    ones = np.ones((5, 7, 1), np.float32)
    np.testing.assert_allclose(smooth_within_edges(ones, values[:5, :7], radius=3, contrast=0.1), 1, atol=1e-6)


@pytest.mark.parametrize(("options", "message"), [({"stride": 1}, "`stride`"), ({"resolution": 4}, "`resolution`")])
def test_invalid_options_raise(options, message):
    with pytest.raises(ValueError, match=message):
        Multiscale(**options)
