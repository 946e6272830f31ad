"""From images to an embedding, and to label maps, with the defaults that `explore` has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from ncut_widgets._process import undisturbed
from ncut_widgets._validation import check_positive_int
from ncut_widgets.features import FeatureMaps, Multiscale, extract_features, load_images
from ncut_widgets.features.edge_aware import smooth_within_edges
from ncut_widgets.features.multiscale import guide
from ncut_widgets.ncut import Ncut
from ncut_widgets.readouts import kway_ncut

__all__ = ["Embedding", "embed", "segment"]

# Unless told otherwise.
_N_EIG = 32
# The built-in features are nearly constant within a region, so that a sharp kernel does not tear it apart: a patch
# is like 1 or 2 of 100, but in small images like no fewer than a few dozen, for fewer leave odd patches alone, each a
# cluster of its own. Other backbones get what `Ncut` finds for them.
_BUILT_IN_DEGREE = 0.015
_FEWEST_ALIKE = 36
_SMOOTHEST = 0.25
# Scores are carried to pixels over about five patches, stopping at the contours that the features stop at.
_SCORE_RADIUS = 40.0
_SEPARATES = 16.0


@dataclass(frozen=True, eq=False, repr=False)
class Embedding:
    """Images, their features, and the Normalized Cut embedding of all their patches.

    Attributes
    ----------
    images : list of PIL.Image.Image
        As `load_images` returns them.
    features : FeatureMaps
        Of n nodes.
    ncut : Ncut
        Fitted: it transforms the features of new images.
    eigenvectors : array or tensor of shape (n, n_eig)
        Of the kind of the features; column 0 is the trivial one.
    """

    images: list[Image.Image]
    features: FeatureMaps
    ncut: Ncut
    eigenvectors: Any

    def __repr__(self) -> str:
        n, k = self.eigenvectors.shape
        return f"Embedding({len(self.images)} images, {n} nodes, {k} eigenvectors)"


@undisturbed
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
    progress: bool = True,
) -> Embedding:
    """Return the spectral embedding of all patches of all images: features, then one Normalized Cut.

    Parameters
    ----------
    images : anything that `load_images` takes
        They share one graph, so what looks alike in two images gets the same place.
    features : FeatureMaps, optional
        Of these images, where you have them already, or joined them by `concat`.
    backbone, layer, resolution
        As in `extract_features`. Not beside `features`.
    n_eig : int, optional
        The number of eigenvectors, less than that of patches. By default 32, or as many as few patches allow.
    degree : float in (0, 1), optional
        The mean affinity: smaller is sharper. By default 0.015 for the built-in backbone's channels, which vary
        little within a region (more in small images, where that would be a handful of patches), and `Ncut`'s own
        sigma for others.
    device : torch device, optional
        Where a transformers model named by id and the cut run.
    random_state : int, numpy Generator or None
        Same images and seed, same embedding.
    progress : bool
        Show a bar for each step.

    Returns
    -------
    Embedding

    Raises
    ------
    TypeError, ValueError
        As `load_images`, `extract_features` and `Ncut` do.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.zeros((64, 96, 3), dtype=np.uint8)
    >>> image[:, 48:] = (255, 128, 0)
    >>> embed(image, n_eig=2, progress=False)
    Embedding(1 images, 96 nodes, 2 eigenvectors)
    """
    loaded = load_images(images)
    if features is None:
        features = extract_features(
            loaded, backbone=backbone, layer=layer, resolution=resolution, device=device, progress=progress
        )
    elif not (isinstance(backbone, str) and backbone == "multiscale") or layer != -1 or resolution is not None:
        raise ValueError(
            "`features` cannot be combined with `backbone`, `layer` or `resolution`, which say how to extract them. "
            "Pass one or the other."
        )
    _check_features_of(features, loaded)
    if n_eig is None:
        n_eig = min(_N_EIG, len(features) - 1)
    ncut, eigenvectors = _fit(
        features, n_eig=n_eig, degree=degree, device=device, random_state=random_state, progress=progress
    )
    return Embedding(loaded, features, ncut, eigenvectors)


@undisturbed
def segment(
    images: Any,
    *,
    n_clusters: int = 8,
    n_eig: int | None = None,
    backbone: Any = "multiscale",
    layer: int = -1,
    resolution: int | None = None,
    degree: float | None = None,
    device: Any = None,
    random_state: Any = 0,
    progress: bool = False,
) -> list[np.ndarray]:
    """Return a label for every pixel of every image: the k-way Normalized Cut of all of them together.

    The embedding is that of `explore`, the cut that of `kway_ncut`. Its soft scores are carried to the pixels along
    regions, not across contours, and the largest wins.

    Parameters
    ----------
    images : anything that `load_images` takes
        They are cut as one, so a label means the same in all of them.
    n_clusters : int
        Labels over all images; an image need not have all of them.
    n_eig : int, optional
        How many eigenvectors to compute and cut, as in `Kway`. By default `n_clusters`.
    backbone, layer, resolution, degree, device, random_state, progress
        As in `embed`.

    Returns
    -------
    list of array of shape (height, width)
        int64 labels from 0 to `n_clusters` - 1, at each image's own size.

    Raises
    ------
    TypeError, ValueError
        As `embed` does, and where there are more clusters than patches.

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
    loaded = load_images(images)
    features = extract_features(
        loaded, backbone=backbone, layer=layer, resolution=resolution, device=device, progress=progress
    )
    _check_features_of(features, loaded)
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


