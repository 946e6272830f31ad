"""`refine_mask` and `refine_heatmap`: accuracy of outlines, image modes and sizes, memory and errors."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from helpers.images import iou
from ncut_widgets.readouts import DenseCrf, GuidedFilter, refine_heatmap, refine_mask

METHODS = pytest.mark.parametrize("method", ["guided", "crf"])


def blob(height, width):
    """Return the mask of an object with a curved outline and a bay on its right side."""
    y, x = np.mgrid[:height, :width]
    y, x = (y + 0.5) / height - 0.5, (x + 0.5) / width - 0.48
    angle = np.arctan2(y, x)
    return np.hypot(x, y) < 0.28 + 0.05 * np.sin(3 * angle) + 0.03 * np.cos(5 * angle)


def composed(rng, size=192):
    """Return an image of a textured object over a textured background, and the mask of the object."""
    inside = blob(size, size)
    fine, coarse = (ndimage.gaussian_filter(rng.normal(size=(size, size, 3)), (sigma, sigma, 0)) for sigma in (3, 12))
    texture = 14 * coarse / coarse.std() + 6 * fine / fine.std()
    rgb = np.where(inside[..., None], np.add((180, 120, 70), texture), np.subtract((90, 120, 110), texture[::-1]))
    return Image.fromarray((rgb + 5 * rng.normal(size=rgb.shape)).clip(0, 255).astype(np.uint8)), inside


def patches_of(inside, stride, rng):
    """Return a patch mask, each patch sampled at a position up to half a patch from its center."""
    offsets = rng.integers(-(stride // 2), stride // 2 + 1, size=(2, *(side // stride for side in inside.shape)))
    y, x = (np.indices(offsets.shape[1:]) * stride + stride // 2 + offsets).clip(0, len(inside) - 1)
    return inside[y, x]


@METHODS
@pytest.mark.parametrize("stride", [8, 12])
@pytest.mark.parametrize("seed", [0, 1])
def test_patch_mask_outline_moves_to_the_object(method, stride, seed):
    rng = np.random.default_rng(seed)
    image, inside = composed(rng)
    mask = patches_of(inside, stride, rng)
    nearest = np.kron(mask, np.ones((stride, stride), dtype=bool))
    refined = refine_mask(mask, image, method=method)
    assert refined.shape == inside.shape
    assert refined.dtype == bool
    # At most a fifth of the error remains.
    assert 1 - iou(refined, inside) < (1 - iou(nearest, inside)) / 5


@METHODS
def test_soft_heatmap_is_refined(method):
    rng = np.random.default_rng(0)
    image, inside = composed(rng)
    heat = ndimage.gaussian_filter(patches_of(inside, 8, rng).astype(np.float32), 0.7)
    assert iou(refine_mask(heat, image, method=method), inside) > 0.98


@METHODS
def test_empty_and_full_masks_do_not_change(method):
    image, _ = composed(np.random.default_rng(0), size=96)
    assert not refine_mask(np.zeros((12, 12), dtype=bool), image, method=method).any()
    assert refine_mask(np.ones((12, 12), dtype=bool), image, method=method).all()


@METHODS
def test_is_deterministic_and_in_range(method):
    image, inside = composed(np.random.default_rng(0), size=96)
    heat = inside[4::8, 4::8].astype(np.float32)
    first = refine_heatmap(heat, image, method=method)
    assert first.tobytes() == refine_heatmap(heat, image, method=method).tobytes()
    assert first.min() >= 0
    assert first.max() <= 1
    np.testing.assert_array_equal(refine_mask(heat, image, method=method), first > 0.5)


@METHODS
def test_uniform_image_leaves_the_mask_in_place(method):
    mask = np.zeros((8, 8), dtype=bool)
    mask[:, 4:] = True
    refined = refine_mask(mask, Image.new("RGB", (64, 64), (90, 90, 90)), method=method)
    np.testing.assert_array_equal(refined, np.kron(mask, np.ones((8, 8), dtype=bool)))


@METHODS
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "I;16", "F"])
def test_any_image_mode(method, mode):
    inside = blob(64, 64)
    gray = Image.fromarray(np.where(inside, 255, 0).astype(np.uint8))
    if mode == "F":
        image = Image.fromarray(np.asarray(gray, dtype=np.float32) / 255)
    elif mode == "I;16":
        image = Image.fromarray(np.asarray(gray, dtype=np.uint16) * 257)
    else:
        image = gray.convert("RGB").convert(mode)
    assert iou(refine_mask(inside[4::8, 4::8], image, method=method), inside) > 0.97


@METHODS
@pytest.mark.parametrize(
    ("width", "height", "rows", "columns"),
    [(1, 1, 1, 1), (1, 1, 5, 4), (3, 200, 20, 1), (101, 67, 9, 13), (16, 12, 64, 48)],
)
def test_any_size_of_image_and_mask(method, width, height, rows, columns):
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(256, size=(height, width, 3), dtype=np.uint8))
    heat = refine_heatmap(rng.random((rows, columns)), image, method=method)
    assert heat.shape == (height, width)
    assert np.isfinite(heat).all()


@METHODS
def test_memory_for_large_images_is_bounded(method):
    height, width = 3000, 4000
    inside = blob(height, width)
    image = Image.fromarray(np.where(inside[..., None], (190, 120, 60), (60, 110, 130)).astype(np.uint8))
    mask = inside[31::62, 31::62]
    tracemalloc.start()
    refined = refine_mask(mask, image, method=method)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 600e6
    # The outline is accurate to about a pixel, with patches of 62 x 62 pixels.
    assert iou(refined, inside) > 0.998


def test_guided_filter_follows_its_definition():
    rng = np.random.default_rng(0)
    height, width, radius, eps = 15, 18, 3, 1e-2
    rgb = rng.integers(256, size=(height, width, 3), dtype=np.uint8)
    heat = rng.random((height, width))
    guide = np.pad(rgb / 255, ((radius, radius), (radius, radius), (0, 0)), mode="symmetric")
    padded = np.pad(heat, radius, mode="symmetric")
    linear = np.empty((height, width, 4))
    for row, column in np.ndindex(height, width):
        window = np.s_[row : row + 2 * radius + 1, column : column + 2 * radius + 1]
        colors, values = guide[window].reshape(-1, 3), padded[window].ravel()
        a = np.linalg.solve(
            np.cov(colors.T, bias=True) + eps * np.eye(3), (colors - colors.mean(0)).T @ values / len(values)
        )
        linear[row, column] = [*a, values.mean() - a @ colors.mean(0)]
    linear = np.pad(linear, ((radius, radius), (radius, radius), (0, 0)), mode="symmetric")
    expected = np.empty((height, width))
    for row, column in np.ndindex(height, width):
        mean = linear[row : row + 2 * radius + 1, column : column + 2 * radius + 1].mean((0, 1))
        expected[row, column] = mean[:3] @ rgb[row, column] / 255 + mean[3]
    refined = refine_heatmap(heat, rgb, method=GuidedFilter(radius=radius, eps=eps))
    np.testing.assert_allclose(refined, expected.clip(0, 1), atol=1e-5)


def test_guided_filter_keeps_a_constant_heatmap():
    image, _ = composed(np.random.default_rng(0), size=96)
    np.testing.assert_allclose(refine_heatmap(np.full((12, 12), 0.3), image), 0.3, atol=1e-5)


def test_larger_radius_reaches_more_distant_edges():
    inside = np.zeros((96, 96), dtype=bool)
    inside[:, 40:] = True
    image = np.where(inside[..., None], (200, 60, 60), (60, 60, 200)).astype(np.uint8)
    mask = np.zeros((12, 12), dtype=bool)
    mask[:, 7:] = True  # two patches from the edge
    wrong = [(refine_mask(mask, image, method=GuidedFilter(radius=radius)) != inside).mean() for radius in (0.5, 6)]
    assert wrong[0] > 0.1
    assert wrong[1] == 0


def test_both_kernels_of_the_crf_improve_the_mask():
    rng = np.random.default_rng(0)
    image, inside = composed(rng, size=96)
    mask = patches_of(inside, 8, rng)
    noisy = patches_of(inside, 8, rng)
    noisy[2, 9] ^= True
    both = iou(refine_mask(noisy, image, method="crf"), inside)
    assert both > iou(refine_mask(noisy, image, method=DenseCrf(w1=0)), inside) + 0.02
    assert both > iou(refine_mask(noisy, image, method=DenseCrf(beta=200)), inside) + 0.02
    # Without kernels, the result is the clamped input.
    unary = refine_heatmap(mask, image, method=DenseCrf(w1=0, w2=0))
    assert unary.min() == pytest.approx(0.01)
    assert unary.max() == pytest.approx(0.99)


@METHODS
@pytest.mark.parametrize("dtype", [torch.bool, torch.float16, torch.float64])
def test_torch_input_gives_torch_output(method, dtype):
    image, inside = composed(np.random.default_rng(0), size=64)
    mask = torch.from_numpy(inside[4::8, 4::8]).to(dtype)
    refined = refine_mask(mask, image, method=method)
    assert refined.dtype == torch.bool
    np.testing.assert_array_equal(refined.numpy(), refine_mask(mask.numpy(), image, method=method))
    heat = refine_heatmap(mask, image, method=method)
    assert heat.dtype == (torch.float32 if dtype == torch.bool else dtype)


@pytest.mark.parametrize(
    ("mask", "error", "message"),
    [
        (np.ones(4), ValueError, r"`mask` must be 2D, \(rows, columns\) of patches, and not empty; got shape \(4,\)"),
        (np.ones((2, 4, 4), dtype=bool), ValueError, r"got shape \(2, 4, 4\).*Pass the mask of one image"),
        (np.ones((0, 4)), ValueError, r"not empty; got shape \(0, 4\)"),
        (np.full((4, 4), 1.5), ValueError, r"`mask` must be in \[0, 1\]; got values from 1.5 to 1.5"),
        (np.full((4, 4), np.nan), ValueError, r"`mask` must be in \[0, 1\]; got values from nan"),
        ("mask.png", TypeError, "`mask` must hold numbers"),
    ],
)
def test_invalid_masks_raise(mask, error, message):
    with pytest.raises(error, match=message):
        refine_mask(mask, np.zeros((32, 32, 3), dtype=np.uint8))


def test_invalid_images_raise():
    pair = [np.zeros((8, 8, 3), dtype=np.uint8)] * 2
    with pytest.raises(ValueError, match=r"`image` must be one image; got 2\. Pass one mask with its image"):
        refine_mask(np.ones((2, 2)), pair)
    with pytest.raises(TypeError, match="image"):
        refine_mask(np.ones((2, 2)), 3)


def test_invalid_methods_raise():
    image = np.zeros((8, 8, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match="`method` must be one of 'guided', 'crf'; got 'bilateral'"):
        refine_mask(np.ones((2, 2)), image, method="bilateral")
    with pytest.raises(TypeError, match="`method` must be one of 'guided', 'crf'; got <class"):
        refine_heatmap(np.ones((2, 2)), image, method=DenseCrf)
    with pytest.raises(ValueError, match=r"`heatmap` must be in \[0, 1\]; got values from 0 to 2"):
        refine_heatmap(np.array([[0.0, 2.0]]), image)


@pytest.mark.parametrize(
    ("settings", "options", "error", "message"),
    [
        (GuidedFilter, {"radius": 0}, ValueError, r"`radius` must be in \(0, inf\); got 0"),
        (GuidedFilter, {"eps": 0}, ValueError, r"`eps` must be in \[1e-06, inf\); got 0"),
        (GuidedFilter, {"long_side": 8}, ValueError, "`long_side` must be at least 16; got 8"),
        (DenseCrf, {"w1": -1}, ValueError, r"`w1` must be in \[0, inf\); got -1"),
        (DenseCrf, {"beta": 0}, ValueError, r"`beta` must be in \[0.5, inf\); got 0"),
        (DenseCrf, {"alpha": "80"}, TypeError, "`alpha` must be a number; got '80'"),
        (DenseCrf, {"n_iter": 0}, ValueError, "`n_iter` must be at least 1; got 0"),
    ],
)
def test_invalid_settings_raise(settings, options, error, message):
    with pytest.raises(error, match=message):
        settings(**options)
