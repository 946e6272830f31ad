"""`backbone_attribution`: gradients at pixels and at layers, maps, batches and errors."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from scipy.linalg import polar

from helpers.processes import torch_seed
from ncut_widgets import Ncut, backbone_attribution, extract_features

PROCESSOR = SimpleNamespace(image_mean=[0.5, 0.5, 0.5], image_std=[0.5, 0.5, 0.5], rescale_factor=1 / 255)
SIGMA = 2.0


@pytest.fixture(autouse=True)
def seeded():
    with torch_seed():
        yield


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    sizes = [(48, 32), (32, 48), (48, 32)]
    arrays = [rng.integers(0, 90, size=(h, w, 3), dtype=np.uint8) for w, h in sizes]
    for array in arrays:
        array[: len(array) // 2, :, 0] += 160
    return [Image.fromarray(array) for array in arrays]


def vit():
    small = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = transformers.ViTConfig(**small, image_size=48, patch_size=8, initializer_range=0.2)
    return transformers.ViTModel(config).double().eval()


def resnet():
    config = transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
    return transformers.ResNetModel(config).double().eval()


class Perturbed:
    """Context manager that adds `steps` to the pixels, or to the output of a layer, one per image."""

    def __init__(self, model, through, steps):
        self.module = model if through == "pixels" else model.get_submodule(through)
        self.through, self.steps = through, iter(steps)

    def __enter__(self):
        if self.through == "pixels":

            def hook(module, args, kwargs):
                return args, {**kwargs, "pixel_values": kwargs["pixel_values"] + next(self.steps)}

            self.handle = self.module.register_forward_pre_hook(hook, with_kwargs=True)
            return

        def after(module, args, output):
            perturbed = (output[0] if isinstance(output, tuple) else output) + next(self.steps)
            return (perturbed, *output[1:]) if isinstance(output, tuple) else perturbed

        self.handle = self.module.register_forward_hook(after)

    def __exit__(self, *_):
        self.handle.remove()


def extract(images, model, **options):
    return extract_features(images, backbone=(model, PROCESSOR), resolution=48, progress=False, **options)


def strength(images, model, labels):
    """Return the mean absolute k-way score of each cluster, in float64."""
    eig = Ncut(3, sigma=SIGMA).fit_transform(extract(images, model, batch_size=1)).numpy()
    rows = eig / np.linalg.norm(eig, axis=1, keepdims=True)
    scores = np.abs(rows @ polar(rows.T @ np.eye(3)[labels])[0])
    return np.array([scores[labels == t, t].mean() for t in range(3)])


CASES = [(vit, "pixels"), (vit, "layer"), (resnet, "pixels"), (resnet, "embedder")]


@pytest.mark.parametrize(("build", "through"), CASES)
def test_gradients_match_finite_differences(build, through, images):
    model = build()
    if through == "layer":
        through = next(name for name, part in model.named_modules() if type(part).__name__ == "ViTLayer")
    labels = np.arange(len(extract(images, model))) % 3
    labels[: len(labels) // 2] = 1
    found = backbone_attribution(
        images,
        labels,
        backbone=(model, PROCESSOR),
        through=through,
        resolution=48,
        method="gradient",
        region="all",
        n_maps=99,
        batch_size=2,
        ncut=Ncut(sigma=SIGMA),
    )
    shapes = _shapes(images, model, through)
    generator = torch.Generator().manual_seed(3)
    direction = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    if len(shapes[0]) == 3:
        # Do not perturb class tokens, because only patches have attributions.
        for part in direction:
            part[:, 0] = 0
    ends = []
    for sign in (1, -1):
        with Perturbed(model, through, [sign * 1e-6 * part for part in direction]):
            ends.append(strength(images, model, labels))
    expected = (ends[0] - ends[1]) / 2e-6
    flat = torch.cat([_patches(part) for part in direction]).numpy()
    order = np.argsort(found.map_data.channels, axis=1)
    gradients = np.take_along_axis(found.map_data.gradients, order[:, None, :], axis=2)
    np.testing.assert_allclose((gradients * flat).sum((1, 2)), expected, rtol=1e-4)


def _shapes(images, model, through):
    """Return the shape of the pixels, or of the output of a layer, for each image."""
    shapes = []
    module = model if through == "pixels" else model.get_submodule(through)
    if through == "pixels":
        handle = module.register_forward_pre_hook(
            lambda module, args, kwargs: shapes.append(kwargs["pixel_values"].shape), with_kwargs=True
        )
    else:
        handle = module.register_forward_hook(
            lambda module, args, output: shapes.append((output[0] if isinstance(output, tuple) else output).shape)
        )
    extract(images, model, batch_size=1)
    handle.remove()
    return shapes


def _patches(part):
    """Return the values (positions, channels) of a map or of tokens, without the class token."""
    if part.ndim == 4:
        return part[0].permute(1, 2, 0).reshape(-1, part.shape[1])
    return part[0, 1:]


def test_pixel_maps_have_the_size_of_each_image(images):
    model = vit()
    mask = np.zeros(len(extract(images, model)), dtype=bool)
    mask[:18] = True
    found = backbone_attribution(images, mask, backbone=(model, PROCESSOR), resolution=48, n_eig=4)
    assert found.channel_names == ("red", "green", "blue")
    assert [m.shape for m in found.maps("red", of="gradient")] == [(32, 48), (48, 32), (32, 48)]
    # Normalized values, in the order of the images.
    values = np.asarray(images[1], dtype=np.float32)[..., 1] / 127.5 - 1
    np.testing.assert_allclose(found.maps("green")[1], values, atol=1e-5)
    with pytest.raises(ValueError, match="`faithfulness` requires an attribution to the features of the graph"):
        found.faithfulness()


def test_result_does_not_depend_on_the_batch_size(images):
    model = vit()
    labels = np.arange(len(extract(images, model))) % 2
    options = {"backbone": (model, PROCESSOR), "resolution": 48, "ncut": Ncut(sigma=SIGMA)}
    single, batched = (backbone_attribution(images, labels, **options, batch_size=size).raw for size in (1, 8))
    np.testing.assert_allclose(single, batched, rtol=1e-6, atol=1e-12)


class Planted:
    """A backbone with patches of 4 x 4 pixels that uses only the green channel, and runs without gradients."""

    def __init__(self):
        self.model = torch.nn.Sequential(torch.nn.AvgPool2d(4), torch.nn.Conv2d(3, 3, 1, bias=False))
        with torch.no_grad():
            self.model[1].weight.copy_(torch.diag(torch.tensor([0.0, 4.0, 0.0]))[:, :, None, None])

    @torch.no_grad()
    def __call__(self, images):
        pixels = torch.stack([torch.from_numpy(np.array(image)).permute(2, 0, 1) / 255 for image in images])
        return list(self.model(pixels).permute(0, 2, 3, 1))


@pytest.fixture
def halves():
    image = np.random.default_rng(0).integers(0, 100, size=(24, 32, 3), dtype=np.uint8)
    image[:, 16:, 1] += 150
    mask = np.zeros((6, 8), dtype=bool)
    mask[:, 4:] = True
    return Image.fromarray(image), mask


@pytest.mark.parametrize("through", ["pixels", "0", "1"])
@pytest.mark.parametrize("region", ["target", "all"])
def test_channel_that_the_backbone_uses_ranks_first(halves, through, region):
    image, mask = halves
    found = backbone_attribution(
        image, mask, backbone=Planted(), through=through, method="gradient", region=region, n_eig=2
    )
    assert found.ranking()[0, 0] == 1
    assert found.raw[0, 1] > 0
    if through != "1":
        np.testing.assert_array_equal(found.raw[0, [0, 2]], 0)


def test_coarse_layer_keeps_small_targets():
    class Unshuffled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.coarse, self.fine = torch.nn.AvgPool2d(8), torch.nn.Upsample(scale_factor=4)

        def forward(self, pixels):
            return self.fine(self.coarse(pixels)) + 0.1 * torch.nn.functional.avg_pool2d(pixels, 2)

    module = Unshuffled()

    def backbone(images):
        pixels = torch.stack([torch.from_numpy(np.array(image)).permute(2, 0, 1) / 255 for image in images])
        return list(module(pixels).permute(0, 2, 3, 1))

    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, size=(32, 32, 3), dtype=np.uint8))
    options = {"backbone": backbone, "module": module, "through": "coarse", "n_eig": 3, "method": "gradient"}
    found = backbone_attribution(image, [0], **options)
    assert found.maps(0)[0].shape == (4, 4)
    assert np.isfinite(found.raw).all()
    assert (found.raw != 0).all()


class TestErrors:
    def test_layers_that_are_missing_or_unused_raise(self, halves):
        image, mask = halves
        with pytest.raises(ValueError, match=r"`through` must be 'pixels' or the name of a layer; got 'layer1'"):
            backbone_attribution(image, mask, backbone=Planted(), through="layer1")
        with pytest.raises(ValueError, match=r"`method` must be a gradient method .*; got \"ablation\""):
            backbone_attribution(image, mask, backbone=Planted(), method="ablation")

        class Unused(Planted):
            def __call__(self, images):
                pixels = torch.stack([torch.from_numpy(np.array(image)).permute(2, 0, 1) / 255 for image in images])
                self.model(pixels)
                return list(self.model[0](pixels.requires_grad_()).permute(0, 2, 3, 1))

        with pytest.raises(ValueError, match="`through` must name a layer that the features depend on; got '1'"):
            backbone_attribution(image, mask, backbone=Unused(), through="1", n_eig=2)

    def test_backbones_without_module_or_graph_raise(self, halves):
        image, mask = halves

        def describe(images):
            return [torch.from_numpy(np.array(image)).float()[::4, ::4] for image in images]

        with pytest.raises(TypeError, match="`module` is required if `backbone` does not contain a torch module; got"):
            backbone_attribution(image, mask, backbone=describe)
        with pytest.raises(ValueError, match="`module` must process every image once; got 0 for 1 images"):
            backbone_attribution(image, mask, backbone=describe, module=torch.nn.Identity(), n_eig=2)

        class Detached(Planted):
            def __call__(self, images):
                return [m.detach() for m in super().__call__(images)]

        with pytest.raises(ValueError, match="`backbone` must be differentiable; got features without"):
            backbone_attribution(image, mask, backbone=Detached(), n_eig=2)
