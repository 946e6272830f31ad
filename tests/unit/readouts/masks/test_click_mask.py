"""`ClickMask`, `click_mask` and `get_mask`: positive and negative prompts, boxes, new images and errors."""

import numpy as np
import pytest
import torch
from sklearn.base import clone

from ncut_widgets import ClickMask, PatchGrid, PatchMap, click_mask, get_mask, similarity_heatmap


@pytest.fixture
def scene():
    """Eigenvectors (2, 8, 10, 3) of three regions: the left, the right, and a square in the left of image 0."""
    rng = np.random.default_rng(0)
    eig = np.empty((2, 8, 10, 3))
    eig[:, :, :6], eig[:, :, 6:] = [1, 1, 0], [1, -1, 0]
    eig[0, 2:5, 1:4] = [1, 0.5, 1.5]
    return eig + 0.05 * rng.normal(size=eig.shape)


def test_one_click_masks_its_region_in_all_images(scene):
    mask = click_mask(scene, positive=[(0, 0, 8)])
    assert mask.dtype == bool
    expected = np.zeros((2, 8, 10), dtype=bool)
    expected[:, :, 6:] = True
    np.testing.assert_array_equal(mask, expected)


def test_positive_clicks_are_a_union(scene):
    one, other = ([(0, 3, 2)], [(1, 7, 9)])
    union = click_mask(scene, positive=one, min_area=0) | click_mask(scene, positive=other, min_area=0)
    np.testing.assert_array_equal(click_mask(scene, positive=one + other, min_area=0), union)


def test_lower_negative_threshold_removes_more(scene):
    positive = [(0, 0, 0), (0, 3, 2)]
    masks = [
        click_mask(scene, positive, [(0, 3, 2)], negative_threshold=threshold, min_area=0)
        for threshold in (1.0, 0.99, 0.5, 0.02)
    ]
    sizes = [int(mask.sum()) for mask in masks]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[-1]
    assert not masks[2][0, 2:5, 1:4].any()
    assert masks[2][1, :, :6].all()
    assert not masks[1][0, 3, 2]


def test_mask_without_positive_prompt_is_empty(scene):
    assert not click_mask(scene).any()
    assert not click_mask(scene, negative=[(0, 0, 0)]).any()
    assert not ClickMask().fit(scene).heatmap(scene).any()


def test_box_selects_the_object_and_not_its_background(scene):
    # Two thirds of the box are background around the square.
    mask = click_mask(scene, positive_boxes=[(0, 0, 1, 5, 6)])
    expected = np.zeros_like(mask)
    expected[0, 2:5, 1:4] = True
    np.testing.assert_array_equal(mask, expected)


def test_negative_box_removes_the_object_inside(scene):
    clicks = [(0, 0, 0), (0, 3, 2)]
    mask = click_mask(scene, clicks, negative_boxes=[(0, 0, 1, 5, 6)], negative_threshold=0.5)
    np.testing.assert_array_equal(mask[0, 2:5, 1:4], False)
    assert mask[1, :, :6].all()


def test_boxes_of_a_whole_image_or_part_of_a_patch(scene):
    assert click_mask(scene, positive_boxes=[(1, 0, 0, 10, 8)]).any()
    inside = click_mask(scene, positive_boxes=[(0, 8.1, 0.2, 8.3, 0.4)])
    np.testing.assert_array_equal(inside, click_mask(scene, positive=[(0, 0, 8)]))


def test_flat_nodes_of_images_of_different_sizes(scene):
    grid = PatchGrid([(100, 80), (50, 80)], [PatchMap(0, 8, 10), PatchMap(1, 8, 5)])
    flat = np.concatenate([scene[0].reshape(-1, 3), scene[1, :, 5:].reshape(-1, 3)])
    mask = click_mask(flat, positive=[grid.node_at(1, 45, 70)], grid=grid)
    first, second = grid.split(mask)
    assert first[:, 6:].all()
    assert not first[:, :6].any()
    assert second[:, 1:].all()
    assert not second[:, 0].any()
    np.testing.assert_array_equal(mask, click_mask(flat, positive_boxes=[(1, 30, 0, 50, 40)], grid=grid))


