"""The session: images, their embedding, and the state that all views share."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from ncut_widgets._validation import check_in
from ncut_widgets.features import FeatureMaps, load_images
from ncut_widgets.grid import PatchGrid
from ncut_widgets.readouts import Coloring
from ncut_widgets.widgets._data import SessionData
from ncut_widgets.widgets._recoloring import LABELS, Recoloring
from ncut_widgets.widgets._state import SessionState
from ncut_widgets.widgets._wire import reply_to


class Session(SessionState):
    """Images with their embedding, and the state that every view of them shares.

    The data lies here once; views (`ImageGrid`, `EmbeddingScatter`, `Explorer`) show it and change the
    traits below, which can be read, set and observed from Python as well.

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

    Attributes
    ----------
    hover : int or None
        The node under the pointer, in any view.
    selection : list of int
        The pinned nodes: a click pins one, shift-click adds one, Escape lets go.
    layer : {"image", "ncut", "eigenvector", "clusters", "heatmap"}
        What lies over the images and colours the points.
    source : str
        Which of the grid's sources the images show.
    blend : float in [0, 1]
        How strong the overlay is.
    smooth : bool
        Interpolate between patches instead of showing their edges.
    eigenvector : int
        Which column the layer "eigenvector" shows; 0 is the trivial one.
    n_clusters : int
        Into how many clusters the layer "clusters" cuts.
    hover_heatmap : bool
        Whether hovering a patch shows its similarity to all others.
    point_size : float
        Diameter of the points in CSS pixels.
    camera : dict or None
        ``{"position": [x, y, z], "target": [x, y, z], "zoom": z}`` of the scatter; None frames all points.
    coloring : dict
        ``{"method": ..., "status": "ready", "running" or "failed", "error": text or None}``, read-only: what becomes of
        the colours that `recolor` was asked for. The method is None where the colours were given.

    Examples
    --------
    >>> import numpy as np, ncut_widgets as nw
    >>> grid = nw.PatchGrid([(40, 30)], [nw.PatchMap(0, 3, 4)])
    >>> session = nw.Session([np.zeros((30, 40, 3), np.uint8)], grid=grid, eigenvectors=np.eye(12)[:, :4])
    >>> session.hover = 5
    >>> session.grid.locate(session.hover)
    Patch(image=0, row=1, column=1, source='features')
    """

    _recoloring: Recoloring | None = None

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
    ) -> None:
        if features is not None:
            if not isinstance(features, FeatureMaps):
                raise TypeError(
                    f"`features` must be FeatureMaps, which know their grid; got {type(features).__name__}. "
                    "Take them from nw.extract_features, or pass `grid`."
                )
            if grid is not None:
                raise ValueError("`grid` must not be given beside `features`, which bring their own. Pass one of them.")
            grid = features.grid
        if grid is None:
            raise ValueError("`features` or `grid` must say which patch each node is; got neither.")
        if eigenvectors is None:
            raise ValueError(
                "`eigenvectors` must be the (n, k) spectral embedding; got None. "
                "Compute it with nw.Ncut().fit_transform(features), or let nw.explore(images) do everything."
            )
        self._data = SessionData(load_images(images), grid, eigenvectors, eigenvalues, rgb, coords)
        self._features = features
        self._version = self._embedding = 0
        # Colours may arrive in another thread than the one that replaces them.
        self._lock = threading.RLock()
        super().__init__(
            meta=self._describe(),
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
    def eigenvectors(self) -> np.ndarray:
        """(n, k) float32, one row per node."""
        return self._data.eigenvectors

    @property
    def eigenvalues(self) -> np.ndarray | None:
        """(k,) float64, if they were given."""
        return self._data.eigenvalues

    @property
    def rgb(self) -> np.ndarray:
        """(n, 3) float32 in [0, 1], the colour of each node; waits for colours that `recolor` has on their way."""
        self._await_colors()
        return self._data.rgb

    @property
    def coords(self) -> np.ndarray:
        """(n, 3) float32, where each node is in the scatter; waits as `rgb` does."""
        self._await_colors()
        return self._data.coords

    def update(self, *, eigenvectors: Any = None, eigenvalues: Any = None, rgb: Any = None, coords: Any = None) -> None:
        """Replace some of the data; every view follows, the camera and the pinned patches stay.

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
        with self._lock:
            data.replace(
                eigenvectors if fresh else data.eigenvectors,
                eigenvalues if fresh or eigenvalues is not None else data.eigenvalues,
                data.rgb if rgb is None else rgb,
                data.coords if coords is None else coords,
                fresh=fresh,
            )
            self._embedding += fresh
            superseded = self._drop_recoloring() if fresh or given else None
            if given or superseded is not None:
                self._tell(None if given else self._method, "ready")
            self._publish()
        if superseded is not None:
            superseded.cancel()

    def recolor(self, method: str | Coloring = "tsne", *, wait: bool = False) -> None:
        """Make colours and coordinates anew, in the background, turned onto those on show so that nothing jumps.

        The views keep what they show, with a note, and move to the new places when these are there. Reading `rgb` or
        `coords`, or exporting, waits for them. A new call, `update` and `close` end what is on its way.

        Parameters
        ----------
        method : "tsne", "umap", "umap_sphere", "pca", "mspace" or Coloring
            "mspace" needs the session's features, the others take its eigenvectors. A `Coloring` of your own has its
            options, is fitted, and can then colour new nodes alike.
        wait : bool
            Return when the colours are there, and raise what went wrong.

        Raises
        ------
        TypeError, ValueError
            If there is no such method, or no features for M-space. What goes wrong later is in ``coloring``, shown in
            the views, and raised by whoever waits, until other colours are asked for or given.

        Notes
        -----
        The same embedding, colours on show and options give the same result, waited for or not. With an event loop,
        as in a notebook, colours are taken over between two cells; without one in the thread that made them.

        Examples
        --------
        >>> import numpy as np, ncut_widgets as nw
        >>> grid = nw.PatchGrid([(40, 30)], [nw.PatchMap(0, 6, 8)])
        >>> session = nw.Session([np.zeros((30, 40, 3), np.uint8)], grid=grid, eigenvectors=np.eye(48)[:, :4])
        >>> session.recolor("tsne", wait=True)
        >>> session.coloring
        {'method': 'tsne', 'status': 'ready', 'error': None}
        """
        coloring = method if isinstance(method, Coloring) else Coloring(method)
        name = check_in(coloring.method, "method", tuple(LABELS))
        rows: Any = self.eigenvectors
        if name == "mspace":
            if self._features is None:
                raise ValueError(
                    "`method` must not be 'mspace' in a session without features; got 'mspace'. "
                    "Pass `features` to Session, or take another method."
                )
            rows = self._features.flatten()
        with self._lock:
            superseded = self._drop_recoloring()
        if superseded is not None:
            superseded.cancel()
        with self._lock:
            self._tell(name, "running")
            self._recoloring = Recoloring(coloring, rows, self._data.coords, self._take_over)
        if wait:
            self._await_colors()

    def labels(self, n_clusters: int | None = None) -> np.ndarray:
        """Return the cluster of each node, (n,) uint8, the largest cluster being 0.

        Parameters
        ----------
        n_clusters : int, optional
            1 to 32, at most the number of eigenvectors; the session's own number if None.
        """
        return self._data.labels(self.n_clusters if n_clusters is None else n_clusters)

    def to_html(
        self, path: str | os.PathLike[str], *, title: str = "NCUT explorer", height: int = 640, progress: bool = True
    ) -> Path:
        """Write the explorer of this session as one HTML file that needs no kernel and no network.

        Parameters
        ----------
        path : path
            Where to write; folders on the way are made.
        title : str
            The heading of the page.
        height : int
            Of the views, in CSS pixels.
        progress : bool
            Show a bar: all numbers of clusters are computed, since nobody can be asked for them later. Colours that
            are on their way are waited for.

        Returns
        -------
        pathlib.Path
            The file written.
        """
        from ncut_widgets.export.html import write_html

        self._await_colors(progress=progress)
        state = {name: getattr(self, name) for name in SessionState.class_own_traits(sync=True) if name[0] != "_"}
        bar = tqdm(self._data.names(), desc=f"export: {Path(path).name}", disable=not progress, leave=False)
        arrays = {name: self._data.array(name) for name in bar}
        # Half precision is what the eye and a similarity need, at half the size of the file.
        arrays["eigenvectors"] = arrays["eigenvectors"].astype(np.float16)
        return write_html(Path(path), state | {"hover": None}, arrays, title=title, height=height)

    def close(self) -> None:
        """Close the session, and end what `recolor` has on its way."""
        # Never opened, where the constructor refused its arguments.
        superseded = None if self._recoloring is None else self._drop_recoloring()
        super().close()
        if superseded is not None:
            superseded.cancel()

    # -- colours on their way ------------------------------------------------------------------------------

    @property
    def _shown(self) -> tuple[np.ndarray, np.ndarray]:
        """The colours and coordinates that views show now."""
        return self._data.rgb, self._data.coords

    def _await_colors(self, *, progress: bool = False) -> None:
        """Wait for what is on its way, take it over, and raise what went wrong."""
        recoloring = self._recoloring
        if recoloring is None:
            return
        title = f"colours: {LABELS[recoloring.method]} of {self.grid.n_nodes} nodes"
        with tqdm(total=1, desc=title, disable=not progress, leave=False) as bar:
            recoloring.wait()
            bar.update()
        self._take_over(recoloring)
        if self._recoloring is recoloring:
            recoloring.future.result()

    def _take_over(self, recoloring: Recoloring) -> None:
        """Show what has come, once, unless something else was asked for meanwhile."""
        with self._lock:
            if recoloring is not self._recoloring or self.coloring["status"] != "running":
                return
            error = recoloring.future.exception()
            if error is not None:
                # Kept, so that whoever waits for these colours hears why there are none.
                self._tell(recoloring.method, "failed", f"{type(error).__name__}: {error}")
                return
            self._recoloring = None
            data = self._data
            data.replace(data.eigenvectors, data.eigenvalues, *recoloring.future.result(), fresh=False)
            self._publish()
            self._tell(recoloring.method, "ready")

    def _drop_recoloring(self) -> Recoloring | None:
        dropped, self._recoloring = self._recoloring, None
        return dropped

    def _tell(self, method: str | None, status: str, error: str | None = None) -> None:
        if status == "ready":
            self._method = method
        self.set_trait("coloring", {"method": method, "status": status, "error": error})

    # -- for the views -------------------------------------------------------------------------------------

    def _answer(self, _: Any, content: dict[str, Any], __: list[Any]) -> None:
        reply_to(content, self._data.array, lambda message, buffers: self.send(message, buffers))

    def _describe(self) -> dict[str, Any]:
        return {"version": self._version, "embedding": self._embedding, **self._data.describe()}

    def _publish(self) -> None:
        """Tell the views that there is something new to fetch."""
        self._version += 1
        with self.hold_sync():
            self.eigenvector = min(self.eigenvector, self._data.n_eig - 1)
            self.n_clusters = min(self.n_clusters, self._data.max_clusters)
            self.meta = self._describe()

    def __repr__(self) -> str:
        data = self._data
        return f"Session({len(data.images)} images, {data.grid.n_nodes} nodes, {data.n_eig} eigenvectors)"
