"""Targets of every kind, results that can be read and shown, evidence, and degenerate features."""

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
    """Clusters 0, 1 and 2 are high in channel 0, 1 and 2, and 3 in none: without its channel, a cluster is 3."""
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
    def test_labels_need_not_count_from_zero(self):
        X, labels = scene()
        found = channel_attribution(X, labels * 10 - 5)
        assert found.target_names == ("cluster -5", "cluster 5", "cluster 15", "cluster 25")
        np.testing.assert_array_equal(found.raw, channel_attribution(X, labels).raw)

    def test_chosen_clusters_are_those_of_all_of_them(self):
        X, labels = scene()
        found = channel_attribution(torch.from_numpy(X), torch.from_numpy(labels), clusters=[2, 0])
        assert found.target_names == ("cluster 2", "cluster 0")
        np.testing.assert_allclose(found.raw, channel_attribution(X, labels).raw[[2, 0]])
        assert channel_attribution(X, labels, clusters=1).target_names == ("cluster 1",)

    def test_a_mask_of_images_its_nodes_and_its_name_are_one_target(self):
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
            (np.zeros(120, bool), {}, ValueError, r"must select some of the nodes, but not all; got 0 of 120"),
            (np.ones(120, bool), {}, ValueError, r"must select some of the nodes, but not all; got 120 of 120"),
            (np.ones(7, bool), {}, ValueError, r"one entry for each of 120 nodes in a mask; got 7"),
            ([], {}, ValueError, r"must select some of the nodes, but not all; got 0"),
            ({}, {}, ValueError, r"must hold at least one mask; got none"),
            ([3, 120], {}, ValueError, r"must lie in 0 to 119; got node 120"),
            ([-1], {}, ValueError, r"must lie in 0 to 119; got node -1"),
            (np.zeros(120, int), {}, ValueError, r"must have 2 to 119 clusters for 120 nodes; got 1"),
            (np.arange(120), {}, ValueError, r"must have 2 to 119 clusters for 120 nodes; got 120"),
            (np.zeros((120, 3)), {}, TypeError, r"must hold labels, node indices or a mask; got float64.*argmax"),
            (np.arange(120) % 3, {"clusters": [3]}, ValueError, r"`clusters` must be among the labels .*; got \[3\]"),
            (np.arange(120) % 3, {"clusters": []}, ValueError, r"`clusters` must be among the labels .*; got none"),
            (
                np.arange(120) % 3,
                {"n_eig": 2},
                ValueError,
                r"`n_eig` must be at least the number of clusters, 3; got 2",
            ),
            ([3], {"clusters": 0}, ValueError, r"`clusters` must be None unless `target` labels all"),
            ([3], {"n_eig": 120}, ValueError, r"`n_eig` must be at most 119; got 120"),
            ([3], {"method": "saliency"}, ValueError, r"`method` must be one of 'gradient', "),
            ([3], {"region": "mask"}, ValueError, r"`region` must be one of 'target', 'all'"),
        ],
    )
    def test_what_does_not_fit_is_said(self, target, options, error, message):
        with pytest.raises(error, match=message):
            channel_attribution(scene()[0], target, **options)


