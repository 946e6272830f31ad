"""Backbones: the built-in one, transformers models (by id, folder or object), and any callable."""

from __future__ import annotations

import difflib
import numbers
import os
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import torch
from PIL import Image

from ncut_widgets._validation import check_device
from ncut_widgets.features.multiscale import Multiscale
from ncut_widgets.imaging import shrink

from .model import TransformersBackbone

__all__ = ["Backbone", "TransformersBackbone", "resolve_backbone"]

Backbone = Callable[[Sequence[Image.Image]], Sequence[Any]]


def resolve_backbone(
    backbone: Any, *, layer: int = -1, norm: bool | None = None, resolution: int | None = None, device: Any = None
) -> Backbone:
    """Return a callable (images -> one (rows, columns, c) map each) for a `backbone` of `extract_features`."""
    if isinstance(layer, bool) or not isinstance(layer, numbers.Integral):
        raise TypeError(f"`layer` must be an integer; got {layer!r} ({type(layer).__name__}). Pass a whole number.")
    options: dict[str, Any] = {"layer": int(layer), "norm": norm, "resolution": resolution}
    built_in = isinstance(backbone, str) and backbone == "multiscale"
    if isinstance(backbone, str | os.PathLike) and not built_in:
        return _by_name(os.path.expanduser(os.fspath(backbone)), options, device)
    if isinstance(backbone, tuple) and len(backbone) == 2:
        return TransformersBackbone(*backbone, **options)
    if any(base.__name__ == "PreTrainedModel" for base in type(backbone).__mro__):
        path = getattr(backbone, "name_or_path", "")
        if not path:
            raise ValueError(
                "`backbone` must define the normalization of images; got a model that was not loaded from a "
                "checkpoint. Pass (model, image processor); the processor must have `image_mean` and `image_std`."
            )
        from .hub import load_processor

        return TransformersBackbone(backbone, load_processor(path), **options)
    if not built_in and not callable(backbone):
        raise TypeError(
            f"`backbone` must be 'multiscale', a model's id or folder, a model, or a callable; got {backbone!r}."
        )
    for name, value, default in (("layer", layer, -1), ("norm", norm, None)):
        if value != default:
            raise ValueError(
                f"`{name}` must be {default} for a backbone that is not a transformers model; got {value!r}. Omit it."
            )
    if built_in:
        return Multiscale() if resolution is None else Multiscale(resolution=resolution)
    return backbone if resolution is None else _AtResolution(backbone, resolution)


def _by_name(path: str, options: dict[str, Any], device: Any) -> TransformersBackbone:
    if "/" not in path and not os.path.isdir(path):
        close = difflib.get_close_matches(path.lower(), ["multiscale"])
        advice = (
            f"Did you mean {close[0]!r}?" if close else "Pass 'multiscale', or an id such as 'facebook/dinov2-base'."
        )
        raise ValueError(
            f"`backbone` must be 'multiscale', the id of a Hugging Face model, or a folder with a model; got {path!r}, "
            f"which is neither an existing folder nor of the form 'owner/name'. {advice}"
        )
    if find_spec("transformers") is None:
        raise ModuleNotFoundError(
            f"`backbone={path!r}` requires transformers, which is not installed. "
            "Run `pip install 'ncut_widgets[backbones]'`, or use backbone='multiscale'.",
            name="transformers",
        )
    found = check_device(("cuda" if torch.cuda.is_available() else "cpu") if device is None else device)
    from .hub import load_model

    model, processor = load_model(path)
    return TransformersBackbone(model.to(found), processor, **options)


class _AtResolution:
    """Wraps a callable backbone to scale its images down to a resolution."""

    def __init__(self, extract: Backbone, resolution: int) -> None:
        self._extract, self._resolution = extract, resolution
        self.name = f"{getattr(extract, 'name', getattr(extract, '__name__', 'features'))}, {resolution} px"
        self.channel_names = getattr(extract, "channel_names", None)

    def __call__(self, images: Sequence[Image.Image]) -> Sequence[Any]:
        return self._extract([shrink(image, self._resolution) for image in images])
