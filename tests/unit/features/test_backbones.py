"""Transformers models of every build give maps whose patches lie where the image has them."""

from __future__ import annotations

import importlib.util
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from ncut_widgets.features import extract_features

PROCESSOR = SimpleNamespace(image_mean=[0.5, 0.5, 0.5], image_std=[0.5, 0.5, 0.5], rescale_factor=1 / 255)
SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}


def vit():
    return transformers.ViTModel(transformers.ViTConfig(**SMALL, image_size=32, patch_size=8))


def dinov2():
    return transformers.Dinov2Model(transformers.Dinov2Config(**SMALL, image_size=32, patch_size=8))


def dinov2_registers():
    config = transformers.Dinov2WithRegistersConfig(**SMALL, image_size=32, patch_size=8, num_register_tokens=4)
    return transformers.Dinov2WithRegistersModel(config)


def dinov3():
    config = transformers.DINOv3ViTConfig(**SMALL, image_size=32, patch_size=8, num_register_tokens=4)
    return transformers.DINOv3ViTModel(config)


def clip():
    text = transformers.CLIPTextConfig(**SMALL, vocab_size=10, max_position_embeddings=8)
    vision = transformers.CLIPVisionConfig(**SMALL, image_size=32, patch_size=8)
    return transformers.CLIPModel(transformers.CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict()))


TRANSFORMERS = [vit, dinov2, dinov2_registers, dinov3, clip]


def resnet():
    config = transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
    return transformers.ResNetModel(config)


def swin():
    config = transformers.SwinConfig(
        image_size=32, patch_size=2, embed_dim=8, depths=[1, 1], num_heads=[1, 2], window_size=4
    )
    return transformers.SwinModel(config)


def extract(images, model, **options):
    return extract_features(images, backbone=(model, PROCESSOR), progress=False, **options)


@pytest.fixture(autouse=True)
def seeded():
    state = torch.get_rng_state()
    torch.manual_seed(0)
    yield
    torch.set_rng_state(state)


@pytest.fixture
def spotted():
    """Black, with a white patch of 8 x 8 in row 1, column 4 of 3 x 6."""
    image = np.zeros((24, 48, 3), dtype=np.uint8)
    image[8:16, 32:40] = 255
    return Image.fromarray(image)


@pytest.mark.parametrize("build", TRANSFORMERS)
def test_tokens_become_a_grid_in_the_images_shape(build, spotted):
    features = extract([spotted, spotted.rotate(90, expand=True)], build(), layer=0, resolution=48)
    assert [tuple(m.shape) for m in features.maps] == [(3, 6, 16), (6, 3, 16)]
    assert isinstance(features.values, torch.Tensor)


@pytest.mark.parametrize("build", TRANSFORMERS)
def test_class_and_register_tokens_are_dropped_and_rows_run_down(build, spotted):
    model = build()
    black = Image.new("RGB", spotted.size)
    # Before any attention, only the white patch's own token differs.
    apart = (
        extract(spotted, model, layer=0, resolution=48).maps[0] - extract(black, model, layer=0, resolution=48).maps[0]
    ).norm(dim=2)
    expected = torch.zeros(3, 6, dtype=torch.bool)
    expected[1, 4] = True
    assert torch.equal(apart > 1e-5, expected)


def test_layers_are_the_models_hidden_states(spotted):
    model = vit().eval()
    square = spotted.resize((32, 32))
    pixels = torch.from_numpy(np.asarray(square, dtype=np.float32) / 127.5 - 1).permute(2, 0, 1)[None]
    with torch.no_grad():
        states = model(pixel_values=pixels, output_hidden_states=True).hidden_states
    for layer in (0, 1, -1):
        features = extract(square, model, layer=layer)
        torch.testing.assert_close(features.values, states[layer][0, 1:], atol=1e-5, rtol=1e-4)
    with pytest.raises(ValueError, match=r"`layer` must lie in -3 to 2 for this model; got 3"):
        extract(square, model, layer=3)


def test_by_default_the_longer_side_is_what_the_model_was_trained_at(spotted):
    assert extract(spotted, dinov2()).maps[0].shape[:2] == (2, 4)


