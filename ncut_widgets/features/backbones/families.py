"""Table of transformers model families: where each keeps its hidden states, and how they map to the image."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch

__all__ = ["FAMILIES", "Family", "find_vision_model", "square"]

Layout = Literal["tokens", "channels_last", "channels_first", "mask_units"]


def square(size: Any, what: str) -> int:
    """Return the side of a square size, which a configuration may give as a number, a pair or a mapping."""
    sides = list(size.values()) if isinstance(size, dict) else size
    sides = list(sides) if isinstance(sides, list | tuple) else [sides]
    if len(set(sides)) != 1:
        raise ValueError(f"`backbone` must have a square {what}; got {size}. Pass a callable that runs this model.")
    return int(sides[0])


def _patch(config: Any) -> int:
    return square(config.patch_size, "patch size")


def _image_size(config: Any) -> Any:
    return getattr(config, "image_size", None)


def _one_patch(config: Any, _: int) -> int:
    return _patch(config)


def _zero(_: Any) -> int:
    return 0


def _no_arguments(_: Any, __: torch.Tensor) -> dict[str, Any]:
    return {}


def _no_settings(_: Any, __: torch.Tensor) -> list[tuple[Any, str, Any]]:
    return []


def _never(_: Any) -> bool:
    return False


def _always(_: Any) -> bool:
    return True


@dataclass(frozen=True)
class Family:
    """Where a family keeps its hidden states, and how they map to the image.

    Parameters
    ----------
    name : str
        Name in error messages.
    blocks : str
        Path of the list of blocks. Hidden state 0 is the input of the first, hidden state i the output of the i-th.
    norm : str, optional
        Path of the norm that the model applies to every patch after the last block.
    layout : str
        "tokens" (b, special tokens followed by positions row by row, c), "channels_last" (b, rows, columns, c),
        "channels_first" (b, c, rows, columns), or "mask_units" (b, positions in the order of Hiera, c).
    n_special_tokens : callable
        Configuration -> number of class, distillation and register tokens before the patches.
    stride : callable
        Configuration and i -> image pixels per position of hidden state i, in each direction.
    step : callable
        Configuration -> number of pixels of which both sides of the image must be multiples.
    training_size : callable
        Configuration -> image size of the training, in the form of the configuration.
    fixed : callable
        Configuration -> whether the model accepts only that size.
    interpolates : bool
        Whether its position embeddings are interpolated on request.
    arguments : callable
        Model and pixels -> additional arguments of its forward.
    overrides : callable
        Model and pixels -> (object, attribute, value) triples to set while it runs.
    takes_patches : bool
        Whether its forward takes patches (b, rows x columns, channels of a patch) instead of images.
    """

    name: str
    blocks: str
    norm: str | None = None
    layout: Layout = "tokens"
    n_special_tokens: Callable[[Any], int] = _zero
    stride: Callable[[Any, int], int] = _one_patch
    step: Callable[[Any], int] = _patch
    training_size: Callable[[Any], Any] = _image_size
    fixed: Callable[[Any], bool] = _never
    interpolates: bool = False
    arguments: Callable[[Any, torch.Tensor], dict[str, Any]] = _no_arguments
    overrides: Callable[[Any, torch.Tensor], list[tuple[Any, str, Any]]] = _no_settings
    takes_patches: bool = False


def _constant(value: int) -> Callable[[Any], int]:
    return lambda _: value


def _class_and_registers(config: Any) -> int:
    return 1 + int(config.num_register_tokens)


# MAE keeps the patches with the smallest noise, ordered by noise: increasing noise keeps their order.
def _mae_arguments(model: Any, pixels: torch.Tensor) -> dict[str, Any]:
    patch = _patch(model.config)
    patches = (pixels.shape[2] // patch) * (pixels.shape[3] // patch)
    return {"noise": torch.arange(patches, device=pixels.device, dtype=torch.float32).expand(len(pixels), -1)}


def _mae_overrides(model: Any, _: torch.Tensor) -> list[tuple[Any, str, Any]]:
    return [(model.embeddings.config, "mask_ratio", 0.0)]


def _siglip2_arguments(model: Any, pixels: torch.Tensor) -> dict[str, Any]:
    patch = _patch(model.config)
    rows, columns = pixels.shape[2] // patch, pixels.shape[3] // patch
    shapes = torch.tensor([[rows, columns]], device=pixels.device).expand(len(pixels), -1)
    mask = torch.ones(len(pixels), rows * columns, dtype=torch.int32, device=pixels.device)
    return {"spatial_shapes": shapes, "pixel_attention_mask": mask}


def _siglip2_size(config: Any) -> int:
    return math.isqrt(config.num_patches) * _patch(config)


def _stages(config: Any) -> int:
    return len(config.depths)


def _swin_stride(config: Any, level: int) -> int:
    # Every stage but the last ends by merging 2 x 2 patches.
    return _patch(config) * 2 ** min(level, _stages(config) - 1)


def _swin_step(config: Any) -> int:
    return _swin_stride(config, _stages(config))


def _swin_arguments(model: Any, pixels: torch.Tensor) -> dict[str, Any]:
    # Maps smaller than a window are padded to a window, as in the SwinBackbone of transformers.
    smallest = min(pixels.shape[2:]) // _swin_step(model.config)
    return {"always_partition": smallest < model.config.window_size}


def _swin_overrides(model: Any, _: torch.Tensor) -> list[tuple[Any, str, Any]]:
    # Restores window and shift: after an image as small as the window, layers keep reduced values for later images.
    window = model.config.window_size
    blocks = [(layer, index % 2) for stage in model.encoder.layers for index, layer in enumerate(stage.blocks)]
    return [(layer, "window_size", window) for layer, _ in blocks] + [
        (layer, "shift_size", odd * (window // 2)) for layer, odd in blocks
    ]


def _hiera_patch(config: Any) -> int:
    return square(config.patch_stride, "patch stride")


def _hiera_stride(config: Any, level: int) -> int:
    pools = min(max(level - 1, 0), config.num_query_pool)
    return _hiera_patch(config) * square(config.query_stride, "query stride") ** pools


def _hiera_step(config: Any) -> int:
    unrolled = square(config.query_stride, "query stride") ** (_stages(config) - 1)
    return _hiera_patch(config) * math.lcm(unrolled, square(config.masked_unit_size, "mask unit"))


def _hiera_overrides(model: Any, _: torch.Tensor) -> list[tuple[Any, str, Any]]:
    return [(model.embeddings.patch_embeddings, "is_mae", False)]


def _sam2_patch(config: Any) -> int:
    return square(config.patch_stride, "patch stride")


def _sam2_stride(config: Any, level: int) -> int:
    stage, end = 0, config.blocks_per_stage[0]
    while level > end:
        stage += 1
        end += config.blocks_per_stage[stage]
    pools = min(stage, config.num_query_pool_stages)
    return _sam2_patch(config) * square(config.query_stride, "query stride") ** pools


def _sam2_step(config: Any) -> int:
    pooled = square(config.query_stride, "query stride") ** config.num_query_pool_stages
    return _sam2_patch(config) * math.lcm(pooled, config.window_size_per_stage[0])


def _convnext_stride(config: Any, level: int) -> int:
    return _patch(config) * 2 ** max(level - 1, 0)


def _dinov3_convnext_stride(_: Any, level: int) -> int:
    # The input of its first stage is the pixels.
    return 1 if level == 0 else 4 * 2 ** (level - 1)


def _resnet_stride(config: Any, level: int) -> int:
    return 4 if level == 0 else 4 * (1 + config.downsample_in_first_stage) * 2 ** (level - 1)


def _regnet_stride(config: Any, level: int) -> int:
    return _resnet_stride(config, level) // 2


def _deepest(stride: Callable[[Any, int], int]) -> Callable[[Any], int]:
    return lambda config: stride(config, _stages(config))


_VIT = Family("ViT", "layers", "layernorm", n_special_tokens=_constant(1), interpolates=True)
_BEIT = Family(
    "BEiT",
    "layers",
    "layernorm",
    n_special_tokens=_constant(1),
    interpolates=True,
)
# Position embeddings are always interpolated, from a square grid.
_DINOV2 = Family(
    "DINOv2",
    "encoder.layer",
    "layernorm",
    n_special_tokens=_constant(1),
    training_size=lambda config: square(config.image_size, "image size"),
)
_DINOV3 = Family("DINOv3", "model.layer", "norm", n_special_tokens=_class_and_registers)
_CLIP = Family("CLIP", "encoder.layers", n_special_tokens=_constant(1), interpolates=True)
_SAM = Family("SAM", "layers", layout="channels_last", fixed=_always)
_SWIN = Family(
    "Swin",
    "encoder.layers",
    "layernorm",
    stride=_swin_stride,
    step=_swin_step,
    interpolates=True,
    arguments=_swin_arguments,
    overrides=_swin_overrides,
)
_HIERA = Family(
    "Hiera",
    "encoder.stages",
    layout="mask_units",
    stride=_hiera_stride,
    step=_hiera_step,
    interpolates=True,
    overrides=_hiera_overrides,
)
_CONVNEXT = Family(
    "ConvNeXt",
    "encoder.stages",
    layout="channels_first",
    stride=_convnext_stride,
    step=_deepest(_convnext_stride),
)
_DINOV3_CONVNEXT = Family(
    "DINOv3 ConvNeXt",
    "model.stages",
    "layer_norm",
    layout="channels_first",
    stride=_dinov3_convnext_stride,
    step=_deepest(_dinov3_convnext_stride),
)
_RESNET = Family(
    "ResNet", "encoder.stages", layout="channels_first", stride=_resnet_stride, step=_deepest(_resnet_stride)
)

# Key: name of the class whose forward takes pixels; later versions of transformers may not have all of them.
FAMILIES: dict[str, Family] = {
    "ViTModel": _VIT,
    "DeiTModel": replace(_VIT, name="DeiT", n_special_tokens=_constant(2)),
    "ViTMSNModel": replace(_VIT, name="MSN"),
    "ViTMAEModel": replace(_VIT, name="MAE", arguments=_mae_arguments, overrides=_mae_overrides),
    "IJepaModel": replace(_VIT, name="I-JEPA", n_special_tokens=_zero),
    "BeitModel": _BEIT,
    "Data2VecVisionModel": replace(_BEIT, name="Data2Vec", blocks="encoder.layer"),
    "Dinov2Model": _DINOV2,
    "Dinov2Backbone": _DINOV2,
    "Dinov2WithRegistersModel": replace(_DINOV2, n_special_tokens=_class_and_registers),
    "Dinov2WithRegistersBackbone": replace(_DINOV2, n_special_tokens=_class_and_registers),
    "DINOv3ViTModel": _DINOV3,
    "DINOv3ViTBackbone": _DINOV3,
    "DINOv3ConvNextModel": _DINOV3_CONVNEXT,
    "CLIPVisionModel": _CLIP,
    "AltCLIPVisionModel": replace(_CLIP, name="AltCLIP"),
    "ChineseCLIPVisionModel": replace(_CLIP, name="Chinese-CLIP"),
    "MetaClip2VisionModel": replace(_CLIP, name="MetaCLIP 2"),
    "MLCDVisionModel": replace(_CLIP, name="MLCD", interpolates=False),
    "SiglipVisionModel": Family("SigLIP", "encoder.layers", "post_layernorm", interpolates=True),
    "Siglip2VisionModel": Family(
        "SigLIP 2",
        "encoder.layers",
        "post_layernorm",
        training_size=_siglip2_size,
        arguments=_siglip2_arguments,
        takes_patches=True,
    ),
    "Aimv2VisionModel": Family("AIMv2", "encoder.layers", "rms_norm", fixed=lambda config: not config.is_native),
    "RadioModel": Family("RADIO", "encoder.layer", n_special_tokens=lambda config: config.num_summary_tokens),
    "Tipsv2VisionModel": replace(_DINOV2, name="TIPSv2", n_special_tokens=_class_and_registers),
    "SamVisionEncoder": _SAM,
    "SamHQVisionEncoder": replace(_SAM, name="SAM-HQ"),
    "Sam2HieraDetModel": Family("SAM 2", "blocks", layout="channels_last", stride=_sam2_stride, step=_sam2_step),
    "Sam3ViTModel": replace(_SAM, name="SAM 3"),
    "HieraModel": _HIERA,
    "SwinModel": _SWIN,
    "Swinv2Model": replace(_SWIN, name="Swin V2", arguments=_no_arguments, overrides=_no_settings),
    "ConvNextModel": _CONVNEXT,
    "ConvNextBackbone": _CONVNEXT,
    "ConvNextV2Model": replace(_CONVNEXT, name="ConvNeXt V2"),
    "ConvNextV2Backbone": replace(_CONVNEXT, name="ConvNeXt V2"),
    "ResNetModel": _RESNET,
    "ResNetBackbone": _RESNET,
    "RegNetModel": replace(_RESNET, name="RegNet", stride=_regnet_stride, step=_deepest(_regnet_stride)),
}


def find_vision_model(model: torch.nn.Module) -> tuple[Any, Family]:
    """Return the vision model and its family: `model` itself or a module inside it.

    Raises
    ------
    ValueError
        If no module belongs to a known family, or if several do.
    """
    found: list[tuple[str, Any, Family]] = []
    for name, module in model.named_modules():
        family = next((FAMILIES[base.__name__] for base in type(module).__mro__ if base.__name__ in FAMILIES), None)
        inside = any(name.startswith(f"{outer}." if outer else "") for outer, _, _ in found)
        if family is not None and not inside:
            found.append((name, module, family))
    if len(found) == 1:
        return found[0][1], found[0][2]
    known = ", ".join(dict.fromkeys(family.name for family in FAMILIES.values()))
    if not found:
        raise ValueError(
            f"`backbone` must be a vision model of a known family ({known}); got {type(model).__name__}. Pass a "
            "callable that runs it and returns (rows, columns, channels) features for each image."
        )
    parts = ", ".join(f"`{name}` ({family.name})" for name, _, family in found)
    raise ValueError(
        f"`backbone` must contain one vision model; got {type(model).__name__} with {len(found)}: {parts}. "
        "Pass one of them."
    )
