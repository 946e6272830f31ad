"""Feature maps keep values, places and names together, whatever backbone they come from."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from ncut_widgets.features import FeatureMaps, concat, extract_features
from ncut_widgets.grid import PatchGrid, PatchMap


def picture(width=48, height=32, colour="red"):
    return Image.new("RGB", (width, height), colour)


def means(images):
    """A backbone: the mean colour of each of 2 x 3 patches."""
    return [np.asarray(image.resize((3, 2), Image.Resampling.BOX), dtype=np.float32) for image in images]


def extract(images, backbone=means, **options):
    return extract_features(images, backbone=backbone, progress=False, **options)


def test_nodes_channels_and_places_line_up():
    features = extract([picture(), picture(20, 60, "blue")])
    assert len(features) == features.flatten().shape[0] == features.grid.n_nodes == 12
    assert features.shape == (12, 3)
    assert features.grid.image_sizes == ((48, 32), (20, 60))
    assert features.sources == ("means",)
    assert features.channel_names == ("channel 0", "channel 1", "channel 2")
    np.testing.assert_array_equal(features.maps[1], np.broadcast_to([0, 0, 255], (2, 3, 3)))
    assert np.shares_memory(features.maps[1], features.flatten())
    assert repr(features) == "FeatureMaps(12 nodes x 3 channels, 2 images, source 'means')"


def test_batches_change_nothing_and_reach_the_backbone():
    seen = []

    def recording(images):
        seen.append(len(images))
        return means(images)

    images = [picture(colour=(i, 0, 0)) for i in range(5)]
    np.testing.assert_array_equal(extract(images, recording, batch_size=2).values, extract(images).values)
    assert seen == [2, 2, 1]


def test_resolution_bounds_what_a_callable_sees():
    seen = []

    def recording(images):
        seen.extend(image.size for image in images)
        return means(images)

    features = extract([picture(400, 100), picture(20, 30)], recording, resolution=200)
    assert seen == [(200, 50), (20, 30)]
    assert features.grid.image_sizes == ((400, 100), (20, 30))
    assert features.sources == ("recording, 200 px",)


def test_callables_may_answer_in_torch_and_name_their_channels():
    class Named:
        name = "my model"
        channel_names = ("red", "green", "blue")

        def __call__(self, images):
            return torch.stack([torch.from_numpy(m) for m in means(images)])

    features = extract(picture(), Named())
    assert isinstance(features.values, torch.Tensor)
    assert features.channel_names == ("red", "green", "blue")
    assert features.sources == ("my model",)


def test_concat_keeps_sources_apart_and_select_gets_them_back():
    images = [picture(), picture(20, 60, "blue")]
    coarse, fine = extract(images, source="coarse"), extract(images, lambda i: [m[:1] for m in means(i)], source="fine")
    both = concat([coarse, fine])
    assert both.sources == ("coarse", "fine")
    assert both.grid.n_images == 2
    assert both.shape == (18, 3)
    for part in (coarse, fine):
        (source,) = part.sources
        chosen = both.select(source)
        np.testing.assert_array_equal(chosen.values, part.values)
        assert np.shares_memory(chosen.values, both.values)
        assert chosen.grid == part.grid
    assert both.grid.locate(12).source == "fine"


def test_select_gathers_sources_that_are_interleaved():
    grid = PatchGrid([(8, 8), (8, 8)], [PatchMap(0, 1, 1, "a"), PatchMap(0, 1, 1, "b"), PatchMap(1, 1, 1, "a")])
    features = FeatureMaps(torch.tensor([[1.0], [2.0], [3.0]]), grid)
    assert features.select("a").values.ravel().tolist() == [1, 3]
    with pytest.raises(ValueError, match=r"`source` must be one of \['a', 'b'\]; got 'c'"):
        features.select("c")


def test_concat_numbers_channels_whose_names_differ():
    grid = PatchGrid([(8, 8)], [PatchMap(0, 1, 1, "a")])
    other = PatchGrid([(8, 8)], [PatchMap(0, 1, 1, "b")])
    same = concat([FeatureMaps(np.zeros((1, 1)), grid, ["red"]), FeatureMaps(np.zeros((1, 1)), other, ["red"])])
    differ = concat([FeatureMaps(np.zeros((1, 1)), grid, ["red"]), FeatureMaps(np.zeros((1, 1)), other, ["blue"])])
    assert (same.channel_names, differ.channel_names) == (("red",), ("channel 0",))


def test_concat_says_what_does_not_fit():
    one = extract(picture(), source="a")
    two = extract(picture(), lambda i: [m[..., :2] for m in means(i)], source="b")
    in_torch = extract(picture(), lambda i: [torch.from_numpy(m) for m in means(i)], source="b")
    for parts, error, message in [
        ([], TypeError, "must be one or more FeatureMaps"),
        ([one, one.values], TypeError, r"got \['FeatureMaps', 'ndarray'\]"),
        ([one, extract(picture(9, 9), source="b")], ValueError, "must be of the same images"),
        ([one, two], ValueError, "same number of channels; got 3 and 2"),
        ([one, one], ValueError, r"sources of different names; got \['a'\]"),
        ([one, in_torch], TypeError, "all be numpy or all torch"),
    ]:
        with pytest.raises(error, match=message):
            concat(parts)


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (lambda m: [], ValueError, "one map per image; got 0 for 2 images"),
        (lambda m: [m[0], m[1].reshape(6, 3)], ValueError, r"got shape \(6, 3\) for image 1"),
        (lambda m: [m[0], m[1].tolist()], TypeError, "arrays or tensors; got list for image 1"),
        (lambda m: [m[0], m[1] * np.nan], ValueError, "finite features; got NaN or infinity for image 1"),
        (lambda m: [m[0], m[1][..., :2]], ValueError, r"same number of channels; got \[2, 3\]"),
        (lambda m: [m[0], torch.from_numpy(m[1])], TypeError, "all images in numpy or all in torch; got both"),
    ],
)
def test_a_backbone_that_answers_wrongly_is_told(answer, error, message):
    with pytest.raises(error, match=message):
        extract([picture(), picture()], lambda images: answer(means(images)))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"backbone": 3}, TypeError, "`backbone` must be 'multiscale', a model's id or folder.*got 3"),
        ({"layer": 1.5}, TypeError, "`layer` must be an integer; got 1.5"),
        ({"resolution": 0}, ValueError, "`resolution` must be at least 8; got 0"),
        ({"batch_size": 0}, ValueError, "`batch_size` must be at least 1; got 0"),
    ],
)
def test_bad_options_say_so(options, error, message):
    with pytest.raises(error, match=message):
        extract(picture(), **options)


def test_values_grid_and_names_must_belong_together():
    grid = PatchGrid([(8, 8)], [PatchMap(0, 1, 2)])
    for values, names, error, message in [
        (np.zeros((3, 4)), None, ValueError, r"must have shape \(2, channels\).*got \(3, 4\)"),
        ([[1], [2]], None, TypeError, "must be a numpy array or a tensor; got list"),
        (np.zeros((2, 4)), ["a"], ValueError, "must name each of 4 channels; got 1 names"),
        (np.zeros((2, 4)), "abcd", TypeError, "must be a sequence of names; got 'abcd'"),
    ]:
        with pytest.raises(error, match=message):
            FeatureMaps(values, grid, names)


def test_progress_says_what_it_does(capsys):
    extract_features([picture()], backbone=means)
    assert "features: means" in capsys.readouterr().err
    extract([picture()])
    assert capsys.readouterr().err == ""
