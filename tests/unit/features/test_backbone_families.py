"""Feature maps of every transformers family match a plain model call, with patches at the right image position."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import transformers as hf
from PIL import Image

from helpers.processes import torch_seed
from ncut_widgets.features import extract_features
from ncut_widgets.features.backbones import TransformersBackbone
from ncut_widgets.features.backbones.families import FAMILIES
from ncut_widgets.features.vjp import backpropagate_to

PROCESSOR = SimpleNamespace(image_mean=[0.5, 0.4, 0.3], image_std=[0.5, 0.6, 0.7], rescale_factor=1 / 255)
ENCODER = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
VIT = {**ENCODER, "intermediate_size": 32, "image_size": 32, "patch_size": 8}
SAM = {**ENCODER, "mlp_dim": 32, "output_channels": 8, "image_size": 32, "patch_size": 8, "window_size": 3}


class Case(NamedTuple):
    """A small model and its expected properties, stated here independently of the code under test."""

    build: Callable[[], Any]
    layout: str = "tokens"  # of the hidden states
    special: int = 0  # tokens before the patches
    norm: str | None = None  # of the patches, after the last block
    stride: int = 8  # pixels per position of the last hidden state
    step: int = 8  # both sides of an image are multiples of it
    native: int = 32  # training size
    fixed: bool = False  # accepts only the training size
    interpolate: bool = False  # a plain call must request interpolation for other sizes
    first: int = 8  # pixels per position of hidden state 0
    block: str = "layers.0"
    reach: int = 0  # distance in steps between a changed patch and the largest change of the map
    nudge: float = 1e-6  # step of finite differences: larger if the model rounds to float32 internally


def vit(name: str, special: int, norm: str | None = "layernorm", **options: Any) -> Case:
    model, config = getattr(hf, f"{name}Model"), getattr(hf, f"{name}Config")
    return Case(lambda: model(config(**VIT)), special=special, norm=norm, **options)


def sam2() -> Any:
    config = hf.Sam2HieraDetConfig(
        hidden_size=8,
        num_attention_heads=1,
        image_size=[64, 64],
        blocks_per_stage=[1, 2, 1],
        embed_dim_per_stage=[8, 16, 32],
        num_attention_heads_per_stage=[1, 2, 4],
        window_size_per_stage=[4, 2, 4],
        window_positional_embedding_background_size=[4, 4],
        global_attention_blocks=[2],
        num_query_pool_stages=2,
    )
    return hf.Sam2VisionModel(
        hf.Sam2VisionConfig(
            backbone_config=config,
            backbone_channel_list=[32, 16, 8],
            fpn_hidden_size=8,
            backbone_feature_sizes=[[16, 16], [8, 8], [4, 4]],
            num_feature_levels=3,
        )
    )


def hiera_config(height: int = 64, width: int = 64) -> Any:
    return hf.HieraConfig(
        embed_dim=8,
        image_size=[height, width],
        depths=[1, 2, 1],
        num_heads=[1, 2, 4],
        num_query_pool=2,
        masked_unit_size=[4, 4],
        masked_unit_attention=[True, True, False],
        embed_dim_multiplier=2.0,
    )


def swin() -> Any:
    config = hf.SwinConfig(image_size=32, patch_size=2, embed_dim=8, depths=[2, 2], num_heads=[1, 2], window_size=4)
    return hf.SwinModel(config)


def clip_with_text() -> Any:
    text = hf.CLIPTextConfig(**ENCODER, intermediate_size=32, vocab_size=10, max_position_embeddings=8)
    return hf.CLIPModel(hf.CLIPConfig(text_config=text.to_dict(), vision_config=hf.CLIPVisionConfig(**VIT).to_dict()))


def sam3() -> Any:
    from transformers.models.sam3.configuration_sam3 import Sam3ViTConfig

    config = Sam3ViTConfig(**VIT, pretrain_image_size=16, window_size=2, global_attn_indexes=[1])
    return hf.AutoModel.from_config(config)


STAGES = {"hidden_sizes": [8, 16, 24], "depths": [1, 1, 1]}
CONV = {"layout": "channels_first", "stride": 16, "step": 16, "first": 4}
CLIP = {"special": 1, "interpolate": True, "block": "encoder.layers.0"}

CASES = {
    "vit": vit("ViT", 1, interpolate=True),
    "deit": vit("DeiT", 2, interpolate=True),
    "msn": vit("ViTMSN", 1, interpolate=True),
    "ijepa": vit("IJepa", 0, interpolate=True),
    "beit": Case(
        lambda: hf.BeitModel(hf.BeitConfig(**VIT, use_relative_position_bias=True, use_mean_pooling=False)),
        special=1,
        norm="layernorm",
        interpolate=True,
    ),
    "beit, mean pooled": Case(
        lambda: hf.BeitModel(hf.BeitConfig(**VIT, use_shared_relative_position_bias=True)), special=1, interpolate=True
    ),
    "data2vec": Case(
        lambda: hf.Data2VecVisionModel(
            hf.Data2VecVisionConfig(**VIT, use_relative_position_bias=True, use_mean_pooling=False)
        ),
        special=1,
        norm="layernorm",
        interpolate=True,
        block="encoder.layer.0",
    ),
    "dinov2": vit("Dinov2", 1, block="encoder.layer.0"),
    "dinov2 backbone": Case(
        lambda: hf.Dinov2Backbone(hf.Dinov2Config(**VIT)), special=1, norm="layernorm", block="encoder.layer.0"
    ),
    "dinov2 registers": vit("Dinov2WithRegisters", 5, block="encoder.layer.0"),
    "dinov3": Case(
        lambda: hf.DINOv3ViTModel(hf.DINOv3ViTConfig(**VIT, num_register_tokens=3)),
        special=4,
        norm="norm",
        block="model.layer.0",
    ),
    "dinov3 convnext": Case(
        lambda: hf.DINOv3ConvNextModel(hf.DINOv3ConvNextConfig(**STAGES, image_size=32)),
        norm="layer_norm",
        block="model.stages.0",
        **{**CONV, "first": 1},
    ),
    "clip": Case(lambda: hf.CLIPVisionModel(hf.CLIPVisionConfig(**VIT)), **CLIP),
    "clip with text": Case(clip_with_text, **CLIP),
    "clip with projection": Case(lambda: hf.CLIPVisionModelWithProjection(hf.CLIPVisionConfig(**VIT)), **CLIP),
    "alt clip": Case(lambda: hf.AltCLIPVisionModel(hf.AltCLIPVisionConfig(**VIT)), **CLIP),
    "mlcd": Case(
        lambda: hf.MLCDVisionModel(hf.MLCDVisionConfig(**{**VIT, "hidden_size": 32}, num_key_value_groups=1)),
        **{**CLIP, "interpolate": False},
    ),
    "chinese clip": Case(lambda: hf.ChineseCLIPVisionModel(hf.ChineseCLIPVisionConfig(**VIT)), **CLIP),
    "metaclip 2": Case(lambda: hf.MetaClip2VisionModel(hf.MetaClip2VisionConfig(**VIT)), **CLIP),
    "siglip": Case(
        lambda: hf.SiglipVisionModel(hf.SiglipVisionConfig(**VIT)),
        norm="post_layernorm",
        **{**CLIP, "special": 0},
    ),
    "siglip 2": Case(
        lambda: hf.Siglip2VisionModel(
            hf.Siglip2VisionConfig(**ENCODER, intermediate_size=32, patch_size=8, num_patches=16)
        ),
        norm="post_layernorm",
        block="encoder.layers.0",
    ),
    "aimv2": Case(
        lambda: hf.Aimv2VisionModel(hf.Aimv2VisionConfig(**VIT)),
        norm="rms_norm",
        fixed=True,
        block="encoder.layers.0",
        nudge=1e-3,
    ),
    "aimv2 native": Case(
        lambda: hf.Aimv2VisionModel(hf.Aimv2VisionConfig(**VIT, is_native=True)),
        norm="rms_norm",
        block="encoder.layers.0",
        nudge=1e-3,
    ),
    "radio": Case(
        lambda: hf.RadioModel(
            hf.RadioConfig(**ENCODER, image_size=32, patch_size=8, max_img_size=64, num_cls_tokens=2, num_registers=3)
        ),
        special=5,
        block="encoder.layer.0",
        nudge=1e-3,
    ),
    "tipsv2": Case(
        lambda: hf.Tipsv2VisionModel(
            hf.Tipsv2VisionConfig(**ENCODER, image_size=32, patch_size=8, num_register_tokens=1)
        ),
        special=2,
        norm="layernorm",
        block="encoder.layer.0",
    ),
    "mae": vit("ViTMAE", 1, layout="mae"),
    "sam": Case(
        lambda: hf.SamVisionModel(hf.SamVisionConfig(**SAM, global_attn_indexes=[1])),
        layout="channels_last",
        fixed=True,
    ),
    "sam-hq": Case(
        lambda: hf.SamHQVisionModel(hf.SamHQVisionConfig(**SAM, global_attn_indexes=[1])),
        layout="channels_last",
        fixed=True,
    ),
    "sam 2": Case(sam2, "channels_last", stride=16, step=16, native=64, first=4, block="blocks.0"),
    "sam 3": Case(sam3, "channels_last", fixed=True, nudge=1e-3),
    "hiera": Case(
        lambda: hf.HieraModel(hiera_config()),
        "hiera",
        stride=16,
        step=16,
        native=64,
        first=4,
        interpolate=True,
        block="encoder.stages.1",
    ),
    "swin": Case(swin, "swin", norm="layernorm", stride=4, step=4, first=2, interpolate=True, block="encoder.layers.0"),
    "swin v2": Case(
        lambda: hf.Swinv2Model(
            hf.Swinv2Config(image_size=32, patch_size=2, embed_dim=8, depths=[2, 2], num_heads=[1, 2], window_size=4)
        ),
        "swin",
        norm="layernorm",
        stride=4,
        step=4,
        first=2,
        interpolate=True,
        block="encoder.layers.0",
    ),
    "convnext": Case(
        lambda: hf.ConvNextModel(hf.ConvNextConfig(**STAGES, num_stages=3, image_size=32)),
        block="encoder.stages.0",
        **CONV,
    ),
    "convnext v2": Case(
        lambda: hf.ConvNextV2Model(hf.ConvNextV2Config(**STAGES, num_stages=3, image_size=32)),
        block="encoder.stages.0",
        **CONV,
    ),
    "resnet": Case(
        lambda: hf.ResNetModel(hf.ResNetConfig(embedding_size=8, **STAGES, layer_type="basic")),
        block="encoder.stages.0",
        **{**CONV, "native": 224, "reach": 1},
    ),
    "regnet": Case(
        lambda: hf.RegNetModel(hf.RegNetConfig(embedding_size=8, **STAGES, groups_width=8)),
        block="encoder.stages.0",
        **{**CONV, "native": 224, "reach": 1, "first": 2},
    ),
}
FAMILY = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
SHAPES = pytest.mark.parametrize("shape", [(4, 4), (4, 6), (6, 4)], ids=["square", "wide", "high"])


@pytest.fixture(autouse=True)
def seeded():
    with torch_seed():
        yield


def made(case: Case) -> Any:
    """Return the model with zero parameters randomized, because they could hide errors."""
    model = case.build().eval()
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.02)
    return model


def photograph(case: Case, shape: tuple[int, int]) -> Image.Image:
    """Return a noise image of `shape` (rows, columns), in steps of the model."""
    rows, columns = (side * case.step for side in shape)
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (rows, columns, 3), dtype=np.uint8))


def options(case: Case, image: Image.Image) -> dict[str, Any]:
    return {} if case.fixed else {"resolution": max(image.size)}


def extract(image, model, **more):
    return extract_features(image, backbone=(model, PROCESSOR), progress=False, **more).maps[0]


def pixels_of(case: Case, image: Image.Image) -> torch.Tensor:
    if case.fixed:
        image = image.resize((case.native, case.native), Image.Resampling.BICUBIC)
    array = np.asarray(image, dtype=np.float64) / 255
    array = (array - PROCESSOR.image_mean) / PROCESSOR.image_std
    return torch.from_numpy(array).float().permute(2, 0, 1)[None]


def plain(case: Case, model: Any, pixels: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Return the hidden states of a plain call as maps, and the `last_hidden_state`."""
    inputs: dict[str, Any] = {"pixel_values": pixels, "output_hidden_states": True}
    if case.interpolate:
        inputs["interpolate_pos_encoding"] = True
    rows, columns = pixels.shape[2] // case.first, pixels.shape[3] // case.first
    if isinstance(model, hf.Siglip2VisionModel):
        parts = [row.split(8, 2) for row in pixels[0].split(8, 1)]
        patches = [patch.permute(1, 2, 0).reshape(-1) for row in parts for patch in row]
        inputs["pixel_values"] = torch.stack(patches)[None]
        inputs["spatial_shapes"] = torch.tensor([[rows, columns]])
        inputs["pixel_attention_mask"] = torch.ones(1, rows * columns, dtype=torch.int32)
    if case.layout == "mae":
        # The same network without masking.
        same = hf.ViTModel(hf.ViTConfig(**VIT, layer_norm_eps=model.config.layer_norm_eps), add_pooling_layer=False)
        same.load_state_dict(model.state_dict())
        model, inputs["interpolate_pos_encoding"] = same.eval(), True
    if case.layout == "hiera":
        return hiera_plain(model, pixels)
    if isinstance(model, hf.CLIPModel | hf.CLIPVisionModelWithProjection):
        model = model.vision_model
    with torch.no_grad():
        output = model(**inputs)
    if case.layout == "swin":
        states = [state.permute(0, 2, 3, 1) for state in output.reshaped_hidden_states]
        return states, output.last_hidden_state.reshape(states[-1].shape)
    states = list(output.hidden_states)
    last = getattr(output, "last_hidden_state", None)
    if case.layout == "channels_first":
        maps = [state.permute(0, 2, 3, 1) for state in states]
        if case.norm:  # DINOv3 ConvNeXt, with a pooled token in front
            return maps, last[:, 1:].reshape(maps[-1].shape)
        return maps, last.permute(0, 2, 3, 1)
    if case.layout == "channels_last":
        # In SAM, the neck follows the last block.
        return states, states[-1]
    maps = [state[:, case.special :].reshape(1, rows, columns, -1) for state in states]
    if last is None:
        last = model.get_submodule(case.norm)(states[-1])
    return maps, last[:, case.special :].reshape(1, rows, columns, -1)


