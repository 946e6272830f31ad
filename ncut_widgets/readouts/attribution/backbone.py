"""Attribution that goes on through the backbone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ncut_widgets._validation import check_features, check_in, check_positive_int
from ncut_widgets.features import extract_features, load_images
from ncut_widgets.features.backbones import resolve_backbone
from ncut_widgets.features.vjp import PIXELS, backpropagate_to, find_layer, find_module
from ncut_widgets.grid import PatchGrid, PatchMap
from ncut_widgets.ncut import Ncut

from .methods import METHODS, REGION_OF, REGIONS, aggregate
from .result import ChannelAttribution, Traced
from .scores import Step, gradients_of_scores, steps
from .targets import check_targets

__all__ = ["backbone_attribution"]

_COLOURS = ("red", "green", "blue")


def backbone_attribution(
    images: Any,
    target: Any,
    *,
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
    affinity: str | Callable[[Any, Any], Any] = "rbf",
    sigma: float | None = None,
    degree: float | None = None,
    n_sample: int | str = "auto",
    solver: str = "auto",
    n_maps: int = 16,
    batch_size: int = 8,
    device: Any = None,
    random_state: Any = 0,
    progress: bool | Step = False,
) -> ChannelAttribution:
    """Return which pixels, or which channels of a layer of the backbone, make each cluster or mask of its features.

    The gradients that `channel_attribution` takes at the features go on through the backbone by vector-Jacobian
    products, a batch of images at a time, and are gathered at the pixels or at a layer as they are there.

    Parameters
    ----------
    images : anything that `load_images` takes
        None of them may influence the features of another.
    target, method, region, clusters, n_eig, affinity, sigma, degree, n_sample, solver, n_maps, random_state, progress
        As in `channel_attribution`; targets are sets of patches of the features. The region of a target are the places
        in its patches. Not by "ablation".
    backbone, layer, norm, resolution, device
        As in `extract_features`: a backbone that runs in torch.
    through : "pixels" or str
        The pixels as the backbone sees them, normalised, or the output of one of its modules by name, of
        ``dict(module.named_modules())``: a map (b, c, rows, columns), or tokens (b, k, c) of all patches. In a
        transformers model, any module with a value for each place, in the layout of its family; names are those in the
        part that sees images.
    module : torch.nn.Module, optional
        What the backbone runs, where it is a callable that does not show it. Its first 4D argument are the pixels.
    batch_size : int
        Images at a time.

    Returns
    -------
    ChannelAttribution
        Of the channels red, green and blue, or of those of the layer. `maps(channel, of="gradient")` are at the
        resolution of that layer. There is no `faithfulness`: it would take a backbone without its channels.

    Raises
    ------
    TypeError, ValueError
        As `extract_features` and `channel_attribution` do, and where the backbone is no torch module, lets no gradients
        through, or has no such layer.

    Notes
    -----
    A pass forward and t passes back of the backbone for t targets, beyond the attribution at the features. Holds the
    gradients of all targets at the features, and at the layer. What class tokens pass on is counted at the patches
    before them.

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
            '`method` must be a gradient method to go through a backbone; got "ablation". '
            'Use "gradient_x_input", its first-order approximation.'
        )
    method = check_in(method, "method", METHODS)
    region = REGION_OF[method] if region is None else check_in(region, "region", REGIONS)
    n_maps = check_positive_int(n_maps, "n_maps", minimum=0)
    pictures = load_images(images)
    extract = resolve_backbone(backbone, layer=layer, norm=norm, resolution=resolution, device=device)
    module = find_module(extract) if module is None else module
    find_layer(module, through)
    features = extract_features(pictures, backbone=extract, batch_size=batch_size, progress=False)
    nodes = check_features(features, "features", min_nodes=3)[0].detach()
    targets = check_targets(target, len(nodes), clusters=clusters, n_eig=n_eig)
    ncut = Ncut(
        targets.n_eig,
        affinity=affinity,
        sigma=sigma,
        degree=degree,
        n_sample=n_sample,
        solver=solver,
        random_state=random_state,
    )
    t = len(targets.names)
    with steps(t + len(pictures), "through the backbone", progress) as done:
        scores, of_features = gradients_of_scores(nodes, targets, None, ncut)
        tables = []
        for table in of_features:
            tables.append(features.grid.split(table))
            done(1)
        per_image = [torch.stack([parts[i] for parts in tables]) for i in range(len(pictures))]
        pulled = backpropagate_to(pictures, extract, module, through, per_image, batch_size=batch_size, done=done)

    shapes = [(int(part.values.shape[0]), int(part.values.shape[1])) for part in pulled]
    grid = PatchGrid(
        features.grid.image_sizes, [PatchMap(i, rows, columns, through) for i, (rows, columns) in enumerate(shapes)]
    )
    values = torch.cat([part.values.reshape(-1, part.values.shape[2]) for part in pulled])
    gradients = torch.cat([part.gradients.reshape(t, -1, values.shape[1]) for part in pulled], dim=1)
    means = values.mean(0)
    raw = np.stack(
        [
            aggregate(
                gradients[row], values, means, _places(targets.members(row), features.grid, shapes), method, region
            )
            for row in range(t)
        ]
    )
    kept = np.argsort(-np.abs(raw), axis=1, kind="stable")[:, :n_maps]
    columns = [gradients[row][:, torch.from_numpy(kept[row]).to(gradients.device)] for row in range(t)]
    c = values.shape[1]
    return ChannelAttribution(
        raw=raw,
        target_names=targets.names,
        channel_names=_COLOURS if through == PIXELS and c == 3 else tuple(f"channel {j}" for j in range(c)),
        target_scores=scores.cpu().float().numpy(),
        method=method,
        region=region,
        n_eig=targets.n_eig,
        sigma=ncut.sigma_,
        traced=Traced(values, grid, kept, torch.stack(columns).cpu().float().numpy()),
    )


def _places(members: torch.Tensor, grid: PatchGrid, shapes: list[tuple[int, int]]) -> torch.Tensor:
    """Return which places of a layer, in maps of these shapes, lie in patches that are `members`."""
    parts = []
    for part, (rows, columns) in zip(grid.split(members), shapes, strict=True):
        h, w = part.shape
        down = ((np.arange(rows) + 0.5) * h / rows).astype(int)
        across = ((np.arange(columns) + 0.5) * w / columns).astype(int)
        inside = part.numpy()[np.ix_(down, across)]
        # A layer may be coarser than the features: no patch gets lost.
        at, along = np.nonzero(part.numpy())
        inside[((at + 0.5) * rows / h).astype(int), ((along + 0.5) * columns / w).astype(int)] = True
        parts.append(torch.from_numpy(inside.reshape(-1)))
    return torch.cat(parts)
