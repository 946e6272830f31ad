"""3D scatter of the embedding."""

from __future__ import annotations

from ncut_widgets.export.still import Panel
from ncut_widgets.widgets._bundles import bundle
from ncut_widgets.widgets.views.base import View
from ncut_widgets.widgets.views.panels import scatter_panel


class EmbeddingScatter(View):
    """The nodes of a session as points in 3D, with the colors of the overlay. Hover highlights a patch, click pins it.

    Parameters
    ----------
    session : Session
        The session to show.
    height : int, default 480, at least 160
        Height in CSS pixels.
    **traits
        Options of every widget: ``layout``, ``tooltip``, ``tabbable``.

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
    _description = "embedding scatter plot"

    def _panels(self, *, wait: bool) -> list[Panel]:
        return [scatter_panel(self.session, wait=wait)]
