"""Grid of all images with an overlay."""

from __future__ import annotations

from ncut_widgets.export.still import Panel
from ncut_widgets.widgets._bundles import bundle
from ncut_widgets.widgets.views.base import View
from ncut_widgets.widgets.views.panels import images_panel


class ImageGrid(View):
    """The images of a session with an overlay. Hover a patch to see similar patches in all images, click to pin it.

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
    >>> view = nw.ImageGrid(session, height=300)
    >>> view.height
    300
    """

    _esm = bundle("image_grid.js")
    _css = bundle("image_grid.css")
    _description = "image grid"

    def _panels(self, *, wait: bool) -> list[Panel]:
        session = self.session
        # Pinned patches show their similarity in any layer but "channels".
        layer = "heatmap" if session.selection and session.layer != "channels" else session.layer
        return [images_panel(session, layer, wait=wait)]
