"""The session: images, their embedding, and the state that all views share."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import traitlets
from anywidget import AnyWidget
from PIL import Image
from tqdm.auto import tqdm

from ncut_widgets.features import FeatureMaps, load_images
from ncut_widgets.grid import PatchGrid
from ncut_widgets.readouts import Coloring, kway_ncut
from ncut_widgets.widgets._base import bundle
from ncut_widgets.widgets._wire import reply_to

LAYERS = ("image", "ncut", "eigenvector", "clusters", "heatmap")
MAX_CLUSTERS = 32


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
        self._images = load_images(images)
        sizes = tuple(image.size for image in self._images)
        if sizes != grid.image_sizes:
            raise ValueError(
                f"`images` must be the ones that the grid was made for, {len(grid.image_sizes)} of sizes "
                f"{_few(grid.image_sizes)}; got {len(sizes)} of sizes {_few(sizes)}."
            )
        self._grid = grid
        self._features = features
        self._labels: dict[int, np.ndarray] = {}
        self._encoded: dict[int, np.ndarray] = {}
        self._patch_rgb: np.ndarray | None = None
        self._version = 0
        self._set_data(eigenvectors, eigenvalues, rgb, coords)
        super().__init__(
            meta=self._describe(),
            source=grid.sources[0],
            eigenvector=min(1, self._eigenvectors.shape[1] - 1),
            n_clusters=min(8, self._max_clusters),
        )
        self.on_msg(self._answer)

    # -- the data ------------------------------------------------------------------------------------------

    @property
    def images(self) -> list[Image.Image]:
        """The images, as PIL RGB."""
        return list(self._images)

    @property
    def grid(self) -> PatchGrid:
        """Which image, row and column each node is."""
        return self._grid

    @property
    def features(self) -> FeatureMaps | None:
        """The features that the embedding came from, if they were given."""
        return self._features

    @property
    def eigenvectors(self) -> np.ndarray:
        """(n, k) float32, one row per node."""
        return self._eigenvectors

    @property
    def eigenvalues(self) -> np.ndarray | None:
        """(k,) float64, if they were given."""
        return self._eigenvalues

    @property
    def rgb(self) -> np.ndarray:
        """(n, 3) float32 in [0, 1], the colour of each node."""
        return self._rgb

    @property
    def coords(self) -> np.ndarray:
        """(n, 3) float32, where each node is in the scatter."""
        return self._coords

    def update(self, *, eigenvectors: Any = None, eigenvalues: Any = None, rgb: Any = None, coords: Any = None) -> None:
        """Replace some of the data; every view follows, the camera and the pinned patches stay.

        Parameters
        ----------
        eigenvectors, eigenvalues, rgb, coords : array, optional
            As in the constructor; what is None stays as it is.

        Raises
        ------
        ValueError
            If a shape does not fit the grid or a value is not finite; the session is then unchanged.
        """
        fresh = eigenvectors is not None
        self._set_data(
            self._eigenvectors if eigenvectors is None else eigenvectors,
            self._eigenvalues if eigenvalues is None and not fresh else eigenvalues,
            self._rgb if rgb is None else rgb,
            self._coords if coords is None else coords,
        )
        if fresh:
            self._labels.clear()
        self._version += 1
        with self.hold_sync():
            self.eigenvector = min(self.eigenvector, self._eigenvectors.shape[1] - 1)
            self.n_clusters = min(self.n_clusters, self._max_clusters)
            self.meta = self._describe()

    def labels(self, n_clusters: int | None = None) -> np.ndarray:
        """Return the cluster of each node, (n,) uint8, the largest cluster being 0.

        Parameters
        ----------
        n_clusters : int, optional
            1 to 32, at most the number of eigenvectors; the session's own number if None.
        """
        k = self.n_clusters if n_clusters is None else n_clusters
        if not 1 <= k <= self._max_clusters:
            raise ValueError(
                f"`n_clusters` must lie in 1 to {self._max_clusters} for {self._eigenvectors.shape[1]} eigenvectors; "
                f"got {k}. Lower it, or compute more eigenvectors."
            )
        if k not in self._labels:
            labels = kway_ncut(self._eigenvectors, n_clusters=k).argmax(1)
            order = np.argsort(-np.bincount(labels, minlength=k), kind="stable")
            self._labels[k] = np.argsort(order)[labels].astype(np.uint8)
        return self._labels[k]

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

        names = ["eigenvectors", "rgb", "coords", "patch_rgb"]
        names += [f"labels/{k}" for k in self.meta["cluster_counts"]]
        names += [f"image/{i}" for i in range(len(self._images))]
        state = {name: getattr(self, name) for name in Session.class_own_traits(sync=True)}
        bar = tqdm(names, desc=f"export: {Path(path).name}", disable=not progress, leave=False)
        arrays = {name: self._array(name) for name in bar}
        # Half precision is what the eye and a similarity need, at half the size of the file.
        arrays["eigenvectors"] = arrays["eigenvectors"].astype(np.float16)
        return write_html(Path(path), state | {"hover": None}, arrays, title=title, height=height)

    # -- for the views -------------------------------------------------------------------------------------

    def _answer(self, _: Any, content: dict[str, Any], __: list[Any]) -> None:
        reply_to(content, self._array, lambda message, buffers: self.send(message, buffers))

    def _array(self, name: str) -> np.ndarray:
        """Return an array by the name that views ask for it."""
        kind, _, index = name.partition("/")
        if name == "eigenvectors":
            return self._eigenvectors
        if name == "rgb":
            return np.rint(self._rgb * 255).astype(np.uint8)
        if name == "coords":
            return self._coords
        if name == "patch_rgb":
            return self._mean_colors()
        if kind == "labels" and index.isdecimal():
            return self.labels(int(index))
        if kind == "image" and index.isdecimal() and int(index) < len(self._images):
            return self._jpeg(int(index))
        raise ValueError(f"The session has no array named {name!r}.")

    def _mean_colors(self) -> np.ndarray:
        if self._patch_rgb is None:
            self._patch_rgb = np.concatenate(
                [
                    np.asarray(self._images[m.image].resize((m.columns, m.rows), Image.Resampling.BOX)).reshape(-1, 3)
                    for m in self._grid.maps
                ]
            )
        return self._patch_rgb

    def _jpeg(self, index: int) -> np.ndarray:
        if index not in self._encoded:
            image = self._images[index].copy()
            # Larger than any tile is drawn; an enlarged image on a large screen still looks sharp.
            image.thumbnail((1024, 1024), Image.Resampling.LANCZOS)
            buffer = io.BytesIO()
            image.save(buffer, "JPEG", quality=88)
            self._encoded[index] = np.frombuffer(buffer.getvalue(), np.uint8)
        return self._encoded[index]

    @property
    def _max_clusters(self) -> int:
        return min(MAX_CLUSTERS, self._eigenvectors.shape[1])

    def _describe(self) -> dict[str, Any]:
        return {
            "version": self._version,
            "images": [
                {"name": str(image.info.get("name", f"image {i}")), "width": image.width, "height": image.height}
                for i, image in enumerate(self._images)
            ],
            "maps": [m._asdict() for m in self._grid.maps],
            "n_nodes": self._grid.n_nodes,
            "n_eig": self._eigenvectors.shape[1],
            "eigenvalues": None if self._eigenvalues is None else self._eigenvalues.tolist(),
            "cluster_counts": list(range(min(2, self._max_clusters), self._max_clusters + 1)),
        }

    def _set_data(self, eigenvectors: Any, eigenvalues: Any, rgb: Any, coords: Any) -> None:
        """Check everything, then set everything, so that bad input leaves the session as it was."""
        n = self._grid.n_nodes
        vectors = _table("eigenvectors", eigenvectors, n, None)
        values = None
        if eigenvalues is not None:
            values = np.asarray(_numpy(eigenvalues), np.float64)
            if values.shape != (vectors.shape[1],):
                raise ValueError(
                    f"`eigenvalues` must have shape ({vectors.shape[1]},), one per eigenvector; got {values.shape}."
                )
        if rgb is None or coords is None:
            coloring = Coloring(method="pca").fit(vectors)
            rgb = coloring.rgb if rgb is None else rgb
            coords = coloring.coords if coords is None else coords
        colors = _table("rgb", rgb, n, 3)
        if colors.min() < 0 or colors.max() > 1:
            raise ValueError(f"`rgb` must lie in [0, 1]; got values from {colors.min():.3g} to {colors.max():.3g}.")
        points = _table("coords", coords, n, 3)
        self._eigenvectors, self._eigenvalues, self._rgb, self._coords = vectors, values, colors, points

    @traitlets.validate("hover", "selection")
    def _check_nodes(self, proposal: Any) -> Any:
        value = proposal["value"]
        nodes = [] if value is None else value if isinstance(value, list) else [value]
        wrong = [node for node in nodes if not 0 <= node < self._grid.n_nodes]
        if wrong:
            raise traitlets.TraitError(
                f"`{proposal['trait'].name}` must hold nodes from 0 to {self._grid.n_nodes - 1}; got {wrong[0]}."
            )
        return value

    @traitlets.validate("source")
    def _check_source(self, proposal: Any) -> str:
        if proposal["value"] not in self._grid.sources:
            raise traitlets.TraitError(
                f"`source` must be one of {list(self._grid.sources)}; got {proposal['value']!r}."
            )
        return str(proposal["value"])

    @traitlets.validate("eigenvector")
    def _check_eigenvector(self, proposal: Any) -> int:
        if proposal["value"] >= self._eigenvectors.shape[1]:
            raise traitlets.TraitError(
                f"`eigenvector` must lie in 0 to {self._eigenvectors.shape[1] - 1}; got {proposal['value']}."
            )
        return int(proposal["value"])

    @traitlets.validate("n_clusters")
    def _check_n_clusters(self, proposal: Any) -> int:
        if proposal["value"] > self._max_clusters:
            raise traitlets.TraitError(
                f"`n_clusters` must lie in 1 to {self._max_clusters} for {self._eigenvectors.shape[1]} eigenvectors; "
                f"got {proposal['value']}. Lower it, or compute more eigenvectors."
            )
        return int(proposal["value"])

    def __repr__(self) -> str:
        n_eig = self._eigenvectors.shape[1]
        return f"Session({len(self._images)} images, {self._grid.n_nodes} nodes, {n_eig} eigenvectors)"


def _numpy(array: Any) -> np.ndarray:
    """Return a torch tensor, a list or an array as a numpy array."""
    return np.asarray(array.detach().cpu().numpy() if hasattr(array, "detach") else array)


def _table(name: str, array: Any, n: int, columns: int | None) -> np.ndarray:
    table = np.ascontiguousarray(_numpy(array), dtype=np.float32)
    if table.ndim != 2 or table.shape[0] != n or columns not in (None, table.shape[1]) or table.shape[1] < 1:
        raise ValueError(
            f"`{name}` must have shape ({n}, {columns or 'k'}), a row for each node of the grid; got {table.shape}."
        )
    if not np.isfinite(table).all():
        raise ValueError(f"`{name}` must be finite; got NaN or infinity in {int((~np.isfinite(table)).sum())} places.")
    return table


def _few(sizes: Sequence[tuple[int, int]]) -> str:
    return ", ".join(map(str, sizes[:4])) + (", ..." if len(sizes) > 4 else "")
