"""`Kway` and `kway_ncut`: planted clusters, edge cases, the estimator's interface and errors."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.exceptions import NotFittedError
from sklearn.metrics import adjusted_rand_score

from ncut_widgets import Ncut
from ncut_widgets.readouts import Kway, kway_ncut
from ncut_widgets.readouts.clusters import kway as kway_module


def planted(n_clusters=5, n_per_cluster=40, noise=0.03, seed=0):
    """Return randomly rotated eigenvectors of nearly separate clusters of increasing size, and the true labels."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(n_clusters), n_per_cluster + 10 * np.arange(n_clusters))
    rotation = np.linalg.qr(rng.normal(size=(n_clusters, n_clusters)))[0]
    rows = np.eye(n_clusters)[truth] @ rotation + noise * rng.normal(size=(len(truth), n_clusters))
    return rows * rng.uniform(0.1, 3, size=(len(truth), 1)), truth


@pytest.mark.parametrize("n_clusters", [2, 3, 8, 16])
def test_finds_planted_clusters_in_any_rotation(n_clusters):
    eig, truth = planted(n_clusters)
    scores = kway_ncut(eig, n_clusters=n_clusters)
    assert scores.shape == (len(truth), n_clusters)
    assert adjusted_rand_score(truth, scores.argmax(1)) == 1


def test_scores_are_a_rotation_of_the_unit_rows():
    eig, _ = planted(4)
    scores = kway_ncut(eig, n_clusters=4)
    np.testing.assert_allclose(np.linalg.norm(scores, axis=1), 1)
    unit = eig / np.linalg.norm(eig, axis=1, keepdims=True)
    np.testing.assert_allclose(scores @ scores.T, unit @ unit.T, atol=1e-12)


def test_argmax_over_nodes_is_a_typical_node():
    eig, truth = planted(5)
    scores = kway_ncut(eig, n_clusters=5)
    centroids = scores.argmax(0)
    np.testing.assert_array_equal(scores[centroids].argmax(1), np.arange(5))
    assert len(set(truth[centroids])) == 5


def test_clusters_are_numbered_by_size():
    eig, _ = planted(6)
    sizes = np.bincount(kway_ncut(eig, n_clusters=6).argmax(1))
    np.testing.assert_array_equal(sizes, [90, 80, 70, 60, 50, 40])


def test_trailing_eigenvectors_are_ignored():
    eig, _ = planted(4)
    more = np.concatenate([eig, np.random.default_rng(0).normal(size=(len(eig), 6))], axis=1)
    np.testing.assert_array_equal(kway_ncut(more, n_clusters=4), kway_ncut(eig, n_clusters=4))


def test_restarts_improve_the_objective():
    eig = np.random.default_rng(0).normal(size=(300, 10))

    def objective(scores):
        """tr(S): how well the hard assignment explains the scores."""
        return np.linalg.svd(np.eye(10)[scores.argmax(1)].T @ scores, compute_uv=False).sum()

    reached = [objective(kway_ncut(eig, n_clusters=10, n_restarts=r, random_state=1)) for r in (1, 4, 40)]
    assert reached[0] < reached[2]
    assert reached[1] <= reached[2] * (1 + 1e-9)


def test_is_deterministic_and_leaves_global_generators():
    eig = np.random.default_rng(0).normal(size=(9000, 6))
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    np.testing.assert_array_equal(kway_ncut(eig, n_clusters=6), kway_ncut(eig, n_clusters=6))
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_zero_rows_score_zero_and_do_not_affect_others():
    eig, truth = planted(3)
    eig = np.concatenate([np.zeros((50, 3)), eig])
    scores = kway_ncut(eig, n_clusters=3)
    assert (scores[:50] == 0).all()
    assert adjusted_rand_score(truth, scores[50:].argmax(1)) == 1
    assert (kway_ncut(np.zeros((4, 3)), n_clusters=2) == 0).all()


def test_tiny_and_huge_rows_keep_their_direction():
    eig, truth = planted(3, noise=0)
    scale = np.where(np.arange(len(eig)) % 2, 1e-30, 1e30)[:, None]
    scores = kway_ncut((eig * scale).astype(np.float32), n_clusters=3)
    assert adjusted_rand_score(truth, scores.argmax(1)) == 1


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_torch_input_gives_torch_output(dtype):
    eig, truth = planted(3)
    scores = kway_ncut(torch.from_numpy(eig).to(dtype), n_clusters=3)
    assert scores.dtype == dtype
    assert adjusted_rand_score(truth, scores.argmax(1).numpy()) == 1
    assert kway_ncut(eig.astype(np.float32), n_clusters=3).dtype == np.float32


