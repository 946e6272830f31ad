"""Still images: layout, marker, size, and what each panel shows."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from helpers.images import opened
from ncut_widgets.export.still import BarGroup, BarsPanel, ImagesPanel, LegendEntry, ScatterPanel, render_still
from ncut_widgets.grid import PatchGrid, PatchMap

BLACK = (0, 0, 0)


def photographs(n, size=(320, 240)):
    """Return smooth noise, which compresses as photographs do."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 255, size=(n, size[1] // 4, size[0] // 4, 3), dtype=np.uint8)
    return [Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC) for pixels in small]


def solid(n, color=BLACK, size=(320, 240)):
    return [Image.new("RGB", size, color)] * n


def grid_of(images, rows=12, columns=16):
    return PatchGrid([image.size for image in images], [PatchMap(i, rows, columns) for i in range(len(images))])


def opaque(rgb):
    return np.column_stack([rgb, np.ones(len(rgb))])


def images_panel(images, color=None, **options):
    """Return images with random colors, or with one color."""
    grid = grid_of(images)
    rgb = np.random.default_rng(1).uniform(size=(grid.n_nodes, 3)) if color is None else [color] * grid.n_nodes
    return ImagesPanel(images, grid, opaque(np.asarray(rgb)), **options)


def scatter_panel(n=600, color=(1.0, 0.0, 0.0), **options):
    return ScatterPanel(np.random.default_rng(1).normal(size=(n, 3)), opaque(np.tile(color, (n, 1))), **options)


def drawn(*panels, **options):
    return opened(render_still(panels, **options))


def is_color(pixels, color, tolerance=12):
    return (np.abs(pixels - color) <= tolerance).all(-1)


def test_panels_fill_the_given_width():
    for width in (240, 960, 1200):
        with Image.open(
            io.BytesIO(render_still([images_panel(photographs(3)), scatter_panel()], width=width))
        ) as image:
            image.verify()
            assert image.format == "PNG"
            assert 0.75 * width < image.width <= width
            assert 0.2 * width < image.height < 0.6 * width
    with pytest.raises(ValueError, match="`width` must be at least 240; got 10"):
        render_still([scatter_panel()], width=10)


@pytest.mark.parametrize("size", [(320, 240), (2000, 100), (100, 2000)])
def test_one_panel_does_not_fill_a_page(size):
    for panel in (images_panel(solid(1, size=size)), scatter_panel()):
        pixels = drawn(panel)
        assert pixels.shape[0] < 0.55 * 960
        assert pixels.shape[1] <= 960


def test_still_has_marker_of_live_widget():
    plain = render_still([images_panel(photographs(2))])
    crowded = render_still([images_panel(photographs(24))], width=1200)
    for png in (plain, crowded):
        assert b"bmN1dC13aWRnZXRz" in base64.b64encode(png)
        with Image.open(io.BytesIO(png)) as image:
            assert image.text == {"Source": "ncut-widgets"}


@pytest.mark.parametrize(("dark", "background"), [(False, (255, 255, 255)), (True, (17, 17, 17))])
def test_colors_cover_images_and_points(dark, background):
    red = (1.0, 0.0, 0.0)
    pixels = drawn(images_panel(solid(4, (0, 0, 200)), red, blend=0.55), scatter_panel(color=red), dark=dark)
    left, right = pixels[:, : int(0.6 * 960)], pixels[:, int(0.66 * 960) :]
    # 0.55 red and 0.45 of the image's blue.
    assert is_color(left, (140, 0, 90)).mean() > 0.5
    assert is_color(right, (255, 0, 0), 90).mean() > 0.02
    assert is_color(right, background).mean() > 0.4
    assert is_color(pixels[:6], background).all(), "margin"


def test_images_keep_aspect_ratio():
    images = [Image.new("RGB", size) for size in [(400, 100), (100, 300), (200, 200)]]
    pixels = drawn(ImagesPanel(images, grid_of(images, 1, 1), opaque(np.eye(3)), blend=1))
    for image, color in zip(images, 255 * np.eye(3), strict=True):
        tall, wide = np.ptp(np.argwhere(is_color(pixels, color)), axis=0) + 1
        assert wide / tall == pytest.approx(image.width / image.height, rel=0.08)


def test_many_images_are_subsampled_with_caption():
    def text_pixels(n_images):
        pixels = drawn(images_panel(solid(n_images), (0.0, 0.0, 1.0)))
        # Gray text below the images.
        bottom = pixels[np.flatnonzero((pixels.std(-1) > 8).any(1)).max() + 1 :]
        return int((bottom.max(-1) < 200).sum())

    assert text_pixels(24) == 0
    assert text_pixels(100) > 50


