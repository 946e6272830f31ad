"""Feature extraction: runs a backbone on images and returns one row per patch, with its position."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from PIL import Image

from ncut_widgets._migration import explains_old_options
from ncut_widgets._process import restores_process_state
from ncut_widgets._progress import Progress
from ncut_widgets._progress import progress as progress_bar
from ncut_widgets._validation import check_positive_int
from ncut_widgets.grid import PatchGrid, PatchMap

from .backbones import resolve_backbone
from .images import load_images
from .maps import Array, FeatureMaps, concat_arrays

__all__ = ["extract_features"]


@explains_old_options("extract_features")
@restores_process_state
def extract_features(
    images: Any,
    *,
    backbone: str | Callable[..., Any] | Any = "multiscale",
    layer: int = -1,
    norm: bool | None = None,
    resolution: int | None = None,
    source: str | None = None,
    batch_size: int = 8,
    device: Any = None,
    progress: Progress = None,
) -> FeatureMaps:
    """Return the features of every patch of every image.

    Parameters
    ----------
    images : any input of `load_images`
        Images may have any aspect ratio and different sizes; the patch grids keep the aspect ratio.
    backbone : str, model or callable
        - "multiscale": color, contrast, texture and position; requires no download.
        - The id of a Hugging Face model, or a folder with a model (extra ``backbones``).
        - A loaded transformers model, or a pair (model, image processor).
        - Any callable that takes a list of RGB PIL images and returns an array or tensor (rows, columns, c) for each,
          whose patches tile the image evenly. Its attributes `name` and `channel_names` are used if present.
    layer : int
        Index of the hidden state of a transformers model, as in its `hidden_states`: 0 is the input of the first block
        (the patch embedding), i the output of the i-th block, counted from 1, and -1 the output of the last block.
        Block j of `get_intermediate_layers` (DINO, DINOv2), counted from 0, is therefore ``layer=j + 1, norm=True``.
        In hierarchical networks (Swin, Hiera, ConvNeXt, ResNet), a block is a stage.
    norm : bool, optional
        Whether to apply the norm that follows the last block of a transformers model. By default it is applied to the
        last hidden state only, which then equals the model's `last_hidden_state`; True applies it to any hidden state,
        False to none. CLIP, MetaCLIP 2, RADIO, SAM, SAM 2, SAM 3, Hiera, ConvNeXt and ResNet have no such norm for
        patches.
    resolution : int, optional
        The longer side of the backbone's input in pixels. By default at most 512 for "multiscale", the training size
        for a transformers model, and the original size for a callable. Transformers models with a fixed input size
        (SAM, SAM 3, some AIMv2) resize every image to it and do not accept `resolution`.
    source : str, optional
        The source name of these features; by default composed of the backbone, layer and resolution.
    batch_size : int
        Images per call of the backbone.
    device : torch device, optional
        Device of a transformers model given by its id or folder; by default the GPU if there is one.
    progress : bool, callable or None
        Show a progress bar; None shows it only in a notebook or terminal. A callable gets the completed fraction, in
        [0, 1], and an exception in it cancels the computation.

    Returns
    -------
    FeatureMaps
        numpy if the backbone returns numpy arrays; torch, on the backbone's device, if it returns tensors.

    Raises
    ------
    TypeError, ValueError
        If an option is invalid, a model cannot be loaded or belongs to no known family, or the backbone does not
        return one finite (rows, columns, c) map per image.
    ModuleNotFoundError
        If a transformers model is requested and transformers is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.zeros((32, 48, 3), dtype=np.uint8)
    >>> extract_features(image, progress=False).maps[0].shape[:2]
    (4, 6)
    """
    batch_size = check_positive_int(batch_size, "batch_size")
    if resolution is not None:
        resolution = check_positive_int(resolution, "resolution", minimum=8)
    loaded = load_images(images)
    extract = resolve_backbone(backbone, layer=layer, norm=norm, resolution=resolution, device=device)
    name = source or getattr(extract, "name", None) or getattr(extract, "__name__", "features")
    maps: list[Array] = []
    with progress_bar(len(loaded), f"features: {name}", unit="image", show=progress) as done:
        for start in range(0, len(loaded), batch_size):
            batch = loaded[start : start + batch_size]
            maps += _check_maps(extract(batch), batch, start)
            done(len(batch))
    channels = {int(m.shape[2]) for m in maps}
    if len(channels) > 1:
        raise ValueError(f"`backbone` must return the same number of channels for every image; got {sorted(channels)}.")
    grid = PatchGrid(
        [image.size for image in loaded],
        [PatchMap(index, int(m.shape[0]), int(m.shape[1]), str(name)) for index, m in enumerate(maps)],
    )
    values = concat_arrays([m.reshape(-1, m.shape[2]) for m in maps])
    return FeatureMaps(values, grid, getattr(extract, "channel_names", None))


def _check_maps(output: Any, batch: list[Image.Image], start: int) -> list[Array]:
    """Return the backbone's output as a list if it is one valid map per image; `start` is the index of the first."""
    if not isinstance(output, Iterable):
        raise TypeError(
            f"`backbone` must return a list with one map per image; got {type(output).__name__}. Return arrays or "
            "tensors in a list."
        )
    maps = list(output)
    if len(maps) != len(batch):
        raise ValueError(
            f"`backbone` must return a list with one map per image; got {len(maps)} for {len(batch)} "
            f"image{'s' * (len(batch) != 1)}."
        )
    for index, m in enumerate(maps, start):
        if not isinstance(m, np.ndarray | torch.Tensor):
            raise TypeError(
                f"`backbone` must return arrays or tensors; got {type(m).__name__} for image {index}. Convert it."
            )
        if m.ndim != 3 or 0 in m.shape:
            raise ValueError(
                f"`backbone` must return (rows, columns, channels) for each image; got shape {tuple(m.shape)} for "
                f"image {index}. Drop the class token, and move channels last."
            )
        finite = np.isfinite(m).all() if isinstance(m, np.ndarray) else torch.isfinite(m).all()
        if not bool(finite):
            raise ValueError(
                f"`backbone` must return finite features; got NaN or infinity for image {index}. Run it in float32."
            )
    return maps