def test_scores_are_differentiable_with_constant_rotation():
    eig = torch.from_numpy(planted(3)[0]).requires_grad_()
    scores = kway_ncut(eig, n_clusters=3)
    scores[:, 0].sum().backward()
    assert torch.isfinite(eig.grad).all()
    assert eig.grad.abs().max() > 0
    # The length of a row does not change its unit row.
    torch.testing.assert_close((eig.grad * eig).sum(1), torch.zeros(len(eig), dtype=eig.dtype), atol=1e-9, rtol=0)


def test_one_cluster_and_one_node():
    assert kway_ncut(np.array([[2.0, 1.0]]), n_clusters=1).shape == (1, 1)
    assert (kway_ncut(np.full((5, 2), -0.3), n_clusters=1) > 0).all()


@pytest.mark.parametrize("n_clusters", [8, 24])
def test_restarts_on_a_sample_reach_the_full_objective(monkeypatch, n_clusters):
    rng = np.random.default_rng(0)
    eig = np.eye(24)[rng.integers(24, size=8000)] + rng.normal(size=(8000, 24)) * 0.15
    few = Kway(n_clusters).fit(eig).objective_
    monkeypatch.setattr(kway_module, "_RESTART_ROWS", 8000)
    # The best restart continues on all nodes; its rotation from the sample alone is ten times as far off.
    assert few <= Kway(n_clusters).fit(eig).objective_ * (1 + 1e-4)


def test_new_nodes_join_the_fitted_clusters():
    eig, truth = planted(5)
    half = np.random.default_rng(0).permutation(len(eig))
    kway = Kway(n_clusters=5).fit(eig[half[:100]])
    names = {label: truth[half[:100]][kway.labels_ == label][0] for label in range(5)}
    # One node at a time, so that nothing can be fitted to the new nodes.
    predicted = [kway.predict(eig[None, i])[0] for i in half[100:]]
    assert [names[label] for label in predicted] == truth[half[100:]].tolist()
    np.testing.assert_array_equal(kway.transform(eig).argmax(1), kway.predict(eig))


def test_estimator_and_function_agree():
    eig = np.random.default_rng(0).normal(size=(9000, 6)).astype(np.float32)
    kway = Kway(n_clusters=4, random_state=2).fit(eig)
    scores = kway_ncut(eig, n_clusters=4, random_state=2)
    np.testing.assert_array_equal(kway.transform(eig), scores)
    np.testing.assert_array_equal(kway.labels_, scores.argmax(1))
    np.testing.assert_array_equal(Kway(n_clusters=4, random_state=2).fit_predict(eig), kway.labels_)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(kway)).predict(eig), kway.labels_)
    np.testing.assert_allclose(kway.rotation_.T @ kway.rotation_, np.eye(4), atol=1e-6)
    unit = eig[:, :4] / np.linalg.norm(eig[:, :4], axis=1, keepdims=True)
    np.testing.assert_allclose(unit @ kway.rotation_, scores, atol=1e-6)


def test_objective_is_the_distance_to_the_hard_cut():
    eig = np.random.default_rng(0).normal(size=(300, 6))
    eig[:7] = 0
    kway = Kway(n_clusters=6).fit(eig)
    scores = kway.transform(eig)
    assert kway.objective_ == pytest.approx(np.square(np.eye(6)[kway.labels_] - scores).sum(1).mean())
    assert kway.objective_ > Kway(n_clusters=6).fit(planted(6)[0]).objective_ > 0
    assert Kway(n_clusters=3).fit(np.eye(3)).objective_ == pytest.approx(0, abs=1e-12)


def test_estimator_keeps_tensors_dtypes_and_gradients():
    eig = torch.from_numpy(planted(3)[0]).half().requires_grad_()
    kway = Kway(n_clusters=3).fit(eig)
    assert kway.labels_.dtype == kway.predict(eig).dtype == torch.int64
    assert kway.rotation_.dtype == torch.float16
    kway.transform(eig).float().square()[:, 0].sum().backward()
    assert eig.grad.abs().max() > 0


def test_is_a_scikit_learn_estimator():
    kway = Kway(3, n_restarts=2)
    assert kway.get_params() == {"n_clusters": 3, "n_eig": None, "n_restarts": 2, "device": None, "random_state": 0}
    fresh = clone(kway.fit(np.eye(4)))
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        fresh.predict(np.eye(4))
    with pytest.raises(ValueError, match="`X` must have 4 columns, as in the fit; got"):
        kway.transform(np.eye(3))


