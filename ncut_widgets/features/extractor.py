"""Images -> features: one row per patch of every image, with its place and its channels' names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from tqdm.auto import tqdm

from ncut_widgets._validation import check_positive_int
from ncut_widgets.grid import PatchGrid, PatchMap

from .backbones import resolve_backbone
from .images import load_images

__all__ = ["FeatureMaps", "concat", "extract_features"]

Array = np.ndarray | torch.Tensor


@dataclass(frozen=True, eq=False, repr=False)
class FeatureMaps:
    """The features of every patch of every image, with the patches' places and the channels' names.

    Wherever the library takes features of shape (n, c), it takes these.

    Parameters
    ----------
    values : array or tensor of shape (n, c)
        One row per node, in the grid's order.
    grid : PatchGrid
        The image, source, row and column of each node.
    channel_names : sequence of str, optional
        One per channel; by default "channel 0", "channel 1", ...

    Raises
    ------
    TypeError, ValueError
        Where values, grid and names do not belong together.

    Examples
    --------
    >>> import numpy as np
    >>> from ncut_widgets.grid import PatchGrid, PatchMap
    >>> grid = PatchGrid([(30, 20)], [PatchMap(0, 2, 3, "mine")])
    >>> features = FeatureMaps(np.zeros((6, 4)), grid)
    >>> features
    FeatureMaps(6 nodes x 4 channels, 1 image, source 'mine')
    >>> features.maps[0].shape
    (2, 3, 4)
    """

    values: Array
    grid: PatchGrid
    channel_names: tuple[str, ...]

    def __init__(self, values: Array, grid: PatchGrid, channel_names: Sequence[str] | None = None) -> None:
        if not isinstance(values, np.ndarray | torch.Tensor):
            raise TypeError(f"`values` must be a numpy array or a tensor; got {type(values).__name__}. Convert it.")
        if values.ndim != 2 or len(values) != grid.n_nodes:
            raise ValueError(
                f"`values` must have shape ({grid.n_nodes}, channels) for this grid; got {tuple(values.shape)}. "
                "Order them map by map, row by row."
            )
        if isinstance(channel_names, str):
            raise TypeError(f"`channel_names` must be a sequence of names; got {channel_names!r}. Pass a list.")
        names = [f"channel {i}" for i in range(values.shape[1])] if channel_names is None else channel_names
        names = tuple(str(name) for name in names)
        if len(names) != values.shape[1]:
            raise ValueError(
                f"`channel_names` must name each of {values.shape[1]} channels; got {len(names)} names. "
                "Leave it out to number them."
            )
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "grid", grid)
        object.__setattr__(self, "channel_names", names)

    def flatten(self) -> Array:
        """Return all features as (n, c), one row per node; nothing is copied."""
        return self.values

    @property
    def shape(self) -> tuple[int, int]:
        """Nodes and channels."""
        return (int(self.values.shape[0]), int(self.values.shape[1]))

    @property
    def maps(self) -> list[Array]:
        """One (rows, columns, c) view per map of the grid."""
        return self.grid.split(self.values)

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the models, layers or resolutions that the features come from."""
        return self.grid.sources

    def select(self, source: str) -> FeatureMaps:
        """Return the maps of one source; one contiguous source is a view, not a copy."""
        chosen = [index for index, m in enumerate(self.grid.maps) if m.source == source]
        if not chosen:
            raise ValueError(f"`source` must be one of {list(self.sources)}; got {source!r}. Pick one of these.")
        grid = PatchGrid(self.grid.image_sizes, [self.grid.maps[index] for index in chosen])
        offsets = self.grid.offsets
        if chosen[-1] - chosen[0] + 1 == len(chosen):
            values = self.values[int(offsets[chosen[0]]) : int(offsets[chosen[-1] + 1])]
        else:
            values = _cat([self.values[int(offsets[i]) : int(offsets[i + 1])] for i in chosen])
        return FeatureMaps(values, grid, self.channel_names)

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        n, c = self.shape
        images = f"{self.grid.n_images} image" + "s" * (self.grid.n_images != 1)
        label = "source" + "s" * (len(self.sources) != 1)
        return f"FeatureMaps({n} nodes x {c} channels, {images}, {label} {', '.join(map(repr, self.sources))})"


