"""From gradients at the features of a torch backbone to its pixels, or to any layer on the way."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from PIL import Image

from .backbones import Backbone, TransformersBackbone

__all__ = ["PIXELS", "Pulled", "layer_of", "module_of", "pull_back"]

PIXELS = "pixels"


class Pulled(NamedTuple):
    """Of one image: what a layer holds (rows, columns, c), and its gradients (t, rows, columns, c)."""

    values: torch.Tensor
    gradients: torch.Tensor


def module_of(extract: Any) -> torch.nn.Module:
    """Return the torch module that a backbone runs: itself, or what it holds."""
    if isinstance(extract, torch.nn.Module):
        return extract
    held = list(vars(extract).values()) if hasattr(extract, "__dict__") else []
    for part in held:
        if isinstance(part, torch.nn.Module):
            return part
    for part in held:
        if callable(part) and hasattr(part, "__dict__") and not isinstance(part, type):
            return module_of(part)
    raise TypeError(
        f"`module` is needed if `backbone` is not a torch module; got {type(extract).__name__}. "
        "Pass the module that it runs."
    )


def layer_of(module: torch.nn.Module, through: str) -> torch.nn.Module:
    """Return the module itself for its pixels, or one of its submodules by name."""
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


def pull_back(
    images: Sequence[Image.Image],
    extract: Backbone,
    module: torch.nn.Module,
    through: str,
    gradients: Sequence[torch.Tensor],
    *,
    batch_size: int,
    done: Callable[[int], object],
) -> list[Pulled]:
    """Return, for each image, the gradients at its pixels or at a layer: vector-Jacobian products, batch by batch.

    Parameters
    ----------
    images : sequence of PIL.Image.Image
        None of them influences the features of another.
    extract : callable
        The backbone, of feature maps (rows, columns, c) in torch.
    module : torch.nn.Module
        What it runs, whether it asks for no gradients or not.
    through : "pixels" or str
        The input of the module, or the output of one of its submodules, by name.
    gradients : sequence of torch.Tensor of shape (t, rows, columns, c)
        At the features of each image.
    batch_size : int
        Images at a time; they are grouped by size.
    done : callable
        Told how many images are done.
    """
    by_size: dict[tuple[int, int], list[int]] = {}
    for index, image in enumerate(images):
        by_size.setdefault(image.size, []).append(index)
    found: dict[int, Pulled] = {}
    for members in by_size.values():
        for start in range(0, len(members), batch_size):
            batch = members[start : start + batch_size]
            pulled = _pull_batch([images[i] for i in batch], extract, module, through, [gradients[i] for i in batch])
            found.update(zip(batch, pulled, strict=True))
            done(len(batch))
    return [found[index] for index in range(len(images))]


def _pull_batch(
    images: list[Image.Image],
    extract: Backbone,
    module: torch.nn.Module,
    through: str,
    gradients: list[torch.Tensor],
) -> list[Pulled]:
    with torch.enable_grad(), _captured(module, through) as captured:
        maps = list(extract(images))
    if sum(len(part) for part in captured) != len(images):
        raise ValueError(
            f"`module` must see every image once; got {sum(len(part) for part in captured)} for {len(images)} images. "
            "Pass the module whose first argument is the pixels, or another layer."
        )
    if not all(isinstance(m, torch.Tensor) and m.requires_grad for m in maps):
        raise ValueError(
            "`backbone` must pass gradients; got features without a graph. Return the tensors of the module, "
            "neither detached nor computed in inference mode."
        )
    if not all(part.requires_grad for part in captured):
        raise ValueError(
            f"`through` must name a layer that depends on the pixels; got {through!r}, whose output is constant. "
            "Pick another layer."
        )
    sums: list[torch.Tensor] = []
    for target in range(len(gradients[0])):
        found = torch.autograd.grad(
            maps,
            captured,
            [g[target].to(m) for g, m in zip(gradients, maps, strict=True)],
            retain_graph=target + 1 < len(gradients[0]),
            allow_unused=True,
        )
        if any(part is None for part in found):
            raise ValueError(
                f"`through` must name a layer that the features depend on; got {through!r}, which comes after them. "
                "Pick an earlier one."
            )
        sums.append(torch.cat(found))
    values = torch.cat([part.detach() for part in captured])
    placed = [_as_maps(part, extract, through, images[0], maps[0]) for part in (values, *sums)]
    return [Pulled(value, torch.stack(gradients)) for value, *gradients in zip(*placed, strict=True)]


@contextmanager
def _captured(module: torch.nn.Module, through: str) -> Iterator[list[torch.Tensor]]:
    """Collect the pixels, or what a layer hands on, while the module runs; with gradients, even under `no_grad`."""
    captured: list[torch.Tensor] = []

    def enter(_: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        # Whoever has switched gradients off restores what was before when leaving.
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
            handles.append(layer_of(module, through).register_forward_hook(leave))
        yield captured
    finally:
        for handle in handles:
            handle.remove()


def _as_maps(
    state: torch.Tensor, extract: Backbone, through: str, image: Image.Image, features: torch.Tensor
) -> torch.Tensor:
    """Return what images of one size are at the pixels or a layer as (b, rows, columns, c)."""
    if through != PIXELS and isinstance(extract, TransformersBackbone):
        return extract.map_of(state, through, image.size)
    if state.ndim == 4:
        return state.permute(0, 2, 3, 1)
    rows, columns = int(features.shape[0]), int(features.shape[1])
    extra = state.shape[1] - rows * columns if state.ndim == 3 else -1
    if extra < 0:
        raise ValueError(
            f"`through` must name a layer with a map, or a token for each of {rows} x {columns} patches; got shape "
            f"{tuple(state.shape[1:])} for an image in {through!r}. Pick another layer."
        )
    # Class and register tokens come first.
    return state[:, extra:].reshape(len(state), rows, columns, -1)
