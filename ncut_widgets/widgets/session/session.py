"""The session: images, their embedding, and the state that all views share."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from ncut_widgets._validation import check_in
from ncut_widgets.features import FeatureMaps, load_images
from ncut_widgets.grid import PatchGrid
from ncut_widgets.ncut import Ncut
from ncut_widgets.widgets._lifetime import closes_on_failure
from ncut_widgets.widgets._trait_types import state_lock
from ncut_widgets.widgets.session._files import SessionFiles
from ncut_widgets.widgets.session.attributions import MOST_ATTRIBUTIONS_KEPT, graph_of
from ncut_widgets.widgets.session.clusters import apply_groups
from ncut_widgets.widgets.session.data import SessionData
from ncut_widgets.widgets.session.layers import LAYERS
from ncut_widgets.widgets.session.masks import MOST_MASKS_KEPT
from ncut_widgets.widgets.session.recent import Recent
from ncut_widgets.widgets.transport.jobs import Jobs


class Session(SessionFiles):
    """Images with their embedding, and the state that every view of them shares.

    The data lies here once; views (`Explorer`, `ImageGrid`, `EmbeddingScatter`, `ClickSegmenter`, `ClusterPanel`,
    `ChannelBars`) show it and change the traits below, which can be read, set and observed from Python as well.

    Parameters
    ----------
    images : list of PIL.Image or anything that `load_images` takes
    features : FeatureMaps, optional
        The features that the embedding came from; brings the grid along.
    grid : PatchGrid, optional
        Where each node lies, if there are no features.
    eigenvectors : array of shape (n, k)
        The spectral embedding, one row per node of the grid.
    eigenvalues : array of shape (k,), optional
        Shown beside the number of an eigenvector.
    rgb : array of shape (n, 3), in [0, 1], optional
        A colour per node. Principal components of the eigenvectors if not given.
    coords : array of shape (n, 3), optional
        Where each node is in the 3D scatter. From the same reduction as ``rgb`` if not given.
    ncut : Ncut, optional
        Fitted: how the graph was made, through which `attribute` traces channels, as `Ncut` makes it by default if not
        given; and what takes new images into the same embedding.
    outliers : bool array of shape (n,), optional
        Nodes far from all others. Those that `ncut` found if not given.

    Attributes
    ----------
    hover : int or None
        The node under the pointer, in any view: 0 to n - 1.
    selection : list of int
        The pinned nodes: a click pins one, shift-click adds one, Escape clears. May be set to any list, set, range, 1D
        array or tensor of nodes, or to a boolean array of shape (n,), which selects the nodes where it is True.
    layer : {"image", "ncut", "eigenvector", "clusters", "heatmap", "masks", "channels"}
        What is painted over the images and colors the points.
    source : str
        Which of the grid's sources the images show.
    blend : float in [0, 1]
        Opacity of the overlay.
    smooth : bool
        Interpolate between patches instead of showing their edges.
    eigenvector : int
        Which column the layer "eigenvector" shows, 0 to k - 1; 0 is the trivial one.
    n_clusters : int
        How many clusters the layer "clusters" shows: 1 to 64, at most the number of eigenvectors.
    hover_heatmap : bool
        Whether hovering a patch shows its similarity to all others.
    hide_outliers : bool
        Whether the scatter leaves out the nodes of ``session.outliers``.
    point_size : float in [1, 40]
        Diameter of the points in CSS pixels.
    camera : dict or None
        ``{"position": [x, y, z], "target": [x, y, z], "zoom": z}`` of the scatter, ``zoom`` above 0; the points may be
        lists or arrays. None frames all points.
    objects : list of dict
        Named masks with their clicks, boxes and settings; see `ncut_widgets.export.check_objects` for the keys and
        their defaults. Clicks are in pixels of the images.
    active : int or None
        The index of the object to which clicks are added.
    clicks : list of dict
        Those of the active object, ``{"image", "x", "y", "positive"}``; setting them without one makes one.
    refine : {"none", "guided", "crf"}
        How views carry masks from patches to pixels: see `refine_mask`.
    cluster : int or None
        The selected cluster, in the layer "clusters".
    cluster_names : dict of str to str
        By the cluster's number, given as int or text and kept as text. A cluster keeps its number, its name and its
        color when the number of clusters changes.
    hidden_clusters : list of int
        Set as ``selection`` is; a boolean array has an entry for each of as many clusters as ``n_clusters`` can be.
    cluster_groups : list of list of int
        Clusters that count as one, each group under its smallest number.
    channel : int or None
        The channel of the features whose map is shown in all images.
    channels : list of int
        Those that the layer "channels" shows, two or three of them as red, green and blue. Set as ``selection`` is; a
        boolean array has an entry for each channel.
    attribution : ChannelAttribution or None
        The latest result of `attribute`, or of a view, for these eigenvectors; read-only.
    coloring : dict
        ``{"method": ..., "status": "ready", "running" or "failed", "error": text or None}``, read-only: the state of
        the colors that `recolor` was asked for. The method is None if the colors were given.
    meta : dict
        What the data are, as views need it; read-only.

    Notes
    -----
    Integers and floats may be those of Python or numpy, 0-d arrays or 0-d tensors; they are kept as Python's. Booleans
    are not numbers, and numbers must be finite. A trait that is set to a value of the wrong kind raises a TypeError,
    to a wrong value a ValueError, both of them `traitlets.TraitError`, and stays what it was. Lists and dicts are given
    out as copies: to change one, set it again.

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
        if features is not None:
            if not isinstance(features, FeatureMaps):
                raise TypeError(
                    f"`features` must be FeatureMaps, which know their grid; got {type(features).__name__}. "
                    "Take them from nw.extract_features, or pass `grid`."
                )
            if grid is not None:
                raise ValueError(
                    "`grid` and `features` cannot be combined, since features bring their own grid. Pass one of them."
                )
            grid = features.grid
        if grid is None:
            raise ValueError("`features` or `grid` must say which patch each node is; got neither. Pass one of them.")
        if eigenvectors is None:
            raise ValueError(
                "`eigenvectors` must be the (n, k) spectral embedding; got None. "
                "Compute it with nw.Ncut().fit_transform(features), or let nw.explore(images) do everything."
            )
        found = getattr(ncut, "outliers_", None)
        if outliers is None and found is not None and len(found) == grid.n_nodes:
            outliers = found
        self._data = SessionData(
            load_images(images), grid, eigenvectors, eigenvalues, rgb, coords, features, outliers=outliers
        )
        self._features = features
        self._jobs = Jobs()
        self._heats, self._node_masks = Recent(MOST_MASKS_KEPT), Recent(MOST_MASKS_KEPT)
        self._attributions = Recent(MOST_ATTRIBUTIONS_KEPT)
        self._ncut = ncut
        self._graph = {} if ncut is None else graph_of(ncut)
        self.set_trait("meta", self._describe())
        super().__init__(
            source=grid.sources[0],
            eigenvector=min(1, self._data.n_eig - 1),
            n_clusters=min(8, self._data.max_clusters),
        )
        self._tell("pca" if rgb is None and coords is None else None, "ready")
        self.on_msg(self._answer)

    # -- the data ------------------------------------------------------------------------------------------

    @property
    def images(self) -> list[Image.Image]:
        """The images, as PIL RGB."""
        return list(self._data.images)

    @property
    def grid(self) -> PatchGrid:
        """Which image, row and column each node is."""
        return self._data.grid

    @property
    def features(self) -> FeatureMaps | None:
        """The features that the embedding came from, if they were given."""
        return self._features

    @property
    def ncut(self) -> Ncut | None:
        """The cut that the eigenvectors came from, whose `transform` gives those of new features.

        None where it was not given, after `update` with other eigenvectors, and in a session that was loaded.
        """
        return self._ncut

    @property
    def eigenvectors(self) -> np.ndarray:
        """(n, k) float32, one row per node."""
        return self._data.eigenvectors

    @property
    def eigenvalues(self) -> np.ndarray | None:
        """(k,) float64, if they were given."""
        return self._data.eigenvalues

    @property
    def outliers(self) -> np.ndarray:
        """(n,) bool, the nodes far from all others: see `Ncut`. None of them after `update` with other eigenvectors."""
        return self._data.outliers

    def update(self, *, eigenvectors: Any = None, eigenvalues: Any = None, rgb: Any = None, coords: Any = None) -> None:
        """Replace some of the data; every view follows, the camera, the pinned patches and the objects stay.

        With new eigenvectors clusters are others, so their names, and which are hidden or merged, go.

        Parameters
        ----------
        eigenvectors, eigenvalues, rgb, coords : array, optional
            As in the constructor; what is None stays as it is, with one exception: new eigenvectors without
            eigenvalues leave none. Colours and coordinates are not made anew, unless given, those of the old
            embedding stay: `recolor` makes them. What `recolor` has on its way is dropped, unless only eigenvalues
            are new.

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
                self._ncut, self._graph = None, {}
                # Last, because results are kept by this number: a job that sees it finds the new data.
                self._embedding += 1
                self.set_trait("attribution", None)
                # Clusters of another embedding are others.
                self.cluster, self.hidden_clusters, self.cluster_groups, self.cluster_names = None, [], [], {}
            superseded = self._drop_recoloring() if fresh or given else None
            if given or superseded is not None:
                self._tell(None if given else self._method, "ready")
            self._publish()
        if superseded is not None:
            superseded.cancel()

    def labels(self, n_clusters: int | None = None, *, merged: bool = False) -> np.ndarray:
        """Return the cluster of each node, (n,) uint8; a cluster keeps its number when their number changes.

        Parameters
        ----------
        n_clusters : int, optional
            1 to 64, at most the number of eigenvectors; the session's own number if None.
        merged : bool
            With the clusters of each of ``cluster_groups`` as one.
        """
        labels = self._data.labels(self.n_clusters if n_clusters is None else n_clusters)
        return apply_groups(labels, self.cluster_groups) if merged else labels

    def layer_colors(self, layer: str) -> np.ndarray:
        """Return the colours of a layer as views paint it: (n, 4) float32 RGBA in [0, 1], one row per node.

        Parameters
        ----------
        layer : "clusters", "masks" or "channels"

        Raises
        ------
        ValueError
            If no channel is pinned for the layer "channels".
        """
        return LAYERS[check_in(layer, "layer", tuple(LAYERS))](self)

    def close(self) -> None:
        """Close the session, and end what `recolor` and views have on their way."""
        with state_lock:
            superseded = self._drop_recoloring()
        super().close()
        if hasattr(self, "_jobs"):
            self._jobs.close()
        if superseded is not None:
            superseded.cancel()
            self._tell(self._method, "ready")

    def __repr__(self) -> str:
        data = self._data
        return f"Session({len(data.images)} images, {data.grid.n_nodes} nodes, {data.n_eig} eigenvectors)"
