"""Plotly figure of the 3D embedding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ncut_widgets._validation import check_number, check_positive_int
from ncut_widgets.grid import PatchGrid

from ._inputs import SessionLike, as_session, node_table

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["plot_embedding"]

# Closer than plotly's default camera, at which the points fill only a third of the figure.
_CAMERA = {"eye": {"x": 0.85, "y": 0.85, "z": 0.6}}


def plot_embedding(
    session: SessionLike | Any,
    grid: PatchGrid | None = None,
    *,
    rgb: Any = None,
    names: Sequence[str] | None = None,
    point_size: float = 2.5,
    dark: bool = False,
    max_points: int = 30_000,
) -> go.Figure:
    """Return a plotly scatter plot of the 3D embedding, in the colors of the nodes.

    Parameters
    ----------
    session : Session or array of shape (n, 3)
        A session, with its grid, colors and image names, or an array of coordinates.
    grid : PatchGrid, optional
        Grid of the nodes, for the hover text: image, row and column.
    rgb : array of shape (n, 3), optional
        Colors in [0, 1]; required with an array of coordinates.
    names : sequence of str, optional
        Names of the images, for the hover text.
    point_size : float
        Size of the points in pixels.
    dark : bool
        Use a dark background.
    max_points : int
        If there are more nodes, a random subset is drawn, because plotly is much slower than the widget.

    Returns
    -------
    plotly.graph_objects.Figure
        With hidden axes and equal scales.

    Raises
    ------
    ValueError
        If coordinates and colors do not have one row of three values per node.

    Examples
    --------
    >>> import numpy as np
    >>> figure = plot_embedding(np.eye(3), rgb=np.eye(3))
    >>> len(figure.data[0].x)
    3
    """
    import plotly.graph_objects as go

    session = as_session(session)
    coords: Any = session
    if isinstance(session, SessionLike):
        coords, grid = session.coords, grid or session.grid
        rgb = session.rgb if rgb is None else rgb
        names = names or [str(image.info.get("name", f"image {i}")) for i, image in enumerate(session.images)]
    xyz = node_table(coords, "coords", len(coords) if grid is None else grid.n_nodes, columns=3)
    if rgb is None:
        raise ValueError("`rgb` is required with an array of coordinates. Pass colors of shape (n, 3).")
    colors = np.rint(np.clip(node_table(rgb, "rgb", len(xyz), columns=3), 0, 1) * 255).astype(int)
    n_drawn = check_positive_int(max_points, "max_points")
    size = check_number(point_size, "point_size", low=0, low_open=True)
    drawn = np.arange(len(xyz))
    if len(xyz) > n_drawn:
        drawn = np.sort(np.random.default_rng(0).choice(len(xyz), n_drawn, replace=False))

    hover: dict[str, Any] = {"hoverinfo": "skip"}
    if grid is not None:
        hover = {"text": [_describe(grid, int(node), names) for node in drawn], "hoverinfo": "text"}
    x, y, z = xyz[drawn].T
    cloud = go.Scatter3d(
        x=x,
        y=y,
        z=z,
        mode="markers",
        marker={"size": size, "color": [f"rgb({r},{g},{b})" for r, g, b in colors[drawn]], "opacity": 1},
        **hover,
    )
    hidden = {"visible": False}
    layout = go.Layout(
        template="plotly_dark" if dark else "plotly_white",
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
        scene={"xaxis": hidden, "yaxis": hidden, "zaxis": hidden, "aspectmode": "data", "camera": _CAMERA},
        showlegend=False,
    )
    return go.Figure(data=[cloud], layout=layout)


def _describe(grid: PatchGrid, node: int, names: Sequence[str] | None) -> str:
    image, row, column, source = grid.locate(node)
    where = f"{names[image] if names else f'image {image}'}<br>row {row}, column {column}"
    return where if len(grid.sources) == 1 else f"{where}<br>{source}"
