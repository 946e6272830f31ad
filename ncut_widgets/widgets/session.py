"""The session: images, their embedding, and the state that all views share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import traitlets
from anywidget import AnyWidget
from PIL import Image
from tqdm.auto import tqdm

from ncut_widgets.features import FeatureMaps, load_images
from ncut_widgets.grid import PatchGrid
from ncut_widgets.widgets._base import bundle
from ncut_widgets.widgets._data import SessionData
from ncut_widgets.widgets._wire import reply_to

LAYERS = ("image", "ncut", "eigenvector", "clusters", "heatmap")


class Session(AnyWidget):
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

    Examples
    --------
    >>> import numpy as np, ncut_widgets as nw
    >>> grid = nw.PatchGrid([(40, 30)], [nw.PatchMap(0, 3, 4)])
    >>> session = nw.Session([np.zeros((30, 40, 3), np.uint8)], grid=grid, eigenvectors=np.eye(12)[:, :4])
    >>> session.hover = 5
    >>> session.grid.locate(session.hover)
    Patch(image=0, row=1, column=1, source='features')
    """

    _esm = bundle("session.js")
    _view_name = traitlets.Unicode(None, allow_none=True).tag(sync=True)  # type: ignore[assignment]

    meta = traitlets.Dict().tag(sync=True)
    hover = traitlets.Int(None, allow_none=True).tag(sync=True)
    selection = traitlets.List(traitlets.Int()).tag(sync=True)
    layer = traitlets.Enum(LAYERS, default_value="ncut").tag(sync=True)
    source = traitlets.Unicode().tag(sync=True)
    blend = traitlets.Float(0.7, min=0, max=1).tag(sync=True)
    smooth = traitlets.Bool(False).tag(sync=True)
    eigenvector = traitlets.Int(1, min=0).tag(sync=True)
    n_clusters = traitlets.Int(8, min=1).tag(sync=True)
    hover_heatmap = traitlets.Bool(True).tag(sync=True)
    point_size = traitlets.Float(5.0, min=1, max=40).tag(sync=True)
    camera = traitlets.Dict(default_value=None, allow_none=True).tag(sync=True)

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
        self._version = 0
        super().__init__(
            meta=self._describe(),
            source=grid.sources[0],
            eigenvector=min(1, self._data.n_eig - 1),
            n_clusters=min(8, self._data.max_clusters),
        )
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
        """(n, 3) float32 in [0, 1], the colour of each node."""
        return self._data.rgb

    @property
    def coords(self) -> np.ndarray:
        """(n, 3) float32, where each node is in the scatter."""
        return self._data.coords

    def update(self, *, eigenvectors: Any = None, eigenvalues: Any = None, rgb: Any = None, coords: Any = None) -> None:
        """Replace some of the data; every view follows, the camera and the pinned patches stay.

        Parameters
        ----------
        eigenvectors, eigenvalues, rgb, coords : array, optional
            As in the constructor; what is None stays as it is, with one exception: new eigenvectors without
            eigenvalues leave none. Colours and coordinates are not made anew: unless given, those of the old
            embedding stay.

        Raises
        ------
        ValueError
            If a shape does not fit the grid or a value is not finite; the session is then unchanged.
        """
        data = self._data
        fresh = eigenvectors is not None
        data.replace(
            eigenvectors if fresh else data.eigenvectors,
            eigenvalues if fresh or eigenvalues is not None else data.eigenvalues,
            data.rgb if rgb is None else rgb,
            data.coords if coords is None else coords,
            fresh=fresh,
        )
        self._version += 1
        with self.hold_sync():
            self.eigenvector = min(self.eigenvector, data.n_eig - 1)
            self.n_clusters = min(self.n_clusters, data.max_clusters)
            self.meta = self._describe()

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
            Show a bar: all numbers of clusters are computed, since nobody can be asked for them later.

        Returns
        -------
        pathlib.Path
            The file written.
        """
        from ncut_widgets.export.html import write_html

        state = {name: getattr(self, name) for name in Session.class_own_traits(sync=True) if name[0] != "_"}
        bar = tqdm(self._data.names(), desc=f"export: {Path(path).name}", disable=not progress, leave=False)
        arrays = {name: self._data.array(name) for name in bar}
        # Half precision is what the eye and a similarity need, at half the size of the file.
        arrays["eigenvectors"] = arrays["eigenvectors"].astype(np.float16)
        return write_html(Path(path), state | {"hover": None}, arrays, title=title, height=height)

    # -- for the views -------------------------------------------------------------------------------------

    def _answer(self, _: Any, content: dict[str, Any], __: list[Any]) -> None:
        reply_to(content, self._data.array, lambda message, buffers: self.send(message, buffers))

    def _describe(self) -> dict[str, Any]:
        return {"version": self._version, **self._data.describe()}

    @traitlets.validate("hover", "selection")
    def _check_nodes(self, proposal: Any) -> Any:
        value = proposal["value"]
        nodes = [] if value is None else value if isinstance(value, list) else [value]
        wrong = [node for node in nodes if not 0 <= node < self.grid.n_nodes]
        if wrong:
            raise traitlets.TraitError(
                f"`{proposal['trait'].name}` must hold nodes from 0 to {self.grid.n_nodes - 1}; got {wrong[0]}."
            )
        return list(dict.fromkeys(value)) if isinstance(value, list) else value

    @traitlets.validate("camera")
    def _check_camera(self, proposal: Any) -> dict[str, Any] | None:
        camera = proposal["value"]
        if camera is None:
            return None
        numbers = [*np.ravel(camera.get("position", ())), *np.ravel(camera.get("target", ())), camera.get("zoom", 0)]
        if not (
            set(camera) == {"position", "target", "zoom"}
            and len(camera["position"]) == len(camera["target"]) == 3
            and all(isinstance(n, (int, float, np.number)) and np.isfinite(n) for n in numbers)
            and camera["zoom"] > 0
        ):
            raise traitlets.TraitError(
                "`camera` must be None or {'position': [x, y, z], 'target': [x, y, z], 'zoom': positive number}; "
                f"got {camera}. Set it to None to frame all points."
            )
        return dict(camera)

    @traitlets.validate("source")
    def _check_source(self, proposal: Any) -> str:
        if proposal["value"] not in self.grid.sources:
            raise traitlets.TraitError(f"`source` must be one of {list(self.grid.sources)}; got {proposal['value']!r}.")
        return str(proposal["value"])

    @traitlets.validate("eigenvector")
    def _check_eigenvector(self, proposal: Any) -> int:
        if proposal["value"] >= self._data.n_eig:
            raise traitlets.TraitError(
                f"`eigenvector` must lie in 0 to {self._data.n_eig - 1}; got {proposal['value']}."
            )
        return int(proposal["value"])

    @traitlets.validate("n_clusters")
    def _check_n_clusters(self, proposal: Any) -> int:
        if proposal["value"] > self._data.max_clusters:
            raise traitlets.TraitError(
                f"`n_clusters` must lie in 1 to {self._data.max_clusters} for {self._data.n_eig} eigenvectors; "
                f"got {proposal['value']}. Lower it, or compute more eigenvectors."
            )
        return int(proposal["value"])

    def __repr__(self) -> str:
        data = self._data
        return f"Session({len(data.images)} images, {data.grid.n_nodes} nodes, {data.n_eig} eigenvectors)"
