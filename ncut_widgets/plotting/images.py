"""All images under one layer, and images against eigenvectors: matplotlib figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ncut_widgets._validation import check_in, check_number, check_positive_int
from ncut_widgets.export.png import overlay
from ncut_widgets.grid import PatchGrid

from ._scene import Scene, SessionLike, gather, needed, of_layer, session_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_eigenvectors", "plot_images"]

LAYERS = ("image", "ncut", "eigenvector", "clusters", "heatmap", "masks", "channels")
_TILE_INCHES = 2.4
_TITLE_INCHES = 0.28
# Robust range of the diverging map: beyond it one outlier patch would make all others white.
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
    """Return a figure of all images under one layer, as `ImageGrid` shows them.

    Parameters
    ----------
    images : Session, a view of one, or sequence of PIL.Image
        A session brings its arrays with it, and its layer, its clusters and the heatmap of what is pinned.
    grid : PatchGrid, optional
        Where each node is; required with a sequence of images.
    layer : "image", "ncut", "eigenvector", "clusters", "heatmap", "masks" or "channels", optional
        What to lay over the images, the last two only of a session. By default that of the array passed, else the
        session's own, else "image".
    rgb : array of shape (n, 3), optional
        Colors in [0, 1], for "ncut"; with them, "clusters" are shown in the mean color of their nodes.
    eigenvectors : array of shape (n, n_eig), optional
        For "eigenvector": red above zero, blue below, from the 99 % quantile of |values|.
    eigenvector : int
        Which one: by default the session's, else 1. 0 is the trivial one.
    labels : integer array of shape (n,), optional
        For "clusters".
    heatmap : array of shape (n,), optional
        In [0, 1], for "heatmap".
    blend : float
        How much of the layer covers the image, in [0, 1].
    smooth : bool
        Interpolate between patches instead of showing their edges.
    columns : int, optional
        Of the figure. By default about as many as rows.
    source : str, optional
        Which source's patches to show; the first by default.

    Returns
    -------
    matplotlib.figure.Figure
        Not known to pyplot: it is shown once where a cell ends in it, and nowhere else.

    Raises
    ------
    ValueError
        Where the layer's array is missing or has not one value per node.

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
    images = session_of(images)
    passed = [("heatmap", heatmap), ("clusters", labels), ("eigenvector", eigenvectors), ("ncut", rgb)]
    shown = [name for name, array in passed if array is not None]
    painted = None
    if isinstance(images, SessionLike):
        if layer is None and not shown:
            layer = getattr(images, "layer", None)
        source = source or getattr(images, "source", None)
        eigenvector = getattr(images, "eigenvector", 1) if eigenvector is None else eigenvector
        if layer not in shown:
            own = of_layer(images, layer or "")
            heatmap, painted = own.get("heatmap", heatmap), own.get("painted")
    eigenvector = 1 if eigenvector is None else eigenvector
    arrays = {"rgb": rgb, "eigenvectors": eigenvectors, "labels": labels, "heatmap": heatmap, "painted": painted}
    scene = gather(images, grid, **arrays)
    if layer is None:
        layer = shown[0] if shown else ("ncut" if scene.rgb is not None else "image")
    layer = check_in(layer, "layer", LAYERS)
    blend = check_number(blend, "blend", low=0, high=1)
    colors = _paint(scene, layer, eigenvector)
    tiles = scene.images
    if colors is not None:
        parts = scene.grid.split(colors)
        tiles = [
            overlay(image, parts[scene.grid.find(i, source)], blend=blend, smooth=smooth)
            for i, image in enumerate(scene.images)
        ]
    return _tile([[tile] for tile in tiles], [str(image.info.get("name", "")) for image in scene.images], columns)


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
    """Return a figure with one row per image: the image, then its patches in several eigenvectors.

    Red is above zero, blue below, white is zero; the range of each eigenvector is the 99 % quantile of its |values|
    over all images.

    Parameters
    ----------
    images : Session or sequence of PIL.Image
        A session brings its grid and eigenvectors with it.
    grid : PatchGrid, optional
        Where each node is; required with a sequence of images.
    eigenvectors : array of shape (n, n_eig), optional
        Required with a sequence of images.
    which : sequence of int
        Columns to show. Those beyond n_eig are left out.
    blend : float
        How much of the eigenvector covers the image, in [0, 1].
    smooth : bool
        Interpolate between patches instead of showing their edges.
    source : str, optional
        Which source's patches to show; the first by default.

    Returns
    -------
    matplotlib.figure.Figure
        Not known to pyplot.

    Raises
    ------
    ValueError
        Where eigenvectors are missing, or `which` names none of them.

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
    scene = gather(session_of(images), grid, eigenvectors=eigenvectors)
    blend = check_number(blend, "blend", low=0, high=1)
    n_eig = needed(scene.eigenvectors, "eigenvectors", "plot_eigenvectors").shape[1]
    chosen = [k for k in (check_positive_int(k, "which", minimum=0) for k in which) if k < n_eig]
    if not chosen:
        raise ValueError(
            f"`which` must name columns 0 to {n_eig - 1} of `eigenvectors`; got {list(which)}. "
            "Pick some of them, or compute more eigenvectors."
        )
    parts = [scene.grid.split(_paint(scene, "eigenvector", k)) for k in chosen]
    rows: list[list[Image.Image]] = []
    for i, image in enumerate(scene.images):
        at = scene.grid.find(i, source)
        rows.append([image, *(overlay(image, part[at], blend=blend, smooth=smooth) for part in parts)])
    return _tile(rows, ["", *(f"eigenvector {k}" for k in chosen)], 1)


def _paint(scene: Scene, layer: str, eigenvector: int) -> np.ndarray | None:
    """Colors (n, 3) or (n, 4) of a layer, in [0, 1]; None for the bare image."""
    from matplotlib import colormaps

    if layer == "image":
        return None
    if scene.painted is not None:
        return scene.painted
    if layer in ("masks", "channels"):
        raise ValueError(f"`layer={layer!r}` needs a session. Pass one in place of the images.")
    if layer == "ncut":
        return needed(scene.rgb, "rgb", "the layer 'ncut'")
    if layer == "heatmap":
        return colormaps["inferno"](needed(scene.heatmap, "heatmap", "the layer 'heatmap'"))[:, :3]
    if layer == "clusters":
        labels = needed(scene.labels, "labels", "the layer 'clusters'")
        if scene.rgb is None:
            return colormaps["tab20"](labels % 20)[:, :3]
        _, cluster = np.unique(labels, return_inverse=True)
        sums = np.stack([np.bincount(cluster, weights=scene.rgb[:, k]) for k in range(3)], axis=1)
        return (sums / np.bincount(cluster)[:, None])[cluster]
    table = needed(scene.eigenvectors, "eigenvectors", "the layer 'eigenvector'")
    k = check_positive_int(eigenvector, "eigenvector", minimum=0, maximum=table.shape[1] - 1)
    limit = float(np.quantile(np.abs(table[:, k]), _RANGE_QUANTILE))
    return colormaps["RdBu_r"](0.5 + table[:, k] / (2 * limit or 1))[:, :3]


def _tile(rows: list[list[Image.Image]], titles: list[str], columns: int | None) -> Figure:
    """One axes per picture. Single pictures flow into `columns`; rows of several stay rows, titled on top."""
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
    # Each row as high as its tallest picture, so that wide images leave no bands between rows.
    heights = [max(tile.height / tile.width for (r, _), tile, _ in cells if r == row) for row in range(n_rows)]
    titled = [any(title for (r, _), _, title in cells if r == row) for row in range(n_rows)]
    inches = [h * _TILE_INCHES + (_TITLE_INCHES if t else 0) for h, t in zip(heights, titled, strict=True)]
    tight = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    figure = NotebookFigure(figsize=(columns * _TILE_INCHES, sum(inches)), layout=tight)
    # The engine makes room for the titles by itself.
    spec = figure.add_gridspec(n_rows, columns, height_ratios=heights)
    for (r, c), tile, title in cells:
        axes = figure.add_subplot(spec[r, c])
        axes.imshow(np.asarray(tile.convert("RGB")))
        axes.set_axis_off()
        axes.set_title(title, fontsize=8, pad=3)
    return figure