@pytest.mark.parametrize(
    ("eig", "options", "error", "message"),
    [
        (np.eye(5, 3), {"n_clusters": 4}, ValueError, "at most the number of eigenvectors, 3; got 4"),
        (np.eye(2, 5), {"n_clusters": 3}, ValueError, "at most the number of nodes, 2; got 3"),
        (np.eye(5), {"n_clusters": 0}, ValueError, "`n_clusters` must be at least 1; got 0"),
        (np.eye(5), {"n_clusters": 2.0}, TypeError, "`n_clusters` must be an integer; got 2.0"),
        (np.eye(5), {"n_clusters": 2, "n_restarts": 0}, ValueError, "`n_restarts` must be at least 1; got 0"),
        (np.full((5, 5), np.inf), {"n_clusters": 2}, ValueError, "`eigenvectors` must be finite"),
        (np.zeros(5), {"n_clusters": 2}, ValueError, "`eigenvectors` must be 2D"),
    ],
)
def test_invalid_arguments_raise(eig, options, error, message):
    with pytest.raises(error, match=message):
        kway_ncut(eig, **options)


@pytest.mark.parametrize(("n_clusters", "n_eig"), [(3, 10), (3, 2), (6, 4), (12, 5), (2, 16)])
def test_other_numbers_of_eigenvectors_match_k_means(n_clusters, n_eig):
    rng = np.random.default_rng(n_clusters)
    centers = rng.normal(size=(n_clusters, 16))
    truth = rng.integers(0, n_clusters, 1500)
    eig = Ncut(16).fit_transform(3 * centers[truth] + rng.normal(size=(1500, 16)))
    kway = Kway(n_clusters, n_eig=n_eig).fit(eig)
    unit = eig[:, :n_eig] / np.linalg.norm(eig[:, :n_eig], axis=1, keepdims=True)
    reference = KMeans(n_clusters, n_init=8, random_state=0).fit(unit)
    found, expected = (adjusted_rand_score(truth, labels) for labels in (kway.labels_, reference.labels_))
    assert found > expected - 0.01
    # Scores are cosines with the mean directions of the clusters.
    assert kway.rotation_.shape == (n_eig, n_clusters)
    np.testing.assert_allclose(np.linalg.norm(kway.rotation_, axis=0), 1)
    np.testing.assert_allclose(kway.transform(eig), unit @ kway.rotation_, atol=1e-12)
    sums = np.stack([unit[kway.labels_ == label].sum(0) for label in range(n_clusters)], axis=1)
    np.testing.assert_allclose(kway.rotation_, sums / np.linalg.norm(sums, axis=0), atol=1e-5)
    assert kway.objective_ == pytest.approx(np.square(unit - kway.rotation_[:, kway.labels_].T).sum(1).mean())
    np.testing.assert_array_equal(kway_ncut(eig, n_clusters=n_clusters, n_eig=n_eig), kway.transform(eig))
    assert (np.diff(np.bincount(kway.labels_)) <= 0).all()


def test_equal_default_and_explicit_n_eig_agree():
    eig, _ = planted(4)
    np.testing.assert_array_equal(kway_ncut(eig), kway_ncut(eig, n_clusters=4))
    np.testing.assert_array_equal(kway_ncut(eig, n_clusters=3, n_eig=3), kway_ncut(eig, n_clusters=3))


def test_more_clusters_than_distinct_rows_leave_some_empty():
    eig = np.repeat(np.eye(3)[:, :2] + 0.5, [5, 3, 2], axis=0)
    kway = Kway(5, n_eig=2).fit(eig)
    assert np.bincount(kway.labels_).tolist() == [5, 3, 2]
    assert np.isfinite(kway.rotation_).all()
    assert (Kway(3, n_eig=2).fit_transform(np.zeros((4, 2))) == 0).all()
    assert Kway(2, n_eig=1).fit(np.array([[1.0], [-2.0], [3.0]])).labels_.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n_eig": 6}, ValueError, r"`n_eig` must be at most the number of eigenvectors passed, 5 .*; got 6"),
        ({"n_eig": 0}, ValueError, "`n_eig` must be at least 1; got 0"),
        ({"n_eig": 2.0}, TypeError, "`n_eig` must be an integer; got 2.0"),
        ({"n_eig": "all"}, TypeError, "`n_eig` must be an integer; got 'all'"),
        ({"n_clusters": 9}, ValueError, "`n_clusters` must be at most the number of eigenvectors, 5; got 9.*`n_eig=5`"),
        ({"n_clusters": 9, "n_eig": 5}, ValueError, "`n_clusters` must be at most the number of nodes, 8; got 9"),
    ],
)
def test_invalid_n_eig_raises(options, error, message):
    with pytest.raises(error, match=message):
        kway_ncut(np.eye(8, 5), **{"n_clusters": 2, **options})
    with pytest.raises(error, match=message):
        Kway(**{"n_clusters": 2, **options}).fit(np.eye(8, 5))


def test_scores_without_rotation_are_differentiable():
    eig = torch.from_numpy(planted(4)[0]).float().requires_grad_()
    scores = kway_ncut(eig, n_clusters=3, n_eig=4)
    assert scores.dtype == torch.float32
    scores[:, 0].sum().backward()
    assert eig.grad.abs().max() > 0