def _check_features_of(features: Any, images: list[Image.Image]) -> None:
    if not isinstance(features, FeatureMaps):
        raise TypeError(
            f"`features` must be FeatureMaps, which know their grid; got {type(features).__name__}. "
            "Compute them with nw.extract_features."
        )
    if features.grid.image_sizes != tuple(image.size for image in images):
        raise ValueError(
            "`features` must be those of the images passed; got features of images of other sizes or another number. "
            "Extract them from the same images."
        )
    if len(features) < 2:
        raise ValueError(
            "`images` must have at least 2 patches in all; got 1. Pass more or larger images, or raise `resolution`."
        )


def _suggested_degree(features: FeatureMaps) -> float | None:
    """Return the mean affinity that suits the channels: None where `Ncut` finds a sigma for itself."""
    if features.channel_names != Multiscale().channel_names:
        return None
    degree = min(_SMOOTHEST, max(_BUILT_IN_DEGREE, _FEWEST_ALIKE / len(features)))
    # Of so few patches each is already that share of all pairs by being like itself: no sigma is that sharp.
    return degree if degree * len(features) > 1 else None


def _fit(features: FeatureMaps, *, degree: float | None, progress: bool, **options: Any) -> tuple[Ncut, Any]:
    """The fitted cut of the features, and its eigenvectors, as sharp as suits the channels."""
    ncut = Ncut(degree=_suggested_degree(features) if degree is None else degree, verbose=progress, **options)
    return ncut, ncut.fit_transform(features)


def _to_pixels(scores: np.ndarray, image: Image.Image) -> np.ndarray:
    """Labels (height, width) of the image from scores (rows, columns, k) of its patches."""
    # Two cells per patch, so that a fine grid keeps what it found.
    edges, cell_size = guide(image, resolution=max(512, 8 * max(scores.shape[:2])))
    rows, columns = edges.shape[:2]
    cells = np.stack([_resize(scores[..., j], (columns, rows)) for j in range(scores.shape[2])], axis=2)
    cells = smooth_within_edges(cells, edges, radius=_SCORE_RADIUS / cell_size, contrast=_SEPARATES, n_rounds=2)
    best = np.full((image.height, image.width), -np.inf, dtype=np.float32)
    labels = np.zeros(best.shape, dtype=np.int64)
    # One cluster at a time: all scores of a large photograph at once would fill gigabytes.
    for label in range(cells.shape[2]):
        score = _resize(cells[..., label], image.size)
        labels[score > best] = label
        np.maximum(best, score, out=best)
    return labels


def _resize(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bilinear, between the centers of the cells."""
    plane = Image.fromarray(np.ascontiguousarray(values, dtype=np.float32))
    return np.asarray(plane.resize(size, Image.Resampling.BILINEAR))
