"""Channel attributions as bars and maps."""

from __future__ import annotations

from ncut_widgets.export.still import Panel
from ncut_widgets.widgets._bundles import bundle
from ncut_widgets.widgets.views.base import View
from ncut_widgets.widgets.views.panels import bars_panel, images_panel


class ChannelBars(View):
    """Bars of the feature channels that make a cluster, a mask or a selection, and their maps in all images.

    Hovering a bar sets the session's ``channel``, pinning it adds to ``channels``, and the latest result is in
    ``attribution``. Two targets can be compared side by side.

    Parameters
    ----------
    session : Session
        The session to show; bars require its ``features``.
    height : int, default 480, at least 160
        Height in CSS pixels.
    **traits
        Options of every widget: ``layout``, ``tooltip``, ``tabbable``.

    Examples
    --------
    >>> import numpy as np, ncut_widgets as nw
    >>> grid = nw.PatchGrid([(40, 30)], [nw.PatchMap(0, 3, 4)])
    >>> features = nw.FeatureMaps(np.eye(12, dtype=np.float32), grid)
    >>> session = nw.Session([np.zeros((30, 40, 3), np.uint8)], features=features, eigenvectors=np.eye(12)[:, :4])
    >>> view = nw.ChannelBars(session)
    >>> session.pinned_channels = [2, 5]
    """

    _esm = bundle("channel_bars.js")
    _css = bundle("channel_bars.css")
    _description = "channels"

    def _panels(self, *, wait: bool) -> list[Panel]:
        session = self.session
        images = images_panel(session, "channels" if session.pinned_channels else session.layer, wait=wait)
        bars = bars_panel(session)
        return [images] if bars is None else [images, bars]
