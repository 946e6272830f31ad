"""Functions that color nodes in one call, one for each method of `Coloring`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ncut_widgets._migration import explains_old_options

from .coloring import Coloring

__all__ = ["mspace_color", "pca_color", "tsne_color", "umap_color", "umap_sphere_color"]


def _fitted_colors(method: str, nodes: Any, options: dict[str, Any], name: str = "eigenvectors") -> Any:
    return Coloring(method, **options)._fit(nodes, name).rgb_


@explains_old_options("tsne_color")
def tsne_color(
    eigenvectors: Any, *, n_sample: int = 800, n_neighbors: int = 100, device: Any = None, random_state: Any = 0
) -> Any:
    """Return colors (n, 3) in [0, 1] from a 3D t-SNE of eigenvectors (n, n_eig).

    `Coloring(method="tsne")` does the same and keeps the layout for new nodes. It documents the parameters. If TorchDR
    is installed, CUDA tensors are laid out on their device.

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
    return _fitted_colors("tsne", eigenvectors, options)


@explains_old_options("umap_color")
def umap_color(
    eigenvectors: Any, *, n_sample: int = 800, n_neighbors: int = 100, device: Any = None, random_state: Any = 0
) -> Any:
    """Return colors (n, 3) in [0, 1] from a 3D UMAP of eigenvectors (n, n_eig).

    `Coloring(method="umap")` does the same and keeps the layout for new nodes. It documents the parameters. The first
    call in a process waits until UMAP is compiled. If TorchDR is installed, CUDA tensors are laid out on their device.

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
    return _fitted_colors("umap", eigenvectors, options)


@explains_old_options("umap_sphere_color")
def umap_sphere_color(
    eigenvectors: Any, *, n_sample: int = 800, n_neighbors: int = 100, device: Any = None, random_state: Any = 0
) -> Any:
    """Return colors (n, 3) in [0, 1] from a UMAP of eigenvectors (n, n_eig) on the unit sphere.

    Distances in the layout are angles (UMAP's "haversine" output metric), so that the layout has no edges and colors
    are periodic in every direction. `Coloring(method="umap_sphere")` does the same and keeps the layout for new nodes.
    It documents the parameters. The first call in a process waits until UMAP is compiled.

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
    return _fitted_colors("umap_sphere", eigenvectors, options)


@explains_old_options("pca_color")
def pca_color(eigenvectors: Any, *, device: Any = None) -> Any:
    """Return colors (n, 3) in [0, 1] from the three principal axes of the unit rows of eigenvectors (n, n_eig).

    `Coloring(method="pca")` does the same and keeps the axes for new nodes.

    Examples
    --------
    >>> import numpy as np
    >>> pca_color(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]))[:, 0]
    array([1., 0., 1.])
    """
    return _fitted_colors("pca", eigenvectors, {"device": device})


@explains_old_options("mspace_color")
def mspace_color(
    features: Any,
    *,
    n_eig: Sequence[int] = (4, 16, 64),
    n_sample: int = 800,
    device: Any = None,
    random_state: Any = 0,
) -> Any:
    """Return colors (n, 3) in [0, 1] from the M-space of features (n, c), which shows clusters of all sizes at once.

    With U_k the k leading eigenvectors of the normalized affinity of a sample of the nodes, and M(Z) the normalized
    affinity exp(-|z_i - z_j|^2 / 2) of their 3D coordinates Z,

        minimize |M(Z) - P|^2,   P = sum over k of w_k U_k U_k^T,   w_k ~ k^(-1/4),   sum of w_k = 1

    The projector U_k U_k^T determines a cut into k clusters. The weights balance the projectors of few and of many
    eigenvectors. P has a gap in its eigenvalues at each k, so that a graph with M(Z) close to P has almost the same
    cuts. All other nodes are placed by their nearest sampled nodes. `Coloring(method="mspace")` does the same and keeps
    the layout for new nodes.

    Parameters
    ----------
    features : array, tensor or feature maps of shape (n, c)
        Features as for `Ncut`, which chooses the bandwidth of the affinity.
    n_eig : sequence of int
        The numbers of eigenvectors k, each at least 2, and limited by the sample. Small numbers show the overall
        structure, large numbers the details.
    n_sample : int
        Number of nodes to lay out, chosen by farthest-point sampling from three times as many random nodes.
    device : torch device, optional
        Device of the computation, by default that of the features. Colors are always returned on the device of the
        features.
    random_state : int, numpy.random.Generator or None
        Draws the sample.

    Returns
    -------
    array or tensor of shape (n, 3)
        With the array type, dtype and device of the features.

    Raises
    ------
    TypeError, ValueError
        If the features are not 2D or not finite, or an option is not valid.

    Notes
    -----
    O(n_sample^3) once, O(n_sample^2) for each of 200 steps, and O(n n_sample c) to place all nodes. The result is
    deterministic for a given `random_state`.

    Examples
    --------
    >>> import numpy as np
    >>> features = np.repeat(np.eye(3), 20, axis=0) + 0.01 * np.random.default_rng(0).normal(size=(60, 3))
    >>> mspace_color(features, n_eig=(2, 4)).shape
    (60, 3)
    """
    options = {"n_eig": n_eig, "n_sample": n_sample, "device": device, "random_state": random_state}
    return _fitted_colors("mspace", features, options, name="features")
