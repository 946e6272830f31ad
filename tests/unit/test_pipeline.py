"""`embed` and `segment`: results on synthetic scenes, defaults and errors."""

from __future__ import annotations

from functools import partial
from inspect import signature

import numpy as np
import pytest
import torch
from PIL import Image

from ncut_widgets.features import FeatureMaps, Multiscale, concat, extract_features
from ncut_widgets.grid import PatchGrid, PatchMap
from ncut_widgets.ncut import Ncut
from ncut_widgets.pipeline import embed, segment
from ncut_widgets.readouts import click_ncut
from ncut_widgets.widgets import explore

SKY, GRASS, BALL = (120, 170, 230), (60, 120, 40), (220, 60, 50)


def scene(width=192, height=128, ball=None):
    """Return a noisy image of sky over grass, optionally with a ball, and its true labels."""
    truth = np.zeros((height, width), dtype=int)
    truth[height // 2 :] = 1
    if ball:
        y, x = np.indices(truth.shape)
        truth[np.hypot(x - ball[0], y - ball[1]) < 25] = 2
    noise = np.random.default_rng(0).normal(0, 8, (height, width, 3))
    colors = np.array([SKY, GRASS, BALL])[truth] + noise
    return Image.fromarray(np.clip(colors, 0, 255).astype(np.uint8)), truth


def agreement(labels, truth):
    """Return the fraction of matching pixels if every label is assigned to the true label it overlaps most."""
    matches = [np.bincount(truth[labels == label]).max() for label in np.unique(labels)]
    return sum(matches) / truth.size


def test_segments_follow_contours():
    image, truth = scene(ball=(60, 50))
    (labels,) = segment(image, n_clusters=3)
    assert labels.shape == (128, 192)
    assert labels.dtype == np.int64
    assert set(np.unique(labels)) == {0, 1, 2}
    assert agreement(labels, truth) > 0.98


def test_labels_agree_across_image_sizes():
    images, truths = zip(scene(), scene(96, 160), scene(160, 90), strict=True)
    labels = segment(list(images), n_clusters=2)
    assert [found.shape for found in labels] == [(128, 192), (160, 96), (90, 160)]
    assert agreement(np.concatenate([a.ravel() for a in labels]), np.concatenate([t.ravel() for t in truths])) > 0.98


def test_same_seed_gives_same_labels():
    image, _ = scene(ball=(60, 50))
    np.testing.assert_array_equal(segment(image, n_clusters=5)[0], segment(image, n_clusters=5)[0])


def test_segment_of_features_matches_their_extraction():
    image, _ = scene(ball=(60, 50))
    features = extract_features(image, resolution=96, progress=False)
    given, extracted = segment(image, features=features), segment(image, resolution=96)
    np.testing.assert_array_equal(given[0], extracted[0])
    with pytest.raises(ValueError, match="`features` must have one map per image; got 2 maps of 1 images"):
        segment(image, features=concat([features, extract_features(image, resolution=192, progress=False)]))


def test_front_parameters_agree():
    front = ["images", "features", "backbone", "layer", "resolution"]
    shared = {"images", "features", "backbone", "layer", "resolution", "degree", "device", "random_state", "progress"}
    signatures = [signature(function).parameters for function in (embed, segment, explore)]
    for parameters in signatures:
        assert list(parameters)[:5] == front
        assert {name: parameters[name].default for name in shared} == {
            name: signatures[0][name].default for name in shared
        }


def test_embed_uses_default_degree_for_built_in_features():
    image, _ = scene(512, 320, ball=(200, 100))
    result = embed(image, n_eig=4, progress=False)
    features = extract_features(image, progress=False)
    np.testing.assert_array_equal(result.features.values, features.values)
    mean_affinity = np.exp(-square_distances(features.values) / (2 * result.ncut.sigma_**2)).mean()
    assert mean_affinity == pytest.approx(0.015, rel=0.1)
    np.testing.assert_array_equal(result.eigenvectors, Ncut(4, degree=0.015).fit_transform(features))
    assert repr(result) == "Embedding(1 image, 2560 nodes, 4 eigenvectors)"


def square_distances(values):
    return np.square(values[:, None] - values[None]).sum(2)


def test_options_reach_built_in_backbone():
    image, truth = scene()
    coarse = embed(image, backbone=Multiscale(stride=16), n_eig=3, progress=False)
    assert len(coarse.features) == 96
    assert embed(image, resolution=96, n_eig=3, progress=False).features.maps[0].shape[:2] == (8, 12)
    assert agreement(segment(image, n_clusters=2, backbone=Multiscale(stride=16))[0], truth) > 0.97


def test_other_backbones_use_sigma_of_ncut_and_may_use_torch():
    def colors(images):
        return [torch.from_numpy(np.asarray(image.resize((24, 16)), dtype=np.float32)) for image in images]

    image, truth = scene()
    result = embed(image, backbone=colors, n_eig=3, progress=False)
    assert isinstance(result.eigenvectors, torch.Tensor)
    reference = Ncut(3).fit(result.features)
    assert result.ncut.sigma_ == pytest.approx(reference.sigma_)
    assert agreement(segment(image, n_clusters=2, backbone=colors)[0], truth) > 0.97


def test_degree_sets_mean_affinity():
    image, _ = scene()
    smooth, sharp = (embed(image, degree=d, n_eig=3, progress=False).ncut.sigma_ for d in (0.3, 0.003))
    assert smooth > 2 * sharp


def test_progress_bars_name_steps(capsys):
    image, _ = scene()
    embed(image, n_eig=3, progress=True)
    assert "features: multiscale" in capsys.readouterr().err
    segment(image, n_clusters=2)
    embed(image, n_eig=3)
    assert capsys.readouterr().err == "", "no bar outside of notebooks and terminals"


def test_progress_callable_gets_fractions_and_cancels():
    image, _ = scene(96, 64)
    for function in (embed, segment):
        fractions = []
        function([image, image], n_eig=8, progress=fractions.append)
        assert fractions == sorted(fractions)
        assert 0 < fractions[0] < 1 == fractions[-1]

    def stop(fraction):
        raise InterruptedError(fraction)

    with pytest.raises(InterruptedError, match=r"0\.7"):
        embed(image, progress=stop)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n_clusters": 0}, ValueError, "`n_clusters` must be at least 1; got 0"),
        ({"n_clusters": 2.5}, TypeError, "`n_clusters` must be an integer; got 2.5"),
        ({"degree": 2}, ValueError, "`degree` must be in"),
        ({"backbone": 3}, TypeError, "`backbone` must be 'multiscale'"),
        ({"n_eig": 0}, ValueError, "`n_eig` must be at least 1; got 0"),
        ({"n_eig": 384}, ValueError, "`n_eig` must be at most 383 for 384 nodes; got 384"),
        ({"n_eig": 2.5}, TypeError, "`n_eig` must be an integer; got 2.5"),
        ({"n_clusters": 384}, ValueError, "`n_clusters` must be less than the number of patches, 384; got 384"),
    ],
)
def test_invalid_options_raise(options, error, message):
    with pytest.raises(error, match=message):
        segment(scene()[0], **options)


