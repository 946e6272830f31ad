"""A transformers vision model as a backbone: images -> one of its hidden states as a map."""

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

# What most image classifiers were trained at, if neither the model nor its processor says otherwise.
_USUAL_SIZE = 224
_SIDES = ("height", "width", "shortest_edge", "longest_edge")


class TransformersBackbone:
    """The hidden states of a transformers vision model as feature maps.

    Layouts, strides, special tokens and sizes follow from the model's configuration: see `families.py`. Class,
    distillation and register tokens are dropped. If the model can take images of any shape, the aspect ratio is kept,
    and both sides are rounded to whole patches (of the coarsest map, if there are several); otherwise an image is
    resized to the one size that the model takes.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        It runs where it is, in its own precision, and is switched to evaluation mode. Of a model with a head, or of
        images and text, the part that sees images is used.
    processor : image processor
        Its `image_mean`, `image_std`, `rescale_factor`, `do_normalize` and `do_rescale` are used; resizing is done
        here, by PIL.
    layer : int
        Hidden state 0 is the input of the first block, hidden state i the output of the i-th block, counted from 1, and
        -1 the last. Blocks are stages in networks with several resolutions (Swin, Hiera, ConvNeXt, ResNet).
    resolution : int, optional
        The longer side in pixels; by default what the model was trained at.
    norm : bool, optional
        Whether to apply the norm that follows the last block. By default it is applied to the last hidden state, as in
        the model's own `last_hidden_state`, and not to the others. True applies it to any hidden state of its width,
        False to none. CLIP, MetaCLIP 2, RADIO, SAM, SAM 2, SAM 3, Hiera, ConvNeXt and ResNet have no such norm.

    Raises
    ------
    TypeError
        If the model is no transformers model, or the processor says nothing of pixel values.
    ValueError
        If the model is of an unknown family, or cannot do what is asked for.
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
                f"`backbone` must hold a transformers model; got {type(model).__name__}. Load the model first."
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
        self._blocks = self._part(self._family.blocks)
        n = len(self._blocks)
        if not -n - 1 <= layer <= n:
            raise ValueError(
                f"`layer` must be in {-n - 1} to {n} for this model of {n} blocks; got {layer}. 0 is the input of the "
                "first block, -1 the output of the last."
            )
        self._level = layer % (n + 1)
        self._norm = self._final_norm(norm)
        height, width = self._trained_at(processor)
        # Positions are interpolated from a square grid only.
        self._interpolates = self._family.interpolates and height == width
        self._is_fixed = self._family.fixed(self._config) or self._interpolates != self._family.interpolates
        self._fixed_size = (width, height)
        if self._is_fixed and resolution not in (None, max(height, width)):
            raise ValueError(
                f"`resolution` must be {max(height, width)}, since {type(self._model).__name__} takes images of "
                f"{width} x {height} pixels only; got {resolution}. Leave it out."
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
            answer = self._hidden(self._pixels([images[index] for index in members], size))
            maps.update(zip(members, answer, strict=True))
        return [maps[index] for index in range(len(images))]

    def map_of(self, state: torch.Tensor, name: str, image_size: tuple[int, int]) -> torch.Tensor:
        """Return what a module of the model hands on for images of one size as maps (b, rows, columns, c).

        Raises
        ------
        ValueError
            If it has no value for each place.
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

    def _part(self, path: str) -> Any:
        try:
            return self._model.get_submodule(path)
        except AttributeError as error:
            raise ValueError(
                f"`backbone` must be built as in transformers 5.23 or newer; got {type(self._model).__name__} without "
                f"`{path}`. Update transformers, or pass a callable that runs this model."
            ) from error

    def _final_norm(self, norm: bool | None) -> torch.nn.Module | None:
        if norm is not None and not isinstance(norm, bool):
            raise TypeError(f"`norm` must be True, False or None; got {norm!r}.")
        module = None if self._family.norm is None else self._part(self._family.norm)
        if isinstance(module, torch.nn.Identity):
            module = None
        if norm and module is None:
            raise ValueError(
                f"`norm` must be None or False for {type(self._model).__name__}, which has no norm of its patches "
                "after the last block; got True. Leave it out."
            )
        wanted = self._level == len(self._blocks) if norm is None else norm
        return module if wanted else None

    def _trained_at(self, processor: Any) -> tuple[int, int]:
        """The (height, width) that the model was trained at."""
        size = self._family.trained_at(self._config)
        if size is None:
            size = getattr(getattr(processor, "image_processor", processor), "size", None)
        if size is not None and not isinstance(size, int | list | tuple):
            # Processors name their sides; some leave the unused ones at None.
            size = [side for name, side in dict(size).items() if name in _SIDES and side is not None]
        sides = [int(side) for side in (size if isinstance(size, list | tuple) else [size])] if size else [_USUAL_SIZE]
        return sides[0], sides[-1]

    def _size(self, image_size: tuple[int, int]) -> tuple[int, int]:
        """The (width, height) at which the model sees an image: whole patches, at least one each way."""
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
        with torch.no_grad(), self._recorded() as states, _holding(self._family.during(self._model, pixels)):
            self._model(pixel_values=pixels, **arguments)
            size = (int(pixels.shape[2]), int(pixels.shape[3]))
            candidates = grids(self._family, self._config, len(self._blocks), size)
            state = state_map(states[0], self._family, self._config, candidates, self._level)
            if self._norm is None:
                return state
            width = next(self._norm.parameters()).shape[0]
            if state.shape[-1] != width:
                raise ValueError(
                    f"`norm` must be None or False for this layer, which has {state.shape[-1]} channels, while the "
                    f"norm after the last block has {width}; got True. Leave it out."
                )
            # Not by calling the module, whose hooks belong to the model's own pass.
            return self._norm.forward(state)

    @contextmanager
    def _recorded(self) -> Iterator[list[torch.Tensor]]:
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
            if self._family.patches:
                patch = self._family.step(self._config)
                hooks.enter_context(self._model.register_forward_pre_hook(_in_patches(patch), with_kwargs=True))
            yield states


def _in_patches(patch: int) -> Any:
    """Return a hook that cuts the pixels (b, c, h, w) into (b, rows x columns, patch x patch x c)."""

    def cut(_: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        pixels = kwargs["pixel_values"]
        b, c, h, w = pixels.shape
        patches = pixels.reshape(b, c, h // patch, patch, w // patch, patch).permute(0, 2, 4, 3, 5, 1)
        return args, {**kwargs, "pixel_values": patches.reshape(b, -1, patch * patch * c)}

    return cut


@contextmanager
def _holding(settings: list[tuple[Any, str, Any]]) -> Iterator[None]:
    """Set attributes, and put the old values back when leaving."""
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in settings]
    try:
        for owner, name, value in settings:
            setattr(owner, name, value)
        yield
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)


def _normalization(processor: Any) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the mean, the standard deviation and the scale of pixel values that an image processor declares."""
    processor = getattr(processor, "image_processor", processor)
    scale = 1.0 if getattr(processor, "do_rescale", None) is False else getattr(processor, "rescale_factor", None)
    mean, std = getattr(processor, "image_mean", None), getattr(processor, "image_std", None)
    if getattr(processor, "do_normalize", None) is False:
        mean, std = 0.0, 1.0
    if mean is None or std is None:
        raise TypeError(
            f"`backbone` must hold a processor with `image_mean` and `image_std`; got {type(processor).__name__}. "
            "Pass (model, image processor)."
        )
    return np.asarray(mean, np.float32), np.asarray(std, np.float32), float(1 / 255 if scale is None else scale)
