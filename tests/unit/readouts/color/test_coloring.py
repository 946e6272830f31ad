"""`Coloring` and its functions: cluster colors, new nodes, refits, degenerate nodes, array types and errors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import silhouette_score

from helpers.matrices import noisy_directions
from ncut_widgets.readouts import Coloring, mspace_color, pca_color, tsne_color, umap_color, umap_sphere_color

METHODS = ("tsne", "umap", "umap_sphere", "pca", "mspace")


def blobs(n_clusters=5, n_per_cluster=60, **options):
    return noisy_directions(n_clusters, n_per_cluster, **options)


@pytest.mark.parametrize("method", METHODS)
def test_clusters_get_distinct_colors(method):
    eig, labels = blobs(n_clusters=4)
    coloring = Coloring(method, n_neighbors=30).fit(eig)
    assert coloring.rgb_.min() >= 0
    assert coloring.rgb_.max() <= 1
    assert np.ptp(coloring.rgb_, axis=0).min() == 1, "every axis uses the full range"
    # Clusters fill the sphere and touch each other. M-space also shows the structure within clusters.
    min_score = {"umap_sphere": 0.4, "mspace": 0.5}.get(method, 0.6)
    assert silhouette_score(coloring.rgb_, labels) > min_score
    assert silhouette_score(coloring.coords_, labels) > min_score


@pytest.mark.parametrize("method", METHODS)
def test_unsampled_nodes_get_the_color_of_their_cluster(method):
    eig, labels = blobs()
    rgb = Coloring(method, n_sample=60, n_neighbors=10).fit(eig).rgb_
    centers = np.stack([rgb[labels == k].mean(0) for k in range(5)])
    nearest = np.linalg.norm(rgb[:, None] - centers, axis=2).argmin(1)
    assert (nearest == labels).mean() > 0.97


@pytest.mark.parametrize("method", METHODS)
def test_is_deterministic_and_leaves_global_generators(method):
    eig, _ = blobs(n_per_cluster=12)
    np.random.seed(7)  # noqa: NPY002
    torch.manual_seed(7)
    before = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    first, again = (Coloring(method, n_sample=40, random_state=3).fit(eig).rgb_ for _ in range(2))
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(np.random.get_state()[1], before[0])  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), before[1])


@pytest.mark.parametrize("method", METHODS)
def test_transform_of_fitted_nodes_gives_the_same_colors(method):
    eig, _ = blobs(n_per_cluster=20)
    coloring = Coloring(method, n_sample=50).fit(eig)
    np.testing.assert_allclose(coloring.transform(eig), coloring.rgb_, atol=1e-6)
    np.testing.assert_allclose(coloring.transform_coords(eig[:7]), coloring.coords_[:7], rtol=1e-4, atol=1e-4)


def test_sphere_coordinates_stay_on_the_sphere():
    eig, _ = blobs()
    new, _ = blobs(n_per_cluster=10, seed=1)
    coloring = Coloring("umap_sphere", n_sample=150, n_neighbors=20).fit(eig)
    first = coloring.coords_
    coloring.fit(eig + 0.03 * np.random.default_rng(0).normal(size=eig.shape).astype(np.float32))
    for coords in (first, coloring.coords_, coloring.transform_coords(new)):
        np.testing.assert_allclose(np.linalg.norm(coords, axis=1), 1, atol=1e-5)
    assert np.ptp(first, axis=0).min() > 1.5, "nodes are on all sides"
    kept = (coloring.coords_ * first).sum(1)
    fresh = (Coloring("umap_sphere", n_sample=150, n_neighbors=20, random_state=1).fit(eig).coords_ * first).sum(1)
    assert kept.mean() > 0.5 > fresh.mean()


def test_new_nodes_get_the_color_of_their_cluster():
    eig, labels = blobs()
    new, new_labels = blobs(n_per_cluster=15, seed=1)
    coloring = Coloring().fit(eig)
    before = coloring.rgb_.copy()
    rgb = coloring.transform(new)
    centers = np.stack([before[labels == k].mean(0) for k in range(5)])
    assert (np.linalg.norm(rgb[:, None] - centers, axis=2).argmin(1) == new_labels).all()
    np.testing.assert_array_equal(coloring.rgb_, before)


@pytest.mark.parametrize("method", ["tsne", "pca"])
def test_refit_keeps_colors(method):
    eig, _ = blobs(n_clusters=4)
    rng = np.random.default_rng(0)
    # Add noise and a rotation, which change the colors of a new fit.
    rotation = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    changed = ((eig + 0.05 * rng.normal(size=eig.shape)) @ rotation).astype(np.float32)
    coloring = Coloring(method, random_state=0).fit(eig)
    first = coloring.rgb_
    refitted = coloring.fit(changed).rgb_
    fresh = Coloring(method, random_state=0).fit(changed).rgb_
    assert np.abs(refitted - first).mean() < 0.12
    assert np.abs(refitted - first).mean() < 0.5 * np.abs(fresh - first).mean()


def test_refit_undoes_reflections():
    eig, _ = blobs()
    coloring = Coloring("pca").fit(eig)
    coords, rgb = coloring.coords_, coloring.rgb_
    # Reflected channels change the directions of the principal axes.
    mirrored = eig * np.array([-1, 1, -1, 1, 1, 1, 1, 1], dtype=np.float32)
    coloring.fit(mirrored)
    np.testing.assert_allclose(coloring.coords_, coords, atol=1e-4)
    np.testing.assert_allclose(coloring.rgb_, rgb, atol=1e-3)


def test_refit_with_more_nodes_keeps_shared_positions():
    eig, _ = blobs()
    more, _ = blobs(n_per_cluster=10, seed=3)
    shared = np.arange(len(eig))
    coloring = Coloring(random_state=0).fit(eig)
    coords = coloring.coords_
    coloring.fit(np.concatenate([more, eig]), shared=(shared, shared + len(more)))
    kept = np.linalg.norm(coloring.coords_[len(more) :] - coords, axis=1).mean()
    unaligned = Coloring(random_state=0).fit(np.concatenate([more, eig])).coords_
    assert kept < 0.5 * np.linalg.norm(unaligned[len(more) :] - coords, axis=1).mean()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [1, 2, 3, 5, 15, 16, 20])
def test_few_nodes(method, n):
    eig = np.random.default_rng(n).normal(size=(n, 4))
    coloring = Coloring(method).fit(eig)
    assert coloring.rgb_.shape == coloring.coords_.shape == (n, 3)
    assert np.isfinite(coloring.coords_).all()
    assert ((coloring.rgb_ >= 0) & (coloring.rgb_ <= 1)).all()
    if n > 1:
        assert len(np.unique(coloring.rgb_, axis=0)) == n


@pytest.mark.parametrize("method", ["tsne", "pca", "mspace"])
def test_identical_nodes_are_gray(method):
    for n in (1, 3, 40):
        np.testing.assert_allclose(Coloring(method).fit(np.full((n, 3), 0.2)).rgb_, 0.5, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_equal_and_zero_rows_give_finite_colors(method):
    eig = np.zeros((40, 3), dtype=np.float32)
    eig[:20, 0] = 1
    eig[20:30, 1] = 1
    rgb = Coloring(method).fit(eig).rgb_
    assert np.isfinite(rgb).all()
    assert np.abs(rgb[:20].mean(0) - rgb[20:30].mean(0)).max() > 0.3


def test_row_length_does_not_matter():
    eig, _ = blobs(n_per_cluster=20)
    lengths = np.random.default_rng(0).uniform(0.1, 10, size=(len(eig), 1)).astype(np.float32)
    np.testing.assert_allclose(pca_color(eig * lengths), pca_color(eig), atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_torch_input_gives_torch_output(dtype):
    eig = torch.from_numpy(blobs(n_per_cluster=10)[0]).to(dtype).requires_grad_()
    for rgb in (tsne_color(eig), pca_color(eig), Coloring("pca").fit(eig).transform(eig[:3])):
        assert isinstance(rgb, torch.Tensor)
        assert rgb.dtype == dtype
        assert not rgb.requires_grad
    assert pca_color(eig.detach().numpy()).dtype == eig.detach().numpy().dtype


def test_functions_match_the_estimator():
    eig, _ = blobs(n_per_cluster=10)
    np.testing.assert_array_equal(tsne_color(eig, n_sample=30), Coloring("tsne", n_sample=30).fit(eig).rgb_)
    np.testing.assert_array_equal(umap_color(eig, n_sample=30), Coloring("umap", n_sample=30).fit(eig).rgb_)
    sphere = Coloring("umap_sphere", n_sample=30).fit(eig).rgb_
    np.testing.assert_array_equal(umap_sphere_color(eig, n_sample=30), sphere)
    mspace = Coloring("mspace", n_sample=30, n_eig=(3, 9)).fit(eig).rgb_
    np.testing.assert_array_equal(mspace_color(eig, n_sample=30, n_eig=(3, 9)), mspace)
    np.testing.assert_array_equal(pca_color(eig), Coloring("pca").fit(eig).rgb_)


def test_is_a_scikit_learn_estimator():
    coloring = Coloring("pca", n_sample=50)
    options = {"method": "pca", "n_sample": 50, "n_neighbors": 100, "n_eig": (4, 16, 64)}
    options |= {"device": None, "random_state": 0}
    assert coloring.get_params() == options
    assert clone(coloring.fit(np.eye(4))).get_params() == coloring.get_params()
    with pytest.raises(NotFittedError, match="not fitted yet"):
        _ = clone(coloring).rgb_


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"method": "tnse"},
            ValueError,
            "`method` must be one of 'tsne', 'umap', 'umap_sphere', 'pca', 'mspace'; got 'tnse'",
        ),
        ({"n_sample": 1}, ValueError, "`n_sample` must be at least 2; got 1"),
        ({"n_neighbors": 0}, ValueError, "`n_neighbors` must be at least 2; got 0"),
        ({"n_eig": 16}, TypeError, "`n_eig` must be a sequence of integers; got 16"),
        ({"n_eig": ()}, TypeError, r"`n_eig` must be a sequence of integers; got \(\)"),
        ({"n_eig": (4, 1)}, ValueError, "`n_eig` must be at least 2; got 1"),
        ({"n_neighbors": 2.5}, TypeError, "`n_neighbors` must be an integer; got 2.5"),
    ],
)
def test_invalid_options_raise(options, error, message):
    with pytest.raises(error, match=message):
        Coloring(**options).fit(np.eye(20))


def test_invalid_data_raises():
    coloring = Coloring("pca")
    with pytest.raises(NotFittedError, match="`shared` refers to a previous fit"):
        coloring.fit(np.eye(4), shared=([0], [0]))
    coloring.fit(np.eye(4))
    with pytest.raises(ValueError, match="`X` must have 4 columns, as in the fit; got"):
        coloring.transform(np.eye(3))
    with pytest.raises(ValueError, match="`X` must be finite; got NaN"):
        coloring.fit(np.full((4, 4), np.nan))
    with pytest.raises(ValueError, match=r"`shared\[1\]` must be in 0 to 3; got 9 to 9"):
        coloring.fit(np.eye(4), shared=([0], [9]))
    with pytest.raises(ValueError, match="`shared` must have as many nodes"):
        coloring.fit(np.eye(4), shared=([0, 1], [2]))
    with pytest.raises(ValueError, match="`shared` must be a pair"):
        coloring.fit(np.eye(4), shared=([0], [1], [2]))
    with pytest.raises(TypeError, match="must be a 1D array of integers"):
        coloring.fit(np.eye(4), shared=([0.5], [1]))


class TestOnto:
    def test_aligns_the_layout_with_given_positions(self):
        eig, _ = blobs()
        positions = Coloring("pca").fit(eig).coords_
        aligned = Coloring().fit(eig, onto=positions)
        unaligned = Coloring().fit(eig)
        distance = [np.linalg.norm(c - positions, axis=1).mean() for c in (aligned.coords_, unaligned.coords_)]
        assert distance[0] < 0.5 * distance[1]
        # The alignment preserves relative distances.
        between = [np.linalg.norm(c[:50, None] - c[None, 50:100], axis=2) for c in (aligned.coords_, unaligned.coords_)]
        np.testing.assert_allclose(between[0] / between[0].max(), between[1] / between[1].max(), atol=1e-4)
        np.testing.assert_allclose(aligned.transform(eig[:9]), aligned.rgb_[:9], atol=1e-6)

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"onto": np.ones((7, 3))}, r"`onto` must have shape \(300, 3\), one row per node; got \(7, 3\)"),
            ({"onto": np.ones((300, 2))}, "`onto`"),
            ({"onto": np.ones((300, 3)), "shared": ([0], [0])}, "`shared` and `onto` cannot be combined"),
        ],
    )
    def test_invalid_positions_raise(self, options, match):
        eig, _ = blobs()
        with pytest.raises(ValueError, match=match):
            Coloring("pca").fit(eig, **options)


@pytest.mark.parametrize("method", ["tsne", "umap", "mspace"])
def test_interrupted_fit_keeps_the_previous_one(method):
    eig, _ = blobs(n_per_cluster=12)
    coloring = Coloring(method, n_neighbors=10, n_eig=(2, 4)).fit(eig)
    rgb = coloring.rgb_
    fractions = []

    def progress(fraction):
        fractions.append(fraction)
        if len(fractions) == 2:
            raise InterruptedError("stop")

    with pytest.raises(InterruptedError, match="stop"):
        coloring.fit(eig[::-1].copy(), progress=progress)
    assert 0 < fractions[0] < fractions[1] <= 1
    np.testing.assert_array_equal(coloring.rgb_, rgb)


@pytest.mark.parametrize("method", ["tsne", "mspace"])
def test_progress_reaches_one(method, capsys):
    eig, _ = blobs(n_per_cluster=12)
    fractions = []
    Coloring(method, n_eig=(2, 4)).fit(eig, progress=fractions.append)
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1)
    Coloring(method, n_eig=(2, 4)).fit(eig)
    assert capsys.readouterr().err == ""
    Coloring(method, n_eig=(2, 4)).fit(eig, progress=True)
    assert f"colors: {method} of {len(eig)} nodes" in capsys.readouterr().err