def hiera_plain(model: Any, pixels: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Run a copy of the model configured for the image's size: Hiera's own maps are correct only at that size."""
    height, width = pixels.shape[2:]
    same = hf.HieraModel(hiera_config(height, width))
    weights = model.state_dict()
    weights["embeddings.position_embeddings"] = model.embeddings.interpolate_pos_encoding(
        torch.zeros(1, height * width // 16, 8), model.embeddings.position_embeddings, height, width
    )
    same.load_state_dict(weights)
    with torch.no_grad():
        states = list(same.eval()(pixel_values=pixels, output_hidden_states=True).reshaped_hidden_states)
    return states, states[-1]


def near(actual, expected):
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-4)


def test_known_families_are_complete():
    tested = {type(module).__name__ for case in CASES.values() for module in case.build().modules()}
    assert set(FAMILIES) - tested == {
        "ConvNextBackbone",
        "ConvNextV2Backbone",
        "DINOv3ViTBackbone",
        "Dinov2WithRegistersBackbone",
        "ResNetBackbone",
    }


@FAMILY
@SHAPES
def test_maps_match_plain_call(case, shape):
    model = made(case)
    image = photograph(case, shape)
    seen = options(case, image)
    states, last = plain(case, model, pixels_of(case, image))
    near(extract(image, model, **seen), last[0])
    near(extract(image, model, norm=False, **seen), states[-1][0])
    for layer in range(len(states) - 1):
        near(extract(image, model, layer=layer, **seen), states[layer][0])
        near(extract(image, model, layer=layer - len(states), **seen), states[layer][0])
    assert states[-1].shape[1:3] == ((4, 4) if case.fixed else tuple(side * case.step // case.stride for side in shape))


@FAMILY
def test_norm_applies_to_layers_of_matching_width(case):
    model, image = made(case), photograph(case, (4, 6))
    seen = options(case, image)
    if case.norm is None:
        with pytest.raises(ValueError, match=r"`norm` must be None or False for \w+, which has no norm"):
            extract(image, model, norm=True, **seen)
        return
    near(extract(image, model, norm=True, **seen), extract(image, model, **seen))
    raw = extract(image, model, layer=1, **seen)
    weight = next(model.get_submodule(case.norm).parameters())
    if raw.shape[-1] == len(weight):
        near(extract(image, model, layer=1, norm=True, **seen), model.get_submodule(case.norm)(raw).detach())
    else:
        with pytest.raises(ValueError, match=r"`norm` must be None or False for this layer because it has 8 channels"):
            extract(image, model, layer=1, norm=True, **seen)


@FAMILY
@SHAPES
@pytest.mark.parametrize("layer", [0, -1])
def test_changed_patch_changes_same_map_position(case, shape, layer):
    model, image = made(case), photograph(case, shape)
    seen = options(case, image)
    before = extract(image, model, layer=layer, norm=False, **seen)
    rows, columns = shape
    for row, column in ((0, columns - 1), (rows - 1, 0), (1, 2)):
        changed = np.array(image)
        changed[row * case.step :, column * case.step :][: case.step, : case.step] = 255
        apart = (extract(Image.fromarray(changed), model, layer=layer, norm=False, **seen) - before).norm(dim=2)
        down, across = divmod(int(apart.argmax()), apart.shape[1])
        at = ((down + 0.5) * rows / apart.shape[0], (across + 0.5) * columns / apart.shape[1])
        # `at` is the center of the position with the largest change.
        assert abs(at[0] - row - 0.5) <= (1 + rows / apart.shape[0]) / 2 + case.reach
        assert abs(at[1] - column - 0.5) <= (1 + columns / apart.shape[1]) / 2 + case.reach


@FAMILY
def test_default_resolution_is_training_size(case):
    model = made(case)
    grid = extract(photograph(case, (4, 4)), model).shape[:2]
    assert tuple(grid) == (case.native // case.stride,) * 2
    low = extract(Image.new("RGB", (90, 60)), model).shape[:2]
    side = case.native // case.step
    expected = (side, side) if case.fixed else (round(side * 2 / 3), side)
    assert tuple(low) == tuple(part * case.step // case.stride for part in expected)


@pytest.mark.parametrize("case", [case for case in CASES.values() if case.fixed])
def test_fixed_size_models_reject_other_resolutions(case):
    with pytest.raises(ValueError, match=r"`resolution` must be 32 because \w+ accepts only images of 32 x 32 pixels"):
        extract(photograph(case, (4, 4)), made(case), resolution=64)


@FAMILY
def test_call_leaves_model_unchanged(case):
    model, image = made(case), photograph(case, (4, 6))
    small = photograph(case, (1, 2))
    seen = options(case, image)
    first = extract(image, model, **seen)
    # Swin permanently reduces its windows for small images; MAE masks at random.
    extract(small, model, **options(case, small))
    assert torch.equal(extract(image, model, **seen), first)
    if case.layout == "mae":
        assert model.config.mask_ratio == 0.75


@FAMILY
@pytest.mark.parametrize("through", ["pixels", "block"])
def test_gradients_reach_pixels_and_blocks(case, through):
    # Float64 for accurate finite differences.
    model = made(case).double()
    image = photograph(case, (4, 6))
    seen = options(case, image)
    extracting = TransformersBackbone(model, PROCESSOR, **seen)
    module = extracting._model
    name = through if through == "pixels" else case.block
    near_block = int(case.block[-1]) + 1
    weights = torch.randn_like(extracting([image])[0])
    found = backpropagate_to([image], extracting, module, name, [weights[None]], batch_size=1, done=lambda n: None)[0]
    if through == "block":
        raw = TransformersBackbone(model, PROCESSOR, layer=near_block, norm=False, **seen)([image])[0]
        torch.testing.assert_close(found.values, raw)
    else:
        assert found.values.shape == (*pixels_of(case, image).shape[2:], 3)
    direction = torch.randn_like(found.values)
    ends = []
    for sign in (1, -1):
        with nudged(extracting, name, sign * case.nudge * direction, image.size):
            ends.append((extracting([image])[0] * weights).sum())
    expected = (ends[0] - ends[1]) / (2 * case.nudge)
    torch.testing.assert_close((found.gradients[0] * direction).sum(), expected, rtol=5e-3, atol=1e-3)


class nudged:
    """Context manager that adds `by` (rows, columns, c) to the pixels or to the output of a block."""

    def __init__(self, extracting: Any, name: str, by: torch.Tensor, image_size: tuple[int, int]) -> None:
        self.extracting, self.name, self.by, self.image_size = extracting, name, by, image_size

    def __enter__(self):
        model = self.extracting._model
        if self.name == "pixels":
            self.handle = model.register_forward_pre_hook(
                lambda _, args, kwargs: (
                    args,
                    {**kwargs, "pixel_values": kwargs["pixel_values"] + self.by.permute(2, 0, 1)},
                ),
                with_kwargs=True,
            )
            return
        self.handle = model.get_submodule(self.name).register_forward_hook(self.after)

    def after(self, module, args, output):
        state = output[0] if isinstance(output, tuple) else output
        moved = state.clone().requires_grad_()
        # Inverse of the layout: the derivative of the map with respect to the state.
        with torch.enable_grad():
            placed = self.extracting.map_of(moved, self.name, self.image_size)
            (by,) = torch.autograd.grad(placed, moved, self.by[None])
        return (state + by, *output[1:]) if isinstance(output, tuple) else state + by

    def __exit__(self, *_):
        self.handle.remove()


def layer_values(case, name):
    model, image = made(case), photograph(case, (4, 6))
    extracting = TransformersBackbone(model, PROCESSOR, **options(case, image))
    ones = torch.ones_like(extracting([image])[0])[None]
    module = extracting._model
    found = backpropagate_to([image], extracting, module, name, [ones], batch_size=1, done=lambda n: None)[0]
    return found.values, extract(image, model, layer=0, **options(case, image))


@pytest.mark.parametrize(
    ("family", "name"),
    [("hiera", "embeddings"), ("swin", "embeddings.dropout"), ("sam 2", "patch_embed"), ("vit", "embeddings")],
)
def test_layers_before_blocks_have_grid_of_state_0(family, name):
    case = CASES[family]
    values, state = layer_values(case, name)
    if family == "sam 2":  # adds position embeddings to it
        assert values.shape == state.shape
    else:
        near(values, state)


@pytest.mark.parametrize(
    ("family", "name", "message"),
    [
        ("sam", "layers.0.attn", "must process every image once; got 4 for 1 images"),
        ("swin", "encoder.layers.0.blocks.0.attention", "must process every image once; got 6 for 1 images"),
        ("beit", "layers.0.relative_position_bias", "map \\(4 x 6\\); got shape"),
        ("sam 3", "layers.1.rotary_emb", "depends on the pixels; got 'layers.1.rotary_emb', whose output is constant"),
        ("dinov2", "layernorm", "got 'layernorm', which is after them"),
    ],
)
def test_layers_without_map_raise(family, name, message):
    with pytest.raises(ValueError, match=message):
        layer_values(CASES[family], name)


def test_pretraining_models_do_not_mask_and_heads_are_ignored():
    wholes = [
        (hf.ViTMAEForPreTraining(hf.ViTMAEConfig(**VIT, decoder_hidden_size=16, decoder_num_attention_heads=2)), "mae"),
        (hf.HieraModel(hiera_config(), is_mae=True), "hiera"),
        (hf.SwinForImageClassification(swin().config), "swin"),
        (hf.Dinov2ForImageClassification(hf.Dinov2Config(**VIT)), "dinov2"),
    ]
    for whole, family in wholes:
        case = CASES[family]
        image = photograph(case, (4, 6))
        body = made(case)
        body.load_state_dict(whole.base_model.state_dict(), strict=False)
        near(extract(image, whole, **options(case, image)), extract(image, body, **options(case, image)))


def test_processor_size_is_used_if_model_has_none():
    model, image = made(CASES["resnet"]), photograph(CASES["resnet"], (4, 6))
    for processor, width in (
        (hf.ViTImageProcessorPil(size={"height": 96, "width": 96}), 6),
        (hf.ConvNextImageProcessorPil(size={"shortest_edge": 64}), 4),
        (SimpleNamespace(**vars(PROCESSOR), size=48), 3),
    ):
        assert extract_features(image, backbone=(model, processor), progress=False).maps[0].shape[1] == width