def concat(features: Sequence[FeatureMaps]) -> FeatureMaps:
    """Return the nodes of several features of the same images as one, their sources kept apart.

    Resolutions mix this way: ``concat([extract_features(images, resolution=224), extract_features(images,
    resolution=448)])`` has the patches of both, in one space.

    Parameters
    ----------
    features : sequence of FeatureMaps
        Of the same images, with the same number of channels and with source names of their own. Channels whose names
        differ are numbered.

    Raises
    ------
    TypeError, ValueError
        Where they do not fit together.

    Examples
    --------
    >>> import numpy as np
    >>> from ncut_widgets.grid import PatchGrid, PatchMap
    >>> coarse = FeatureMaps(np.zeros((2, 3)), PatchGrid([(20, 10)], [PatchMap(0, 1, 2, "coarse")]))
    >>> fine = FeatureMaps(np.zeros((8, 3)), PatchGrid([(20, 10)], [PatchMap(0, 2, 4, "fine")]))
    >>> concat([coarse, fine])
    FeatureMaps(10 nodes x 3 channels, 1 image, sources 'coarse', 'fine')
    """
    parts = list(features)
    if not parts or not all(isinstance(part, FeatureMaps) for part in parts):
        kinds = [type(part).__name__ for part in parts]
        raise TypeError(f"`features` must be one or more FeatureMaps; got {kinds}. Pass a list of them.")
    first = parts[0]
    for part in parts[1:]:
        if part.grid.image_sizes != first.grid.image_sizes:
            raise ValueError(
                "`features` must be of the same images; got other sizes or numbers of images. "
                "To add images, pass them all to one `extract_features`."
            )
        if part.shape[1] != first.shape[1]:
            raise ValueError(
                f"`features` must have the same number of channels; got {first.shape[1]} and {part.shape[1]}. "
                "Project them to one size first."
            )
        if isinstance(part.values, np.ndarray) != isinstance(first.values, np.ndarray):
            raise TypeError("`features` must all be numpy or all torch; got both. Convert one of them.")
    names = [source for part in parts for source in part.sources]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"`features` must have sources of different names; got {twice} more than once. "
            "Extract with another resolution or layer, or pass `source=` to `extract_features`."
        )
    same = all(part.channel_names == first.channel_names for part in parts)
    grid = PatchGrid(first.grid.image_sizes, [m for part in parts for m in part.grid.maps])
    return FeatureMaps(_cat([part.values for part in parts]), grid, first.channel_names if same else None)


def extract_features(
    images: Any,
    *,
    backbone: str | Callable[..., Any] | Any = "multiscale",
    layer: int = -1,
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
        - "multiscale": colour, contrast, texture and position; needs no download.
        - The id of a Hugging Face model, or a folder with one (extra ``backbones``).
        - A loaded transformers model, or a pair (model, image processor).
        - Any callable: takes a list of RGB PIL images, returns for each (rows, columns, c) features, as arrays or
          tensors, whose patches tile the image evenly. Its attributes `name` and `channel_names` are used, if any.
    layer : int
        Which hidden state of a transformers model; -1 is the last, 0 the patch embedding.
    resolution : int, optional
        The longer side in pixels at which the backbone sees an image. By default 512 at most for "multiscale", the
        size it was trained at for a transformers model, and the image as it is for a callable.
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
        Where options are wrong, or the backbone's answer is not one finite (rows, columns, c) map per image.
    ModuleNotFoundError
        Where a transformers model is asked for and transformers is not installed.

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
    extract = resolve_backbone(backbone, layer=layer, resolution=resolution, device=device)
    name = source or getattr(extract, "name", None) or getattr(extract, "__name__", "features")
    maps: list[Array] = []
    with tqdm(total=len(pictures), desc=f"features: {name}", unit="image", disable=not progress, leave=False) as bar:
        for start in range(0, len(pictures), batch_size):
            batch = pictures[start : start + batch_size]
            maps += _checked(extract(batch), batch, start)
            bar.update(len(batch))
    channels = {int(m.shape[2]) for m in maps}
    if len(channels) > 1:
        raise ValueError(f"`backbone` must give every image the same number of channels; got {sorted(channels)}.")
    grid = PatchGrid(
        [picture.size for picture in pictures],
        [PatchMap(index, int(m.shape[0]), int(m.shape[1]), str(name)) for index, m in enumerate(maps)],
    )
    values = _cat([m.reshape(-1, m.shape[2]) for m in maps])
    return FeatureMaps(values, grid, getattr(extract, "channel_names", None))


def _checked(answer: Any, batch: list[Image.Image], start: int) -> list[Array]:
    answers = list(answer)
    if len(answers) != len(batch):
        raise ValueError(
            f"`backbone` must return one map per image; got {len(answers)} for {len(batch)} images. Return a list."
        )
    for index, m in enumerate(answers, start):
        if not isinstance(m, np.ndarray | torch.Tensor):
            raise TypeError(f"`backbone` must return arrays or tensors; got {type(m).__name__} for image {index}.")
        if m.ndim != 3 or 0 in m.shape:
            raise ValueError(
                f"`backbone` must return (rows, columns, channels) for each image; got shape {tuple(m.shape)} for "
                f"image {index}. Drop the class token, and move channels last."
            )
        finite = np.isfinite(m).all() if isinstance(m, np.ndarray) else torch.isfinite(m).all()
        if not bool(finite):
            raise ValueError(f"`backbone` must return finite features; got NaN or infinity for image {index}.")
    return answers


def _cat(parts: Sequence[Array]) -> Array:
    if all(isinstance(part, np.ndarray) for part in parts):
        return np.concatenate(parts)
    if all(isinstance(part, torch.Tensor) for part in parts):
        return torch.cat(parts)  # type: ignore[arg-type]
    raise TypeError("`backbone` must answer all images in numpy or all in torch; got both. Convert one of them.")