class TestResult:
    def test_scores_are_shares_with_the_sign_of_the_raw_values(self):
        found = channel_attribution(*scene())
        np.testing.assert_allclose(np.abs(found.scores).sum(1), 1, rtol=1e-5)
        np.testing.assert_allclose(found.scores * np.abs(found.raw).sum(1, keepdims=True), found.raw, rtol=1e-5)
        assert found.scores.dtype == np.float32
        json.dumps({"scores": found.scores.tolist(), "targets": found.target_names, "channels": found.channel_names})

    def test_ranking_is_by_magnitude_for_gradients_and_by_value_for_what_helps(self):
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

    def test_maps_show_values_and_gradients_where_the_patches_are(self):
        features, labels = maps()
        found = channel_attribution(features, labels, n_maps=2)
        values = found.maps("green")
        assert [m.shape for m in values] == [(6, 10), (10, 6)]
        np.testing.assert_allclose(np.concatenate([m.ravel() for m in values]), features.values[:, 1], rtol=1e-6)
        gradient = np.concatenate([m.ravel() for m in found.maps("green", of="gradient", target="cluster 1")])
        assert gradient[labels == 1].mean() == pytest.approx(found.raw[1, 1], rel=1e-5)
        with pytest.raises(
            ValueError, match=r"`channel` must be one whose gradient was kept, .*; got \d\. Raise `n_maps`"
        ):
            found.maps(int(found.ranking()[0, -1]), of="gradient")
        with pytest.raises(ValueError, match="Maps need the places of the nodes, which an array lacks"):
            channel_attribution(features.values, labels).maps(0)

    def test_the_table_has_a_row_for_each_target_and_channel(self):
        features, labels = maps()
        found = channel_attribution(features, labels, clusters=[0, 1, 2])
        table = found.to_dataframe()
        assert len(table) == 24
        first = table[table["rank"] == 0]
        assert first["name"].tolist() == ["red", "green", "blue"]
        assert first["score"].tolist() == pytest.approx(found.scores[[0, 1, 2], [0, 1, 2]].tolist())

    def test_the_table_needs_pandas(self, monkeypatch):
        features, labels = maps()
        found = channel_attribution(features, labels, clusters=[0])
        monkeypatch.setitem(sys.modules, "pandas", None)
        with pytest.raises(ModuleNotFoundError, match=r"^`to_dataframe` needs pandas.*Run `pip install pandas`"):
            found.to_dataframe()

    def test_weights_of_features_count(self):
        features, labels = maps()
        weights = 1.0 + labels
        weighted = FeatureMaps(features.values, features.grid, weights=weights)
        found, plain = channel_attribution(weighted, labels), channel_attribution(features, labels)
        eig = Ncut(4).fit_transform(features.values, sample_weight=weights)
        rows = eig / np.linalg.norm(eig, axis=1, keepdims=True)
        assert np.abs(found.raw - plain.raw).max() > 1e-3 * np.abs(plain.raw).max()
        assert found.target_scores[0] <= np.linalg.norm(rows[labels == 0], axis=1).mean() + 1e-6

    def test_progress_is_told_and_what_it_raises_ends_the_work(self):
        seen = []
        channel_attribution(*scene(), progress=seen.append)
        assert seen == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])

        def stop(share):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            channel_attribution(*scene(), method="ablation", progress=stop)


class TestSymmetry:
    @pytest.mark.parametrize("method", METHODS)
    def test_the_order_of_nodes_and_channels_does_not_matter(self, method):
        X, labels = scene()
        rng = np.random.default_rng(1)
        nodes, channels = rng.permutation(len(X)), rng.permutation(X.shape[1])
        found = channel_attribution(X, labels, method=method, sigma=3.0)
        moved = channel_attribution(X[nodes][:, channels], labels[nodes], method=method, sigma=3.0)
        np.testing.assert_allclose(moved.raw, found.raw[:, channels], atol=1e-9 * np.abs(found.raw).max())

    @pytest.mark.parametrize("method", METHODS)
    def test_shares_do_not_depend_on_the_unit_of_the_features(self, method):
        X, labels = scene()
        found, scaled = (channel_attribution(unit * X, labels, method=method) for unit in (1, 1000))
        np.testing.assert_allclose(scaled.scores, found.scores, rtol=1e-4, atol=1e-6)


class TestDegenerate:
    @pytest.mark.parametrize("method", METHODS)
    def test_duplicates_constant_channels_and_a_cluster_of_one_node_stay_finite(self, method):
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
    def test_two_and_sixty_four_clusters(self, n_clusters, affinity):
        X = np.random.default_rng(0).normal(size=(300, 10)).astype(np.float32)
        labels = kway_ncut(Ncut(n_clusters, affinity=affinity).fit_transform(X), n_clusters=n_clusters).argmax(1)
        found = channel_attribution(X, labels, affinity=affinity, n_maps=0)
        assert found.raw.shape == (len(np.unique(labels)), 10)
        assert np.isfinite(found.raw).all()
        assert (np.abs(found.raw).sum(1) > 0).all()

    def test_identical_nodes_have_no_channel_to_blame(self):
        X, labels = np.ones((40, 3)), np.arange(40) % 2
        with pytest.warns(DegenerateWarning, match="have eigenvalue 0"):
            found = channel_attribution(X, labels)
        np.testing.assert_array_equal(found.scores, 0)

    def test_the_input_and_the_gradients_of_the_caller_are_left_alone(self):
        X, labels = scene()
        features = torch.from_numpy(X).requires_grad_()
        with torch.no_grad():
            found = channel_attribution(features, labels)
        assert features.grad is None
        np.testing.assert_array_equal(found.raw, channel_attribution(X, labels).raw)


