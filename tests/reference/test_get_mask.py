"""`get_mask` against masks of the published function: four images of 12 x 20 patches, six prompts and settings."""

from pathlib import Path

import numpy as np
import pytest

from ncut_widgets import click_mask, get_mask, similarity_heatmap

HERE = Path(__file__).parent
with np.load(HERE / "get_mask_masks.npz") as _golden:
    CASES, MASKS = _golden["cases"], _golden["masks"]


@pytest.fixture(scope="module")
def golden():
    with np.load(HERE / "get_mask_heatmap.npz") as stored:
        return stored["eigvecs"], stored["heatmap_0_3_4"]


@pytest.mark.parametrize("index", range(len(CASES)))
def test_masks_match_published_masks(golden, index):
    image, row, column, threshold, gamma, denoise, area = CASES[index]
    eigvecs, _ = golden
    prompt = eigvecs[int(image), int(row), int(column)]
    mask = get_mask(eigvecs, prompt, threshold=threshold, gamma=gamma, denoise=bool(denoise), denoise_area_th=int(area))
    assert 0 < mask.sum() < mask.size
    np.testing.assert_array_equal(mask, MASKS[index])


def test_click_mask_with_one_click_equals_get_mask(golden):
    image, row, column, threshold, gamma, _, area = CASES[0]
    click = [(int(image), int(row), int(column))]
    mask = click_mask(golden[0], click, threshold=threshold, gamma=gamma, min_area=int(area))
    np.testing.assert_array_equal(mask, MASKS[0])


def test_mask_is_thresholded_heatmap(golden):
    eigvecs, heatmap = golden
    np.testing.assert_array_equal(get_mask(eigvecs, eigvecs[0, 3, 4], denoise=False), heatmap > 0.5)


def test_heatmap_matches_published_heatmap(golden):
    eigvecs, heatmap = golden
    np.testing.assert_allclose(similarity_heatmap(eigvecs, eigvecs[0, 3, 4]), heatmap.clip(0, 1), atol=2e-6)
    assert heatmap.min() < 0 < 1 < heatmap.max()
