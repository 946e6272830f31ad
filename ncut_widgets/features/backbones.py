"""Backbones by name: the built-in one, transformers models, and any callable."""

from __future__ import annotations

import difflib
import inspect
import os
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from PIL import Image

from .multiscale import Multiscale

__all__ = ["TransformersBackbone", "resolve_backbone", "shrink"]

Backbone = Callable[[Sequence[Image.Image]], Sequence[Any]]


def resolve_backbone(backbone: Any, *, layer: int, resolution: int | None, device: Any) -> Backbone:
    """Return a callable (images -> one (rows, columns, c) map each) for whatever `extract_features` was given."""
    if isinstance(layer, bool) or not isinstance(layer, int):
        raise TypeError(f"`layer` must be an integer; got {layer!r} ({type(layer).__name__}). Pass a whole number.")
    if isinstance(backbone, str) and backbone == "multiscale":
        return Multiscale() if resolution is None else Multiscale(resolution=resolution)
    if isinstance(backbone, str) and "/" not in backbone and not os.path.isdir(backbone):
        close = difflib.get_close_matches(backbone.lower(), ["multiscale"])
        advice = (
            f"Did you mean {close[0]!r}?" if close else "Pass 'multiscale', or an id such as 'facebook/dinov2-base'."
        )
        raise ValueError(
            f"`backbone` must be 'multiscale', a Hugging Face model's id, or a folder with one; got {backbone!r}, "
            f"which is neither a folder here nor 'owner/name'. {advice}"
        )
    if isinstance(backbone, str | os.PathLike):
        return _from_hub(os.fspath(backbone), layer, resolution, device)
    if isinstance(backbone, tuple) and len(backbone) == 2:
        return TransformersBackbone(*backbone, layer=layer, resolution=resolution)
    if isinstance(backbone, torch.nn.Module) and hasattr(backbone, "config"):
        path = getattr(backbone, "name_or_path", "")
        if not path:
            raise ValueError(
                "`backbone` must say how to normalise images; got a model that was not loaded from a checkpoint. "
                "Pass (model, processor), where `processor` has `image_mean` and `image_std`."
            )
        return TransformersBackbone(backbone, _processor(path), layer=layer, resolution=resolution)
    if not callable(backbone):
        raise TypeError(
            f"`backbone` must be 'multiscale', a model's id or folder, a model, or a callable; got {backbone!r}. "
            "Pass one of these."
        )
    return backbone if resolution is None else _At(backbone, resolution)


def shrink(image: Image.Image, resolution: int) -> Image.Image:
    """Return the image with its longer side at most `resolution` pixels; smaller images stay as they are."""
    longest = max(image.size)
    if longest <= resolution:
        return image
    width, height = (max(1, round(side * resolution / longest)) for side in image.size)
    return image.resize((width, height), Image.Resampling.BOX)


class _At:
    """A callable that sees its images at a chosen resolution."""

    def __init__(self, extract: Backbone, resolution: int) -> None:
        self._extract, self._resolution = extract, resolution
        self.name = f"{getattr(extract, 'name', getattr(extract, '__name__', 'features'))}, {resolution} px"
        self.channel_names = getattr(extract, "channel_names", None)

    def __call__(self, images: Sequence[Image.Image]) -> Sequence[Any]:
        return self._extract([shrink(image, self._resolution) for image in images])


