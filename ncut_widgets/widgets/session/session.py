"""The session: images, their embedding, and the state that all views share."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from inspect import cleandoc
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ncut_widgets._progress import Progress, part
from ncut_widgets._validation import brief, check_in, check_positive_int, check_text
from ncut_widgets.export._files import check_path, check_target
from ncut_widgets.export.download import FORMATS
from ncut_widgets.export.html import write_html
from ncut_widgets.features import FeatureMaps, load_images
from ncut_widgets.grid import PatchGrid
from ncut_widgets.ncut import Ncut
from ncut_widgets.objects import MaskObject
from ncut_widgets.plotting.layers import LAYERS
from ncut_widgets.readouts import ChannelAttribution, ClickMask, ClickNcut, Coloring
from ncut_widgets.widgets._lifetime import closes_on_failure
from ncut_widgets.widgets._trait_types import list_traits, lock_unless, state_lock
from ncut_widgets.widgets.session.attributions import Attributions
from ncut_widgets.widgets.session.clusters import apply_groups
from ncut_widgets.widgets.session.colors import Colors
from ncut_widgets.widgets.session.data import SessionData
from ncut_widgets.widgets.session.exports import Exports
from ncut_widgets.widgets.session.files import load_session, save_session
from ncut_widgets.widgets.session.html import page_contents
from ncut_widgets.widgets.session.layers import (
    TABS,
    paint_channels,
    paint_clusters,
    paint_eigenvector,
    paint_heatmap,
    paint_masks,
)
from ncut_widgets.widgets.session.masks import REFINEMENTS, RESOLUTIONS, Masks
from ncut_widgets.widgets.session.resources import SessionParts, answer
from ncut_widgets.widgets.session.traits import SessionTraits
from ncut_widgets.widgets.transport.event_loop import call_in, running_loop
from ncut_widgets.widgets.transport.jobs import Jobs
from ncut_widgets.widgets.transport.messages import reply_to

__all__ = ["Session"]

# Share of the time of `to_html` that waiting for the colors takes.
_COLORS_SHARE = 0.1


class Session(SessionTraits):
    """Images with their embedding, and the state that every view of them shares.

    A session holds the data once. Views (`Explorer`, `ImageGrid`, `EmbeddingScatter`, `ClickSegmenter`,
    `ClusterPanel`, `ChannelBars`) show it and change the attributes below, which can also be read, set and observed in
    Python.

    Parameters
    ----------
    images : list of PIL.Image or anything that `load_images` takes
    features : FeatureMaps, optional
        The features of the embedding. They contain the grid.
    grid : PatchGrid, optional
        The image, row and column of each node, if there are no features.
    eigenvectors : array of shape (n, k)
        The spectral embedding, one row per node of the grid.
    eigenvalues : array of shape (k,), optional
        Shown next to the number of an eigenvector.
    rgb : array of shape (n, 3), in [0, 1], optional
        A color for each node. By default from principal components of the eigenvectors.
    coords : array of shape (n, 3), optional
        The position of each node in the 3D scatter. By default from the same reduction as ``rgb``.
    ncut : Ncut, optional
        The fitted cut. `attribute` uses its graph, by default the graph that `Ncut()` makes, and its `transform` maps
        new images into the same embedding.
    outliers : bool array of shape (n,), optional
        Nodes far from all others. By default those that `ncut` found.

    <attributes>

    Notes
    -----
    Integers and floats can be numbers of Python or numpy, 0-d arrays or 0-d tensors; they are stored as Python numbers.
    Booleans are not numbers, and numbers must be finite. Setting an attribute to a value of the wrong type raises a
    TypeError, to an invalid value a ValueError, both of them `traitlets.TraitError`, and leaves it unchanged. Reading
    returns copies of lists and dicts: to change one, set it again.

    Examples
    --------
    >>> import numpy as np, ncut_widgets as nw
    >>> grid = nw.PatchGrid([(40, 30)], [nw.PatchMap(0, 3, 4)])
    >>> session = nw.Session([np.zeros((30, 40, 3), np.uint8)], grid=grid, eigenvectors=np.eye(12)[:, :4])
    >>> session.hover = 5
    >>> session.grid.locate(session.hover)
    Patch(image=0, row=1, column=1, source='features')
    """

    @closes_on_failure
    def __init__(
        self,
        images: Any,
        *,
        features: FeatureMaps | None = None,
        grid: PatchGrid | None = None,
        eigenvectors: Any = None,
        eigenvalues: Any = None,
        rgb: Any = None,
        coords: Any = None,
        ncut: Ncut | None = None,
        outliers: Any = None,
    ) -> None:
        grid = _grid_of(features, grid)
        if eigenvectors is None:
            raise ValueError(
                "`eigenvectors` must be the (n, k) spectral embedding; got None. "
                "Compute it with nw.Ncut().fit_transform(features), or let nw.explore(images) do everything."
            )
        data = SessionData(
            load_images(images),
            grid,
            eigenvectors=eigenvectors,
            eigenvalues=eigenvalues,
            rgb=rgb,
            coords=coords,
            features=features,
            ncut=ncut,
            outliers=outliers,
        )
        # The event loop of the page's requests, in which observers are called.
        self._loop: asyncio.AbstractEventLoop | None = None
        self._masks = Masks(data)
        self._attributions = Attributions(data, self._show_attribution)
        self._colors = Colors(data, self._show_coloring, self._publish)
        self._exports = Exports(data, self._masks)
        self._parts = SessionParts(data, self._masks, self._attributions, self._exports)
        self._jobs = Jobs()
        super().__init__(
            data,
            source=data.grid.sources[0],
            eigenvector=min(1, data.n_eig - 1),
            n_clusters=min(8, data.max_clusters),
        )
        self._colors.set_status("pca" if rgb is None and coords is None else None)
        self.on_msg(self._answer)

    # -- the data ------------------------------------------------------------------------------------------

    @property
    def images(self) -> list[Image.Image]:
        """The images, as PIL RGB."""
        return list(self._data.images)

    @property
    def grid(self) -> PatchGrid:
        """The image, row and column of each node."""
        return self._data.grid

    @property
    def features(self) -> FeatureMaps | None:
        """The features of the embedding, if they were passed."""
        return self._data.features

    @property
    def ncut(self) -> Ncut | None:
        """The fitted cut of the eigenvectors; its `transform` returns the eigenvectors of new features.

        None if it was not passed, after `update` with other eigenvectors, and in a loaded session.
        """
        return self._data.ncut

    @property
    def eigenvectors(self) -> np.ndarray:
        """(n, k) float32, one row per node."""
        return self._data.eigenvectors

    @property
    def eigenvalues(self) -> np.ndarray | None:
        """(k,) float64, if they were passed."""
        return self._data.eigenvalues

    @property
    def outliers(self) -> np.ndarray:
        """(n,) bool, the nodes far from all others: see `Ncut`. All False after `update` with other eigenvectors."""
        return self._data.outliers

    @property
    def rgb(self) -> np.ndarray:
        """(n, 3) float32 in [0, 1], the color of each node; waits for `recolor` to finish."""
        self._colors.wait()
        return self._data.rgb

    @property
    def coords(self) -> np.ndarray:
        """(n, 3) float32, the position of each node in the scatter; waits for `recolor` to finish."""
        self._colors.wait()
        return self._data.coords

    @property
    def visible_colors(self) -> tuple[np.ndarray, np.ndarray]:
        """``rgb`` and ``coords`` as views show them now, without waiting for `recolor`."""
        return self._colors.visible()

    def update(self, *, eigenvectors: Any = None, eigenvalues: Any = None, rgb: Any = None, coords: Any = None) -> None:
        """Replace some of the data. All views follow; the camera, the pinned patches and the objects are kept.

        New eigenvectors make new clusters, so the names of clusters and which are hidden or merged are reset.

        Parameters
        ----------
        eigenvectors, eigenvalues, rgb, coords : array, optional
            As in the constructor. None keeps an array, with one exception: new eigenvectors without eigenvalues remove
            the eigenvalues. Colors and coordinates of the old embedding are kept unless they are passed: call `recolor`
            to compute new ones. A running `recolor` is cancelled, unless only eigenvalues are new.

        Raises
        ------
        ValueError
            If a shape does not fit the grid or a value is not finite; the session is then unchanged.
        """
        data = self._data
        fresh = eigenvectors is not None
        given = rgb is not None or coords is not None
        with state_lock:
            data.replace(
                eigenvectors if fresh else data.eigenvectors,
                eigenvalues if fresh or eigenvalues is not None else data.eigenvalues,
                data.rgb if rgb is None else rgb,
                data.coords if coords is None else coords,
                fresh=fresh,
            )
            if fresh:
                self.set_trait("attribution", None)
                self.selected_cluster, self.hidden_clusters, self.cluster_groups, self.cluster_names = None, [], [], {}
            superseded = self._colors.drop() if fresh or given else None
            if given or superseded is not None:
                self._colors.set_status(None if given else self._colors.method)
            self._publish()
        if superseded is not None:
            superseded.cancel()

    # -- clusters, colors and masks ------------------------------------------------------------------------

    def labels(self, n_clusters: int | None = None, *, merged: bool = False) -> np.ndarray:
        """Return the cluster of each node, (n,) uint8. Clusters keep their numbers when their count changes.

        Parameters
        ----------
        n_clusters : int, optional
            1 to 64, at most the number of eigenvectors. By default the session's ``n_clusters``.
        merged : bool
            Merge the clusters of each of ``cluster_groups``.
        """
        labels = self._data.labels(self.n_clusters if n_clusters is None else n_clusters)
        return apply_groups(labels, self.cluster_groups) if merged else labels

    def layer_colors(self, layer: str | None = None, *, wait: bool = True) -> np.ndarray:
        """Return the colors of a layer as views paint it: (n, 4) float32 RGBA in [0, 1], one row per node.

        Parameters
        ----------
        layer : {"image", "ncut", "eigenvector", "clusters", "heatmap", "masks", "channels"}, optional
            By default the current ``layer``. "image" is transparent everywhere. "heatmap" is the similarity to the
            pinned nodes.
        wait : bool
            Wait for `recolor` to finish, instead of using the colors that views show now.

        Raises
        ------
        ValueError
            If no channel is pinned for the layer "channels", or no node for "heatmap".
        """
        layer = self.layer if layer is None else check_in(layer, "layer", LAYERS)
        data = self._data
        if layer == "image":
            return np.zeros((data.grid.n_nodes, 4), np.float32)
        if layer == "eigenvector":
            return paint_eigenvector(data.eigenvectors[:, self.eigenvector])
        if layer == "heatmap":
            if not self.selection:
                raise ValueError(
                    "The layer 'heatmap' requires a selected patch, and `session.selection` is empty. Select a patch."
                )
            return paint_heatmap(data.eigenvectors, self.selection)
        if layer == "masks":
            return paint_masks(self._masks, self.objects, self.source, data.grid.n_nodes)
        if layer == "channels":
            if not self.pinned_channels:
                raise ValueError(
                    "The layer 'channels' needs a pinned channel; `session.pinned_channels` is empty. Pin one."
                )
            return paint_channels(data, self.pinned_channels)
        if layer == "clusters":
            labels = self.labels(merged=True)
            colors = self.cluster_colors(wait=wait)
            return paint_clusters(labels, colors, selected=self.selected_cluster, hidden=self.hidden_clusters)
        rgb = self.rgb if wait else self.visible_colors[0]
        return np.concatenate([rgb, np.ones((len(rgb), 1), np.float32)], axis=1)

    def cluster_colors(self, *, wait: bool = True) -> np.ndarray:
        """Return the color of each of ``n_clusters`` clusters: (n_clusters, 3) uint8.

        Parameters
        ----------
        wait : bool
            As in `layer_colors`.
        """
        count, clusters = self.n_clusters, self._data.clusters
        if count not in clusters.counts:
            return np.full((count, 3), 255, np.uint8)
        return clusters.colors(self.rgb if wait else self.visible_colors[0], count)

    def recolor(self, method: str | Coloring = "tsne", *, wait: bool = False) -> None:
        """Compute new colors and coordinates in the background, aligned to the current ones so that nothing jumps.

        Views show the current colors, with a note, until the new ones are ready. Reading `rgb` or `coords`, and
        exports, wait for them. Another call, `update` and `close` cancel the computation.

        Parameters
        ----------
        method : "tsne", "umap", "umap_sphere", "pca", "mspace" or Coloring
            "mspace" needs the session's features, the others use its eigenvectors. A `Coloring` keeps its options, is
            fitted, and can then color new nodes in the same way.
        wait : bool
            Return when the colors are ready, and raise the error if they failed.

        Raises
        ------
        TypeError, ValueError
            If there is no such method, or M-space has no features. Later errors are in ``coloring``, shown in the
            views, and raised by any call that waits, until other colors are requested or set.

        Notes
        -----
        The same embedding, current colors and options give the same result, with or without `wait`. With an event loop,
        as in a notebook, new colors are shown between two cells; without one, by the thread that computed them.

        Examples
        --------
        >>> import numpy as np, ncut_widgets as nw
        >>> grid = nw.PatchGrid([(40, 30)], [nw.PatchMap(0, 6, 8)])
        >>> session = nw.Session([np.zeros((30, 40, 3), np.uint8)], grid=grid, eigenvectors=np.eye(48)[:, :4])
        >>> session.recolor("tsne", wait=True)
        >>> session.recolor_status
        {'method': 'tsne', 'status': 'ready', 'error': None}
        """
        self._colors.recolor(method if isinstance(method, Coloring) else Coloring(method))
        if wait:
            self._colors.wait()

    def masks(
        self, names: Sequence[str] | None = None, *, resolution: str = "patch", refine: str | None = "session"
    ) -> dict[str, list[np.ndarray]]:
        """Return the mask of each object in each image.

        Parameters
        ----------
        names : sequence of str, optional
            Names of objects. By default all objects.
        resolution : "patch" or "pixel"
            Of the patches of the session's ``source``, or of the images.
        refine : "session", "guided", "crf" or None
            How patches become pixels: along the edges of the image, see `refine_mask`, or as squares if None. "session"
            uses the trait ``refine``, as views do. Has no effect on patches.

        Returns
        -------
        dict of str to list of bool array of shape (rows, columns) or (height, width)
            By the name of the object, one mask for each image. For an image that the source does not show: all False,
            and at "patch" of shape (0, 0).

        Raises
        ------
        ValueError
            If there is no such object.

        Examples
        --------
        >>> import numpy as np, ncut_widgets as nw
        >>> grid = nw.PatchGrid([(40, 30)], [nw.PatchMap(0, 3, 4)])
        >>> session = nw.Session([np.zeros((30, 40, 3), np.uint8)], grid=grid, eigenvectors=np.eye(12)[:, :4])
        >>> session.objects = [{"name": "corner", "clicks": [{"image": 0, "x": 2, "y": 2}], "min_area": 0}]
        >>> session.masks()["corner"][0].astype(int)
        array([[1, 0, 0, 0],
               [0, 0, 0, 0],
               [0, 0, 0, 0]])
        """
        check_in(resolution, "resolution", RESOLUTIONS)
        objects: list[MaskObject] = self.objects if names is None else [self._object(name) for name in names]
        return self._masks.in_images(objects, resolution, self._refinement(refine), self.source)

    def segmenter(self, name: str) -> ClickMask | ClickNcut:
        """Return the clicks of an object as a fitted estimator, which finds the object in new images.

        Parameters
        ----------
        name : str
            Name of the object.

        Returns
        -------
        ClickMask or ClickNcut
            Depending on the object's method. `ClickMask.predict` takes the eigenvectors of new images, which the
            `transform` of ``session.ncut`` returns; `ClickNcut.transform` takes their features and returns a heatmap.

        Raises
        ------
        ValueError
            If there is no such object, or features are needed and the session has none.

        Examples
        --------
        >>> import ncut_widgets as nw
        >>> left, right, other = nw.sample_images()[-3:]
        >>> session = nw.explore([left, right], backbone="multiscale", progress=False).session
        >>> session.clicks = [{"image": 0, "x": 220, "y": 100}]
        >>> new = nw.extract_features([other], backbone="multiscale", progress=False)
        >>> masks = session.segmenter("object 1").predict(session.ncut.transform(new), grid=new.grid)
        >>> new.grid.split(masks)[0].ndim
        2
        """
        return self._masks.segmenter(self._object(name), self.source)

    def _refinement(self, refine: str | None) -> str | None:
        """Return the refinement that an argument `refine` selects."""
        if refine is None:
            return None
        return self.refine if check_in(refine, "refine", ("session", *REFINEMENTS)) == "session" else refine

    def _object(self, name: str) -> MaskObject:
        objects: list[MaskObject] = self.objects
        for item in objects:
            if item["name"] == name:
                return item
        names = [item["name"] for item in objects]
        raise ValueError(f"`name` must be the name of an object, one of {brief(names)}; got {brief(name)}.")

    def attribute(
        self,
        *,
        method: str = "gradient",
        n_clusters: int | None = None,
        region: str | None = None,
        clusters: Any = None,
        n_maps: int = 0,
        progress: Progress = None,
    ) -> ChannelAttribution:
        """Return which channels make each cluster, as `ChannelBars` shows it, and set ``attribution``.

        Parameters
        ----------
        method : "gradient", "abs_gradient", "gradient_x_input" or "ablation"
        n_clusters : int, optional
            By default the session's ``n_clusters``.
        region, clusters, n_maps, progress
            As in `channel_attribution`.

        Raises
        ------
        ValueError
            If the session has no features.
        """
        n_clusters = self.n_clusters if n_clusters is None else n_clusters
        found = self._attributions.of_clusters(
            n_clusters, method, progress, region=region, clusters=clusters, n_maps=n_maps
        )
        with state_lock:
            self.set_trait("attribution", found)
        return found

    # -- files ---------------------------------------------------------------------------------------------

    def export(
        self,
        path: str | os.PathLike[str],
        *,
        format: str = "masks",
        resolution: str = "pixel",
        refine: str | None = "session",
    ) -> Path:
        """Write the masks of all objects in a format of `ncut_widgets.export`, and return the path.

        Parameters
        ----------
        path : path
            A folder for "masks", "overlays" and "labels"; a file for the others.
        format : "masks", "overlays", "labels", "coco", "npz" or "clicks"
            PNGs of each mask, images with the masks over them, one indexed PNG per image, COCO instances with RLE,
            arrays, or the clicks with names and settings as JSON.
        resolution : "pixel" or "patch"
            As in `masks`. Overlays are always in pixels.
        refine
            As in `masks`.

        Returns
        -------
        pathlib.Path
        """
        return self._exports.write(
            check_path(path),
            format=check_in(format, "format", tuple(FORMATS)),
            resolution=check_in(resolution, "resolution", RESOLUTIONS),
            refine=self._refinement(refine),
            opacity=self.blend,
            source=self.source,
            objects=self.objects,
        )

    def to_html(
        self,
        path: str | os.PathLike[str],
        *,
        title: str = "NCUT explorer",
        height: int = 640,
        tab: str = "explore",
        n_clusters: Sequence[int] | None = None,
        attributions: bool | Sequence[int] = False,
        channel_bytes: int = 8_000_000,
        progress: Progress = None,
    ) -> Path:
        """Write the explorer of this session as one HTML file that needs no kernel and no network.

        Parameters
        ----------
        path : path
            The file. Missing folders are created.
        title : str
            The heading of the page.
        height : int, at least 160
            Height of the views in CSS pixels.
        tab : {"explore", "segment", "clusters", "channels"}
            The tab that is open at first. "channels" requires ``attributions``.
        n_clusters : sequence of int, optional
            The numbers of clusters that the file contains. By default all.
        attributions : bool or sequence of int
            The numbers of clusters for which the file contains channel attributions, or True for all in the file. Each
            takes a second or more. Without attributions the file has no tab for channels.
        channel_bytes : int
            Maximum size of channel maps in the file, for the channels with the highest scores in any cluster. A map has
            one byte per node.
        progress : bool, callable or None
            As in `embed`. A running `recolor` is waited for.

        Returns
        -------
        pathlib.Path
            The file written.

        Raises
        ------
        ValueError
            If a number of clusters is not available, attributions need features that the session lacks, or the file
            does not contain the tab.
        """
        path, title = check_target(path), check_text(title, "title")
        view = {"height": check_positive_int(height, "height", minimum=160), "tab": check_in(tab, "tab", TABS)}
        self._colors.wait(progress=part(progress, 0, _COLORS_SHARE))
        # One state of the session: `update` in another thread comes before or after.
        with state_lock:
            state, arrays = page_contents(
                self._shared_state(),
                self._parts,
                title=path.name,
                tab=tab,
                n_clusters=n_clusters,
                attributions=attributions,
                channel_bytes=channel_bytes,
                progress=part(progress, _COLORS_SHARE, 1),
            )
        return write_html(path, state, arrays, title=title, view=view)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the whole session, including images, features, clicks and camera, as one file for `load`.

        Parameters
        ----------
        path : path
            By convention ``*.ncut``. The file is replaced only when it is complete.

        Returns
        -------
        pathlib.Path
            The file written: a zip of JSON, arrays and PNGs, without pickle.

        Examples
        --------
        >>> import tempfile, pathlib
        >>> import numpy as np, ncut_widgets as nw
        >>> grid = nw.PatchGrid([(40, 30)], [nw.PatchMap(0, 3, 4)])
        >>> session = nw.Session([np.zeros((30, 40, 3), np.uint8)], grid=grid, eigenvectors=np.eye(12)[:, :4])
        >>> session.clicks = [{"image": 0, "x": 12, "y": 7}]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     again = nw.Session.load(session.save(pathlib.Path(folder) / "mine.ncut"))
        >>> again.objects[0]["clicks"]
        [{'image': 0, 'x': 12.0, 'y': 7.0, 'positive': True}]
        """
        return save_session(self, check_target(path))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Session:
        """Return the session in a file that `save` wrote.

        Parameters
        ----------
        path : path

        Returns
        -------
        Session
            With numpy features, if there were any. The hovered node and a running `recolor` are not saved.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If `save` did not write the file, it is damaged, or a newer version wrote it.
        """
        loaded: Session = load_session(cls, path)
        return loaded

    # -- the page ------------------------------------------------------------------------------------------

    def _answer(self, _: Any, message: Any, __: list[Any]) -> None:
        """Reply to a message of the page."""
        self._loop = running_loop()
        now = {"objects": self.objects, "source": self.source, "refine": self.refine, "opacity": self.blend}
        reply_to(
            message,
            lambda reply, buffers: self.send(reply, buffers),
            prepare=lambda request: answer(request, self._parts, now),
            jobs=self._jobs,
        )

    def _show_attribution(self, found: ChannelAttribution, embedding: int) -> None:
        """Set `attribution` in the thread of the page, unless it is of earlier eigenvectors."""

        def show() -> None:
            with lock_unless(lambda: self._jobs.closed) as locked:
                if locked and embedding == self._data.embedding:
                    self.set_trait("attribution", found)

        call_in(self._loop, show)

    def _show_coloring(self, method: str | None, status: str, error: str | None) -> None:
        self.set_trait("recolor_status", {"method": method, "status": status, "error": error})

    def close(self) -> None:
        """Close the session, and cancel `recolor` and the requests of views."""
        if not hasattr(self, "_jobs"):
            # The constructor refused its arguments.
            super().close()
            return
        with state_lock:
            superseded = self._colors.drop()
        super().close()
        self._jobs.close()
        if superseded is not None:
            superseded.cancel()
            self._colors.set_status(self._colors.method)

    def __repr__(self) -> str:
        data = self._data
        images = f"{len(data.images)} image{'s' * (len(data.images) != 1)}"
        return f"Session({images}, {data.grid.n_nodes} nodes, {data.n_eig} eigenvectors)"


Session.__doc__ = cleandoc(str(Session.__doc__)).replace("<attributes>", list_traits(SessionTraits))


def _grid_of(features: FeatureMaps | None, grid: PatchGrid | None) -> PatchGrid:
    if features is None:
        if grid is None:
            raise ValueError("`features` or `grid` must say which patch each node is; got neither. Pass one of them.")
        return grid
    if not isinstance(features, FeatureMaps):
        raise TypeError(
            f"`features` must be FeatureMaps, which know their grid; got {type(features).__name__}. "
            "Take them from nw.extract_features, or pass `grid`."
        )
    if grid is not None:
        raise ValueError(
            "`grid` and `features` cannot be combined, since features bring their own grid. Pass one of them."
        )
    return features.grid
