"""Images and embedding side by side, and the one call that makes them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import traitlets
from IPython import get_ipython
from IPython.display import publish_display_data

from ncut_widgets._validation import check_in
from ncut_widgets.export.png import render_still
from ncut_widgets.features import FeatureMaps
from ncut_widgets.pipeline import embed
from ncut_widgets.readouts import Coloring
from ncut_widgets.widgets._bundles import bundle
from ncut_widgets.widgets._lifetime import closes_on_failure
from ncut_widgets.widgets._trait_types import Choice
from ncut_widgets.widgets.session import Session
from ncut_widgets.widgets.session.layers import TAB_LAYERS, TABS
from ncut_widgets.widgets.session.recoloring import LABELS
from ncut_widgets.widgets.views.base import Part, View
from ncut_widgets.widgets.views.channel_bars import ChannelBars
from ncut_widgets.widgets.views.click_segmenter import ClickSegmenter
from ncut_widgets.widgets.views.cluster_panel import ClusterPanel
from ncut_widgets.widgets.views.embedding_scatter import EmbeddingScatter
from ncut_widgets.widgets.views.image_grid import ImageGrid

_PARTS = {
    "image_grid": ImageGrid,
    "segmenter": ClickSegmenter,
    "cluster_panel": ClusterPanel,
    "channel_bars": ChannelBars,
    "scatter": EmbeddingScatter,
}


class Explorer(View):
    """The 3D embedding of a session beside its images, to be explored, clicked into objects, and cut into clusters.

    Parameters
    ----------
    session : Session
        What to show.
    height : int, default 560, at least 160
        Of the views, in CSS pixels. In a narrow cell they stand one above the other.
    **traits
        ``tab``, and what every widget takes: ``layout``, ``tooltip``, ``tabbable``.

    Attributes
    ----------
    tab : {"explore", "segment", "clusters", "channels"}
        Which of the views of the images is open. Opening "segment" or "clusters" shows masks or clusters in all views.
    image_grid : ImageGrid
    segmenter : ClickSegmenter
    cluster_panel : ClusterPanel
    channel_bars : ChannelBars
    scatter : EmbeddingScatter

    Notes
    -----
    An explorer, like every view and session, is freed by `close`. In JupyterLab, Notebook 7 and VS Code it also closes
    itself after a run of a cell, once no cell shows it and no variable or other Python object refers to it. So the
    explorer of a cell that is run again replaces the one before. One that you keep under another name, or show in
    another cell, stays open. What stands in IPython's output history alone, `_` or `Out`, does not count as kept. Where
    the notebook does not tell the kernel which cell runs, as in a terminal, `close` is the way.

    Examples
    --------
    >>> import numpy as np, ncut_widgets as nw
    >>> grid = nw.PatchGrid([(40, 30)], [nw.PatchMap(0, 3, 4)])
    >>> session = nw.Session([np.zeros((30, 40, 3), np.uint8)], grid=grid, eigenvectors=np.eye(12)[:, :4])
    >>> explorer = nw.Explorer(session)
    >>> explorer.session.layer = "clusters"
    """

    _esm = bundle("explorer.js")
    _css = bundle("explorer.css")

    tab = Choice("explore", TABS)
    image_grid = Part().tag(sync=True)
    segmenter = Part().tag(sync=True)
    cluster_panel = Part().tag(sync=True)
    channel_bars = Part().tag(sync=True)
    scatter = Part().tag(sync=True)

    _owns_session = False

    @closes_on_failure
    def __init__(self, session: Session, *, height: int = 560, **traits: Any) -> None:
        super().__init__(session, height=height, **traits)
        for name, view in _PARTS.items():
            self.set_trait(name, view(session))

    @traitlets.observe("tab")
    def _show_its_layer(self, change: Any) -> None:
        if change["new"] in TAB_LAYERS:
            self.session.layer = TAB_LAYERS[change["new"]]

    def close(self) -> None:
        """Close this explorer and its views, and its session too if `explore` made it."""
        # Closed before, or never opened because the constructor refused the session.
        if self.comm is None:
            return
        # The session last, since the views refer to it while they close.
        widgets = [getattr(self, name) for name in _PARTS]
        widgets += [self.session] if self._owns_session else []
        super().close()
        for widget in widgets:
            if widget is not None:
                widget.close()

    def __del__(self) -> None:
        # The user may keep the session or a view; otherwise they are collected as well.
        super().close()

    def to_html(
        self,
        path: str | os.PathLike[str],
        *,
        title: str = "NCUT explorer",
        n_clusters: Sequence[int] | None = None,
        attributions: bool | Sequence[int] = False,
        channel_bytes: int = 8_000_000,
        progress: bool = True,
    ) -> Path:
        """Write this explorer as one HTML file that needs no kernel and no network.

        Parameters
        ----------
        path : path
            Where to write; folders on the way are made.
        title : str
            The heading of the page.
        n_clusters, attributions, channel_bytes, progress
            As in `Session.to_html`: which numbers of clusters the file has, and which of them it traces to channels.
            Without attributions the file has no tab "channels", and opens at "explore" if that tab is open here.

        Returns
        -------
        pathlib.Path
            The file written.
        """
        is_missing = self.tab == "channels" and attributions is False
        return self.session.to_html(
            path,
            title=title,
            height=self.height,
            tab="explore" if is_missing else self.tab,
            n_clusters=n_clusters,
            attributions=attributions,
            channel_bytes=channel_bytes,
            progress=progress,
        )

    def to_png(self, *, width: int = 960, dark: bool = False) -> bytes:
        """Return a still picture of the explorer as the bytes of a PNG, drawn without a browser.

        Colours that are on their way are waited for.
        """
        session = self.session
        return render_still(session.images, session.grid, session.rgb, session.coords, width=width, dark=dark)

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict, dict] | None:
        """Show the widget, and leave a still picture of it for whoever opens the notebook without a kernel.

        Jupyter's widget renderer puts "model not found" where a widget was and looks no further in the same
        output, so the picture is an output of its own there. The live session hides it (js/.../stills.ts).
        Elsewhere the host picks what it can show from one bundle.
        """
        shown = super()._repr_mimebundle_(**options)
        if shown is None:
            return None
        data, metadata = shown
        # Of what is on show now: nobody who asks for the widget should wait for colours that come to it later.
        rgb, coords = self.session._shown
        still = render_still(self.session.images, self.session.grid, rgb, coords)
        if _outputs_are_jupyters():
            publish_display_data(data, metadata)
            return {"image/png": still, "text/plain": repr(self)}, {}
        return data | {"image/png": still}, metadata

    def __repr__(self) -> str:
        return f"Explorer({self.session!r})"


def _outputs_are_jupyters() -> bool:
    """Whether several outputs of a cell stand one below the other as JupyterLab and Notebook lay them out."""
    shell = get_ipython()
    return (
        shell is not None
        and hasattr(shell, "kernel")
        and "VSCODE_PID" not in os.environ
        and "google.colab" not in sys.modules
        and "marimo" not in sys.modules
    )


@closes_on_failure
def explore(
    images: Any,
    *,
    features: FeatureMaps | None = None,
    backbone: Any = "multiscale",
    layer: int = -1,
    resolution: int | None = None,
    n_eig: int | None = None,
    degree: float | None = None,
    coloring: str = "tsne",
    device: Any = None,
    height: int = 560,
    random_state: int = 0,
    progress: bool = True,
) -> Explorer:
    """Return an explorer of the images: features, Normalized Cut, colours and linked views in one call.

    The explorer is there with the principal axes as colours; those of `coloring` are computed in the background and
    take their place: see `Session.recolor`.

    Parameters
    ----------
    images : anything that `load_images` takes
        Paths, globs, folders, PIL images, arrays, tensors, or items of a dataset.
    features : FeatureMaps, optional
        Of these images, where you have them already, or joined them by `concat`: the images then show the source
        that is chosen above them. Not beside `backbone`, `layer` and `resolution`.
    backbone : str, model or callable, default "multiscale"
        As in `extract_features`; the default needs no download.
    layer : int, default -1
        Of the backbone.
    resolution : int, optional
        The longer side in pixels at which the backbone sees the images.
    n_eig : int, optional
        The number of eigenvectors. By default 32, or as many as few patches allow.
    degree : float in (0, 1), optional
        The mean affinity, as in `embed`: smaller is sharper.
    coloring : "tsne", "umap", "umap_sphere", "pca" or "mspace", default "tsne"
        How patches get their colours and 3D coordinates: see `Coloring`.
    device : torch device, optional
        Where a transformers model named by id and the cut run.
    height : int, default 560
        Of the views, in CSS pixels.
    random_state : int, default 0
        Same images and seed, same result, colours included.
    progress : bool, default True
        Show a bar for each step.

    Returns
    -------
    Explorer
        Everything it shows is in ``explorer.session``.

    Notes
    -----
    When the same cell is run again, the explorer that it showed before is closed and its memory freed, unless a
    variable still refers to it or another cell shows it: see `Explorer`. `Explorer.close` closes the session that
    `explore` made, but not one that was passed to `Explorer`.

    Examples
    --------
    >>> import ncut_widgets as nw
    >>> explorer = nw.explore(nw.sample_images()[:2], progress=False)
    >>> explorer
    Explorer(Session(2 images, ... nodes, 32 eigenvectors))
    """
    coloring = check_in(coloring, "coloring", tuple(LABELS))
    result = embed(
        images,
        features=features,
        backbone=backbone,
        layer=layer,
        resolution=resolution,
        n_eig=n_eig,
        degree=degree,
        device=device,
        random_state=random_state,
        progress=progress,
    )
    session = Session(
        result.images,
        features=result.features,
        eigenvectors=result.eigenvectors,
        eigenvalues=result.ncut.eigval,
        ncut=result.ncut,
    )
    if coloring != "pca":
        session.recolor(Coloring(coloring, random_state=random_state))
    explorer = Explorer(session, height=height)
    explorer._owns_session = True
    return explorer
