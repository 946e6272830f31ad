"""Matplotlib figures of the images with a layer, and of several eigenvectors per image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ncut_widgets._validation import check_in, check_number, check_positive_int
from ncut_widgets.export.png import overlay
from ncut_widgets.grid import PatchGrid

from ._inputs import PlotData, SessionLike, as_session, collect, layer_arrays, require
from .layers import LAYERS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_eigenvectors", "plot_images"]

_TILE_INCHES = 2.4
_TITLE_INCHES = 0.28
# Range of the diverging color map, as a quantile of |values|: with the maximum, one outlier would make the rest white.
_RANGE_QUANTILE = 0.99


def plot_images(
    images: SessionLike | Sequence[Image.Image],
    grid: PatchGrid | None = None,
    *,
    layer: str | None = None,
    rgb: Any = None,
    eigenvectors: Any = None,
    eigenvector: int | None = None,
    labels: Any = None,
    heatmap: Any = None,
    blend: float = 0.5,
    smooth: bool = False,
    columns: int | None = None,
    source: str | None = None,
) -> Figure:
    """Return a figure of all images with one layer, as in `ImageGrid`.

    Parameters
    ----------
    images : Session, a view of one, or sequence of PIL.Image
        A session provides its arrays, layer, clusters, and the heatmap of its selected patches.
    grid : PatchGrid, optional
        Grid of the nodes; required with a sequence of images.
    layer : "image", "ncut", "eigenvector", "clusters", "heatmap", "masks" or "channels", optional
        The layer over the images; "masks" and "channels" require a session. By default the layer of the array that was
        passed, or else that of the session, or else "image".
    rgb : array of shape (n, 3), optional
        Colors in [0, 1] for "ncut". If given, "clusters" have the mean colors of their nodes.
    eigenvectors : array of shape (n, n_eig), optional
        For "eigenvector": red is positive, blue negative; the range is the 99 % quantile of |values|.
    eigenvector : int
        Index of the eigenvector; by default that of the session, or else 1. 0 is the trivial eigenvector.
    labels : integer array of shape (n,), optional
        For "clusters".
    heatmap : array of shape (n,), optional
        In [0, 1], for "heatmap".
    blend : float
        Opacity of the layer, in [0, 1].
    smooth : bool
        Interpolate between patches instead of showing their edges.
    columns : int, optional
        Number of columns of the figure; by default about the number of rows.
    source : str, optional
        The source whose patches are shown; by default the first.

    Returns
    -------
    matplotlib.figure.Figure
        Not registered with pyplot, so a notebook displays it only as the result of a cell.

    Raises
    ------
    ValueError
        If the array of the layer is missing or does not have one value per node.

    Examples
    --------
    >>> import numpy as np
    >>> from PIL import Image
    >>> from ncut_widgets.grid import PatchGrid, PatchMap
    >>> grid = PatchGrid([(32, 32)], [PatchMap(0, 2, 2)])
    >>> figure = plot_images([Image.new("RGB", (32, 32))], grid, labels=np.array([0, 0, 1, 1]))
    >>> len(figure.axes)
    1
    """
    images = as_session(images)
    candidates = [("heatmap", heatmap), ("clusters", labels), ("eigenvector", eigenvectors), ("ncut", rgb)]
    passed = [name for name, array in candidates if array is not None]
    layer_colors = None
    if isinstance(images, SessionLike):
        if layer is None and not passed:
            layer = getattr(images, "layer", None)
        source = source or getattr(images, "source", None)
        eigenvector = getattr(images, "eigenvector", 1) if eigenvector is None else eigenvector
        if layer not in passed:
            own = layer_arrays(images, layer or "")
            heatmap, layer_colors = own.get("heatmap", heatmap), own.get("layer_colors")
    eigenvector = 1 if eigenvector is None else eigenvector
    arrays = {"rgb": rgb, "eigenvectors": eigenvectors, "labels": labels, "heatmap": heatmap}
    data = collect(images, grid, layer_colors=layer_colors, **arrays)
    if layer is None:
        layer = passed[0] if passed else ("ncut" if data.rgb is not None else "image")
    layer = check_in(layer, "layer", LAYERS)
    blend = check_number(blend, "blend", low=0, high=1)
    colors = _layer_colors(data, layer, eigenvector)
    tiles = data.images
    if colors is not None:
        parts = data.grid.split(colors)
        tiles = [
            overlay(image, parts[data.grid.find(i, source)], blend=blend, smooth=smooth)
            for i, image in enumerate(data.images)
        ]
    return _tile([[tile] for tile in tiles], [str(image.info.get("name", "")) for image in data.images], columns)


def plot_eigenvectors(
    images: SessionLike | Sequence[Image.Image],
    grid: PatchGrid | None = None,
    *,
    eigenvectors: Any = None,
    which: Sequence[int] = (1, 2, 3, 4, 5, 6),
    blend: float = 1.0,
    smooth: bool = False,
    source: str | None = None,
) -> Figure:
    """Return a figure with one row per image: the image, followed by several of its eigenvectors.

    Red is positive, blue negative and white zero. The range of each eigenvector is the 99 % quantile of its |values|
    over all images.

    Parameters
    ----------
    images : Session or sequence of PIL.Image
        A session provides its grid and eigenvectors.
    grid : PatchGrid, optional
        Grid of the nodes; required with a sequence of images.
    eigenvectors : array of shape (n, n_eig), optional
        Required with a sequence of images.
    which : sequence of int
        Indices of the eigenvectors to show; indices of n_eig or more are ignored.
    blend : float
        Opacity of the eigenvectors over the image, in [0, 1].
    smooth : bool
        Interpolate between patches instead of showing their edges.
    source : str, optional
        The source whose patches are shown; by default the first.

    Returns
    -------
    matplotlib.figure.Figure
        Not registered with pyplot.

    Raises
    ------
    ValueError
        If the eigenvectors are missing, or `which` contains no valid index.

    Examples
    --------
    >>> import numpy as np
    >>> from PIL import Image
    >>> from ncut_widgets.grid import PatchGrid, PatchMap
    >>> grid = PatchGrid([(32, 32)], [PatchMap(0, 2, 2)])
    >>> figure = plot_eigenvectors([Image.new("RGB", (32, 32))], grid, eigenvectors=np.eye(4, 3))
    >>> [axes.get_title() for axes in figure.axes]
    ['', 'eigenvector 1', 'eigenvector 2']
    """
    data = collect(as_session(images), grid, eigenvectors=eigenvectors)
    blend = check_number(blend, "blend", low=0, high=1)
    n_eig = require(data.eigenvectors, "eigenvectors", "plot_eigenvectors").shape[1]
    chosen = [k for k in (check_positive_int(k, "which", minimum=0) for k in which) if k < n_eig]
    if not chosen:
        raise ValueError(
            f"`which` must contain at least one of the columns 0 to {n_eig - 1} of `eigenvectors`; got {list(which)}. "
            "Pick some of them, or compute more eigenvectors."
        )
    parts = [data.grid.split(_layer_colors(data, "eigenvector", k)) for k in chosen]
    rows: list[list[Image.Image]] = []
    for i, image in enumerate(data.images):
        at = data.grid.find(i, source)
        rows.append([image, *(overlay(image, part[at], blend=blend, smooth=smooth) for part in parts)])
    return _tile(rows, ["", *(f"eigenvector {k}" for k in chosen)], 1)


def _layer_colors(data: PlotData, layer: str, eigenvector: int) -> np.ndarray | None:
    """Return the colors (n, 3) or (n, 4) of a layer, in [0, 1]; None for the layer "image"."""
    from matplotlib import colormaps

    if layer == "image":
        return None
    if data.layer_colors is not None:
        return data.layer_colors
    if layer in ("masks", "channels"):
        raise ValueError(f"`layer={layer!r}` requires a session. Pass a session instead of the images.")
    if layer == "ncut":
        return require(data.rgb, "rgb", "the layer 'ncut'")
    if layer == "heatmap":
        return colormaps["inferno"](require(data.heatmap, "heatmap", "the layer 'heatmap'"))[:, :3]
    if layer == "clusters":
        labels = require(data.labels, "labels", "the layer 'clusters'")
        if data.rgb is None:
            return colormaps["tab20"](labels % 20)[:, :3]
        _, cluster = np.unique(labels, return_inverse=True)
        sums = np.stack([np.bincount(cluster, weights=data.rgb[:, k]) for k in range(3)], axis=1)
        return (sums / np.bincount(cluster)[:, None])[cluster]
    vectors = require(data.eigenvectors, "eigenvectors", "the layer 'eigenvector'")
    k = check_positive_int(eigenvector, "eigenvector", minimum=0, maximum=vectors.shape[1] - 1)
    limit = float(np.quantile(np.abs(vectors[:, k]), _RANGE_QUANTILE))
    return colormaps["RdBu_r"](0.5 + vectors[:, k] / (2 * limit or 1))[:, :3]


def _tile(rows: list[list[Image.Image]], titles: list[str], columns: int | None) -> Figure:
    """Return a figure with one axes per image: single images wrap at `columns`; rows of several have column titles."""
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    from ._figure import NotebookFigure

    per_row = max(len(row) for row in rows)
    if per_row == 1:
        columns = math.ceil(math.sqrt(len(rows))) if columns is None else check_positive_int(columns, "columns")
        columns = min(columns, len(rows))
        cells = [(divmod(i, columns), row[0], titles[i]) for i, row in enumerate(rows)]
    else:
        columns = per_row
        cells = [
            ((r, c), tile, titles[c] if r == 0 else "") for r, row in enumerate(rows) for c, tile in enumerate(row)
        ]
    n_rows = cells[-1][0][0] + 1
    # Each row is as high as its tallest image, so that wide images leave no gaps between rows.
    heights = [max(tile.height / tile.width for (r, _), tile, _ in cells if r == row) for row in range(n_rows)]
    titled = [any(title for (r, _), _, title in cells if r == row) for row in range(n_rows)]
    inches = [h * _TILE_INCHES + (_TITLE_INCHES if t else 0) for h, t in zip(heights, titled, strict=True)]
    tight = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    figure = NotebookFigure(figsize=(columns * _TILE_INCHES, sum(inches)), layout=tight)
    # The layout engine adds the space for titles.
    spec = figure.add_gridspec(n_rows, columns, height_ratios=heights)
    for (r, c), tile, title in cells:
        axes = figure.add_subplot(spec[r, c])
        axes.imshow(np.asarray(tile.convert("RGB")))
        axes.set_axis_off()
        axes.set_title(title, fontsize=8, pad=3)
    return figure
