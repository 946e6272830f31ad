"""Vector-Jacobian products through a torch backbone: from gradients at its features to its pixels or a layer."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from PIL import Image

from .backbones import Backbone, TransformersBackbone

__all__ = ["PIXELS", "LayerGradients", "backpropagate_to", "find_layer", "find_module"]

PIXELS = "pixels"


class LayerGradients(NamedTuple):
    """The output of a layer for one image (rows, columns, c), and its gradients (t, rows, columns, c)."""

    values: torch.Tensor
    gradients: torch.Tensor


def find_module(extract: Any) -> torch.nn.Module:
    """Return the torch module that a backbone runs: the backbone itself, or one of its attributes."""
    if isinstance(extract, torch.nn.Module):
        return extract
    attributes = list(vars(extract).values()) if hasattr(extract, "__dict__") else []
    for attribute in attributes:
        if isinstance(attribute, torch.nn.Module):
            return attribute
    for attribute in attributes:
        if callable(attribute) and hasattr(attribute, "__dict__") and not isinstance(attribute, type):
            return find_module(attribute)
    raise TypeError(
        f"`module` is required if `backbone` does not contain a torch module; got {type(extract).__name__}. "
        "Pass the module that it runs."
    )


def find_layer(module: torch.nn.Module, through: str) -> torch.nn.Module:
    """Return the submodule with the name `through`, or the module itself for "pixels"."""
    if through == PIXELS:
        return module
    layers = dict(module.named_modules())
    layers.pop("", None)
    if through not in layers:
        close = difflib.get_close_matches(through, layers, n=3, cutoff=0.3) or list(layers)[:3]
        raise ValueError(
            f"`through` must be 'pixels' or the name of a layer; got {through!r}. Similar names are "
            f"{', '.join(map(repr, close))}."
        )
    return layers[through]


def backpropagate_to(
    images: Sequence[Image.Image],
    extract: Backbone,
    module: torch.nn.Module,
    through: str,
    gradients: Sequence[torch.Tensor],
    *,
    batch_size: int,
    done: Callable[[int], object],
) -> list[LayerGradients]:
    """Return the gradients of each image at its pixels or at a layer, computed batch by batch.

    Parameters
    ----------
    images : sequence of PIL.Image.Image
        The features of an image must not depend on the other images.
    extract : callable
        The backbone; it must return feature maps (rows, columns, c) as tensors.
    module : torch.nn.Module
        The module that the backbone runs, with or without `torch.no_grad`.
    through : "pixels" or str
        The input of the module, or the name of a submodule, for its output.
    gradients : sequence of torch.Tensor of shape (t, rows, columns, c)
        The gradients at the features of each image.
    batch_size : int
        Images per batch; only images of the same size share a batch.
    done : callable
        Called with the number of images just finished.
    """
    by_size: dict[tuple[int, int], list[int]] = {}
    for index, image in enumerate(images):
        by_size.setdefault(image.size, []).append(index)
    results: dict[int, LayerGradients] = {}
    for members in by_size.values():
        for start in range(0, len(members), batch_size):
            batch = members[start : start + batch_size]
            batch_images, batch_gradients = [images[i] for i in batch], [gradients[i] for i in batch]
            batch_results = _backpropagate_batch(batch_images, extract, module, through, batch_gradients)
            results.update(zip(batch, batch_results, strict=True))
            done(len(batch))
    return [results[index] for index in range(len(images))]


def _backpropagate_batch(
    images: list[Image.Image],
    extract: Backbone,
    module: torch.nn.Module,
    through: str,
    gradients: list[torch.Tensor],
) -> list[LayerGradients]:
    with torch.enable_grad(), _capture(module, through) as captured:
        maps = list(extract(images))
    if sum(len(part) for part in captured) != len(images):
        raise ValueError(
            f"`module` must process every image once; got {sum(len(part) for part in captured)} for {len(images)} "
            "images. Pass the module whose first argument is the pixels, or another layer."
        )
    if not all(isinstance(m, torch.Tensor) and m.requires_grad for m in maps):
        raise ValueError(
            "`backbone` must be differentiable; got features without a gradient graph. Return the tensors of the "
            "module without detaching them, and not from inference mode."
        )
    if not all(part.requires_grad for part in captured):
        raise ValueError(
            f"`through` must name a layer that depends on the pixels; got {through!r}, whose output is constant. "
            "Pick another layer."
        )
    sums: list[torch.Tensor] = []
    for target in range(len(gradients[0])):
        grads = torch.autograd.grad(
            maps,
            captured,
            [g[target].to(m) for g, m in zip(gradients, maps, strict=True)],
            retain_graph=target + 1 < len(gradients[0]),
            allow_unused=True,
        )
        if any(part is None for part in grads):
            raise ValueError(
                f"`through` must name a layer that the features depend on; got {through!r}, which is after them. "
                "Pick an earlier layer."
            )
        sums.append(torch.cat(grads))
    values = torch.cat([part.detach() for part in captured])
    layer_maps = [_as_maps(part, extract, through, images[0], maps[0]) for part in (values, *sums)]
    return [LayerGradients(value, torch.stack(gradients)) for value, *gradients in zip(*layer_maps, strict=True)]


@contextmanager
def _capture(module: torch.nn.Module, through: str) -> Iterator[list[torch.Tensor]]:
    """Collect the pixels or the output of a layer while the module runs, with gradients even under `no_grad`."""
    captured: list[torch.Tensor] = []

    def enter(_: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        # An enclosing `no_grad` restores its own state on exit.
        torch.set_grad_enabled(True)
        inputs = [*args, *kwargs.values()]
        for at, value in enumerate(inputs):
            if isinstance(value, torch.Tensor) and value.ndim == 4 and value.is_floating_point():
                inputs[at] = value.detach().requires_grad_()
                if through == PIXELS:
                    captured.append(inputs[at])
                break
        return tuple(inputs[: len(args)]), dict(zip(kwargs, inputs[len(args) :], strict=True))

    def leave(_: torch.nn.Module, __: Any, output: Any) -> None:
        first = output[0] if isinstance(output, tuple | list) else output
        if not isinstance(first, torch.Tensor):
            raise TypeError(
                f"`through` must name a layer that returns a tensor; got {type(output).__name__}. Pick another layer."
            )
        captured.append(first)

    handles = [module.register_forward_pre_hook(enter, with_kwargs=True)]
    try:
        if through != PIXELS:
            handles.append(find_layer(module, through).register_forward_hook(leave))
        yield captured
    finally:
        for handle in handles:
            handle.remove()


def _as_maps(
    state: torch.Tensor, extract: Backbone, through: str, image: Image.Image, features: torch.Tensor
) -> torch.Tensor:
    """Return pixels or the output of a layer, for images of one size, as (b, rows, columns, c)."""
    if through != PIXELS and isinstance(extract, TransformersBackbone):
        return extract.map_of(state, through, image.size)
    if state.ndim == 4:
        return state.permute(0, 2, 3, 1)
    rows, columns = int(features.shape[0]), int(features.shape[1])
    extra = state.shape[1] - rows * columns if state.ndim == 3 else -1
    if extra < 0:
        raise ValueError(
            f"`through` must name a layer with a map, or with a token per patch ({rows} x {columns}); got shape "
            f"{tuple(state.shape[1:])} for an image in {through!r}. Pick another layer."
        )
    # Class and register tokens precede the patches.
    return state[:, extra:].reshape(len(state), rows, columns, -1)
