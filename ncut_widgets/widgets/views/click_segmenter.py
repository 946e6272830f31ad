"""Interactive segmentation by clicks and boxes."""

from __future__ import annotations

from ncut_widgets.export.still import Panel
from ncut_widgets.widgets._bundles import bundle
from ncut_widgets.widgets.views.base import View
from ncut_widgets.widgets.views.panels import images_panel, object_legend


class ClickSegmenter(View):
    """The images of a session with the masks of its objects, which follow clicks and sliders at once in all images.

    A click adds similar patches to the active object, a click with Alt or the secondary button removes them; boxes do
    either. The clicks are in ``session.objects`` and ``session.clicks``, the masks in ``session.masks()``.

    Parameters
    ----------
    session : Session
        The session to segment.
    height : int, default 480, at least 160
        Height in CSS pixels.
    **traits
        Options of every widget: ``layout``, ``tooltip``, ``tabbable``.

    Examples
    --------
    >>> import numpy as np, ncut_widgets as nw
    >>> grid = nw.PatchGrid([(40, 30)], [nw.PatchMap(0, 3, 4)])
    >>> session = nw.Session([np.zeros((30, 40, 3), np.uint8)], grid=grid, eigenvectors=np.eye(12)[:, :4])
    >>> view = nw.ClickSegmenter(session, height=560)
    >>> session.objects = [{"name": "hand", "clicks": [{"image": 0, "x": 12, "y": 7}]}]
    >>> session.objects[0]["threshold"]
    0.5
    """

    _esm = bundle("click_segmenter.js")
    _css = bundle("click_segmenter.css")
    _description = "masks"

    def _panels(self, *, wait: bool) -> list[Panel]:
        return [images_panel(self.session, "masks", wait=wait, legend=object_legend(self.session))]