@pytest.mark.parametrize("n_eig", [2, 5])
def test_n_eig_may_differ_from_n_clusters(n_eig):
    image, truth = scene(ball=(60, 50))
    (labels,) = segment(image, n_clusters=3, n_eig=n_eig)
    assert agreement(labels, truth) > 0.9


@pytest.mark.parametrize("size", [(16, 8), (24, 8), (16, 16), (40, 8)])
def test_images_with_few_patches_are_embedded(size):
    values = np.random.default_rng(0).integers(0, 255, (*size[::-1], 3), np.uint8)
    result = embed(Image.fromarray(values), n_eig=1, progress=False)
    assert result.eigenvectors.shape == (size[0] * size[1] // 64, 1)
    assert np.isfinite(result.eigenvectors).all()


@pytest.mark.parametrize(
    ("size", "n_images", "n_eig"), [((16, 8), 1, 1), ((8, 8), 3, 2), ((32, 32), 1, 15), ((64, 64), 1, 32)]
)
def test_default_n_eig_is_limited_by_number_of_patches(size, n_images, n_eig):
    images = [np.full((*size, 3), 40 * index, np.uint8) for index in range(n_images)]
    assert embed(images, progress=False).eigenvectors.shape[1] == n_eig


def one_patch(images):
    return np.ones((len(images), 1, 1, 5))


@pytest.mark.parametrize("call", [partial(embed, progress=False), segment])
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"images": np.zeros((8, 8, 3))},
            ValueError,
            "`images` must have at least 2 patches in total; got 1. Pass more",
        ),
        ({"resolution": 8}, ValueError, "`images` must have at least 2 patches in total; got 1.*raise `resolution`"),
        ({"backbone": one_patch}, ValueError, "`images` must have at least 2 patches in total; got 1"),
        (
            {"backbone": lambda images: None},
            TypeError,
            "`backbone` must return a list with one map per image; got NoneType",
        ),
        (
            {"backbone": lambda images: np.ones((4, 4, 3))},
            ValueError,
            "`backbone` must return a list.*got 4 for 1 image",
        ),
        ({"images": []}, ValueError, "There must be at least one image; got none"),
        ({"images": None}, TypeError, r"Images must be given as a path.*got None \(NoneType\)"),
    ],
)
def test_errors_name_the_passed_argument(call, options, error, message):
    with pytest.raises(error, match=message):
        call(**{"images": scene(64, 64)[0]} | options)


