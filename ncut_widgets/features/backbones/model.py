"""`TransformersBackbone`: a hidden state of a transformers vision model as feature maps."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from PIL import Image

from .families import find_vision_model
from .layouts import grids, module_map, state_map

__all__ = ["TransformersBackbone"]

# Image size used if neither the model nor its processor has one.
_DEFAULT_IMAGE_SIZE = 224
_SIZE_KEYS = ("height", "width", "shortest_edge", "longest_edge")


class TransformersBackbone:
    """The hidden states of a transformers vision model as feature maps.

    Layout, strides, special tokens and sizes follow from the model's configuration; see `families.py`. Class,
    distillation and register tokens are dropped. If the model accepts images of any shape, the aspect ratio is kept
    and both sides are rounded to whole patches (of the coarsest map if there are several); otherwise images are
    resized to the size that the model accepts.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        Runs on its device, in its precision, and is switched to evaluation mode. If it has a head or a text model,
        only its vision model is used.
    processor : image processor
        Its `image_mean`, `image_std`, `rescale_factor`, `do_normalize` and `do_rescale` are used. Images are resized
        by PIL instead.
    layer : int
        Hidden state 0 is the input of the first block, hidden state i the output of the i-th block, counted from 1, and
        -1 the last. In hierarchical networks (Swin, Hiera, ConvNeXt, ResNet), blocks are stages.
    resolution : int, optional
        The longer side in pixels; by default the training size of the model.
    norm : bool, optional
        Whether to apply the norm that follows the last block. By default it is applied to the last hidden state only,
        as in the model's `last_hidden_state`. True applies it to any hidden state of its width, False to none. CLIP,
        MetaCLIP 2, RADIO, SAM, SAM 2, SAM 3, Hiera, ConvNeXt and ResNet have no such norm.

    Raises
    ------
    TypeError
        If `model` is not a transformers model, or the processor does not define the normalization.
    ValueError
        If the model belongs to no known family, or does not support an option.
    """

    channel_names = None

    def __init__(
        self,
        model: Any,
        processor: Any,
        *,
        layer: int = -1,
        resolution: int | None = None,
        norm: bool | None = None,
    ) -> None:
        if not isinstance(model, torch.nn.Module) or not hasattr(model, "config"):
            raise TypeError(
                f"`backbone` must contain a transformers model; got {type(model).__name__}. Load the model first."
            )
        path = getattr(model, "name_or_path", "") or type(model).__name__
        self._model, self._family = find_vision_model(model)
        self._model.eval()
        self._config = self._model.config
        self._mean, self._std, self._scale = _normalization(processor)
        if getattr(self._config, "num_channels", 3) != 3:
            raise ValueError(
                f"`backbone` must take RGB images; got {type(self._model).__name__}, which takes "
                f"{self._config.num_channels} channels. Pass a callable that prepares them."
            )
        self._blocks = self._submodule(self._family.blocks)
        n = len(self._blocks)
        if not -n - 1 <= layer <= n:
            raise ValueError(
                f"`layer` must be in {-n - 1} to {n} for this model of {n} blocks; got {layer}. 0 is the input of the "
                "first block, -1 the output of the last."
            )
        self._level = layer % (n + 1)
        self._norm = self._final_norm(norm)
        height, width = self._training_size(processor)
        # Position embeddings can be interpolated from a square grid only.
        self._interpolates = self._family.interpolates and height == width
        self._is_fixed = self._family.fixed(self._config) or self._interpolates != self._family.interpolates
        self._fixed_size = (width, height)
        if self._is_fixed and resolution not in (None, max(height, width)):
            raise ValueError(
                f"`resolution` must be {max(height, width)} because {type(self._model).__name__} accepts only images "
                f"of {width} x {height} pixels; got {resolution}. Omit it."
            )
        self._longest = max(height, width) if resolution is None else resolution
        self.name = f"{os.path.basename(os.path.normpath(path))}, layer {layer}, {self._longest} px"
        if norm is not None:
            self.name += ", normalized" if norm else ", not normalized"

    def __call__(self, images: Sequence[Image.Image]) -> list[torch.Tensor]:
        sizes = [self._size(image.size) for image in images]
        maps: dict[int, torch.Tensor] = {}
        for size in dict.fromkeys(sizes):
            members = [index for index, other in enumerate(sizes) if other == size]
            features = self._hidden(self._pixels([images[index] for index in members], size))
            maps.update(zip(members, features, strict=True))
        return [maps[index] for index in range(len(images))]

    def map_of(self, state: torch.Tensor, name: str, image_size: tuple[int, int]) -> torch.Tensor:
        """Return the output of a module, for images of one size, as maps (b, rows, columns, c).

        Raises
        ------
        ValueError
            If the output does not have one value per position of a map.
        """
        module = self._model.get_submodule(name)
        width, height = self._size(image_size)
        return module_map(
            state,
            module,
            name,
            self._family,
            self._config,
            grids(self._family, self._config, len(self._blocks), (height, width)),
            is_block=any(module is block for block in self._blocks),
        )

    def _submodule(self, path: str) -> Any:
        try:
            return self._model.get_submodule(path)
        except AttributeError as error:
            raise ValueError(
                f"`backbone` must have the structure of transformers 5.23 or newer; got {type(self._model).__name__} "
                f"without `{path}`. Update transformers, or pass a callable that runs this model."
            ) from error

    def _final_norm(self, norm: bool | None) -> torch.nn.Module | None:
        if norm is not None and not isinstance(norm, bool):
            raise TypeError(f"`norm` must be True, False or None; got {norm!r}.")
        module = None if self._family.norm is None else self._submodule(self._family.norm)
        if isinstance(module, torch.nn.Identity):
            module = None
        if norm and module is None:
            raise ValueError(
                f"`norm` must be None or False for {type(self._model).__name__}, which has no norm for patches "
                "after the last block; got True. Omit it."
            )
        apply = self._level == len(self._blocks) if norm is None else norm
        return module if apply else None

    def _training_size(self, processor: Any) -> tuple[int, int]:
        """Return the (height, width) of the training images."""
        size = self._family.training_size(self._config)
        if size is None:
            size = getattr(getattr(processor, "image_processor", processor), "size", None)
        if size is not None and not isinstance(size, int | list | tuple):
            # Processors use a mapping of named sides, in which unused ones may be None.
            size = [side for name, side in dict(size).items() if name in _SIZE_KEYS and side is not None]
        if not size:
            return _DEFAULT_IMAGE_SIZE, _DEFAULT_IMAGE_SIZE
        sides = [int(side) for side in (size if isinstance(size, list | tuple) else [size])]
        return sides[0], sides[-1]

    def _size(self, image_size: tuple[int, int]) -> tuple[int, int]:
        """Return the (width, height) to which an image is resized: whole patches, at least one in each direction."""
        if self._is_fixed:
            return self._fixed_size
        step = self._family.step(self._config)
        width, height = (side * self._longest / max(image_size) for side in image_size)
        return (max(1, round(width / step)) * step, max(1, round(height / step)) * step)

    def _pixels(self, images: list[Image.Image], size: tuple[int, int]) -> torch.Tensor:
        arrays = [np.asarray(image.resize(size, Image.Resampling.BICUBIC), dtype=np.float32) for image in images]
        batch = (np.stack(arrays) * self._scale - self._mean) / self._std
        parameter = next(self._model.parameters())
        return torch.from_numpy(batch).permute(0, 3, 1, 2).contiguous().to(parameter.device, parameter.dtype)

    def _hidden(self, pixels: torch.Tensor) -> torch.Tensor:
        arguments = self._family.arguments(self._model, pixels)
        if self._interpolates:
            arguments["interpolate_pos_encoding"] = True
        with torch.no_grad(), self._record_state() as states, _temporarily(self._family.overrides(self._model, pixels)):
            self._model(pixel_values=pixels, **arguments)
            size = (int(pixels.shape[2]), int(pixels.shape[3]))
            candidates = grids(self._family, self._config, len(self._blocks), size)
            state = state_map(states[0], self._family, self._config, candidates, self._level)
            if self._norm is None:
                return state
            width = next(self._norm.parameters()).shape[0]
            if state.shape[-1] != width:
                raise ValueError(
                    f"`norm` must be None or False for this layer because it has {state.shape[-1]} channels and the "
                    f"norm after the last block has {width}; got True. Omit it."
                )
            # `forward` instead of a call, so that hooks on the norm see only the model's own pass.
            return self._norm.forward(state)

    @contextmanager
    def _record_state(self) -> Iterator[list[torch.Tensor]]:
        """Record the chosen hidden state while the model runs."""
        states: list[torch.Tensor] = []

        def before(_: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            states.append(args[0] if args else kwargs["hidden_states"])

        def after(_: torch.nn.Module, __: tuple[Any, ...], output: Any) -> None:
            states.append(output[0] if isinstance(output, tuple) else output)

        with ExitStack() as hooks:
            if self._level == 0:
                hooks.enter_context(self._blocks[0].register_forward_pre_hook(before, with_kwargs=True))
            else:
                hooks.enter_context(self._blocks[self._level - 1].register_forward_hook(after))
            if self._family.takes_patches:
                patch = self._family.step(self._config)
                hooks.enter_context(self._model.register_forward_pre_hook(_patchify(patch), with_kwargs=True))
            yield states


def _patchify(patch: int) -> Any:
    """Return a hook that converts pixels (b, c, h, w) to patches (b, rows x columns, patch x patch x c)."""

    def hook(_: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        pixels = kwargs["pixel_values"]
        b, c, h, w = pixels.shape
        patches = pixels.reshape(b, c, h // patch, patch, w // patch, patch).permute(0, 2, 4, 3, 5, 1)
        return args, {**kwargs, "pixel_values": patches.reshape(b, -1, patch * patch * c)}

    return hook


@contextmanager
def _temporarily(settings: list[tuple[Any, str, Any]]) -> Iterator[None]:
    """Set attributes given as (object, name, value), and restore the old values on exit."""
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in settings]
    try:
        for owner, name, value in settings:
            setattr(owner, name, value)
        yield
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)


def _normalization(processor: Any) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the mean, standard deviation and scale of pixel values of an image processor."""
    processor = getattr(processor, "image_processor", processor)
    scale = 1.0 if getattr(processor, "do_rescale", None) is False else getattr(processor, "rescale_factor", None)
    mean, std = getattr(processor, "image_mean", None), getattr(processor, "image_std", None)
    if getattr(processor, "do_normalize", None) is False:
        mean, std = 0.0, 1.0
    if mean is None or std is None:
        raise TypeError(
            f"`backbone` must have a processor with `image_mean` and `image_std`; got {type(processor).__name__}. "
            "Pass (model, image processor)."
        )
    return np.asarray(mean, np.float32), np.asarray(std, np.float32), float(1 / 255 if scale is None else scale)
