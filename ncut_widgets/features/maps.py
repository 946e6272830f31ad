"""`FeatureMaps`: features with the position of every node, channel names and optional node weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ncut_widgets._validation import to_tensor
from ncut_widgets.grid import PatchGrid

__all__ = ["Array", "FeatureMaps", "check_parts", "concat_arrays", "take_maps"]

Array = np.ndarray | torch.Tensor


@dataclass(frozen=True, eq=False, repr=False)
class FeatureMaps:
    """The features of every patch of every image, with the positions of the patches and the names of the channels.

    Accepted by every function of the library that takes features of shape (n, c).

    Parameters
    ----------
    values : array or tensor of shape (n, c)
        One row per node, in the grid's order.
    grid : PatchGrid
        The image, source, row and column of each node.
    channel_names : sequence of str, optional
        One per channel; by default "channel 0", "channel 1", ...
    weights : array or tensor of shape (n,), optional
        The weight of each node in a graph: positive and finite, numpy or torch as `values`. Only the ratios matter.
        By default all nodes have the same weight.

    Raises
    ------
    TypeError, ValueError
        If the values, grid, names and weights do not fit together.

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
    weights: Array | None

    def __init__(
        self,
        values: Array,
        grid: PatchGrid,
        channel_names: Sequence[str] | None = None,
        *,
        weights: Array | None = None,
    ) -> None:
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
                "Pass one name per channel, or None."
            )
        _check_weights(weights, values)
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "grid", grid)
        object.__setattr__(self, "channel_names", names)
        object.__setattr__(self, "weights", weights)

    def flatten(self) -> Array:
        """Return all features as (n, c), one row per node; nothing is copied."""
        return self.values

    @property
    def shape(self) -> tuple[int, int]:
        """The numbers of nodes and channels."""
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
        """Return the maps of one source: a view if they are contiguous, otherwise a copy."""
        chosen = [index for index, m in enumerate(self.grid.maps) if m.source == source]
        if not chosen:
            raise ValueError(f"`source` must be one of {list(self.sources)}; got {source!r}. Pick one of these.")
        return take_maps(self, chosen)

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        n, c = self.shape
        images = f"{self.grid.n_images} image" + "s" * (self.grid.n_images != 1)
        label = "source" + "s" * (len(self.sources) != 1)
        weighted = "" if self.weights is None else ", weighted"
        sources = ", ".join(map(repr, self.sources))
        return f"FeatureMaps({n} nodes x {c} channels, {images}, {label} {sources}{weighted})"


def check_parts(features: Any) -> list[FeatureMaps]:
    """Return the features as a list; raise unless they have the same images and different source names."""
    parts = [features] if isinstance(features, FeatureMaps) else list(features)
    if not parts or not all(isinstance(part, FeatureMaps) for part in parts):
        kinds = [type(part).__name__ for part in parts]
        raise TypeError(f"`features` must be one or more FeatureMaps; got {kinds}. Pass a list of them.")
    first = parts[0]
    for part in parts[1:]:
        if part.grid.image_sizes != first.grid.image_sizes:
            raise ValueError(
                "`features` must all be of the same images; got different numbers or sizes of images. "
                "To add images, pass all of them to one call of `extract_features`."
            )
        if isinstance(part.values, np.ndarray) != isinstance(first.values, np.ndarray):
            raise TypeError("`features` must all be numpy or all torch; got both. Convert one of them.")
    names = [source for part in parts for source in part.sources]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"`features` must have different source names; got {twice} more than once. "
            "Extract with another resolution or layer, or pass `source=` to `extract_features`."
        )
    return parts


def concat_arrays(parts: Sequence[Array]) -> Array:
    """Concatenate arrays or tensors; a single one is returned without a copy."""
    if len(parts) == 1:
        return parts[0]
    if all(isinstance(part, np.ndarray) for part in parts):
        return np.concatenate(parts)
    if all(isinstance(part, torch.Tensor) for part in parts):
        return torch.cat(parts)  # type: ignore[arg-type]
    raise TypeError(
        "`backbone` must return either numpy arrays or tensors for all images; got both. Convert one of them."
    )


def take_maps(features: FeatureMaps, maps: Sequence[int]) -> FeatureMaps:
    """Return the maps with these ascending indices: a view if they are contiguous, otherwise a copy."""
    grid = PatchGrid(features.grid.image_sizes, [features.grid.maps[index] for index in maps])
    starts, stops = features.grid.offsets[:-1].tolist(), features.grid.offsets[1:].tolist()
    if maps[-1] - maps[0] + 1 == len(maps):
        rows = [slice(starts[maps[0]], stops[maps[-1]])]
    else:
        rows = [slice(starts[index], stops[index]) for index in maps]
    weights = None if features.weights is None else concat_arrays([features.weights[part] for part in rows])
    return FeatureMaps(
        concat_arrays([features.values[part] for part in rows]), grid, features.channel_names, weights=weights
    )


def _check_weights(weights: Any, values: Array) -> None:
    if weights is None:
        return
    kind, name = (np.ndarray, "a numpy array") if isinstance(values, np.ndarray) else (torch.Tensor, "a tensor")
    if not isinstance(weights, kind):
        raise TypeError(f"`weights` must be {name}, as `values` are; got {type(weights).__name__}. Convert it.")
    if tuple(weights.shape) != (len(values),):
        raise ValueError(
            f"`weights` must have shape ({len(values)},), one for each node; got {tuple(weights.shape)}. "
            "Omit it if all nodes have the same weight."
        )
    numbers, _ = to_tensor(weights, "weights")
    wrong = ~((numbers > 0) & torch.isfinite(numbers))
    if bool(wrong.any()):
        first = int(wrong.nonzero()[0, 0])
        raise ValueError(
            f"`weights` must be positive and finite; got {float(numbers[first]):g} for node {first}. "
            "Use a small positive weight for nodes that should have little influence."
        )