def test_specks_are_dropped_map_by_map():
    # One patch at the end of a map and two at the beginning of the next do not form a component of three.
    grid = PatchGrid([(4, 2)], [PatchMap(0, 2, 4, "a"), PatchMap(0, 2, 4, "b")])
    eig = np.tile([1.0, 0.0], (16, 1))
    eig[[7, 8, 9]] = [0.0, 1.0]
    sizes = [click_mask(eig, [7], grid=grid, min_area=min_area).sum() for min_area in (0, 1, 2, 3)]
    assert sizes == [3, 3, 2, 0]


def test_components_are_8_connected(scene):
    eig = np.tile([1.0, 0.0], (1, 6, 6, 1))
    eig[0, [1, 2, 3], [1, 2, 3]] = [0.0, 1.0]
    assert get_mask(eig, eig[0, 2, 2]).sum() == 3
    assert get_mask(eig, eig[0, 2, 2], denoise_area_th=4).sum() == 0
    assert get_mask(eig, eig[0, 2, 2], denoise=False, denoise_area_th=4).sum() == 3


def test_new_images_use_the_stored_prompts_and_calibration(scene):
    clicks = ClickMask().fit(scene, positive=[(0, 0, 8)])
    # An image without the object. If it had a separate calibration, its most similar patches would form a mask.
    without = scene[:1, :, :6]
    assert not clicks.predict(without).any()
    assert get_mask(without, scene[0, 0, 8]).any()
    whole = clicks.heatmap(scene)
    np.testing.assert_allclose(clicks.heatmap(scene[1:, 2:, 3:]), whole[1:, 2:, 3:], atol=1e-12)
    np.testing.assert_allclose(whole, similarity_heatmap(scene, scene[0, 0, 8]), atol=1e-12)
    np.testing.assert_array_equal(clicks.positive_, scene[0, 0, 8][None])


def test_new_nodes_of_a_constant_embedding_are_all_similar():
    clicks = ClickMask().fit(np.ones((1, 3, 3, 2)), positive=[(0, 1, 1)])
    assert clicks.predict(np.ones((1, 2, 2, 2))).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_torch_input_gives_torch_output(scene, dtype):
    eig = torch.from_numpy(scene).to(dtype).requires_grad_()
    clicks = ClickMask().fit(eig, positive=[(0, 3, 2)])
    mask, heat = clicks.predict(eig), clicks.heatmap(eig)
    assert isinstance(mask, torch.Tensor)
    assert mask.dtype == torch.bool
    assert heat.dtype == clicks.positive_.dtype == dtype
    np.testing.assert_array_equal(mask.numpy(), click_mask(scene, positive=[(0, 3, 2)]))


def test_input_is_unchanged_and_estimator_can_be_cloned(scene):
    before = scene.copy()
    clicks = ClickMask(threshold=0.7, min_area=0).fit(scene, [(0, 0, 0)], [(0, 0, 9)])
    clicks.predict(scene)
    np.testing.assert_array_equal(scene, before)
    expected = {"threshold": 0.7, "gamma": 1.0, "negative_threshold": 0.99, "min_area": 0, "n_eig": None}
    assert clone(clicks).get_params() == expected


def test_n_eig_ignores_trailing_eigenvectors(scene):
    clicks, box = [(0, 3, 2)], [(1, 1, 1, 4, 5)]
    noisy = np.concatenate([scene, np.random.default_rng(1).normal(scale=9, size=scene.shape)], axis=-1)
    expected = ClickMask().fit(scene, clicks, positive_boxes=box)
    found = ClickMask(n_eig=3).fit(noisy, clicks, positive_boxes=box)
    np.testing.assert_array_equal(found.predict(noisy), expected.predict(scene))
    np.testing.assert_allclose(found.heatmap(noisy), expected.heatmap(scene), atol=1e-6)
    assert found.positive_.shape == (2, 3)
    with pytest.raises(ValueError, match="`n_eig` must be"):
        ClickMask(n_eig=7).fit(noisy, clicks)


GRID = PatchGrid([(20, 10)], [PatchMap(0, 2, 4)])
FLAT = np.random.default_rng(0).normal(size=(8, 3))
CUBE = FLAT.reshape(1, 2, 4, 3)


