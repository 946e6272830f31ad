"""Attribute clusters and masks to pixels or layers of a backbone, by backpropagation through it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ncut_widgets._progress import Progress
from ncut_widgets._validation import check_features, check_positive_int
from ncut_widgets.features import extract_features, load_images
from ncut_widgets.features.backbones import resolve_backbone
from ncut_widgets.features.vjp import PIXELS, backpropagate_to, find_layer, find_module
from ncut_widgets.grid import PatchGrid, PatchMap
from ncut_widgets.ncut import Ncut

from .graph import attribution_ncut
from .methods import aggregate, check_method
from .result import ChannelAttribution, MapData
from .scores import progress_steps, score_gradients
from .targets import check_targets

__all__ = ["backbone_attribution"]

_RGB_NAMES = ("red", "green", "blue")


def backbone_attribution(
    images: Any,
    target: Any,
    *,
    ncut: Ncut | None = None,
    backbone: Any,
    through: str = PIXELS,
    module: torch.nn.Module | None = None,
    layer: int = -1,
    norm: bool | None = None,
    resolution: int | None = None,
    method: str = "gradient",
    region: str | None = None,
    clusters: Any = None,
    n_eig: int | None = None,
    n_maps: int = 16,
    batch_size: int = 8,
    device: Any = None,
    progress: Progress = None,
) -> ChannelAttribution:
    """Attribute clusters or masks of features to pixels, or to the channels of a layer of the backbone.

    The gradients of `channel_attribution` with respect to the features are backpropagated through the backbone, one
    batch of images at a time, and aggregated at the pixels or at a layer.

    Parameters
    ----------
    images : anything that `load_images` takes
        Images whose features do not depend on each other.
    target, ncut, method, region, clusters, n_eig, n_maps, progress
        As in `channel_attribution`, except for the method "ablation", which is not supported. Targets are sets of
        patches of the features. The nodes of a target are the positions of the layer within these patches.
    backbone, layer, norm, resolution, device
        As in `extract_features`. The backbone must run in torch.
    through : "pixels" or str
        "pixels" for the normalized pixels that the backbone receives, or the name of a module in
        ``dict(module.named_modules())`` whose output is a map (b, c, rows, columns) or tokens (b, k, c) of all patches.
        In a transformers model, the names are those of the vision part, and the output must have one value per
        position in the layout of the model family.
    module : torch.nn.Module, optional
        The module that the backbone runs, if it is a callable that does not store the module in an attribute. The first
        4D argument of the module must be the pixels.
    batch_size : int
        Number of images per batch.

    Returns
    -------
    ChannelAttribution
        The attribution to the channels red, green and blue, or to the channels of the layer.
        ``maps(channel, of="gradient")`` have the resolution of that layer. `faithfulness` is not available, because it
        would require the features of a backbone without these channels.

    Raises
    ------
    TypeError, ValueError
        As in `extract_features` and `channel_attribution`, and if the backbone is not a torch module, has no such
        layer, or does not propagate gradients.

    Notes
    -----
    In addition to the attribution at the features, t targets take one forward pass and t backward passes of the
    backbone. Memory holds the gradients of all targets at the features and at the layer. Contributions through class
    tokens are attributed to the patches in earlier layers.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> class Blocks(torch.nn.Module):
    ...     def forward(self, pixels):
    ...         return torch.nn.functional.avg_pool2d(pixels, 4)
    >>> class Backbone:
    ...     def __init__(self):
    ...         self.module = Blocks()
    ...     def __call__(self, images):
    ...         pixels = torch.stack([torch.tensor(np.array(image)).permute(2, 0, 1) / 255.0 for image in images])
    ...         return list(self.module(pixels).permute(0, 2, 3, 1))
    >>> image = np.random.default_rng(0).integers(0, 50, size=(32, 32, 3), dtype=np.uint8)
    >>> image[:, 16:, 2] += 200
    >>> mask = np.arange(64) % 8 >= 4
    >>> attribution = backbone_attribution(image, mask, backbone=Backbone(), n_eig=2)
    >>> attribution.top_k(1)[0].name, attribution.maps("blue", of="gradient")[0].shape
    ('blue', (32, 32))
    """
    if method == "ablation":
        raise ValueError(
            '`method` must be a gradient method for an attribution through a backbone; got "ablation". '
            'Use "gradient_x_input", its first-order approximation.'
        )
    method, region = check_method(method, region)
    n_maps = check_positive_int(n_maps, "n_maps", minimum=0)
    loaded = load_images(images)
    extract = resolve_backbone(backbone, layer=layer, norm=norm, resolution=resolution, device=device)
    module = find_module(extract) if module is None else module
    find_layer(module, through)
    features = extract_features(loaded, backbone=extract, batch_size=batch_size, progress=False)
    nodes = check_features(features, "features", min_nodes=3)[0].detach()
    targets = check_targets(target, len(nodes), clusters=clusters, n_eig=n_eig)
    ncut = attribution_ncut(ncut, targets.n_eig)
    t = len(targets.names)
    with progress_steps(t + len(loaded), "through the backbone", progress) as advance:
        scores, feature_gradients = score_gradients(nodes, targets, None, ncut)
        split_gradients = []
        for gradient in feature_gradients:
            split_gradients.append(features.grid.split(gradient))
            advance(1)
        per_image = [torch.stack([parts[i] for parts in split_gradients]) for i in range(len(loaded))]
        layer_gradients = backpropagate_to(
            loaded, extract, module, through, per_image, batch_size=batch_size, done=advance
        )

    shapes = [(int(part.values.shape[0]), int(part.values.shape[1])) for part in layer_gradients]
    grid = PatchGrid(
        features.grid.image_sizes, [PatchMap(i, rows, columns, through) for i, (rows, columns) in enumerate(shapes)]
    )
    values = torch.cat([part.values.reshape(-1, part.values.shape[2]) for part in layer_gradients])
    gradients = torch.cat([part.gradients.reshape(t, -1, values.shape[1]) for part in layer_gradients], dim=1)
    means = values.mean(0)
    raw = np.stack(
        [
            aggregate(
                gradients[row],
                values,
                means,
                _members_at_layer(targets.members(row), features.grid, shapes),
                method,
                region,
            )
            for row in range(t)
        ]
    )
    leading = np.argsort(-np.abs(raw), axis=1, kind="stable")[:, :n_maps]
    columns = [gradients[row][:, torch.from_numpy(leading[row]).to(gradients.device)] for row in range(t)]
    c = values.shape[1]
    return ChannelAttribution(
        raw=raw,
        target_names=targets.names,
        channel_names=_RGB_NAMES if through == PIXELS and c == 3 else tuple(f"channel {j}" for j in range(c)),
        target_scores=scores.cpu().float().numpy(),
        method=method,
        region=region,
        n_eig=targets.n_eig,
        sigma=ncut.sigma_,
        map_data=MapData(values, grid, leading, torch.stack(columns).cpu().float().numpy()),
    )


def _members_at_layer(members: torch.Tensor, grid: PatchGrid, shapes: list[tuple[int, int]]) -> torch.Tensor:
    """Return the positions of a layer, in maps of these `shapes`, that are within patches in `members`."""
    parts = []
    for part, (rows, columns) in zip(grid.split(members), shapes, strict=True):
        h, w = part.shape
        patch_rows = ((np.arange(rows) + 0.5) * h / rows).astype(int)
        patch_columns = ((np.arange(columns) + 0.5) * w / columns).astype(int)
        inside = part.numpy()[np.ix_(patch_rows, patch_columns)]
        # The layer may be coarser than the features. Include the position under the center of every patch.
        y, x = np.nonzero(part.numpy())
        inside[((y + 0.5) * rows / h).astype(int), ((x + 0.5) * columns / w).astype(int)] = True
        parts.append(torch.from_numpy(inside.reshape(-1)))
    return torch.cat(parts)