class TestEvidence:
    def test_curves_start_at_the_score_and_fall_faster_from_the_top(self):
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

    def test_the_first_point_is_the_ablation_of_the_first_channel(self):
        X, labels = scene()
        found = channel_attribution(X, labels, method="ablation")
        curves = found.faithfulness(1, target="cluster 2")
        fall = curves.top[0, 0] - curves.top[0, 1]
        assert fall == pytest.approx(found.raw[2].max(), rel=1e-4)

    def test_all_channels_gone_leave_the_same_whichever_went_first(self):
        X, labels = scene()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DegenerateWarning)
            curves = channel_attribution(X, labels).faithfulness(8, n_random=2)
        np.testing.assert_allclose(curves.top[:, -1], curves.bottom[:, -1])
        np.testing.assert_allclose(curves.random[:, :, -1], curves.top[:, -1:].repeat(2, 1))

    def test_evidence_tells_its_progress(self):
        found, seen = channel_attribution(*scene()), []
        found.faithfulness(2, n_random=1, target=0, progress=seen.append)
        assert seen[-1] == pytest.approx(1)
        assert seen == sorted(seen)
        found.permuted_targets(1, progress=seen.append)
        assert seen[-2:] == pytest.approx([0.5, 1])

    def test_seeds_decide_the_random_order(self):
        found = channel_attribution(*scene())
        a, b, c = (found.faithfulness(3, n_random=2, random_state=seed).random for seed in (0, 0, 1))
        np.testing.assert_array_equal(a, b)
        assert (a != c).any()

    @pytest.mark.parametrize("method", METHODS)
    def test_permuted_targets_are_attributed_to_something_else(self, method):
        X, labels = scene(c=20)
        check = channel_attribution(X, labels, method=method, clusters=[0, 1, 2]).permuted_targets(4)
        assert check.correlation.shape == (3, 4)
        assert (check.permuted_scores < check.scores[:, None] - 0.2).all()
        # Magnitudes are partly about where the features are steep.
        assert np.abs(check.correlation.mean()) < (0.8 if method == "abs_gradient" else 0.5)
        assert "mean correlation: cluster 0" in repr(check)

    def test_on_many_nodes_rare_targets_keep_theirs(self):
        X, _ = scene(n=3000)
        rare = np.zeros(3000, bool)
        rare[:30] = True
        X[rare, 6] += 12
        found = channel_attribution(X.astype(np.float32), {"rare": rare, "rest": ~rare})
        curves = found.faithfulness(1, n_random=1)
        assert np.isfinite(curves.top).all()
        assert curves.top[0, 1] < curves.top[0, 0] - 0.1

    def test_targets_of_outliers_alone_warn(self):
        X, _ = scene()
        few = np.zeros(len(X), bool)
        few[:2] = True
        X[few, 6] += 1000
        with pytest.warns(OutlierWarning, match=r"Attributions of 'few' say nothing.*Pass `sigma=") as caught:
            channel_attribution(X, {"few": few, "rest": ~few})
        sigma = float(re.search(r"`sigma=([\d.]+)`", str(caught[0].message))[1])
        with pytest.warns(OutlierWarning, match="2 of 20 eigenvectors"):
            found = channel_attribution(X, {"few": few}, sigma=sigma, method="ablation")
        assert found.top_k(1, target="few")[0].channel == 6


@pytest.fixture(scope="module")
def photographs():
    features = extract_features(sample_images(), resolution=96, progress=False)
    eig = Ncut(8, degree=0.02).fit_transform(features)
    return features, kway_ncut(eig, n_clusters=8).argmax(1)


@pytest.mark.parametrize("method", METHODS)
def test_on_photographs_top_channels_carry_more_than_random_ones(photographs, method):
    features, labels = photographs
    found = channel_attribution(features, labels, method=method, degree=0.02)
    curves = found.faithfulness(8, n_random=4)
    assert curves.area.mean() > 0.05
    assert curves.area_to_bottom.mean() > 0.05
    # A steep channel need not be one that makes the cluster.
    assert (curves.area > 0).mean() > (0.5 if method == "abs_gradient" else 0.8)


@pytest.mark.parametrize("n", [4, 8, 13, 20])
@pytest.mark.parametrize("solver", ["exact", "nystrom"])
def test_few_nodes_have_attributions_for_as_many_eigenvectors_as_there_are(n, solver):
    """The linear systems of the gradient then have more columns than rows."""
    X = np.random.default_rng(0).normal(size=(n, 6)).astype(np.float32)
    for n_eig in {2, n // 2, n - 1}:
        assert np.isfinite(channel_attribution(X, np.arange(n) % 2, n_eig=n_eig, solver=solver).raw).all()