@pytest.mark.parametrize(
    ("eigenvectors", "options", "error", "message"),
    [
        (CUBE[0], {}, ValueError, r"`eigenvectors` must be of shape \(n, k\) or \(b, h, w, k\); got \(2, 4, 3\)"),
        (CUBE, {"grid": GRID}, ValueError, "`grid` must be None for `eigenvectors` of shape"),
        (FLAT, {"positive": [0]}, ValueError, "`min_area=3` requires `grid` if nodes are flat; got None"),
        (FLAT[:5], {"grid": GRID}, ValueError, "`grid` must have as many nodes as `eigenvectors`, 5; got 8"),
        (FLAT, {"positive": [8], "grid": GRID}, ValueError, "`positive` must be in 0 to 7; got 8"),
        (FLAT, {"negative": [-1], "grid": GRID}, ValueError, "`negative` must be in 0 to 7; got -1"),
        (FLAT, {"positive": [0.5], "grid": GRID}, TypeError, "`positive` must hold integers; got float64"),
        (FLAT, {"positive": [(0, 0, 0)], "grid": GRID}, ValueError, "`positive` must be a list of nodes"),
        (CUBE, {"positive": [0]}, ValueError, r"`positive` must be a list of \(image, row, column\)"),
        (CUBE, {"positive": [(0, 2, 0)]}, ValueError, r"`positive` must be within \(1, 2, 4\).*got \(0, 2, 0\)"),
        (FLAT, {"positive_boxes": [(0, 0, 0, 1, 1)], "min_area": 0}, ValueError, "`positive_boxes` requires `grid`"),
        (CUBE, {"positive_boxes": (0, 0, 0, 1, 1)}, ValueError, "`positive_boxes` must be a list of"),
        (CUBE, {"positive_boxes": [(0, 0, 0, 5, 1)]}, ValueError, "within the 4 x 2 pixels of image 0; got"),
        (CUBE, {"negative_boxes": [(0, 3, 0, 1, 1)]}, ValueError, "`negative_boxes` must have x0 < x1"),
        (
            CUBE,
            {"positive_boxes": [(1, 0, 0, 1, 1)]},
            ValueError,
            "`positive_boxes` must refer to images 0 to 0; got 1",
        ),
        (CUBE, {"positive_boxes": [("a", 0, 0, 1, 1)]}, TypeError, "`positive_boxes` must hold numbers"),
        (CUBE, {"threshold": 1.5}, ValueError, r"`threshold` must be in \[0, 1\]; got 1.5"),
        (CUBE, {"negative_threshold": -1}, ValueError, r"`negative_threshold` must be in \[0, 1\]; got -1"),
        (CUBE, {"gamma": 0}, ValueError, r"`gamma` must be in \(0, inf\)"),
        (CUBE, {"min_area": -1}, ValueError, "`min_area` must be at least 0; got -1"),
        (CUBE * np.nan, {}, ValueError, "`eigenvectors` must be finite"),
        (CUBE * 0, {"positive": [(0, 0, 0)]}, ValueError, "`positive` must not be all zeros"),
        (np.zeros((0, 2, 4, 3)), {}, ValueError, "`eigenvectors` must not be empty"),
    ],
)
def test_invalid_arguments_raise(eigenvectors, options, error, message):
    with pytest.raises(error, match=message):
        click_mask(eigenvectors, **options)


@pytest.mark.parametrize(
    ("eigvecs", "prompt", "options", "error", "message"),
    [
        (FLAT, FLAT[0], {}, ValueError, r"`eigvecs` must be of shape \(b, h, w, k\); got \(8, 3\)"),
        (CUBE, FLAT[:1], {}, ValueError, r"`prompt_eigvec` must be of shape \(3,\).*got \(1, 3\)"),
        (CUBE, np.zeros(3), {}, ValueError, "`prompt_eigvec` must not be all zeros"),
        (CUBE, FLAT[0], {"threshold": "1"}, TypeError, "`threshold` must be a number"),
        (CUBE, FLAT[0], {"denoise_area_th": 0.5}, TypeError, "`denoise_area_th` must be an integer"),
    ],
)
def test_invalid_arguments_of_get_mask_raise(eigvecs, prompt, options, error, message):
    with pytest.raises(error, match=message):
        get_mask(eigvecs, prompt, **options)


def test_other_number_of_eigenvectors_raises(scene):
    clicks = ClickMask().fit(scene, positive=[(0, 0, 0)])
    with pytest.raises(ValueError, match="`X` must have 3 columns, as in the fit; got 2"):
        clicks.predict(scene[..., :2])
    with pytest.raises(ValueError, match="`X` must have 3 columns, as in the fit; got 2"):
        clicks.heatmap(scene[..., :2])
