"""`similarity_heatmap`: the definition, constant embeddings, array types and errors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ncut_widgets.readouts import similarity_heatmap


def heatmap_by_definition(eig, prompt, gamma=1.0):
    """Return the heatmap by a direct implementation of the definition."""
    h = 1 - eig @ prompt / np.linalg.norm(eig, axis=1) / np.linalg.norm(prompt)
    z = (h - h.mean()) / h.std(ddof=1)
    g = np.exp(-gamma * z)
    q01, q99 = np.quantile(g, [0.01, 0.99])
    return np.clip((g - q01) / (q99 - q01), 0, 1)


@pytest.mark.parametrize("gamma", [0.3, 1.0, 3.0])
def test_follows_the_definition(gamma):
    eig = np.random.default_rng(0).normal(size=(500, 6))
    expected = heatmap_by_definition(eig, eig[7], gamma)
    np.testing.assert_allclose(similarity_heatmap(eig, eig[7], gamma=gamma), expected, atol=1e-9)


def test_heatmap_decreases_from_1_at_the_prompt_to_0():
    eig = np.random.default_rng(0).normal(size=(500, 6))
    heat = similarity_heatmap(eig, eig[7])
    assert heat[7] == 1
    assert heat.min() == 0
    similar = np.argsort(-(eig @ eig[7]) / np.linalg.norm(eig, axis=1))
    assert (np.diff(heat[similar]) <= 0).all()


def test_statistics_run_over_all_images():
    eig = np.random.default_rng(0).normal(size=(3, 5, 7, 4))
    heat = similarity_heatmap(eig, eig[1, 2, 3])
    assert heat.shape == (3, 5, 7)
    np.testing.assert_array_equal(heat.reshape(-1), similarity_heatmap(eig.reshape(-1, 4), eig[1, 2, 3]))


def test_larger_gamma_is_sharper():
    eig = np.random.default_rng(0).normal(size=(500, 6))
    hot = [(similarity_heatmap(eig, eig[7], gamma=gamma) > 0.5).sum() for gamma in (0.5, 1, 2, 4)]
    assert hot == sorted(hot, reverse=True)
    assert hot[0] > hot[-1]


def test_large_gamma_does_not_overflow():
    eig = np.random.default_rng(0).normal(size=(500, 6)).astype(np.float32)
    heat = similarity_heatmap(eig, eig[7], gamma=1000)
    assert np.isfinite(heat).all()
    assert heat[7] == 1
    # A single outlier among 100 000 nodes is hundreds of standard deviations away.
    outlier = np.ones((100_000, 2), dtype=np.float32)
    outlier[0] = [1, -1]
    np.testing.assert_array_equal(np.flatnonzero(similarity_heatmap(outlier, outlier[0], gamma=5)), [0])


def test_heatmap_of_equal_nodes_is_1():
    np.testing.assert_array_equal(similarity_heatmap(np.full((9, 3), 0.1), np.ones(3)), np.ones(9))
    np.testing.assert_array_equal(similarity_heatmap(np.array([[1.0, 2.0]]), np.array([3.0, -1.0])), [1])
    # Differences at the level of float32 rounding do not count.
    scaled = np.linspace(0.1, 9, 50, dtype=np.float32)[:, None] * np.array([[0.3, 0.7, 0.1]], dtype=np.float32)
    np.testing.assert_array_equal(similarity_heatmap(scaled, scaled[3]), np.ones(50))


def test_heatmap_of_nearly_equal_nodes_is_a_step():
    eig = np.tile([1.0, 0.0], (1000, 1))
    eig[:3] = [0.0, 1.0]
    rare = similarity_heatmap(eig, eig[0])
    np.testing.assert_array_equal(np.flatnonzero(rare), [0, 1, 2])
    common = similarity_heatmap(eig, eig[-1])
    np.testing.assert_array_equal(np.flatnonzero(common == 0), [0, 1, 2])
    assert set(np.unique(np.concatenate([rare, common]))) == {0.0, 1.0}


def test_zero_row_has_the_similarity_of_an_orthogonal_row():
    eig = np.random.default_rng(0).normal(size=(200, 4))
    eig[0], eig[1] = 0, [-eig[5][1], eig[5][0], 0, 0]
    heat = similarity_heatmap(eig, eig[5] * [1, 1, 0, 0])
    assert heat[0] == pytest.approx(heat[1], abs=1e-9)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_torch_input_gives_torch_output(dtype):
    eig = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 4, 5, 3))).to(dtype)
    heat = similarity_heatmap(eig, eig[0, 1, 2])
    assert heat.dtype == dtype
    assert heat.shape == (2, 4, 5)
    assert similarity_heatmap(eig.numpy(), eig[0, 1, 2].numpy()).dtype == eig.numpy().dtype


@pytest.mark.parametrize(
    ("eig", "prompt", "gamma", "error", "message"),
    [
        (np.eye(4), np.zeros(4), 1, ValueError, "`prompt` must not be all zeros"),
        (np.eye(4), np.ones(3), 1, ValueError, r"`prompt` must be of shape \(4,\).*got \(3,\)"),
        (np.eye(4), np.full(4, np.nan), 1, ValueError, "`prompt` must be finite"),
        (np.eye(4), np.ones(4), 0, ValueError, r"`gamma` must be in \(0, inf\); got 0"),
        (np.eye(4), np.ones(4), "1", TypeError, "`gamma` must be a number; got '1'"),
        (np.ones(4), np.ones(4), 1, ValueError, "with at least two dimensions"),
        (np.full((4, 4), np.inf), np.ones(4), 1, ValueError, "`eigenvectors` must be finite"),
    ],
)
def test_invalid_arguments_raise(eig, prompt, gamma, error, message):
    with pytest.raises(error, match=message):
        similarity_heatmap(eig, prompt, gamma=gamma)
