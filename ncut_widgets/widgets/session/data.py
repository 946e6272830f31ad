"""The data of a session: images, grid, embedding and colors, and the arrays derived from them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from threading import Lock
from typing import Any

import numpy as np
from PIL import Image

from ncut_widgets._validation import check_features, check_positive_int, to_tensor, valid_text
from ncut_widgets.features import FeatureMaps
from ncut_widgets.grid import PatchGrid
from ncut_widgets.ncut import Ncut
from ncut_widgets.objects import describe_images
from ncut_widgets.readouts import Coloring
from ncut_widgets.widgets._trait_types import LARGEST_INTEGER
from ncut_widgets.widgets.session.clusters import Clusters

__all__ = ["GRAPH_OPTIONS", "MAX_CLUSTERS", "SessionData"]

MAX_CLUSTERS = 64
# The options of `Ncut` that define the graph of an attribution.
GRAPH_OPTIONS = ("affinity", "sigma", "n_sample", "solver")
# Longest side of the images that the page gets: sharp when enlarged on a large screen.
_LONGEST_SIDE = 1024
_MAX_ROWS_FOR_QUANTILES = 20_000


class SessionData:
    """Images, and one row of eigenvectors, colors and coordinates for each node of their grid.

    `replace` is called with `state_lock` held. `version` counts the replacements, `embedding` those of the
    eigenvectors; requests carry both, so that an array of earlier data is never taken for a current one.
    """

    def __init__(
        self,
        images: list[Image.Image],
        grid: PatchGrid,
        *,
        eigenvectors: Any,
        eigenvalues: Any = None,
        rgb: Any = None,
        coords: Any = None,
        features: FeatureMaps | None = None,
        ncut: Ncut | None = None,
        outliers: Any = None,
    ) -> None:
        sizes = tuple(image.size for image in images)
        if sizes != grid.image_sizes:
            raise ValueError(
                f"`images` must be the ones that the grid was made for, {len(grid.image_sizes)} of sizes "
                f"{_few(grid.image_sizes)}; got {len(sizes)} of sizes {_few(sizes)}. Pass the images that the "
                "features are of."
            )
        if features is not None:
            # Here rather than when a view first requests a channel.
            check_features(features, "features")
        self.images = images
        self.grid = grid
        self.features = features
        # Name, width and height of each image, as exports need them.
        self.scene: list[tuple[str, int, int]] = [*describe_images(images)]
        self._lock = Lock()
        self._channel_ranges: np.ndarray | None = None
        self._jpegs: dict[int, np.ndarray] = {}
        self._patch_rgb: np.ndarray | None = None
        self.ncut: Ncut | None = None
        # How the graph of the eigenvectors was made; empty if unknown.
        self.graph: dict[str, Any] = {}
        # The first replacement makes them 0.
        self.version = self.embedding = -1
        self.replace(eigenvectors, eigenvalues, rgb, coords)
        self.ncut = ncut
        if ncut is not None:
            values = (ncut.affinity, ncut.sigma_, ncut.n_sample, ncut.solver)
            self.graph = dict(zip(GRAPH_OPTIONS, values, strict=True))
        found = getattr(ncut, "outliers_", None)
        if outliers is None and found is not None and len(found) == grid.n_nodes:
            outliers = found
        self.outliers = _flags(outliers, grid.n_nodes)

    def replace(self, eigenvectors: Any, eigenvalues: Any, rgb: Any, coords: Any, *, fresh: bool = True) -> None:
        """Validate all arrays, then replace all of them, so that invalid input changes nothing.

        Clusters and outliers are kept unless the eigenvectors are `fresh`.
        """
        n = self.grid.n_nodes
        vectors = _table("eigenvectors", eigenvectors, n, None)
        values = None
        if eigenvalues is not None:
            values = to_tensor(eigenvalues, "eigenvalues")[0].detach().cpu().double().numpy()
            if values.shape != (vectors.shape[1],):
                raise ValueError(
                    f"`eigenvalues` must have shape ({vectors.shape[1]},), one per eigenvector; got {values.shape}. "
                    "Pass those of the same fit."
                )
            if not np.isfinite(values).all():
                raise ValueError(
                    f"`eigenvalues` must be finite; got NaN or infinity in {int((~np.isfinite(values)).sum())} of "
                    f"{len(values)}. Pass None if they are not known."
                )
        if rgb is None or coords is None:
            coloring = Coloring(method="pca").fit(vectors)
            rgb = coloring.rgb_ if rgb is None else rgb
            coords = coloring.coords_ if coords is None else coords
        colors = _table("rgb", rgb, n, 3)
        if colors.min() < 0 or colors.max() > 1:
            raise ValueError(
                f"`rgb` must lie in [0, 1]; got values from {colors.min():.3g} to {colors.max():.3g}. Divide 8-bit "
                "colors by 255."
            )
        points = _table("coords", coords, n, 3)
        self.eigenvectors, self.eigenvalues, self.rgb, self.coords = vectors, values, colors, points
        if fresh:
            self.clusters = Clusters(vectors, self.max_clusters)
            self.outliers = np.zeros(n, dtype=bool)
            self.ncut, self.graph = None, {}
        # Last, because results are cached by these numbers: a job that reads them finds the new data.
        self.embedding += fresh
        self.version += 1

    @property
    def n_eig(self) -> int:
        return self.eigenvectors.shape[1]

    @property
    def max_clusters(self) -> int:
        return min(MAX_CLUSTERS, self.n_eig, self.grid.n_nodes)

    @property
    def n_channels(self) -> int:
        return 0 if self.features is None else self.features.shape[1]

    @property
    def click_eig(self) -> int:
        """Default number of eigenvectors for clicks.

        Measured on photographs with human outlines: with all eigenvectors a click selects a small part of the object,
        with few eigenvectors and many images too much. The best was 8 for one image, 16 for four, and 20 to 24 for
        eight to twelve.
        """
        return min(self.n_eig, 20, 6 + 2 * len(self.images))

    def check_n_clusters(self, n_clusters: Any) -> int:
        """Return a number of clusters as an int, or raise an error that states the limits."""
        number = check_positive_int(n_clusters, "n_clusters", minimum=-LARGEST_INTEGER, maximum=LARGEST_INTEGER)
        if not 1 <= number <= self.max_clusters:
            raise ValueError(
                f"`n_clusters` must lie in 1 to {self.max_clusters} for {self.n_eig} eigenvectors; "
                f"got {number}. Lower it, or compute more eigenvectors."
            )
        return number

    def needed_features(self, purpose: str) -> FeatureMaps:
        """Return the features, or raise a ValueError that names the purpose."""
        if self.features is None:
            raise ValueError(
                f"`features` are needed for {purpose}, and this session has none. Pass `features` to Session."
            )
        return self.features

    def shows(self, image: int, source: str) -> bool:
        """Return whether the source has patches of the image."""
        return any(m.image == image and m.source == source for m in self.grid.maps)

    def describe(self) -> dict[str, Any]:
        """Return what views need to know about the data, without arrays."""
        return {
            "version": self.version,
            "embedding": self.embedding,
            "abilities": ["refine", "export"] + (["ncut", "attribution"] if self.features is not None else []),
            "images": [{"name": name, "width": width, "height": height} for name, width, height in self.scene],
            "maps": [m._asdict() for m in self.grid.maps],
            "n_nodes": self.grid.n_nodes,
            "n_eig": self.n_eig,
            "n_outliers": int(self.outliers.sum()),
            "click_eig": self.click_eig,
            "eigenvalues": None if self.eigenvalues is None else self.eigenvalues.tolist(),
            "cluster_counts": self.clusters.counts,
            "channel_names": None if self.features is None else list(map(valid_text, self.features.channel_names)),
        }

    # -- arrays for views --------------------------------------------------------------------------------------

    def labels(self, n_clusters: int) -> np.ndarray:
        """Return the cluster of each node, (n,) uint8. Clusters keep their numbers when their count changes."""
        n_clusters = self.check_n_clusters(n_clusters)
        if n_clusters not in self.clusters.counts:
            return np.zeros(self.grid.n_nodes, np.uint8)
        return self.clusters.labels(n_clusters)

    def channel_ranges(self) -> np.ndarray:
        """Return the 1 % and 99 % quantiles of each channel, (c, 2) float32."""
        values = self.needed_features("channel maps").values
        with self._lock:
            if self._channel_ranges is None:
                some = _displayed(values[:: max(1, len(values) // _MAX_ROWS_FOR_QUANTILES)])
                self._channel_ranges = np.quantile(some, [0.01, 0.99], axis=0).T.astype(np.float32)
            return self._channel_ranges

    def channel_map(self, channel: int) -> np.ndarray:
        """Return the values of a channel between its two quantiles as 0 to 255, (n,) uint8."""
        values = _displayed(self.needed_features("channel maps").values[:, channel])
        low, high = self.channel_ranges()[channel].astype(np.float64)
        share = (values - low) / (high - low if high > low else 1.0)
        return np.rint(255 * np.clip(share, 0, 1)).astype(np.uint8)

    def patch_rgb(self) -> np.ndarray:
        """Return the mean color of the pixels of each patch, (n, 3) uint8."""
        with self._lock:
            if self._patch_rgb is None:
                self._patch_rgb = np.concatenate(
                    [
                        np.asarray(self.images[m.image].resize((m.columns, m.rows), Image.Resampling.BOX)).reshape(
                            -1, 3
                        )
                        for m in self.grid.maps
                    ]
                )
            return self._patch_rgb

    def thumbnail(self, index: int) -> Image.Image:
        """Return a copy of an image in the size that the page shows."""
        image = self.images[index].copy()
        image.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE), Image.Resampling.LANCZOS)
        return image

    def jpeg(self, index: int) -> np.ndarray:
        """Return the thumbnail of an image as the bytes of a JPEG, uint8."""
        with self._lock:
            if index not in self._jpegs:
                buffer = io.BytesIO()
                self.thumbnail(index).save(buffer, "JPEG", quality=88)
                self._jpegs[index] = np.frombuffer(buffer.getvalue(), np.uint8)
            return self._jpegs[index]


def _displayed(values: Any) -> np.ndarray:
    """Return features clipped to the range of float32, which the page uses.

    float64, because differences of float32 numbers can overflow.
    """
    largest = float(np.finfo(np.float32).max)
    return to_tensor(values, "features")[0].detach().cpu().double().numpy().clip(-largest, largest)


def _table(name: str, array: Any, n: int, columns: int | None) -> np.ndarray:
    table = np.ascontiguousarray(to_tensor(array, name)[0].detach().cpu().float().numpy())
    if table.ndim != 2 or table.shape[0] != n or columns not in (None, table.shape[1]) or table.shape[1] < 1:
        raise ValueError(
            f"`{name}` must have shape ({n}, {columns or 'k'}), one row per node of the grid; got {table.shape}. "
            "Pass the values of the same nodes."
        )
    if not np.isfinite(table).all():
        raise ValueError(
            f"`{name}` must be finite; got NaN or infinity in {int((~np.isfinite(table)).sum())} places. Replace them."
        )
    return table


def _flags(outliers: Any, n: int) -> np.ndarray:
    """Return `outliers` as booleans (n,), all False for None."""
    if outliers is None:
        return np.zeros(n, dtype=bool)
    flags = to_tensor(outliers, "outliers")[0].detach().cpu().numpy()
    if flags.shape != (n,) or not np.isin(flags, (0, 1)).all():
        raise ValueError(
            f"`outliers` must be a boolean per node, of shape ({n},); got {flags.dtype} of shape {flags.shape}. "
            "Pass `ncut.outliers_`."
        )
    return flags.astype(bool)


def _few(sizes: Sequence[tuple[int, int]]) -> str:
    return ", ".join(map(str, sizes[:4])) + (", ..." if len(sizes) > 4 else "")