class TransformersBackbone:
    """The hidden states of a transformers vision model as feature maps.

    Vision transformers (ViT, DINO, DINOv2 and v3, CLIP, SigLIP, SAM, ...) and networks with spatial maps (ResNet,
    ConvNeXt, Swin, ...). Class and register tokens are dropped. The aspect ratio is kept, and positions are
    interpolated, where the model supports it; other models see the image at their own square size.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        It runs where it is, in its own precision. Of models of images and text the vision part counts.
    processor : image processor
        Only its `image_mean`, `image_std` and `rescale_factor` are used; resizing is done here, by PIL.
    layer : int
        Which of the hidden states.
    resolution : int, optional
        The longer side in pixels; by default what the model was trained at.
    """

    channel_names = None

    def __init__(self, model: Any, processor: Any, *, layer: int = -1, resolution: int | None = None) -> None:
        if not isinstance(model, torch.nn.Module) or not hasattr(model, "config"):
            raise TypeError(f"`backbone` must hold a transformers model; got {type(model).__name__}. Load it first.")
        processor = getattr(processor, "image_processor", processor)
        if getattr(processor, "image_mean", None) is None or getattr(processor, "image_std", None) is None:
            raise TypeError(
                f"`backbone` must hold a processor with `image_mean` and `image_std`; got {type(processor).__name__}. "
                "Pass (model, image processor)."
            )
        path = getattr(model, "name_or_path", "") or type(model).__name__
        # CLIP, SigLIP and the like: only their vision part sees images.
        for part in ("vision_model", "vision_encoder"):
            model = getattr(model, part, model)
        self._model = model.eval()
        self._layer = layer
        config = model.config
        self._patch = _first(getattr(config, "patch_size", None))
        trained = _first(getattr(config, "image_size", None)) or 224
        self._keeps_aspect = self._patch is None or _interpolates(model)
        self._longest = resolution or trained
        if not self._keeps_aspect and resolution not in (None, trained):
            raise ValueError(
                f"`resolution` must be {trained}, the only one that {type(model).__name__} takes; got {resolution}. "
                "Leave it out."
            )
        self._mean = np.asarray(processor.image_mean, dtype=np.float32)
        self._std = np.asarray(processor.image_std, dtype=np.float32)
        self._scale = float(getattr(processor, "rescale_factor", None) or 1 / 255)
        self.name = f"{os.path.basename(os.path.normpath(path))}, layer {layer}, {self._longest} px"

    def __call__(self, images: Sequence[Image.Image]) -> list[torch.Tensor]:
        sizes = [self._size(image) for image in images]
        maps: dict[int, torch.Tensor] = {}
        for size in dict.fromkeys(sizes):
            members = [index for index, other in enumerate(sizes) if other == size]
            answer = self._hidden(self._pixels([images[index] for index in members], size), size)
            maps.update(zip(members, answer, strict=True))
        return [maps[index] for index in range(len(images))]

    def _size(self, image: Image.Image) -> tuple[int, int]:
        """The (width, height) at which the model sees an image: whole patches, at least one each way."""
        if not self._keeps_aspect:
            return (self._longest, self._longest)
        # Convolutional networks halve the image five times.
        step = self._patch or 32
        width, height = (side * self._longest / max(image.size) for side in image.size)
        return (max(1, round(width / step)) * step, max(1, round(height / step)) * step)

    def _pixels(self, images: list[Image.Image], size: tuple[int, int]) -> torch.Tensor:
        arrays = [np.asarray(image.resize(size, Image.Resampling.BICUBIC), dtype=np.float32) for image in images]
        batch = (np.stack(arrays) * self._scale - self._mean) / self._std
        parameter = next(self._model.parameters())
        return torch.from_numpy(batch).permute(0, 3, 1, 2).contiguous().to(parameter.device, parameter.dtype)

    def _hidden(self, pixels: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        options = {"interpolate_pos_encoding": True} if _takes_interpolation(self._model) else {}
        with torch.no_grad():
            output = self._model(pixel_values=pixels, output_hidden_states=True, return_dict=True, **options)
        # Swin and others whose tokens are few and large hand their maps out separately.
        states = getattr(output, "reshaped_hidden_states", None) or getattr(output, "hidden_states", None)
        if not states:
            raise ValueError(f"`backbone` must expose hidden states; got none from {type(self._model).__name__}.")
        if not -len(states) <= self._layer < len(states):
            raise ValueError(
                f"`layer` must lie in {-len(states)} to {len(states) - 1} for this model; got {self._layer}."
            )
        state = states[self._layer]
        if state.ndim == 4:
            width = getattr(self._model.config, "hidden_size", None)
            channels_last = state.shape[-1] == width and state.shape[1] != width
            return state if channels_last else state.permute(0, 2, 3, 1)
        if self._patch is None:
            raise ValueError(
                f"`backbone` must be a vision model; got {type(self._model).__name__}, which has no patch size."
            )
        columns, rows = (side // self._patch for side in size)
        extra = state.shape[1] - rows * columns
        if extra < 0:
            raise ValueError(
                f"`layer` must have one token for each of {rows} x {columns} patches; layer {self._layer} has "
                f"{state.shape[1]}. Pick another layer."
            )
        # Class and register tokens come first in every model that has them.
        return state[:, extra:].reshape(len(state), rows, columns, -1)


def _from_hub(path: str, layer: int, resolution: int | None, device: Any) -> TransformersBackbone:
    if find_spec("transformers") is None:
        raise ModuleNotFoundError(
            f"`backbone` {path!r} must be loaded by transformers, which is not installed. "
            "Run `pip install 'ncut_widgets[backbones]'`, or use backbone='multiscale'.",
            name="transformers",
        )
    from transformers import AutoModel

    try:
        model = AutoModel.from_pretrained(path)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"`backbone` must be 'multiscale', a Hugging Face model's id, or a folder with one; got {path!r} ({error})."
        ) from error
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return TransformersBackbone(model.to(device), _processor(path), layer=layer, resolution=resolution)


class _Normalisation:
    """What a checkpoint says of pixel values."""

    def __init__(self, entries: dict[str, Any]) -> None:
        self.image_mean = entries.get("image_mean")
        self.image_std = entries.get("image_std")
        self.rescale_factor = entries.get("rescale_factor")


def _processor(path: str) -> _Normalisation:
    from transformers.image_processing_base import ImageProcessingMixin

    # Read rather than instantiated: recent processors want torchvision, for resizing that is done here.
    try:
        entries, _ = ImageProcessingMixin.get_image_processor_dict(path)
    except OSError as error:
        raise ValueError(
            f"`backbone` must come with a preprocessor_config.json, which says how to normalise images; "
            f"{path!r} has none. Pass (model, image processor)."
        ) from error
    return _Normalisation(entries)


def _takes_interpolation(model: torch.nn.Module) -> bool:
    return "interpolate_pos_encoding" in inspect.signature(model.forward).parameters


def _interpolates(model: Any) -> bool:
    """Whether positions follow the image's shape: interpolated (on request, or always as in DINOv2), or rotary."""
    rotary = any(getattr(model.config, key, None) is not None for key in ("rope_theta", "rope_parameters"))
    return rotary or any(hasattr(module, "interpolate_pos_encoding") for module in model.modules())


def _first(size: Any) -> int | None:
    """A square size, from a number, a pair, or a mapping of two."""
    if isinstance(size, dict):
        size = next(iter(size.values()))
    if isinstance(size, list | tuple):
        size = size[0]
    return None if size is None else int(size)
