"""The still image of the explorer: layout, marker and size; and overlays."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from ncut_widgets.export.png import overlay, render_still
from ncut_widgets.grid import PatchGrid, PatchMap


def photographs(n, size=(320, 240)):
    """Return smooth noise, which compresses as photographs do."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 255, size=(n, size[1] // 4, size[0] // 4, 3), dtype=np.uint8)
    return [Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC) for pixels in small]


def scene(n_images, rows=12, columns=16, size=(320, 240), color=None):
    images = photographs(n_images, size)
    grid = PatchGrid([size] * n_images, [PatchMap(i, rows, columns) for i in range(n_images)])
    rng = np.random.default_rng(1)
    coords = rng.normal(size=(grid.n_nodes, 3))
    rgb = rng.uniform(size=(grid.n_nodes, 3)) if color is None else np.tile(color, (grid.n_nodes, 1))
    return images, grid, rgb, coords


def opened(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def is_color(pixels, color, tolerance=12):
    return (np.abs(pixels - color) <= tolerance).all(-1)


def test_still_is_png_of_given_width():
    for width in (240, 960, 1200):
        with Image.open(io.BytesIO(render_still(*scene(3), width=width))) as image:
            image.verify()
            assert image.format == "PNG"
            assert image.width == width
            assert 0.2 * width < image.height < width


def test_still_has_marker_of_live_widget():
    plain, crowded = render_still(*scene(2)), render_still(*scene(24, size=(800, 600)), width=1600)
    for png in (plain, crowded):
        assert b"bmN1dC13aWRnZXRz" in base64.b64encode(png)
        with Image.open(io.BytesIO(png)) as image:
            assert image.text == {"Source": "ncut-widgets"}


@pytest.mark.parametrize(("dark", "background"), [(False, (255, 255, 255)), (True, (17, 17, 17))])
def test_colors_cover_images_and_points(dark, background):
    images, grid, rgb, coords = scene(4, color=(1.0, 0.0, 0.0))
    pixels = opened(render_still([Image.new("RGB", i.size, (0, 0, 200)) for i in images], grid, rgb, coords, dark=dark))
    left, right = pixels[:, : int(0.6 * 960)], pixels[:, int(0.66 * 960) :]
    # 0.55 red and 0.45 of the image's blue.
    assert is_color(left, (140, 0, 90)).mean() > 0.5
    assert is_color(right, (255, 0, 0), 90).mean() > 0.02
    assert is_color(right, background).mean() > 0.4
    assert is_color(pixels[:6], background).all(), "margin"


def test_images_keep_aspect_ratio():
    sizes = [(400, 100), (100, 300), (200, 200)]
    grid = PatchGrid(sizes, [PatchMap(i, 1, 1) for i in range(3)])
    solid = np.eye(3)
    pixels = opened(render_still([Image.new("RGB", s, (0, 0, 0)) for s in sizes], grid, solid, solid))[
        :, : int(0.63 * 960)
    ]
    for k, (width, height) in enumerate(sizes):
        at = np.argwhere(is_color(pixels, np.eye(3)[k] * 140))
        tall, wide = np.ptp(at, axis=0) + 1
        assert wide / tall == pytest.approx(width / height, rel=0.08)


def test_many_images_are_subsampled_with_caption():
    def text_pixels(n_images):
        images, *rest = scene(n_images, rows=2, columns=2, color=(0.0, 0.0, 1.0))
        pixels = opened(render_still([Image.new("RGB", image.size) for image in images], *rest))
        left = pixels[:, : int(0.6 * 960)]
        # Gray text below the images.
        bottom = left[np.flatnonzero((left.std(-1) > 8).any(1)).max() + 1 :]
        return int((bottom.max(-1) < 200).sum())

    assert text_pixels(24) == 0
    assert text_pixels(100) > 50


def test_near_points_cover_far_points():
    grid = PatchGrid([(10, 10)], [PatchMap(0, 1, 4)])
    # From the viewpoint (0.73, 0.55, 0.41), one point is behind another, and two are at the sides.
    coords = np.array([[-0.73, -0.55, -0.41], [0.73, 0.55, 0.41], [-2, 2, 0], [2, -2, 0]])
    for order in ([0, 1, 2, 3], [1, 0, 2, 3]):
        rgb = np.array([[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0], [0, 0, 1.0]])[order]
        pixels = opened(render_still([Image.new("RGB", (10, 10))], grid, rgb, coords[order]))[:, int(0.66 * 960) :]
        assert is_color(pixels, (0, 255, 0), 60).sum() > 20
        assert not is_color(pixels, (255, 90, 90), 90).any()


def test_z_axis_points_up():
    grid = PatchGrid([(10, 10)], [PatchMap(0, 1, 2)])
    rgb = np.array([[1.0, 0, 0], [0, 0, 1.0]])
    pixels = opened(render_still([Image.new("RGB", (10, 10))], grid, rgb, np.array([[0, 0, 1], [0, 0, -1]])))
    red, blue = (np.argwhere(is_color(pixels[:, 640:], c, 110)).mean(0)[0] for c in ((255, 40, 40), (40, 40, 255)))
    assert red < blue


def test_still_of_12_photographs_is_small():
    assert len(render_still(*scene(12, rows=42, columns=57, size=(640, 480)))) < 400_000


def test_large_still_is_reduced_to_palette():
    assert len(render_still(*scene(24, size=(800, 600)), width=1600)) < 1_000_000


def test_still_is_deterministic_and_accepts_tensors():
    images, grid, rgb, coords = scene(3)
    assert render_still(images, grid, rgb, coords) == render_still(
        images, grid, torch.tensor(rgb), torch.tensor(coords)
    )


@pytest.mark.parametrize("coords", [np.zeros((4, 3)), np.eye(4, 3), np.full((4, 3), 1e30)])
def test_degenerate_point_clouds(coords):
    grid = PatchGrid([(8, 8)], [PatchMap(0, 2, 2)])
    assert opened(render_still([Image.new("RGB", (8, 8))], grid, np.ones((4, 3)), coords)).shape[1] == 960


def test_first_source_is_shown_and_images_may_lack_patches():
    grid = PatchGrid([(8, 8), (8, 8)], [PatchMap(0, 2, 2, "coarse"), PatchMap(0, 4, 4, "fine")])
    rgb = np.concatenate([np.tile([1.0, 0, 0], (4, 1)), np.tile([0, 1.0, 0], (16, 1))])
    coords = np.random.default_rng(0).normal(size=(20, 3))
    left = opened(render_still([Image.new("RGB", (8, 8))] * 2, grid, rgb, coords))[:, : int(0.6 * 960)]
    assert is_color(left, (140, 0, 0)).any(), "the first source"
    assert not is_color(left, (0, 140, 0)).any()
    assert is_color(left, (0, 0, 0)).any(), "the image without colors"


def test_invalid_arguments_raise():
    images, grid, rgb, coords = scene(2)
    with pytest.raises(ValueError, match=r"`rgb` must have shape \(384, 3\).*got \(10, 3\)"):
        render_still(images, grid, rgb[:10], coords)
    with pytest.raises(ValueError, match=r"`coords` must have shape \(384, 3\).*got \(384, 2\)"):
        render_still(images, grid, rgb, coords[:, :2])
    with pytest.raises(ValueError, match="`images` must be the 2 images of `grid`; got 1"):
        render_still(images[:1], grid, rgb, coords)
    with pytest.raises(ValueError, match="`width` must be at least 240; got 10"):
        render_still(images, grid, rgb, coords, width=10)


def test_overlay_blends_patches_at_their_positions():
    image = Image.new("RGB", (60, 20), (200, 0, 0))
    values = np.zeros((2, 3, 3))
    values[1, 2] = [0, 0, 1]
    bare, half, full = (np.asarray(overlay(image, values, blend=blend)) for blend in (0, 0.5, 1))
    assert (bare == (200, 0, 0)).all()
    assert (half[15, 50] == (100, 0, 127)).all()
    assert (half[5, 5] == (100, 0, 0)).all()
    assert (full[10:, 40:] == (0, 0, 255)).all()
    assert (full[:10] == 0).all()
    assert (full[:, :40] == 0).all()


def test_overlay_has_sharp_or_smooth_edges():
    image, values = Image.new("L", (64, 8)), np.array([[[0.0] * 3, [1.0] * 3]])
    crisp, smooth = (np.asarray(overlay(image, values, blend=1, smooth=smooth)) for smooth in (False, True))
    assert set(np.unique(crisp)) == {0, 255}
    assert len(np.unique(smooth)) > 10
    assert (np.diff(smooth[4, 8:56, 0].astype(int)) >= 0).all()


def test_overlay_clips_and_leaves_image_unchanged():
    image = Image.new("RGBA", (4, 4), (10, 20, 30, 255))
    out = overlay(image, np.full((1, 1, 3), 7.0), blend=1)
    assert out.mode == "RGB"
    assert out.getpixel((0, 0)) == (255, 255, 255)
    assert image.getpixel((0, 0)) == (10, 20, 30, 255)
    with pytest.raises(ValueError, match=r"`values_rgb` must have shape \(rows, columns, 3 or 4\); got \(4, 3\)"):
        overlay(image, np.zeros((4, 3)))
    with pytest.raises(ValueError, match=r"`blend` must be in \[0, 1\]; got 2"):
        overlay(image, np.zeros((1, 1, 3)), blend=2)
