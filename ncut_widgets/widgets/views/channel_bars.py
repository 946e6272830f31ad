"""Which channels made a part of the images."""

from __future__ import annotations

from ncut_widgets.widgets._bundles import bundle
from ncut_widgets.widgets.views.base import View


class ChannelBars(View):
    """Bars of the feature channels that make a cluster, a mask or a selection, and their maps in all images.

    Pointing at a bar is the session's ``channel``, pinning it adds to ``channels``; what was traced last is in
    ``attribution``. Two targets can be put side by side.

    Parameters
    ----------
    session : Session
        What to show; it needs ``features`` for bars.
    height : int, default 480, at least 160
        In CSS pixels.
    **traits
        What every widget takes: ``layout``, ``tooltip``, ``tabbable``.

    Examples
    --------
    >>> import numpy as np, ncut_widgets as nw
    >>> grid = nw.PatchGrid([(40, 30)], [nw.PatchMap(0, 3, 4)])
    >>> features = nw.FeatureMaps(np.eye(12, dtype=np.float32), grid)
    >>> session = nw.Session([np.zeros((30, 40, 3), np.uint8)], features=features, eigenvectors=np.eye(12)[:, :4])
    >>> view = nw.ChannelBars(session)
    >>> session.channels = [2, 5]
    """

    _esm = bundle("channel_bars.js")
    _css = bundle("channel_bars.css")