@pytest.mark.parametrize(
    ("build", "layer", "shape"), [(resnet, 0, (24, 48, 8)), (resnet, -1, (12, 24, 16)), (swin, 0, (48, 96, 8))]
)
def test_spatial_networks_give_their_maps(build, layer, shape, spotted):
    image, model = spotted.resize((192, 96), Image.Resampling.NEAREST), build()
    answer = extract(image, model, layer=layer, resolution=192).maps[0]
    assert tuple(answer.shape) == shape
    apart = (answer - extract(Image.new("RGB", image.size), model, layer=layer, resolution=192).maps[0]).norm(dim=2)
    row, column = divmod(int(apart.argmax()), shape[1])
    # The white patch covers the second of three rows and the fifth of six columns.
    assert 1 / 3 - 0.1 < row / shape[0] < 2 / 3 + 0.1
    assert 4 / 6 - 0.1 < column / shape[1] < 5 / 6 + 0.1


def test_batches_of_mixed_sizes_keep_their_order(spotted):
    model = dinov2()
    images = [spotted, spotted.rotate(90, expand=True), Image.new("RGB", spotted.size, "red")]
    together = extract(images, model)
    for image, m in zip(images, together.maps, strict=True):
        torch.testing.assert_close(m, extract(image, model).maps[0], atol=1e-5, rtol=1e-4)


def save(folder, model, *, processor=True):
    model.save_pretrained(folder)
    if processor:
        text = '{"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "rescale_factor": 0.00392156862745098}'
        (folder / "preprocessor_config.json").write_text(text)


def test_folders_load_and_name_their_source(tmp_path, spotted):
    model = dinov2()
    save(tmp_path / "tiny-dino", model)
    features = extract_features(spotted, backbone=str(tmp_path / "tiny-dino"), device="cpu", progress=False)
    torch.testing.assert_close(features.values, extract(spotted, model).values)
    assert features.sources == ("tiny-dino, layer -1, 32 px",)
    loaded = transformers.Dinov2Model.from_pretrained(tmp_path / "tiny-dino")
    again = extract_features(spotted, backbone=loaded, progress=False)
    torch.testing.assert_close(again.values, features.values)


def test_a_checkpoint_that_does_not_say_how_to_normalise_is_refused(tmp_path, spotted):
    save(tmp_path / "bare", vit(), processor=False)
    with pytest.raises(ValueError, match=r"come with a preprocessor_config\.json.*Pass \(model, image processor\)"):
        extract_features(spotted, backbone=str(tmp_path / "bare"), progress=False)
    with pytest.raises(ValueError, match="must say how to normalise images"):
        extract_features(spotted, backbone=vit(), progress=False)
    with pytest.raises(TypeError, match="must hold a processor with `image_mean`"):
        extract_features(spotted, backbone=(vit(), object()), progress=False)
    with pytest.raises(TypeError, match="must hold a transformers model; got int"):
        extract_features(spotted, backbone=(3, PROCESSOR), progress=False)


def test_a_folder_without_a_model_says_so(tmp_path, spotted):
    with pytest.raises(ValueError, match="must be 'multiscale', a Hugging Face model's id, or a folder with one"):
        extract_features(spotted, backbone=str(tmp_path), progress=False)


def test_without_transformers_the_extra_is_named(monkeypatch, spotted):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "ncut_widgets.features.backbones.find_spec", lambda name: None if name == "transformers" else find(name)
    )
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'ncut_widgets\[backbones\]'"):
        extract_features(spotted, backbone="facebook/dinov2-base", progress=False)


@pytest.mark.parametrize(
    ("name", "advice"),
    [("multiscal", r"Did you mean 'multiscale'\?"), ("Multiscale", "Did you mean"), ("dinov9", "or an id such as")],
)
def test_a_misspelt_name_is_refused_without_asking_the_network(monkeypatch, spotted, name, advice):
    monkeypatch.setattr("transformers.AutoModel.from_pretrained", lambda path: pytest.fail("asked the network"))
    with pytest.raises(ValueError, match=rf"got '{name}', which is neither a folder here nor 'owner/name'.*{advice}"):
        extract_features(spotted, backbone=name, progress=False)