@pytest.mark.parametrize("values", [np.full((4, 3), np.nan), np.ones((4, 3)) * 1j])
def test_errors_refer_to_feature_maps_as_features(values):
    features = FeatureMaps(values, PatchGrid([(16, 16)], [PatchMap(0, 2, 2)]))
    image = np.zeros((16, 16, 3))
    for call in (
        Ncut(2).fit,
        lambda features: click_ncut(features, [0]),
        lambda features: embed(image, features=features, progress=False),
    ):
        with pytest.raises(ValueError, match=r"^`features` must be (finite|real)"):
            call(features)


def test_given_features_are_used_unchanged():
    image, _ = scene(ball=(60, 50))
    parts = [extract_features(image, resolution=r, progress=False) for r in (96, 192)]
    both = concat(parts)
    result = embed(image, features=both, n_eig=4, progress=False)
    assert result.features is both
    assert result.eigenvectors.shape == (len(both), 4)
    # The default degree depends on the channels, not on who extracted them.
    own = embed(image, n_eig=4, progress=False)
    given = embed(image, features=extract_features(image, progress=False), n_eig=4, progress=False)
    assert given.ncut.degree == own.ncut.degree is not None
    assert embed(image, features=concat(parts, align="anchors"), n_eig=4, progress=False).ncut.degree is None


def test_features_must_belong_to_images():
    image, _ = scene()
    features = extract_features(image, progress=False)
    for images, options, error, message in [
        (image, {"features": features.values}, TypeError, "`features` must be FeatureMaps.*got ndarray"),
        ([image, image], {"features": features}, ValueError, "must belong to `images`; got features for"),
        (scene(96, 96)[0], {"features": features}, ValueError, "must belong to `images`; got features for"),
        (image, {"features": features, "resolution": 96}, ValueError, "cannot be combined with `backbone`, `layer`"),
        (image, {"features": features, "layer": 2}, ValueError, "cannot be combined with `backbone`, `layer`"),
    ]:
        with pytest.raises(error, match=message):
            embed(images, **options, progress=False)
