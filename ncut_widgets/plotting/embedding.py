"""The 3D embedding as a plotly figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ncut_widgets._validation import check_positive_int
from ncut_widgets.grid import PatchGrid

from ._scene import SessionLike, node_table, session_of

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["plot_embedding"]

# Nearer than plotly's own place, from which the cloud fills a third of the figure.
_NEAR = {"eye": {"x": 0.85, "y": 0.85, "z": 0.6}}


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
    """Return a plotly figure of the 3D embedding, in the colors of its nodes.

    Parameters
    ----------
    session : Session or array of shape (n, 3)
        The coordinates. A session brings its grid, colors and names with it.
    grid : PatchGrid, optional
        Where each node is, for the text under the mouse: image, row and column.
    rgb : array of shape (n, 3), optional
        In [0, 1]; required with an array of coordinates.
    names : sequence of str, optional
        Of the images.
    point_size : float
        In pixels.
    dark : bool
        On a dark ground.
    max_points : int
        Of more nodes a random part is drawn: plotly slows down long before the widget does.

    Returns
    -------
    plotly.graph_objects.Figure
        Axes hidden, all three to one scale.

    Raises
    ------
    ValueError
        Where coordinates and colors do not have one row of three per node.

    Examples
    --------
    >>> import numpy as np
    >>> figure = plot_embedding(np.eye(3), rgb=np.eye(3))
    >>> len(figure.data[0].x)
    3
    """
    import plotly.graph_objects as go

    session = session_of(session)
    coords: Any = session
    if isinstance(session, SessionLike):
        coords, grid = session.coords, grid or session.grid
        rgb = session.rgb if rgb is None else rgb
        names = names or [str(image.info.get("name", f"image {i}")) for i, image in enumerate(session.images)]
    xyz = node_table(coords, "coords", len(coords) if grid is None else grid.n_nodes, columns=3)
    if rgb is None:
        raise ValueError("`rgb` is needed with an array of coordinates. Pass colors of shape (n, 3).")
    colors = np.rint(np.clip(node_table(rgb, "rgb", len(xyz), columns=3), 0, 1) * 255).astype(int)
    n_drawn = check_positive_int(max_points, "max_points")
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
        marker={"size": point_size, "color": [f"rgb({r},{g},{b})" for r, g, b in colors[drawn]], "opacity": 1},
        **hover,
    )
    hidden = {"visible": False}
    layout = go.Layout(
        template="plotly_dark" if dark else "plotly_white",
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
        scene={"xaxis": hidden, "yaxis": hidden, "zaxis": hidden, "aspectmode": "data", "camera": _NEAR},
        showlegend=False,
    )
    return go.Figure(data=[cloud], layout=layout)


def _describe(grid: PatchGrid, node: int, names: Sequence[str] | None) -> str:
    image, row, column, source = grid.locate(node)
    where = f"{names[image] if names else f'image {image}'}<br>row {row}, column {column}"
    return where if len(grid.sources) == 1 else f"{where}<br>{source}"
