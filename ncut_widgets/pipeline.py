"""One-call pipelines from images to an embedding or to label maps, with the defaults of `explore`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from ncut_widgets._process import restores_process_state
from ncut_widgets._progress import Progress, part, shows_bar
from ncut_widgets._validation import check_positive_int
from ncut_widgets.features import FeatureMaps, Multiscale, extract_features, load_images
from ncut_widgets.features.edge_aware import smooth_within_edges
from ncut_widgets.features.multiscale import guide
from ncut_widgets.imaging import resize_map
from ncut_widgets.ncut import Ncut
from ncut_widgets.readouts import kway_ncut

__all__ = ["Embedding", "embed", "segment"]

_DEFAULT_N_EIG = 32
# Share of the time that a callable `progress` attributes to the features.
_FEATURES_SHARE = 0.7
# Mean affinity for the built-in features. They are nearly constant within a region, so a narrow kernel does not split
# it: 1.5 % of the nodes, but at least 36 neighbors, because outlier patches otherwise become singleton clusters, and
# at most 25 %. For other backbones `Ncut` chooses sigma.
_BUILT_IN_DEGREE = 0.015
_MIN_NEIGHBORS = 36
_MAX_DEGREE = 0.25
# Cluster scores are smoothed over about five patches (40 pixels), but not across the contours that limit the features.
_SCORE_RADIUS = 40.0
_EDGE_THRESHOLD = 16.0


@dataclass(frozen=True, eq=False, repr=False)
class Embedding:
    """Images, their features, and the Normalized Cut embedding of all their patches.

    Attributes
    ----------
    images : list of PIL.Image.Image
        As returned by `load_images`.
    features : FeatureMaps
        The features of the n nodes.
    ncut : Ncut
        The fitted estimator, which can transform the features of new images.
    eigenvectors : array or tensor of shape (n, n_eig)
        numpy or torch, as the features; column 0 is the trivial eigenvector.
    """

    images: list[Image.Image]
    features: FeatureMaps
    ncut: Ncut
    eigenvectors: Any

    def __repr__(self) -> str:
        n, k = self.eigenvectors.shape
        images = f"{len(self.images)} image{'s' * (len(self.images) != 1)}"
        return f"Embedding({images}, {n} nodes, {k} eigenvectors)"


@restores_process_state
def embed(
    images: Any,
    *,
    features: FeatureMaps | None = None,
    backbone: Any = "multiscale",
    layer: int = -1,
    resolution: int | None = None,
    n_eig: int | None = None,
    degree: float | None = None,
    device: Any = None,
    random_state: Any = 0,
    progress: Progress = None,
) -> Embedding:
    """Extract features of all images and embed all their patches with one Normalized Cut.

    Parameters
    ----------
    images : any input of `load_images`
        All images share one graph, so similar patches of different images have similar embeddings.
    features : FeatureMaps, optional
        Features of these images, if they are already computed, for example joined with `concat`.
    backbone, layer, resolution
        See `extract_features`. Cannot be combined with `features`.
    n_eig : int, optional
        The number of eigenvectors, less than the number of patches. By default 32, or fewer if there are not enough
        patches.
    degree : float in (0, 1), optional
        The mean affinity; smaller values give a narrower kernel. By default 0.015 for the channels of the built-in
        backbone, which vary little within a region (more in small images, where 0.015 would be only a few patches),
        and the sigma that `Ncut` chooses for other features.
    device : torch device, optional
        Device of the Normalized Cut, and of a transformers model given by its id.
    random_state : int, numpy Generator or None
        The same images and seed give the same embedding.
    progress : bool, callable or None
        Show a progress bar for each step; None shows them only in a notebook or terminal. A callable gets the completed
        fraction, in [0, 1], and an exception in it cancels the computation.

    Returns
    -------
    Embedding

    Raises
    ------
    TypeError, ValueError
        See `load_images`, `extract_features` and `Ncut`.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.zeros((64, 96, 3), dtype=np.uint8)
    >>> image[:, 48:] = (255, 128, 0)
    >>> embed(image, n_eig=2, progress=False)
    Embedding(1 image, 96 nodes, 2 eigenvectors)
    """
    loaded, features = _load(images, features, backbone, layer, resolution, device, progress)
    if n_eig is None:
        n_eig = min(_DEFAULT_N_EIG, len(features) - 1)
    ncut, eigenvectors = _fit(
        features, n_eig=n_eig, degree=degree, device=device, random_state=random_state, progress=progress
    )
    return Embedding(loaded, features, ncut, eigenvectors)


@restores_process_state
def segment(
    images: Any,
    *,
    features: FeatureMaps | None = None,
    backbone: Any = "multiscale",
    layer: int = -1,
    resolution: int | None = None,
    n_clusters: int = 8,
    n_eig: int | None = None,
    degree: float | None = None,
    device: Any = None,
    random_state: Any = 0,
    progress: Progress = None,
) -> list[np.ndarray]:
    """Return a cluster label for every pixel of every image, by a k-way Normalized Cut of all images together.

    The embedding is the same as in `explore`, and the clusters the same as in `kway_ncut`. The cluster scores of the
    patches are upsampled to pixels by smoothing within regions but not across contours, and each pixel gets the label
    of its largest score.

    Parameters
    ----------
    images : any input of `load_images`
        All images are clustered together, so a label has the same meaning in each of them.
    features, backbone, layer, resolution
        See `embed`. `features` must have one map per image.
    n_clusters : int
        The number of labels over all images; a single image may contain only some of them.
    n_eig : int, optional
        The number of eigenvectors to compute and to cluster, as in `Kway`. By default `n_clusters`.
    degree, device, random_state, progress
        See `embed`.

    Returns
    -------
    list of array of shape (height, width)
        int64 labels from 0 to `n_clusters` - 1, at the size of each image.

    Raises
    ------
    TypeError, ValueError
        See `embed`; also if there are more clusters than patches.

    References
    ----------
    Yu, Shi. Multiclass Spectral Clustering. ICCV 2003.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.zeros((64, 96, 3), dtype=np.uint8)
    >>> image[:, 48:] = (255, 128, 0)
    >>> labels = segment(image, n_clusters=2)[0]
    >>> labels.shape, bool((labels[:, :48] != labels[:, 48:]).all())
    ((64, 96), True)
    """
    n_clusters = check_positive_int(n_clusters, "n_clusters")
    loaded, features = _load(images, features, backbone, layer, resolution, device, progress)
    if [map_.image for map_ in features.grid.maps] != list(range(len(loaded))):
        raise ValueError(
            f"`features` must have one map per image; got {len(features.grid.maps)} maps of {len(loaded)} images. Pass "
            "the features of one source, `features.select(source)`."
        )
    if n_clusters >= len(features):
        raise ValueError(
            f"`n_clusters` must be less than the number of patches, {len(features)}; got {n_clusters}. "
            "Lower it or pass more images."
        )
    _, eigenvectors = _fit(
        features,
        n_eig=n_clusters if n_eig is None else check_positive_int(n_eig, "n_eig"),
        degree=degree,
        device=device,
        random_state=random_state,
        progress=progress,
    )
    scores = kway_ncut(eigenvectors, n_clusters=n_clusters, n_eig=n_eig, random_state=random_state)
    if isinstance(scores, torch.Tensor):
        scores = scores.float().cpu().numpy()
    return [_to_pixels(map_, image) for map_, image in zip(features.grid.split(scores), loaded, strict=True)]


def _load(
    images: Any,
    features: FeatureMaps | None,
    backbone: Any,
    layer: int,
    resolution: int | None,
    device: Any,
    progress: Progress,
) -> tuple[list[Image.Image], FeatureMaps]:
    """Return the images, and their features: the given ones, or those that the backbone extracts."""
    loaded = load_images(images)
    if features is None:
        features = extract_features(
            loaded,
            backbone=backbone,
            layer=layer,
            resolution=resolution,
            device=device,
            progress=part(progress, 0, _FEATURES_SHARE),
        )
    elif not (isinstance(backbone, str) and backbone == "multiscale") or layer != -1 or resolution is not None:
        raise ValueError(
            "`features` cannot be combined with `backbone`, `layer` or `resolution`, which control how features are "
            "extracted. Pass one or the other."
        )
    _check_features_of(features, loaded)
    return loaded, features


def _check_features_of(features: Any, images: list[Image.Image]) -> None:
    if not isinstance(features, FeatureMaps):
        raise TypeError(
            f"`features` must be FeatureMaps, which include the patch grid; got {type(features).__name__}. "
            "Compute them with nw.extract_features."
        )
    if features.grid.image_sizes != tuple(image.size for image in images):
        raise ValueError(
            "`features` must belong to `images`; got features for a different number or different sizes of images. "
            "Extract them from the same images."
        )
    if len(features) < 2:
        raise ValueError(
            "`images` must have at least 2 patches in total; got 1. Pass more or larger images, or raise `resolution`."
        )


def _default_degree(features: FeatureMaps) -> float | None:
    """Return the default mean affinity for the built-in features; None, for a sigma chosen by `Ncut`, for others."""
    if features.channel_names != Multiscale().channel_names:
        return None
    degree = min(_MAX_DEGREE, max(_BUILT_IN_DEGREE, _MIN_NEIGHBORS / len(features)))
    # The mean affinity is at least 1 / n, because each node has affinity 1 to itself.
    return degree if degree * len(features) > 1 else None


def _fit(features: FeatureMaps, *, degree: float | None, progress: Progress, **options: Any) -> tuple[Ncut, Any]:
    """Return a fitted `Ncut` of the features, and the eigenvectors; `degree=None` means the default for them."""
    ncut = Ncut(degree=_default_degree(features) if degree is None else degree, verbose=shows_bar(progress), **options)
    eigenvectors = ncut.fit_transform(features)
    if callable(progress):
        progress(1.0)
    return ncut, eigenvectors


def _to_pixels(scores: np.ndarray, image: Image.Image) -> np.ndarray:
    """Return labels (height, width) of the image from the scores (rows, columns, k) of its patches."""
    # At least two guide cells per patch, so that the detail of a fine grid is kept.
    edges, cell_size = guide(image, resolution=max(512, 8 * max(scores.shape[:2])))
    rows, columns = edges.shape[:2]
    cells = np.stack([resize_map(scores[..., j], (columns, rows)) for j in range(scores.shape[2])], axis=2)
    cells = smooth_within_edges(cells, edges, radius=_SCORE_RADIUS / cell_size, contrast=_EDGE_THRESHOLD, n_rounds=2)
    best = np.full((image.height, image.width), -np.inf, dtype=np.float32)
    labels = np.zeros(best.shape, dtype=np.int64)
    # One cluster at a time: all scores of a large photograph together would take gigabytes.
    for label in range(cells.shape[2]):
        score = resize_map(cells[..., label], image.size)
        labels[score > best] = label
        np.maximum(best, score, out=best)
    return labels
