"""Converts outputs of model modules to maps (b, rows, columns, c), using the layout of the model family."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from .families import Family, square

__all__ = ["grids", "module_map", "state_map"]

Grid = tuple[int, int]
_SPATIAL = (nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d, nn.AvgPool2d)


def grids(family: Family, config: Any, n_blocks: int, size: Grid) -> list[Grid]:
    """Return the (rows, columns) of each hidden state for images of `size` (height, width)."""
    strides = [family.stride(config, level) for level in range(n_blocks + 1)]
    return [(size[0] // stride, size[1] // stride) for stride in strides]


def state_map(state: torch.Tensor, family: Family, config: Any, candidates: list[Grid], level: int) -> torch.Tensor:
    """Return hidden state `level` of a model with these grids as (b, rows, columns, c).

    Raises
    ------
    ValueError
        If its shape does not match the grid of the configuration.
    """
    grid = candidates[level]
    if state.ndim == 3:
        placed = _tokens_to_map(state, family, config, [grid], candidates[0], (family.n_special_tokens(config),))
    elif state.ndim == 4:
        placed = state.permute(0, 2, 3, 1) if family.layout == "channels_first" else state
    else:
        placed = None
    if placed is None or tuple(placed.shape[1:3]) != grid:
        raise ValueError(
            f"`backbone` must have hidden states of {grid[0]} x {grid[1]} positions; got shape {tuple(state.shape)} "
            f"from a {family.name} model, which differs from transformers 5.23. Pass a callable that runs it."
        )
    return placed


def module_map(
    state: torch.Tensor,
    module: nn.Module,
    name: str,
    family: Family,
    config: Any,
    candidates: list[Grid],
    *,
    is_block: bool,
) -> torch.Tensor:
    """Return the output of a module inside a model as (b, rows, columns, c), on one of the grids of the model.

    Raises
    ------
    ValueError
        If the output has no value for every patch, or the order of its axes is ambiguous.
    """
    placed: torch.Tensor | None = None
    if state.ndim == 3:
        if family.layout == "mask_units" and not name.startswith(f"{family.blocks}."):
            # Hiera reorders its tokens by mask units just before the blocks.
            family = replace(family, layout="tokens")
        # Patch tokens may appear with or without the special tokens before them.
        placed = _tokens_to_map(state, family, config, candidates, candidates[0], (0, family.n_special_tokens(config)))
    elif state.ndim == 4:
        order = family.layout if is_block else _channel_axis(module)
        last = order != "channels_first" and tuple(state.shape[1:3]) in candidates
        # Convolutions and pooling do not split the map into windows, so their output is a map at any size.
        first = isinstance(module, _SPATIAL) or (order != "channels_last" and tuple(state.shape[2:4]) in candidates)
        if last != first:
            placed = state if last else state.permute(0, 2, 3, 1)
    if placed is None:
        expected = " or ".join(f"{rows} x {columns}" for rows, columns in dict.fromkeys(candidates))
        raise ValueError(
            f"`through` must name a layer with one value per position of a map ({expected}); got shape "
            f"{tuple(state.shape)} in {name!r} ({type(module).__name__}). Pick another layer, such as a whole block."
        )
    return placed


def _channel_axis(module: nn.Module) -> str:
    """Return the position of the channel axis that the module's type implies, or "unknown"."""
    if isinstance(module, _SPATIAL):
        return "channels_first"
    if isinstance(module, nn.LayerNorm):
        return str(getattr(module, "data_format", "channels_last"))
    return "channels_last" if isinstance(module, nn.Linear) else "unknown"


def _tokens_to_map(
    state: torch.Tensor, family: Family, config: Any, candidates: list[Grid], finest: Grid, special: tuple[int, ...]
) -> torch.Tensor | None:
    """Return tokens (b, special tokens and positions, c) on the grid with the same number of positions, or None."""
    n = state.shape[1]
    for rows, columns in candidates:
        if n - rows * columns in special:
            patches = state[:, n - rows * columns :]
            if family.layout == "mask_units":
                return _undo_mask_units(patches, config, (rows, columns), finest)
            return patches.reshape(len(state), rows, columns, -1)
    return None


def _undo_mask_units(state: torch.Tensor, config: Any, grid: Grid, finest: Grid) -> torch.Tensor:
    """Undo the order of Hiera's tokens, in which a row and a column digit per remaining pooling step come first."""
    stride = square(config.query_stride, "query stride")
    digits = len(config.depths) - 1 - round(math.log(finest[0] / grid[0], stride))
    shape = [stride] * (2 * digits) + [side // stride**digits for side in grid]
    split = state.reshape(len(state), *shape, -1)
    down = [1 + 2 * digit for digit in reversed(range(digits))]
    order = [0, 1 + 2 * digits, *down, 2 + 2 * digits, *(axis + 1 for axis in down), 3 + 2 * digits]
    return split.permute(order).reshape(len(state), *grid, -1)