def test_transparent_patches_show_the_image():
    images = solid(1, (0, 0, 200), size=(200, 100))
    colors = np.array([[1.0, 0, 0, 1], [1.0, 0, 0, 0]])
    pixels = drawn(ImagesPanel(images, grid_of(images, 1, 2), colors, blend=1))
    middle, half = pixels[pixels.shape[0] // 2], pixels.shape[1] // 2
    assert is_color(middle[20 : half - 10], (255, 0, 0)).all()
    assert is_color(middle[half + 10 : -20], (0, 0, 200)).all()
    without = drawn(ImagesPanel(images, grid_of(images, 1, 2), None))
    assert not is_color(without, (255, 0, 0)).any()


def test_one_source_is_shown_and_images_may_lack_patches():
    grid = PatchGrid([(8, 8), (8, 8)], [PatchMap(0, 2, 2, "coarse"), PatchMap(0, 4, 4, "fine")])
    colors = opaque(np.concatenate([np.tile([1.0, 0, 0], (4, 1)), np.tile([0, 1.0, 0], (16, 1))]))
    for source, shown, hidden in [(None, 0, 1), ("coarse", 0, 1), ("fine", 1, 0)]:
        pixels = drawn(ImagesPanel(solid(2, size=(8, 8)), grid, colors, source, blend=1))
        assert is_color(pixels, 255 * np.eye(3)[shown]).any()
        assert not is_color(pixels, 255 * np.eye(3)[hidden]).any()
        assert is_color(pixels, BLACK).any(), "the image without colors"


def test_legend_has_swatches_below_the_images():
    entries = [LegendEntry("sky", (0, 1, 0)), LegendEntry("a very long name of a very small thing", (0, 0, 1))]
    for images in (solid(1), solid(1, size=(20, 400))):
        pixels = drawn(images_panel(images, (1.0, 0, 0), blend=1, legend=entries))
        lowest = np.argwhere(is_color(pixels, (255, 0, 0))).max(0)[0]
        for color in ((0, 255, 0), (0, 0, 255)):
            swatch = np.argwhere(is_color(pixels, color))
            assert len(swatch) == 196
            assert swatch.min(0)[0] > lowest


def test_long_legend_is_cut_and_wrapped():
    entries = [LegendEntry(f"cluster {i}", (0, 1, 0)) for i in range(64)]
    pixels = drawn(images_panel(solid(2), (1.0, 0, 0), legend=entries))
    assert is_color(pixels, (0, 255, 0)).sum() == 24 * 196
    assert pixels.shape[1] <= 960


def test_bars_point_in_the_direction_of_their_score():
    groups = [BarGroup("cluster 0", ["a", "b", "c"], [0.5, -0.25, 0.01])]
    pixels = drawn(BarsPanel(groups))
    blue, orange = (np.argwhere(is_color(pixels, color)) for color in ((47, 111, 222), (217, 104, 43)))
    # The columns of one row, without the frame.
    first = blue[blue[:, 0] == blue[:, 0].min(), 1]
    assert orange[:, 1].max() <= first.min() + 1
    assert np.ptp(first) == pytest.approx(2 * np.ptp(orange[:, 1]), rel=0.05)
    assert len(np.unique(drawn(BarsPanel(groups * 9)), axis=0)) < 30 * 26, "more targets are only counted"
    assert drawn(BarsPanel([BarGroup("none", ["a"], [0.0])]), width=240).shape[1] == 240


def test_near_points_cover_far_points():
    # From the initial viewpoint (0.62, -0.78, 0.48), one point is behind another, and two are at the sides.
    coords = np.array([[-0.62, 0.78, -0.48], [0.62, -0.78, 0.48], [2, 2, 0], [-2, -2, 0]])
    for order in ([0, 1, 2, 3], [1, 0, 2, 3]):
        rgb = np.array([[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0], [0, 0, 1.0]])[order]
        pixels = drawn(ScatterPanel(coords[order], opaque(rgb)))
        assert is_color(pixels, (0, 255, 0), 60).sum() > 20
        assert not is_color(pixels, (255, 90, 90), 90).any()


def test_z_axis_points_up():
    pixels = drawn(ScatterPanel(np.array([[0, 0, 1], [0, 0, -1]]), opaque(np.array([[1.0, 0, 0], [0, 0, 1.0]]))))
    red, blue = (np.argwhere(is_color(pixels, c, 110)).mean(0)[0] for c in ((255, 40, 40), (40, 40, 255)))
    assert red < blue


def test_camera_is_followed():
    coords, colors = np.array([[1.0, 0, 0], [-1, 0, 0]]), opaque(np.array([[1.0, 0, 0], [0, 0, 1.0]]))

    def places(y, zoom=1):
        camera = {"position": [0, y, 0], "target": [0, 0, 0], "zoom": zoom}
        pixels = drawn(ScatterPanel(coords, colors, camera))
        return [np.argwhere(is_color(pixels, c, 110))[:, 1].mean() for c in ((255, 40, 40), (40, 40, 255))]

    (red, blue), (red_behind, blue_behind) = places(-10), places(10)
    assert red > blue
    assert red_behind < blue_behind
    near = places(-10, zoom=2)
    assert near[0] - near[1] == pytest.approx(2 * (red - blue), rel=0.1)
    nothing = drawn(ScatterPanel(coords, colors, {"position": [0, -1, 0], "target": [0, -9, 0], "zoom": 1}))
    assert is_color(nothing, (255, 255, 255)).all(), "all points are behind the camera"


def test_transparent_points_are_gray():
    colors = np.tile([1.0, 0, 0, 0], (500, 1))
    pixels = drawn(ScatterPanel(np.random.default_rng(0).normal(size=(500, 3)), colors))
    assert (np.ptp(pixels, axis=-1) <= 2).all()
    assert pixels.min() < 210


@pytest.mark.parametrize("coords", [np.zeros((4, 3)), np.eye(4, 3), np.full((4, 3), 1e30)])
def test_degenerate_point_clouds(coords):
    assert drawn(ScatterPanel(coords, np.ones((4, 4)) * [1, 0, 0, 1])).shape[1] > 400


def test_stills_are_small():
    few = render_still([images_panel(photographs(12)), scatter_panel(30_000)])
    many = render_still([images_panel(photographs(24))], width=1600)
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (300, 400, 3), dtype=np.uint8))
    for png in (few, many, render_still([images_panel([noise] * 6)])):
        assert len(png) < 301_000
        assert Image.open(io.BytesIO(png)).width > 400


def test_still_is_deterministic():
    panels = [images_panel(photographs(3)), scatter_panel()]
    assert render_still(panels) == render_still(panels)
