"""Feature extraction with callable backbones: values, grids, names, options and errors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from ncut_widgets.features import extract_features


def solid_image(width=48, height=32, color="red"):
    return Image.new("RGB", (width, height), color)


def means(images):
    """Backbone that returns the mean color of each of 2 x 3 patches."""
    return [np.asarray(image.resize((3, 2), Image.Resampling.BOX), dtype=np.float32) for image in images]


def extract(images, backbone=means, **options):
    return extract_features(images, backbone=backbone, progress=False, **options)


def test_values_grid_and_channel_names_correspond():
    features = extract([solid_image(), solid_image(20, 60, "blue")])
    assert len(features) == features.flatten().shape[0] == features.grid.n_nodes == 12
    assert features.shape == (12, 3)
    assert features.grid.image_sizes == ((48, 32), (20, 60))
    assert features.sources == ("means",)
    assert features.channel_names == ("channel 0", "channel 1", "channel 2")
    np.testing.assert_array_equal(features.maps[1], np.broadcast_to([0, 0, 255], (2, 3, 3)))
    assert np.shares_memory(features.maps[1], features.flatten())
    assert repr(features) == "FeatureMaps(12 nodes x 3 channels, 2 images, source 'means')"


def test_batch_size_reaches_backbone_without_changing_result():
    seen = []

    def recording(images):
        seen.append(len(images))
        return means(images)

    images = [solid_image(color=(i, 0, 0)) for i in range(5)]
    np.testing.assert_array_equal(extract(images, recording, batch_size=2).values, extract(images).values)
    assert seen == [2, 2, 1]


def test_resolution_limits_input_of_callable():
    seen = []

    def recording(images):
        seen.extend(image.size for image in images)
        return means(images)

    features = extract([solid_image(400, 100), solid_image(20, 30)], recording, resolution=200)
    assert seen == [(200, 50), (20, 30)]
    assert features.grid.image_sizes == ((400, 100), (20, 30))
    assert features.sources == ("recording, 200 px",)


def test_callable_may_return_tensors_and_channel_names():
    class Named:
        name = "my model"
        channel_names = ("red", "green", "blue")

        def __call__(self, images):
            return torch.stack([torch.from_numpy(m) for m in means(images)])

    features = extract(solid_image(), Named())
    assert isinstance(features.values, torch.Tensor)
    assert features.channel_names == ("red", "green", "blue")
    assert features.sources == ("my model",)


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (lambda m: [], ValueError, "one map per image; got 0 for 2 images"),
        (lambda m: [m[0], m[1].reshape(6, 3)], ValueError, r"got shape \(6, 3\) for image 1"),
        (lambda m: [m[0], m[1].tolist()], TypeError, "arrays or tensors; got list for image 1"),
        (lambda m: [m[0], m[1] * np.nan], ValueError, "finite features; got NaN or infinity for image 1"),
        (lambda m: [m[0], m[1][..., :2]], ValueError, r"same number of channels for every image; got \[2, 3\]"),
        (
            lambda m: [m[0], torch.from_numpy(m[1])],
            TypeError,
            "either numpy arrays or tensors for all images; got both",
        ),
    ],
)
def test_invalid_backbone_output_raises(answer, error, message):
    with pytest.raises(error, match=message):
        extract([solid_image(), solid_image()], lambda images: answer(means(images)))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"backbone": 3}, TypeError, "`backbone` must be 'multiscale', a model's id or folder.*got 3"),
        ({"layer": 1.5}, TypeError, "`layer` must be an integer; got 1.5"),
        ({"resolution": 0}, ValueError, "`resolution` must be at least 8; got 0"),
        ({"batch_size": 0}, ValueError, "`batch_size` must be at least 1; got 0"),
    ],
)
def test_invalid_options_raise(options, error, message):
    with pytest.raises(error, match=message):
        extract(solid_image(), **options)


def test_progress_bar_names_backbone(capsys):
    extract_features([solid_image()], backbone=means, progress=True)
    assert "features: means" in capsys.readouterr().err
    extract([solid_image()])
    assert capsys.readouterr().err == ""
