"""`channel_attribution`: kinds of targets, results, symmetry, degenerate features, and checks."""

from __future__ import annotations

import json
import re
import sys
import warnings

import numpy as np
import pytest
import torch

from ncut_widgets import FeatureMaps, channel_attribution, extract_features, kway_ncut, sample_images
from ncut_widgets.errors import DegenerateWarning, OutlierWarning
from ncut_widgets.grid import PatchGrid, PatchMap
from ncut_widgets.ncut import Ncut

METHODS = ["gradient", "abs_gradient", "gradient_x_input", "ablation"]


def scene(n=120, c=8, seed=0):
    """Return features and labels of four clusters; 0, 1 and 2 are high in the channel of that number, 3 in none."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 4
    X = rng.normal(size=(n, c))
    X[:, :3] += 8 * np.eye(4, 3)[labels]
    return X, labels


def maps():
    X, labels = scene()
    grid = PatchGrid([(60, 40), (60, 60)], [PatchMap(0, 6, 10, "a"), PatchMap(1, 10, 6, "a")])
    return FeatureMaps(X, grid, ["red", "green", "blue", *(f"noise {i}" for i in range(5))]), labels


class TestTargets:
    def test_labels_can_be_any_integers(self):
        X, labels = scene()
        found = channel_attribution(X, labels * 10 - 5)
        assert found.target_names == ("cluster -5", "cluster 5", "cluster 15", "cluster 25")
        np.testing.assert_array_equal(found.raw, channel_attribution(X, labels).raw)

    def test_chosen_clusters_match_those_of_all_clusters(self):
        X, labels = scene()
        found = channel_attribution(torch.from_numpy(X), torch.from_numpy(labels), clusters=[2, 0])
        assert found.target_names == ("cluster 2", "cluster 0")
        np.testing.assert_allclose(found.raw, channel_attribution(X, labels).raw[[2, 0]])
        assert channel_attribution(X, labels, clusters=1).target_names == ("cluster 1",)

    def test_masks_node_indices_and_mappings_are_equivalent(self):
        X, labels = scene()
        mask = labels == 1
        found = channel_attribution(X, mask.reshape(2, 6, 10))
        assert found.target_names == ("target",)
        np.testing.assert_array_equal(found.raw, channel_attribution(X, np.flatnonzero(mask).tolist()).raw)
        named = channel_attribution(X, {"object 1": mask, "lasso": [0, 4, 8]})
        assert named.target_names == ("object 1", "lasso")
        np.testing.assert_allclose(named.raw[:1], found.raw)

    @pytest.mark.parametrize(
        ("target", "options", "error", "message"),
        [
            (np.zeros(120, bool), {}, ValueError, r"must select at least one node but not all; got 0 of 120"),
            (np.ones(120, bool), {}, ValueError, r"must select at least one node but not all; got 120 of 120"),
            (np.ones(7, bool), {}, ValueError, r"one value for each of 120 nodes in a mask; got 7"),
            ([], {}, ValueError, r"must select at least one node but not all; got 0"),
            ({}, {}, ValueError, r"must hold at least one mask; got an empty mapping"),
            ([3, 120], {}, ValueError, r"must hold nodes in 0 to 119; got 120"),
            ([-1], {}, ValueError, r"must hold nodes in 0 to 119; got -1"),
            (np.zeros(120, int), {}, ValueError, r"must have 2 to 119 clusters for 120 nodes; got 1"),
            (np.arange(120), {}, ValueError, r"must have 2 to 119 clusters for 120 nodes; got 120"),
            (np.zeros((120, 3)), {}, TypeError, r"must hold labels, node indices or a mask; got float64.*argmax"),
            (
                np.arange(120) % 3,
                {"clusters": [3]},
                ValueError,
                r"`clusters` must be labels in `target`, .*; got \[3\]",
            ),
            (np.arange(120) % 3, {"clusters": []}, ValueError, r"`clusters` must be labels in `target`, .*; got none"),
            (
                np.arange(120) % 3,
                {"n_eig": 2},
                ValueError,
                r"`n_eig` must be at least the number of clusters, 3; got 2",
            ),
            ([3], {"clusters": 0}, ValueError, r"`clusters` must be None unless `target` holds the labels"),
            ([3], {"n_eig": 120}, ValueError, r"`n_eig` must be at most 119; got 120"),
            ([3], {"method": "saliency"}, ValueError, r"`method` must be one of 'gradient', "),
            ([3], {"region": "mask"}, ValueError, r"`region` must be one of 'target', 'all'"),
        ],
    )
    def test_invalid_arguments_raise(self, target, options, error, message):
        with pytest.raises(error, match=message):
            channel_attribution(scene()[0], target, **options)


class TestNcut:
    @pytest.mark.parametrize("method", ["gradient", "ablation"])
    def test_fitted_cut_gives_its_options_and_sigma(self, method):
        X, labels = scene()
        ncut = Ncut(6, affinity="cosine", degree=0.3, random_state=4).fit(X)
        sigma, vectors = ncut.sigma_, ncut.eigenvectors_
        found = channel_attribution(X, labels, ncut=ncut, method=method)
        assert found.sigma == sigma
        expected = channel_attribution(X, labels, ncut=Ncut(affinity="cosine", sigma=sigma), method=method)
        np.testing.assert_allclose(found.raw, expected.raw, rtol=1e-9)
        # Another scale of the features does not change the bandwidth of a fitted cut.
        assert channel_attribution(3 * X, labels, ncut=ncut, method=method).sigma == sigma
        assert (ncut.n_eig, ncut.sigma_, ncut.degree) == (6, sigma, 0.3)
        assert ncut.eigenvectors_ is vectors

    def test_fitted_cut_without_outliers_leaves_them_out(self):
        X, labels = scene()
        X[:2] += 1000
        ncut = Ncut(4).fit(X)
        found = channel_attribution(X, labels, ncut=ncut)
        assert found.sigma == ncut.sigma_
        np.testing.assert_array_equal(found.raw, channel_attribution(X, labels).raw)

    @pytest.mark.parametrize(
        ("ncut", "error", "message"),
        [
            (8.0, TypeError, "`ncut` must be an Ncut; got float"),
            (Ncut(alpha=0.5), ValueError, "`ncut` must have `alpha=0` for attributions; got 0.5"),
            (Ncut(repulsion_weight=0.1), ValueError, "`ncut` must have `repulsion_weight=0` for attributions; got 0.1"),
        ],
    )
    def test_cuts_that_attribution_does_not_support_raise(self, ncut, error, message):
        with pytest.raises(error, match=message):
            channel_attribution(*scene(), ncut=ncut)


class TestResult:
    def test_scores_are_normalized_raw_values(self):
        found = channel_attribution(*scene())
        np.testing.assert_allclose(np.abs(found.scores).sum(1), 1, rtol=1e-5)
        np.testing.assert_allclose(found.scores * np.abs(found.raw).sum(1, keepdims=True), found.raw, rtol=1e-5)
        assert found.scores.dtype == np.float32
        json.dumps({"scores": found.scores.tolist(), "targets": found.target_names, "channels": found.channel_names})

    def test_ranking_is_by_magnitude_or_by_value(self):
        X, labels = scene()
        X[:, 1] *= -1
        found = channel_attribution(X, labels)
        assert found.ranking()[1, 0] == 1
        assert found.ranking(by="value")[1, -1] == 1
        ablated = channel_attribution(X, labels, method="ablation")
        np.testing.assert_array_equal(ablated.ranking(), np.argsort(-ablated.raw, axis=1, kind="stable"))
        with pytest.raises(ValueError, match="`by` must be one of 'absolute', 'value'; got 'size'"):
            found.ranking(by="size")

    def test_top_k_by_name(self):
        features, labels = maps()
        found = channel_attribution(features, labels, clusters=range(3))
        top = found.top_k(2, target="cluster 1")
        assert top[0].name == "green"
        assert top[0].channel == 1
        assert top[0].score == pytest.approx(found.scores[1, 1])
        assert top[0].raw == found.raw[1, 1]
        assert repr(found) == (
            "ChannelAttribution(3 targets x 8 channels by gradient; "
            "first: cluster 0: red, cluster 1: green, cluster 2: blue)"
        )
        with pytest.raises(ValueError, match=r"`target` must be one of \['cluster 0', .*; got 'sky'"):
            found.top_k(target="sky")
        with pytest.raises(ValueError, match="`k` must be at most 8; got 9"):
            found.top_k(9)

    def test_maps_hold_values_and_gradients(self):
        features, labels = maps()
        found = channel_attribution(features, labels, n_maps=2)
        values = found.maps("green")
        assert [m.shape for m in values] == [(6, 10), (10, 6)]
        np.testing.assert_allclose(np.concatenate([m.ravel() for m in values]), features.values[:, 1], rtol=1e-6)
        gradient = np.concatenate([m.ravel() for m in found.maps("green", of="gradient", target="cluster 1")])
        assert gradient[labels == 1].mean() == pytest.approx(found.raw[1, 1], rel=1e-5)
        with pytest.raises(
            ValueError, match=r"`channel` must be a channel with a stored gradient, .*; got \d\. Raise `n_maps`"
        ):
            found.maps(int(found.ranking()[0, -1]), of="gradient")
        with pytest.raises(
            ValueError, match="`maps` requires the positions of the nodes, but the features were an array"
        ):
            channel_attribution(features.values, labels).maps(0)

    def test_dataframe_has_one_row_per_target_and_channel(self):
        features, labels = maps()
        found = channel_attribution(features, labels, clusters=[0, 1, 2])
        table = found.to_dataframe()
        assert len(table) == 24
        first = table[table["rank"] == 0]
        assert first["name"].tolist() == ["red", "green", "blue"]
        assert first["score"].tolist() == pytest.approx(found.scores[[0, 1, 2], [0, 1, 2]].tolist())

    def test_dataframe_requires_pandas(self, monkeypatch):
        features, labels = maps()
        found = channel_attribution(features, labels, clusters=[0])
        monkeypatch.setitem(sys.modules, "pandas", None)
        with pytest.raises(ModuleNotFoundError, match=r"^`to_dataframe` requires pandas.*Run `pip install pandas`"):
            found.to_dataframe()

    def test_uses_the_weights_of_feature_maps(self):
        features, labels = maps()
        weights = 1.0 + labels
        weighted = FeatureMaps(features.values, features.grid, weights=weights)
        found, plain = channel_attribution(weighted, labels), channel_attribution(features, labels)
        eig = Ncut(4).fit_transform(features.values, sample_weight=weights)
        rows = eig / np.linalg.norm(eig, axis=1, keepdims=True)
        assert np.abs(found.raw - plain.raw).max() > 1e-3 * np.abs(plain.raw).max()
        assert found.target_scores[0] <= np.linalg.norm(rows[labels == 0], axis=1).mean() + 1e-6

    def test_progress_callback_can_cancel(self):
        reported = []
        channel_attribution(*scene(), progress=reported.append)
        assert reported == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])

        def stop(fraction):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            channel_attribution(*scene(), method="ablation", progress=stop)


class TestSymmetry:
    @pytest.mark.parametrize("method", METHODS)
    def test_is_equivariant_to_order_of_nodes_and_channels(self, method):
        X, labels = scene()
        rng = np.random.default_rng(1)
        nodes, channels = rng.permutation(len(X)), rng.permutation(X.shape[1])
        found = channel_attribution(X, labels, method=method, ncut=Ncut(sigma=3.0))
        permuted = channel_attribution(X[nodes][:, channels], labels[nodes], method=method, ncut=Ncut(sigma=3.0))
        np.testing.assert_allclose(permuted.raw, found.raw[:, channels], atol=1e-9 * np.abs(found.raw).max())

    @pytest.mark.parametrize("method", METHODS)
    def test_scores_do_not_depend_on_the_feature_scale(self, method):
        X, labels = scene()
        found, scaled = (channel_attribution(unit * X, labels, method=method) for unit in (1, 1000))
        np.testing.assert_allclose(scaled.scores, found.scores, rtol=1e-4, atol=1e-6)


class TestDegenerate:
    @pytest.mark.parametrize("method", METHODS)
    def test_duplicates_constant_channels_and_single_nodes(self, method):
        X, labels = scene()
        X[:, 5] = 3.0
        X[60:] = X[:60]
        labels[60:] = labels[:60]
        labels[7] = 4
        found = channel_attribution(X, labels, method=method)
        assert np.isfinite(found.raw).all()
        np.testing.assert_allclose(found.raw[:, 5], 0, atol=1e-9 * np.abs(found.raw).max())
        mask = channel_attribution(X, [7], method=method)
        assert np.isfinite(mask.raw).all()

    @pytest.mark.parametrize("affinity", ["rbf", "cosine"])
    @pytest.mark.parametrize("n_clusters", [2, 64])
    def test_any_number_of_clusters(self, n_clusters, affinity):
        X = np.random.default_rng(0).normal(size=(300, 10)).astype(np.float32)
        labels = kway_ncut(Ncut(n_clusters, affinity=affinity).fit_transform(X), n_clusters=n_clusters).argmax(1)
        found = channel_attribution(X, labels, n_maps=0, ncut=Ncut(affinity=affinity))
        assert found.raw.shape == (len(np.unique(labels)), 10)
        assert np.isfinite(found.raw).all()
        assert (np.abs(found.raw).sum(1) > 0).all()

    def test_identical_nodes_have_zero_scores(self):
        X, labels = np.ones((40, 3)), np.arange(40) % 2
        with pytest.warns(DegenerateWarning, match="have eigenvalue 0"):
            found = channel_attribution(X, labels)
        np.testing.assert_array_equal(found.scores, 0)

    def test_input_and_its_gradients_do_not_change(self):
        X, labels = scene()
        features = torch.from_numpy(X).requires_grad_()
        with torch.no_grad():
            found = channel_attribution(features, labels)
        assert features.grad is None
        np.testing.assert_array_equal(found.raw, channel_attribution(X, labels).raw)


class TestChecks:
    def test_top_curve_decreases_fastest(self):
        X, labels = scene()
        found = channel_attribution(X, labels, clusters=[0, 1, 2])
        curves = found.faithfulness(3, n_random=4)
        np.testing.assert_array_equal(curves.counts, [0, 1, 2, 3])
        np.testing.assert_allclose(curves.top[:, 0], found.target_scores, rtol=1e-5)
        np.testing.assert_allclose(curves.random[:, :, 0], found.target_scores[:, None].repeat(4, 1), rtol=1e-5)
        assert (curves.top[:, 1] < curves.bottom[:, 1] - 0.1).all()
        assert (curves.area > 0.1).all()
        assert (curves.area_to_bottom > 0.1).all()
        assert "area: cluster 0 0." in repr(curves)

    def test_first_point_is_the_ablation_of_the_top_channel(self):
        X, labels = scene()
        found = channel_attribution(X, labels, method="ablation")
        curves = found.faithfulness(1, target="cluster 2")
        effect = curves.top[0, 0] - curves.top[0, 1]
        assert effect == pytest.approx(found.raw[2].max(), rel=1e-4)

    def test_curves_end_at_the_same_score(self):
        X, labels = scene()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DegenerateWarning)
            curves = channel_attribution(X, labels).faithfulness(8, n_random=2)
        np.testing.assert_allclose(curves.top[:, -1], curves.bottom[:, -1])
        np.testing.assert_allclose(curves.random[:, :, -1], curves.top[:, -1:].repeat(2, 1))

    def test_checks_report_progress(self):
        found, reported = channel_attribution(*scene()), []
        found.faithfulness(2, n_random=1, target=0, progress=reported.append)
        assert reported[-1] == pytest.approx(1)
        assert reported == sorted(reported)
        found.permuted_targets(1, progress=reported.append)
        assert reported[-2:] == pytest.approx([0.5, 1])

    def test_random_orders_depend_on_the_seed(self):
        found = channel_attribution(*scene())
        a, b, c = (found.faithfulness(3, n_random=2, random_state=seed).random for seed in (0, 0, 1))
        np.testing.assert_array_equal(a, b)
        assert (a != c).any()

    @pytest.mark.parametrize("method", METHODS)
    def test_permuted_targets_have_other_attributions(self, method):
        X, labels = scene(c=20)
        check = channel_attribution(X, labels, method=method, clusters=[0, 1, 2]).permuted_targets(4)
        assert check.correlation.shape == (3, 4)
        assert (check.permuted_scores < check.scores[:, None] - 0.2).all()
        # Magnitudes of gradients depend partly on the features alone.
        assert np.abs(check.correlation.mean()) < (0.8 if method == "abs_gradient" else 0.5)
        assert "mean correlation: cluster 0" in repr(check)

    def test_sample_includes_rare_targets(self):
        X, _ = scene(n=3000)
        rare = np.zeros(3000, bool)
        rare[:30] = True
        X[rare, 6] += 12
        found = channel_attribution(X.astype(np.float32), {"rare": rare, "rest": ~rare})
        curves = found.faithfulness(1, n_random=1)
        assert np.isfinite(curves.top).all()
        assert curves.top[0, 1] < curves.top[0, 0] - 0.1

    def test_targets_of_only_outliers_warn(self):
        X, _ = scene()
        few = np.zeros(len(X), bool)
        few[:2] = True
        X[few, 6] += 1000
        with pytest.warns(
            OutlierWarning, match=r"attributions to 'few' are not meaningful.*Pass `ncut=Ncut\(sigma="
        ) as caught:
            channel_attribution(X, {"few": few, "rest": ~few})
        sigma = float(re.search(r"sigma=([\d.]+)\)", str(caught[0].message))[1])
        with pytest.warns(OutlierWarning, match="2 of 20 eigenvectors"):
            found = channel_attribution(X, {"few": few}, method="ablation", ncut=Ncut(sigma=sigma))
        assert found.top_k(1, target="few")[0].channel == 6


@pytest.fixture(scope="module")
def photographs():
    features = extract_features(sample_images()[:3], resolution=96, progress=False)
    eig = Ncut(8, degree=0.02).fit_transform(features)
    return features, kway_ncut(eig, n_clusters=8).argmax(1)


@pytest.mark.parametrize("method", METHODS)
def test_top_channels_of_photographs_beat_random_ones(photographs, method):
    features, labels = photographs
    found = channel_attribution(features, labels, method=method, ncut=Ncut(degree=0.02))
    curves = found.faithfulness(8, n_random=3)
    assert curves.area.mean() > 0.05
    assert curves.area_to_bottom.mean() > 0.05
    # A channel with large gradients need not characterize the cluster.
    assert (curves.area > 0).mean() > (0.5 if method == "abs_gradient" else 0.8)


@pytest.mark.parametrize("n", [4, 8, 13, 20])
@pytest.mark.parametrize("solver", ["exact", "nystrom"])
def test_few_nodes_with_all_eigenvectors(n, solver):
    """Solve linear systems of the gradient that have more columns than rows."""
    X = np.random.default_rng(0).normal(size=(n, 6)).astype(np.float32)
    for n_eig in {2, n // 2, n - 1}:
        assert np.isfinite(channel_attribution(X, np.arange(n) % 2, n_eig=n_eig, ncut=Ncut(solver=solver)).raw).all()
