"""Anchor alignment: sources with different channels agree after alignment."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.fft import dctn
from sklearn.exceptions import NotFittedError
from sklearn.neighbors import NearestNeighbors

from ncut_widgets.features import AnchorAlignment, FeatureMaps, concat, extract_features, sample_images
from ncut_widgets.grid import PatchGrid, PatchMap
from ncut_widgets.ncut import Ncut
from ncut_widgets.readouts import kway_ncut

SIZES = ((320, 240), (240, 320))


def grid(source, rows=24, columns=32, sizes=SIZES):
    return PatchGrid(sizes, [PatchMap(i, rows, columns, source) for i in range(len(sizes))])


@pytest.fixture(scope="module")
def scene():
    """Return latent values (n, 16) of two images of 24 x 32 patches, in eight classes of different size."""
    rng = np.random.default_rng(0)
    kinds = rng.choice(8, 2 * 24 * 32, p=np.arange(1, 9) / 36)
    return rng.normal(size=(8, 16))[kinds] + 0.5 * rng.normal(size=(len(kinds), 16))


def seen(scene, channels, scale, seed, source, noise=0.05):
    """Return features of the scene with `channels` channels: rotated, scaled and shifted, with noise."""
    rng = np.random.default_rng(seed)
    turned = scene @ np.linalg.qr(rng.normal(size=(channels, channels)))[0][: scene.shape[1]]
    noisy = turned + noise * turned.std() * rng.normal(size=turned.shape)
    return FeatureMaps((scale * noisy + rng.normal(size=channels)).astype(np.float32), grid(source))


def cosines(images):
    """Backbone with 16 channels: the lowest frequencies of gray patches of 8 x 8 pixels."""
    maps = []
    for image in images:
        gray = np.asarray(image.convert("L"), dtype=np.float32)
        rows, columns = (side // 8 for side in gray.shape)
        patches = gray[: 8 * rows, : 8 * columns].reshape(rows, 8, columns, 8).transpose(0, 2, 1, 3)
        waves = dctn(patches, axes=(2, 3), norm="ortho")[..., :4, :4].reshape(rows, columns, 16)
        maps.append(np.concatenate([waves[..., :1], 3 * np.sqrt(np.abs(waves[..., 1:]))], axis=2))
    return maps


def node_at_center(of, within):
    """Return (n,): for each node of `of`, the node of `within` at its center."""
    found = []
    for node in range(of.n_nodes):
        x0, y0, x1, y1 = of.box(node)
        found.append(within.node_at(of.locate(node).image, (x0 + x1) / 2, (y0 + y1) / 2))
    return np.array(found)


def test_two_sources_of_one_scene_align(scene):
    one, two = seen(scene, 24, 30.0, 1, "one"), seen(scene, 80, 0.01, 2, "two")
    one, two = AnchorAlignment().fit_transform([one, two])
    nearest = NearestNeighbors(n_neighbors=1).fit(two.values).kneighbors(one.values, return_distance=False).ravel()
    assert (nearest == np.arange(len(scene))).mean() > 0.95


def test_rotation_shift_and_scale_invariance(scene):
    one = seen(scene, 16, 1.0, 1, "one", noise=0)
    two = seen(scene, 16, 1e6, 2, "two", noise=0)
    one, two = AnchorAlignment(n_anchors=64).fit_transform([one, two])
    np.testing.assert_allclose(one.values, two.values, atol=2e-3)
    np.testing.assert_allclose(one.values.mean(0), 0, atol=1e-3)
    np.testing.assert_allclose(one.values.std(0), 1, atol=1e-3)


@pytest.mark.parametrize(
    ("backbone", "resolution", "least"), [("multiscale", 192, 0.85), (cosines, 320, 0.5)], ids=["finer", "other"]
)
def test_clusters_agree_across_sources(backbone, resolution, least):
    images = sample_images()[:4]
    coarse = extract_features(images, backbone=backbone, resolution=resolution, source="first", progress=False)
    fine = extract_features(images, resolution=320, source="second", progress=False)
    both = concat([coarse, fine], align="anchors")
    labels = kway_ncut(Ncut(n_eig=6).fit_transform(both), n_clusters=6).argmax(1)
    first = labels[: len(coarse)]
    second = labels[len(coarse) :][node_at_center(coarse.grid, fine.grid)]
    shares = [np.bincount(side, minlength=6) / len(first) for side in (first, second)]
    assert float(shares[0] @ shares[1]) < 0.4
    assert (first == second).mean() > least


def test_single_source_of_new_images_is_transformed(scene):
    one, two = seen(scene, 24, 3.0, 1, "one"), seen(scene, 40, 1.0, 2, "two")
    alignment = AnchorAlignment(n_anchors=32).fit([one, two])
    half = FeatureMaps(two.values[:768], PatchGrid(SIZES[:1], two.grid.maps[:1]))
    np.testing.assert_allclose(alignment.transform(half).values, alignment.transform(two).values[:768], atol=1e-5)


def test_interleaved_sources_keep_order(scene):
    one, two = seen(scene, 24, 3.0, 1, "one"), seen(scene, 24, 1.0, 2, "two")
    alignment = AnchorAlignment(n_anchors=32).fit([one, two])
    maps = [one.grid.maps[0], two.grid.maps[0], one.grid.maps[1]]
    mixed = FeatureMaps(np.concatenate([one.values[:768], two.values[:768], one.values[768:]]), PatchGrid(SIZES, maps))
    mixed = alignment.transform(mixed)
    for part in (one, two):
        aligned, (source,) = alignment.transform(part).values, part.sources
        np.testing.assert_allclose(mixed.select(source).values, aligned[: len(mixed.select(source))], atol=1e-5)


def test_anchors_are_even_over_shared_images():
    rng = np.random.default_rng(0)
    sizes = [(320, 160), (100, 100), (50, 50)]
    coarse = PatchGrid(sizes, [PatchMap(0, 8, 16, "coarse"), PatchMap(1, 8, 8, "coarse")])
    fine = PatchGrid(sizes, [PatchMap(i, 20, 20, "fine") for i in range(3)])
    parts = [FeatureMaps(rng.normal(size=(g.n_nodes, 4)), g) for g in (coarse, fine)]
    anchors = AnchorAlignment(n_anchors=48).fit(parts).anchors_
    assert np.bincount(anchors[:, 0].astype(int)).tolist() == [32, 16]
    # About the same number in each quarter of an image.
    first = anchors[anchors[:, 0] == 0]
    counts = np.histogram2d(first[:, 1], first[:, 2], bins=2, range=[[0, 320], [0, 160]])[0]
    assert abs(counts - 8).max() <= 2
    every = AnchorAlignment(n_anchors=1000).fit(parts).anchors_
    assert len(every) == len(np.unique(every, axis=0)) == 8 * 16 + 8 * 8


def test_nodes_at_anchor_have_highest_affinity():
    rng = np.random.default_rng(0)
    grids = [PatchGrid([(90, 60)], [PatchMap(0, rows, 3 * rows // 2, str(rows))]) for rows in (4, 6, 14)]
    parts = [FeatureMaps(rng.normal(size=(g.n_nodes, 5)), g) for g in grids]
    alignment = AnchorAlignment().fit(parts)
    for part in parts:
        nearest = alignment.transform(part).values.argmax(0)
        assert nearest.tolist() == [part.grid.node_at(0, x, y) for _, x, y in alignment.anchors_]


def test_torch_input_gives_torch_output_with_gradients(scene):
    half = FeatureMaps(torch.from_numpy(scene).half(), grid("half"))
    assert AnchorAlignment(n_anchors=8).fit([half]).transform(half).values.dtype == torch.float16
    values = torch.from_numpy(scene).requires_grad_()
    part = FeatureMaps(values, grid("one"))
    (aligned,) = AnchorAlignment(n_anchors=8).fit_transform([part])
    assert aligned.values.dtype == torch.float64
    aligned.values.square().sum().backward()
    assert bool(torch.isfinite(values.grad).all())
    assert bool((values.grad != 0).any())


def test_identical_patches_and_outliers_stay_finite():
    """Most patches are identical, and one is an outlier."""
    values = np.zeros((2 * 24 * 32, 3), dtype=np.float32)
    values[::7] = [1, 0, 0]
    values[5] = [0, 0, 1e6]
    (aligned,) = AnchorAlignment(n_anchors=1536).fit_transform([FeatureMaps(values, grid("flat"))])
    assert np.isfinite(aligned.values).all()
    assert np.abs(aligned.values).max() < 50


def test_invalid_alignment_arguments_raise(scene):
    one, two = seen(scene, 24, 3.0, 1, "one"), seen(scene, 40, 1.0, 2, "two")
    alignment = AnchorAlignment(n_anchors=8)
    with pytest.raises(NotFittedError, match="AnchorAlignment instance is not fitted yet"):
        alignment.transform(one)
    alignment.fit([one, two])
    left = FeatureMaps(one.values[:768], PatchGrid(SIZES, [PatchMap(0, 24, 32, "left")]))
    right = FeatureMaps(one.values[768:], PatchGrid(SIZES, [PatchMap(1, 24, 32, "right")]))
    for call, error, message in [
        (lambda: alignment.transform(one.values), TypeError, "`features` must be FeatureMaps.*got ndarray"),
        (lambda: alignment.transform(left), ValueError, r"of fitted sources, \['one', 'two'\]; got \['left'\]"),
        (
            lambda: alignment.transform(FeatureMaps(two.values, one.grid)),
            ValueError,
            "must have 24 channels, as in the fit of source 'one'; got 40",
        ),
        (
            lambda: AnchorAlignment().fit([left, right]),
            ValueError,
            r"at least one image in all sources; \['left'",
        ),
        (
            lambda: AnchorAlignment().fit(FeatureMaps(np.full_like(one.values, 0.1), grid("blank"))),
            ValueError,
            "must differ between patches; they are all identical in source 'blank'",
        ),
        (lambda: AnchorAlignment(n_anchors=0).fit(one), ValueError, "`n_anchors` must be at least 1; got 0"),
    ]:
        with pytest.raises(error, match=message):
            call()


def test_channel_names_give_anchor_position():
    image = Image.new("RGB", (48, 32))
    values = np.arange(12.0).reshape(6, 2)
    features = FeatureMaps(values, PatchGrid([image.size], [PatchMap(0, 2, 3, "a")]))
    names = concat([features], align="anchors").channel_names
    assert sorted(names) == [f"similarity to image 0, ({x}, {y})" for x in (24, 40, 8) for y in (24, 8)]
