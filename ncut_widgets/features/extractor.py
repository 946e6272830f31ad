"""Images -> features: one row per patch of every image, with its place and its channels' names."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from PIL import Image

from ncut_widgets._migration import answers_old_options
from ncut_widgets._process import undisturbed
from ncut_widgets._progress import progress as progress_bar
from ncut_widgets._validation import check_positive_int
from ncut_widgets.grid import PatchGrid, PatchMap

from .backbones import resolve_backbone
from .images import load_images
from .maps import Array, FeatureMaps, join

__all__ = ["extract_features"]


@answers_old_options("extract_features")
@undisturbed
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
    progress: bool = True,
) -> FeatureMaps:
    """Return the features of every patch of every image.

    Parameters
    ----------
    images : anything that `load_images` takes
        They need not be square or of one size: patches keep each image's aspect ratio.
    backbone : str, model or callable
        - "multiscale": color, contrast, texture and position; needs no download.
        - The id of a Hugging Face model, or a folder with one (extra ``backbones``).
        - A loaded transformers model, or a pair (model, image processor).
        - Any callable: takes a list of RGB PIL images, returns for each (rows, columns, c) features, as arrays or
          tensors, whose patches tile the image evenly. Its attributes `name` and `channel_names` are used, if any.
    layer : int
        Which hidden state of a transformers model, counted as its own `hidden_states`: 0 is the input of the first
        block (the patch embedding), i the output of the i-th block, counted from 1, and -1 the output of the last
        block. So block j of `get_intermediate_layers` (DINO, DINOv2), counted from 0, is ``layer=j + 1, norm=True``.
        In networks with several resolutions (Swin, Hiera, ConvNeXt, ResNet), a block is a stage.
    norm : bool, optional
        Whether to apply the norm that a transformers model has after its last block. By default it is applied to the
        last hidden state, which is then the model's `last_hidden_state`, and not to the others; True applies it to any
        hidden state, False to none. CLIP, MetaCLIP 2, RADIO, SAM, SAM 2, SAM 3, Hiera, ConvNeXt and ResNet have no norm
        of patches there.
    resolution : int, optional
        The longer side in pixels at which the backbone sees an image. By default 512 at most for "multiscale", the
        size it was trained at for a transformers model, and the image as it is for a callable. Transformers models
        that take one size only (SAM, SAM 3, some AIMv2) see every image at that size, and take no `resolution`.
    source : str, optional
        The name of these features' source; by default made of the backbone, layer and resolution.
    batch_size : int
        Images per call of the backbone.
    device : torch device, optional
        Where a transformers model named by id or folder runs: by default on the GPU, if any.
    progress : bool
        Show a bar.

    Returns
    -------
    FeatureMaps
        In numpy where the backbone answers in numpy, in torch (on its device) where it answers in torch.

    Raises
    ------
    TypeError, ValueError
        If options are wrong, a model cannot be loaded or is of no known family, or the backbone's answer is not one
        finite (rows, columns, c) map per image.
    ModuleNotFoundError
        If a transformers model is asked for and transformers is not installed.

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
    pictures = load_images(images)
    extract = resolve_backbone(backbone, layer=layer, norm=norm, resolution=resolution, device=device)
    name = source or getattr(extract, "name", None) or getattr(extract, "__name__", "features")
    maps: list[Array] = []
    with progress_bar(len(pictures), f"features: {name}", unit="image", show=progress) as done:
        for start in range(0, len(pictures), batch_size):
            batch = pictures[start : start + batch_size]
            maps += _checked(extract(batch), batch, start)
            done(len(batch))
    channels = {int(m.shape[2]) for m in maps}
    if len(channels) > 1:
        raise ValueError(f"`backbone` must return the same number of channels for every image; got {sorted(channels)}.")
    grid = PatchGrid(
        [picture.size for picture in pictures],
        [PatchMap(index, int(m.shape[0]), int(m.shape[1]), str(name)) for index, m in enumerate(maps)],
    )
    values = join([m.reshape(-1, m.shape[2]) for m in maps])
    return FeatureMaps(values, grid, getattr(extract, "channel_names", None))


def _checked(answer: Any, batch: list[Image.Image], start: int) -> list[Array]:
    if not isinstance(answer, Iterable):
        raise TypeError(
            f"`backbone` must return a list of one map per image; got {type(answer).__name__}. Return arrays or "
            "tensors in a list."
        )
    answers = list(answer)
    if len(answers) != len(batch):
        raise ValueError(
            f"`backbone` must return a list of one map per image; got {len(answers)} for {len(batch)} "
            f"image{'s' * (len(batch) != 1)}."
        )
    for index, m in enumerate(answers, start):
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
    return answers
