"""Clusters with a slider and a legend."""

from __future__ import annotations

from ncut_widgets.export.still import Panel
from ncut_widgets.widgets._bundles import bundle
from ncut_widgets.widgets.views.base import View
from ncut_widgets.widgets.views.panels import cluster_legend, images_panel


class ClusterPanel(View):
    """The clusters of a session's images, with a slider for their number and a legend to name, hide and merge them.

    A cluster keeps its number, color and name when the number of clusters changes. The state is in the session's
    ``n_clusters``, ``cluster``, ``cluster_names``, ``hidden_clusters`` and ``cluster_groups``.

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
    >>> view = nw.ClusterPanel(session)
    >>> session.cluster_names = {"1": "sky"}
    """

    _esm = bundle("cluster_panel.js")
    _css = bundle("cluster_panel.css")
    _description = "clusters"

    def _panels(self, *, wait: bool) -> list[Panel]:
        legend = cluster_legend(self.session, wait=wait)
        return [images_panel(self.session, "clusters", wait=wait, legend=legend)]
