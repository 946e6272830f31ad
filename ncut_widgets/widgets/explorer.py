"""The explorer: all views of a session in one widget, and `explore`, which makes it from images."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import traitlets

from ncut_widgets._progress import Progress
from ncut_widgets._validation import check_in
from ncut_widgets.export.still import Panel
from ncut_widgets.features import FeatureMaps
from ncut_widgets.pipeline import embed
from ncut_widgets.readouts import Coloring
from ncut_widgets.widgets._bundles import bundle
from ncut_widgets.widgets._lifetime import closes_on_failure
from ncut_widgets.widgets._trait_types import Choice
from ncut_widgets.widgets.session import Session
from ncut_widgets.widgets.session.colors import COLORING_LABELS
from ncut_widgets.widgets.session.layers import TAB_LAYERS, TABS
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
_PART_OF_TAB = {
    "explore": "image_grid",
    "segment": "segmenter",
    "clusters": "cluster_panel",
    "channels": "channel_bars",
}


class Explorer(View):
    """The 3D embedding of a session beside its images, with tabs to explore, segment, cluster and attribute channels.

    Parameters
    ----------
    session : Session
        The session to show.
    height : int, default 560, at least 160
        Height of the views in CSS pixels. In a narrow cell the views are stacked.
    **traits
        ``tab``, and the options of every widget: ``layout``, ``tooltip``, ``tabbable``.

    Attributes
    ----------
    tab : {"explore", "segment", "clusters", "channels"}
        The open tab. Opening "segment" or "clusters" shows masks or clusters in all views.
    image_grid : ImageGrid
    segmenter : ClickSegmenter
    cluster_panel : ClusterPanel
    channel_bars : ChannelBars
    scatter : EmbeddingScatter

    Notes
    -----
    `close` frees an explorer, like every view and session. In JupyterLab, Notebook 7 and VS Code it also closes itself
    after a cell has run, if no cell shows it and no variable or other Python object refers to it. So running a cell
    again replaces its explorer. An explorer that you keep under another name, or show in another cell, stays open.
    IPython's output history, `_` and `Out`, does not keep it open. If the kernel does not get cell ids, as in a
    terminal, call `close`.

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
    _description = "explorer"

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
        # Closed already, or never opened because the constructor refused the session.
        if self.comm is None:
            return
        # The session last, because the views refer to it while they close.
        widgets = [getattr(self, name) for name in _PARTS]
        widgets += [self.session] if self._owns_session else []
        super().close()
        for widget in widgets:
            if widget is not None:
                widget.close()

    def _close_alone(self) -> None:
        super().close()

    def to_html(
        self,
        path: str | os.PathLike[str],
        *,
        title: str = "NCUT explorer",
        n_clusters: Sequence[int] | None = None,
        attributions: bool | Sequence[int] = False,
        channel_bytes: int = 8_000_000,
        progress: Progress = None,
    ) -> Path:
        """Write this explorer as one HTML file that needs no kernel and no network.

        Parameters
        ----------
        path : path
            The file. Missing folders are created.
        title : str
            The heading of the page.
        n_clusters, attributions, channel_bytes, progress
            As in `Session.to_html`. Without attributions the file has no tab "channels", and opens at "explore" if that
            tab is open here.

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

    def _panels(self, *, wait: bool) -> list[Panel]:
        view = getattr(self, _PART_OF_TAB[self.tab])
        return [*view._panels(wait=wait), *self.scatter._panels(wait=wait)]


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
    progress: Progress = None,
) -> Explorer:
    """Return an explorer of the images: features, Normalized Cut, colors and linked views in one call.

    The explorer opens with colors from principal axes, and replaces them with those of `coloring`, which are computed
    in the background: see `Session.recolor`.

    Parameters
    ----------
    images : anything that `load_images` takes
        Paths, globs, folders, PIL images, arrays, tensors, or items of a dataset.
    features : FeatureMaps, optional
        Features of these images, instead of `backbone`, `layer` and `resolution`. With features joined by `concat`, a
        menu above the images selects the source.
    backbone : str, model or callable, default "multiscale"
        As in `extract_features`; the default needs no download.
    layer : int, default -1
        Layer of the backbone.
    resolution : int, optional
        Longer side of the images in pixels, as input of the backbone.
    n_eig : int, optional
        The number of eigenvectors. By default 32, or fewer if there are few patches.
    degree : float in (0, 1), optional
        The mean affinity, as in `embed`: smaller values separate more.
    coloring : "tsne", "umap", "umap_sphere", "pca" or "mspace", default "tsne"
        Method for the colors and 3D coordinates of patches: see `Coloring`.
    device : torch device, optional
        Device of the cut, and of a transformers model given by its id.
    height : int, default 560
        Height of the views in CSS pixels.
    random_state : int, default 0
        The same images and seed give the same result, including colors.
    progress : bool, callable or None
        As in `embed`.

    Returns
    -------
    Explorer
        Its data and state are in ``explorer.session``.

    Notes
    -----
    Running the cell again closes its previous explorer and frees its memory, unless a variable still refers to it or
    another cell shows it: see `Explorer`. `Explorer.close` closes the session that `explore` made, but not one that was
    passed to `Explorer`.

    Examples
    --------
    >>> import ncut_widgets as nw
    >>> explorer = nw.explore(nw.sample_images()[:2], progress=False)
    >>> explorer
    Explorer(Session(2 images, ... nodes, 32 eigenvectors))
    """
    coloring = check_in(coloring, "coloring", tuple(COLORING_LABELS))
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
