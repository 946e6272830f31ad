"""What a session holds: images, embedding, colours, and everything that views fetch by name."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from PIL import Image

from ncut_widgets._validation import brief, check_features, check_positive_int, to_tensor, valid_text
from ncut_widgets.export._inputs import describe_images
from ncut_widgets.features import FeatureMaps
from ncut_widgets.grid import PatchGrid
from ncut_widgets.readouts import Coloring
from ncut_widgets.widgets._trait_types import LARGEST_INTEGER
from ncut_widgets.widgets.session.clusters import Clusters

MAX_CLUSTERS = 64
# Larger than any tile is drawn; an enlarged image on a large screen still looks sharp.
_LONGEST_SIDE = 1024
_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}")


class SessionData:
    """Images with one row of eigenvectors, colours and coordinates for each node of their grid."""

    def __init__(
        self,
        images: list[Image.Image],
        grid: PatchGrid,
        eigenvectors: Any,
        eigenvalues: Any,
        rgb: Any,
        coords: Any,
        features: FeatureMaps | None = None,
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
            # Here, and not when a view first asks for a channel.
            check_features(features, "features")
        self.images = images
        self.grid = grid
        # What an export says of an image: its name and size.
        self.scene: list[tuple[str, int, int]] = [*describe_images(images)]
        self._features = features
        self._ranges: np.ndarray | None = None
        self._encoded: dict[int, np.ndarray] = {}
        self._patch_rgb: np.ndarray | None = None
        self.replace(eigenvectors, eigenvalues, rgb, coords)
        self.outliers = _flags(outliers, grid.n_nodes)

    def replace(self, eigenvectors: Any, eigenvalues: Any, rgb: Any, coords: Any, *, fresh: bool = True) -> None:
        """Check everything, then set everything, so that bad input leaves the data as they were.

        Where the eigenvectors are not `fresh` but the ones that are here, what was cut from them stays.
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
            rgb = coloring.rgb if rgb is None else rgb
            coords = coloring.coords if coords is None else coords
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

    @property
    def n_eig(self) -> int:
        return self.eigenvectors.shape[1]

    @property
    def max_clusters(self) -> int:
        return min(MAX_CLUSTERS, self.n_eig, self.grid.n_nodes)

    @property
    def n_channels(self) -> int:
        return 0 if self._features is None else self._features.shape[1]

    @property
    def click_eig(self) -> int:
        """How many eigenvectors a click looks at unless told otherwise.

        Measured on photographs with outlines by people: of all eigenvectors a click finds a small part, of few in
        many images too much. 8 were best for one image, 16 for four, 20 to 24 for eight to twelve.
        """
        return min(self.n_eig, 20, 6 + 2 * len(self.images))

    def check_level(self, n_clusters: Any) -> int:
        """Return a number of clusters as an int, or raise an error that says how many there can be."""
        number = check_positive_int(n_clusters, "n_clusters", minimum=-LARGEST_INTEGER, maximum=LARGEST_INTEGER)
        if not 1 <= number <= self.max_clusters:
            raise ValueError(
                f"`n_clusters` must lie in 1 to {self.max_clusters} for {self.n_eig} eigenvectors; "
                f"got {number}. Lower it, or compute more eigenvectors."
            )
        return number

    def labels(self, n_clusters: int) -> np.ndarray:
        """Return (n,) uint8 labels of the cut; a cluster keeps its number when their number changes."""
        n_clusters = self.check_level(n_clusters)
        if n_clusters not in self.clusters.counts:
            return np.zeros(self.grid.n_nodes, np.uint8)
        return self.clusters.labels(n_clusters)

    def names(self) -> list[str]:
        """Return the names of all arrays that `array` knows."""
        names = ["eigenvectors", "rgb", "coords", "patch_rgb"] + ["outliers"] * bool(self.outliers.any())
        names += [f"{kind}/{k}" for k in self.clusters.counts for kind in ("labels", "parents", "cluster_colors")]
        return names + [f"image/{i}" for i in range(len(self.images))]

    def array(self, name: str) -> np.ndarray:
        """Return an array by the name that views ask for it; ValueError if there is none."""
        whole: dict[str, Callable[[], np.ndarray]] = {
            "eigenvectors": lambda: self.eigenvectors,
            "rgb": lambda: np.rint(self.rgb * 255).astype(np.uint8),
            "coords": lambda: self.coords,
            "outliers": lambda: self.outliers.astype(np.uint8),
            "patch_rgb": self._mean_colors,
        }
        if name in whole:
            return whole[name]()
        if name == "channel_ranges" and self.n_channels:
            return self._channel_ranges()
        kind, _, digits = name.partition("/")
        # One name for each array: no other digits than ASCII, no sign, no leading zero.
        if not _NUMBER.fullmatch(digits):
            raise ValueError(f"The session has no array named {brief(name)}.")
        number = int(digits)
        if kind == "labels":
            return self.labels(number)
        if kind == "parents":
            return self.clusters.parents(number)
        if kind == "cluster_colors":
            return self.clusters.colors(self.rgb, number)
        if kind == "channel_map" and number < self.n_channels:
            return self._channel_map(number)
        if kind == "image" and number < len(self.images):
            return self._jpeg(number)
        raise ValueError(f"The session has no array named {brief(name)}.")

    def describe(self) -> dict[str, Any]:
        """Return what there is, without the arrays themselves."""
        return {
            "images": [{"name": name, "width": width, "height": height} for name, width, height in self.scene],
            "maps": [m._asdict() for m in self.grid.maps],
            "n_nodes": self.grid.n_nodes,
            "n_eig": self.n_eig,
            "n_outliers": int(self.outliers.sum()),
            "click_eig": self.click_eig,
            "eigenvalues": None if self.eigenvalues is None else self.eigenvalues.tolist(),
            "cluster_counts": self.clusters.counts,
            "channel_names": None if self._features is None else list(map(valid_text, self._features.channel_names)),
        }

    def _channel_ranges(self) -> np.ndarray:
        """(c, 2) float32: the 1 % and the 99 % quantile of each channel."""
        if self._ranges is None:
            values = self._features.values  # type: ignore[union-attr]
            some = _displayed(values[:: max(1, len(values) // 20_000)])
            self._ranges = np.quantile(some, [0.01, 0.99], axis=0).T.astype(np.float32)
        return self._ranges

    def _channel_map(self, channel: int) -> np.ndarray:
        """(n,) uint8 between those two."""
        values = _displayed(self._features.values[:, channel])  # type: ignore[union-attr]
        low, high = self._channel_ranges()[channel].astype(np.float64)
        share = (values - low) / (high - low if high > low else 1.0)
        return np.rint(255 * np.clip(share, 0, 1)).astype(np.uint8)

    def _mean_colors(self) -> np.ndarray:
        if self._patch_rgb is None:
            self._patch_rgb = np.concatenate(
                [
                    np.asarray(self.images[m.image].resize((m.columns, m.rows), Image.Resampling.BOX)).reshape(-1, 3)
                    for m in self.grid.maps
                ]
            )
        return self._patch_rgb

    def _jpeg(self, index: int) -> np.ndarray:
        if index not in self._encoded:
            image = self.images[index].copy()
            image.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE), Image.Resampling.LANCZOS)
            buffer = io.BytesIO()
            image.save(buffer, "JPEG", quality=88)
            self._encoded[index] = np.frombuffer(buffer.getvalue(), np.uint8)
        return self._encoded[index]


def _displayed(values: Any) -> np.ndarray:
    """Return features in float64, in which differences of float32 numbers cannot overflow, cut to what float32 holds.

    The page has float32 only.
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
