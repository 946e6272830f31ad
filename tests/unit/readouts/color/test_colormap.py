"""`rotate_rgb_cube`, `convert_to_lab_color` and `colormap_2d`."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.color import deltaE_cie76, rgb2lab

from ncut_widgets.readouts import colormap_2d, convert_to_lab_color, rotate_rgb_cube

CUBE = ((-1, 1), (-1, 1))


def colors(n=500, seed=0):
    return np.random.default_rng(seed).random((n, 3))


def test_cube_positions():
    rgb = np.array([0.2, 0.5, 0.9])
    rotated = [rotate_rgb_cube(rgb, position).round(6).tolist() for position in range(7)]
    assert rotated[:4] == [[0.2, 0.5, 0.9], [0.9, 0.2, 0.5], [0.5, 0.9, 0.2], [0.2, 0.5, 0.9]]
    assert rotated[4:] == [[0.1, 0.8, 0.5], [0.5, 0.1, 0.8], [0.8, 0.5, 0.1]]
    assert rotate_rgb_cube(rgb).tolist() == rotated[1]


@pytest.mark.parametrize("position", range(7))
def test_cube_rotation_preserves_distances(position):
    rgb = colors(50)
    rotated = rotate_rgb_cube(rgb, position)
    np.testing.assert_allclose(
        np.linalg.norm(rotated[:, None] - rotated, axis=2), np.linalg.norm(rgb[:, None] - rgb, axis=2), atol=1e-12
    )


def test_lab_spans_lightness_and_opponent_colors():
    gray = np.full((11, 3), 128 / 255)
    gray[:, 0] = np.linspace(0, 1, 11)
    converted = convert_to_lab_color(gray)
    assert np.ptp(converted, axis=1).max() < 1e-4, "a = b = 0 is gray"
    np.testing.assert_allclose(rgb2lab(converted)[:, 0], 100 * gray[:, 0], atol=0.01)
    pale = np.stack([np.full(500, 0.7), *colors().T[1:]], axis=1) * [1, 0.2, 0.2] + [0, 0.4, 0.4]
    lab = rgb2lab(convert_to_lab_color(pale, full_range=False))
    np.testing.assert_allclose(lab, pale * 100 - [0, 50, 50], atol=0.02)
    full_range = np.abs(rgb2lab(convert_to_lab_color(pale))[:, 1:]).mean()
    assert full_range > 2 * np.abs(lab[:, 1:]).mean()


def test_lab_colors_are_clipped_to_the_gamut():
    for full_range in (True, False):
        converted = convert_to_lab_color(colors(), full_range=full_range)
        assert np.isfinite(converted).all()
        assert ((converted >= 0) & (converted <= 1)).all()


def test_disc_is_perceptually_uniform():
    rng = np.random.default_rng(0)
    points = rng.uniform(-0.7, 0.7, size=(300, 2))
    lab = rgb2lab(colormap_2d(points, extent=CUBE))
    assert np.ptp(lab[:, 0]) < 0.1, "constant lightness"
    color_differences = deltaE_cie76(lab[:, None], lab)
    distances = np.linalg.norm(points[:, None] - points, axis=2)
    np.testing.assert_allclose(color_differences, 40 * distances, atol=0.3)


def test_points_outside_the_disc_get_the_color_of_its_rim():
    angle = np.linspace(0, 2 * np.pi, 90)
    rim = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    np.testing.assert_allclose(colormap_2d(3 * rim, extent=CUBE), colormap_2d(rim, extent=CUBE), atol=1e-9)
    chroma = np.linalg.norm(rgb2lab(colormap_2d(rim, extent=CUBE))[:, 1:], axis=1)
    np.testing.assert_allclose(chroma, 40, atol=0.2)


def test_square_has_four_different_corners():
    corners = np.array([[-1, -1], [1, -1], [-1, 1], [1, 1], [-5, 9]], dtype=float)
    blue, red, green, yellow, beyond = colormap_2d(corners, colormap="square", extent=CUBE)
    assert blue.argmax() == 2
    assert red.argmax() == 0
    assert green.argmax() == 1
    assert yellow.argmin() == 2
    np.testing.assert_array_equal(beyond, green)
    lab = rgb2lab(np.stack([blue, red, green, yellow]))
    assert deltaE_cie76(lab[:, None], lab)[np.triu_indices(4, 1)].min() > 55


@pytest.mark.parametrize("colormap", ["disc", "square"])
def test_default_extent_fits_the_data_and_ignores_outliers(colormap):
    coords = np.random.default_rng(0).normal(size=(1000, 2)) * [1, 1e3] + [0, 1e4]
    rgb = colormap_2d(coords, colormap=colormap)
    assert np.ptp(rgb, axis=0).max() > 0.5
    coords[0] = 1e12
    np.testing.assert_allclose(colormap_2d(coords, colormap=colormap)[1:], rgb[1:], atol=0.05)
    np.testing.assert_array_equal(
        colormap_2d(coords[5:6], colormap=colormap, extent=((-2, 2), (7e3, 13e3))),
        colormap_2d(coords, colormap=colormap, extent=((-2, 2), (7e3, 13e3)))[5:6],
    )
    same = colormap_2d(np.zeros((3, 2)), colormap=colormap)
    np.testing.assert_array_equal(same[0], same[1])


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("function", [rotate_rgb_cube, convert_to_lab_color, lambda rgb: colormap_2d(rgb[:, :2])])
def test_torch_input_gives_torch_output(function, dtype):
    rgb = torch.from_numpy(colors(20)).to(dtype)
    result = function(rgb)
    assert isinstance(result, torch.Tensor)
    assert result.dtype == dtype
    np.testing.assert_allclose(result.double().numpy(), function(rgb.double().numpy()), atol=2e-3)


def test_images_of_any_shape():
    image = colors(24).reshape(4, 6, 3)
    for function in (rotate_rgb_cube, convert_to_lab_color):
        np.testing.assert_allclose(function(image), function(image.reshape(-1, 3)).reshape(4, 6, 3), atol=1e-12)
    before = image.copy()
    np.testing.assert_array_equal(before, image)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: rotate_rgb_cube(np.zeros((4, 2))), ValueError, r"`rgb` must be of shape \(\.\.\., 3\); got \(4, 2\)"),
        (lambda: rotate_rgb_cube(np.full((4, 3), 255, np.uint8)), ValueError, r"`rgb` must be in \[0, 1\]; got 255"),
        (lambda: convert_to_lab_color(np.full((4, 3), np.nan)), ValueError, r"`rgb` must be in \[0, 1\]; got nan"),
        (lambda: rotate_rgb_cube(colors(), 7), ValueError, "`position` must be at most 6; got 7"),
        (lambda: rotate_rgb_cube(colors(), -1), ValueError, "`position` must be at least 0; got -1"),
        (lambda: rotate_rgb_cube("red"), TypeError, "`rgb` must hold numbers"),
        (lambda: convert_to_lab_color(colors(), "yes"), TypeError, "`full_range` must be True or False; got 'yes'"),
        (lambda: colormap_2d(colors()), ValueError, r"`coords` must be of shape \(n, 2\); got \(500, 3\)"),
        (lambda: colormap_2d(np.full((2, 2), np.inf)), ValueError, "`coords` must be finite"),
        (lambda: colormap_2d(np.eye(2), colormap="jet"), ValueError, "one of 'disc', 'square'; got 'jet'"),
        (lambda: colormap_2d(np.eye(2), extent=(0, 1, 0, 1)), TypeError, "`extent` must be two pairs"),
        (lambda: colormap_2d(np.eye(2), extent=((0, 1), (2, 2))), ValueError, "each low below its high"),
    ],
)
def test_invalid_arguments_raise(call, error, message):
    with pytest.raises(error, match=message):
        call()
