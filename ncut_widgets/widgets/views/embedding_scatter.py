"""The embedding in 3D."""

from __future__ import annotations

from ncut_widgets.widgets._bundles import bundle
from ncut_widgets.widgets.views.base import View


class EmbeddingScatter(View):
    """The session's nodes as points in 3D, coloured as the overlay; hover rings a patch, click pins it.

    Parameters
    ----------
    session : Session
        What to show.
    height : int, default 480, at least 160
        In CSS pixels.
    **traits
        What every widget takes: ``layout``, ``tooltip``, ``tabbable``.

    Examples
    --------
    >>> import numpy as np, ncut_widgets as nw
    >>> grid = nw.PatchGrid([(40, 30)], [nw.PatchMap(0, 3, 4)])
    >>> session = nw.Session([np.zeros((30, 40, 3), np.uint8)], grid=grid, eigenvectors=np.eye(12)[:, :4])
    >>> nw.EmbeddingScatter(session).session is session
    True
    """

    _esm = bundle("embedding_scatter.js")
    _css = bundle("embedding_scatter.css")
