"""Colours in one call, each by the `Coloring` of its method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ncut_widgets._migration import explains_old_options

from .coloring import Coloring

__all__ = ["mspace_color", "pca_color", "tsne_color", "umap_color", "umap_sphere_color"]


def _one_shot(method: str, nodes: Any, options: dict[str, Any], name: str = "eig") -> Any:
    return Coloring(method, **options)._fit(nodes, name).rgb


@explains_old_options("tsne_color")
def tsne_color(
    eig: Any, *, n_sample: int = 800, n_neighbors: int = 100, device: Any = None, random_state: Any = 0
) -> Any:
    """Return colours (n, 3) in [0, 1] from a 3D t-SNE of eigenvectors (n, n_eig).

    `Coloring(method="tsne")` does the same, and keeps the calibration for new nodes; the parameters are explained
    there. CUDA tensors are laid out on their device by TorchDR, where it is installed.

    References
    ----------
    van der Maaten, Hinton. Visualizing Data using t-SNE. JMLR 2008.

    Examples
    --------
    >>> import numpy as np
    >>> tsne_color(np.random.default_rng(0).normal(size=(60, 5))).shape
    (60, 3)
    """
    options = {"n_sample": n_sample, "n_neighbors": n_neighbors, "device": device, "random_state": random_state}
    return _one_shot("tsne", eig, options)


@explains_old_options("umap_color")
def umap_color(
    eig: Any, *, n_sample: int = 800, n_neighbors: int = 100, device: Any = None, random_state: Any = 0
) -> Any:
    """Return colours (n, 3) in [0, 1] from a 3D UMAP of eigenvectors (n, n_eig).

    `Coloring(method="umap")` does the same, and keeps the calibration for new nodes; the parameters are explained
    there. The first call in a process waits for UMAP to compile. CUDA tensors are laid out on their device by TorchDR,
    where it is installed.

    References
    ----------
    McInnes, Healy, Melville. UMAP: Uniform Manifold Approximation and Projection. arXiv 1802.03426, 2018.

    Examples
    --------
    >>> import numpy as np
    >>> umap_color(np.eye(4)).shape
    (4, 3)
    """
    options = {"n_sample": n_sample, "n_neighbors": n_neighbors, "device": device, "random_state": random_state}
    return _one_shot("umap", eig, options)


@explains_old_options("umap_sphere_color")
def umap_sphere_color(
    eig: Any, *, n_sample: int = 800, n_neighbors: int = 100, device: Any = None, random_state: Any = 0
) -> Any:
    """Return colours (n, 3) in [0, 1] from a UMAP of eigenvectors (n, n_eig) on the unit sphere.

    Distances between places are angles (UMAP's "haversine" output metric), so no node lies at an edge, and colours
    go round in every direction. `Coloring(method="umap_sphere")` does the same, and keeps the calibration for new
    nodes; the parameters are explained there. The first call in a process waits for UMAP to compile.

    References
    ----------
    McInnes, Healy, Melville. UMAP: Uniform Manifold Approximation and Projection. arXiv 1802.03426, 2018.

    Examples
    --------
    >>> import numpy as np
    >>> umap_sphere_color(np.eye(4)).shape
    (4, 3)
    """
    options = {"n_sample": n_sample, "n_neighbors": n_neighbors, "device": device, "random_state": random_state}
    return _one_shot("umap_sphere", eig, options)


@explains_old_options("pca_color")
def pca_color(eig: Any, *, device: Any = None) -> Any:
    """Return colours (n, 3) in [0, 1] from the three principal axes of eigenvectors (n, n_eig), rows at length one.

    `Coloring(method="pca")` does the same, and keeps the calibration for new nodes.

    Examples
    --------
    >>> import numpy as np
    >>> pca_color(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]))[:, 0]
    array([1., 0., 1.])
    """
    return _one_shot("pca", eig, {"device": device})


@explains_old_options("mspace_color")
def mspace_color(
    features: Any,
    *,
    n_eig: Sequence[int] = (4, 16, 64),
    n_sample: int = 800,
    device: Any = None,
    random_state: Any = 0,
) -> Any:
    """Return colours (n, 3) in [0, 1] from the M-space of features (n, c): clusters of every size at once.

    With U_k the k leading eigenvectors of the normalised affinity of a sample of the nodes, and M(Z) the normalised
    affinity exp(-|z_i - z_j|^2 / 2) of their places Z in 3D,

        minimise |M(Z) - P|^2,   P = sum over k of w_k U_k U_k^T,   w_k ~ k^(-1/4),   sum of w_k = 1

    Each projector U_k U_k^T is what a cut into k clusters sees; the weights keep that of many from outweighing that of
    few. P has a gap in its eigenvalues at each k, so that
    near P the graph of the places has nearly the same cuts. All other nodes follow their nearest sampled ones.
    `Coloring(method="mspace")` does the same, and keeps the calibration for new nodes.

    Parameters
    ----------
    features : array, tensor or feature maps of shape (n, c)
        What `Ncut` takes; it chooses the width of the affinity.
    n_eig : sequence of int
        The numbers of eigenvectors, each at least 2; those beyond what the sample has are lowered. Few show the
        whole, many the detail.
    n_sample : int
        How many nodes to lay out: farthest points among three times as many random ones.
    device : torch device, optional
        Where to compute. By default where the features are. The colors come back there.
    random_state : int, numpy.random.Generator or None
        Draws the sample.

    Returns
    -------
    array or tensor of shape (n, 3)
        Of the kind, dtype and device of the features.

    Raises
    ------
    TypeError, ValueError
        Where the features are not 2D or not finite, or an option cannot be used.

    Notes
    -----
    O(n_sample^3) once, O(n_sample^2) for each of 200 steps, and O(n n_sample c) for the others. Deterministic.

    Examples
    --------
    >>> import numpy as np
    >>> features = np.repeat(np.eye(3), 20, axis=0) + 0.01 * np.random.default_rng(0).normal(size=(60, 3))
    >>> mspace_color(features, n_eig=(2, 4)).shape
    (60, 3)
    """
    options = {"n_eig": n_eig, "n_sample": n_sample, "device": device, "random_state": random_state}
    return _one_shot("mspace", features, options, name="features")
