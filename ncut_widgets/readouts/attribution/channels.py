"""Attribute clusters and masks to the channels of the features."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ncut_widgets._process import restores_process_state, warn
from ncut_widgets._progress import Progress
from ncut_widgets._threads import one_thread
from ncut_widgets._validation import check_features, check_positive_int
from ncut_widgets.errors import OutlierWarning
from ncut_widgets.ncut import Ncut
from ncut_widgets.ncut.graph.weights import check_weights

from .graph import attribution_ncut
from .methods import ablation_effects, aggregate, check_method
from .result import ChannelAttribution, MapData
from .scores import ChannelAblation, progress_steps, score_gradients
from .targets import Targets, check_targets

__all__ = ["channel_attribution"]


@restores_process_state
@one_thread
def channel_attribution(
    features: Any,
    target: Any,
    *,
    ncut: Ncut | None = None,
    method: str = "gradient",
    region: str | None = None,
    clusters: Any = None,
    n_eig: int | None = None,
    n_maps: int = 16,
    progress: Progress = None,
) -> ChannelAttribution:
    """Attribute clusters or masks to feature channels, with signed scores, rankings, maps and checks.

    Let f(X) be the strength of a target in the Normalized Cut embedding of the features X, g = df/dX its gradient
    through the cut, T the nodes of the target, and m_j the mean of channel j over all nodes. The attribution to channel
    j is, by method,

        gradient            mean over i in T of g_ij
        abs_gradient        mean over i in T of |g_ij|
        gradient_x_input    sum over all i of g_ij (x_ij - m_j)
        ablation            f(X) - f(X with m_j for all x_ij)

    A positive value means that more of the channel makes the target stronger: a larger value in T or, for the last two
    methods, a larger contrast. "gradient_x_input" is the first-order approximation of "ablation".

    Parameters
    ----------
    features : array, tensor or feature maps of shape (n, c)
        Finite features, one row per node.
    target : labels, mask, nodes, or mapping of names to masks or nodes
        Integers (n,) are labels of all nodes, for example ``kway_ncut(...).argmax(1)``. Each cluster is then a target,
        and all targets share one cut. Booleans, n in any shape, are a mask. Fewer integers are node indices.
    ncut : Ncut, optional
        The Normalized Cut that the target comes from, by default ``Ncut()``. Its options define the graph, and if it
        is fitted, its ``sigma_`` is the bandwidth. It is not changed. A callable affinity gets tensors.
    method : {"gradient", "abs_gradient", "gradient_x_input", "ablation"}
        The gradient methods take one cut, and one backward pass per target. "ablation", which they approximate, takes
        one cut per channel.
    region : "target" or "all", optional
        The nodes over which gradients are aggregated, if not those in the table above. With "all", means are over all
        n nodes, and "gradient" counts nodes outside T with the opposite sign, because less of a channel outside T also
        increases the contrast. "ablation" always replaces a channel in all nodes.
    clusters : int or sequence of int, optional
        Labels of the clusters to attribute, by default all.
    n_eig : int, optional
        Number of eigenvectors in which targets are scored, by default the number of clusters, or 20 for masks.
    n_maps : int
        Number of leading channels of each target whose gradients are stored for `maps`.
    progress : bool, callable or None
        Show a progress bar; None shows it only in a notebook or terminal. A callable gets the completed fraction, in
        [0, 1], and an exception in it cancels the computation.

    Returns
    -------
    ChannelAttribution
        Always with numpy arrays.

    Raises
    ------
    TypeError, ValueError
        If the target does not match the features, or an option is not valid, also for `Ncut`.

    Notes
    -----
    The strength of a cluster is the mean absolute k-way score of its nodes. The labels are fixed, but the rotation of
    the k-way cut is a function of the embedding, so that only the space of the leading eigenvectors matters. For
    well-separated clusters, whose eigenvalues nearly coincide, gradients with a fixed rotation would mostly measure
    rotations within that space. The strength of a mask is the cosine between the centered mask and the space of the
    eigenvectors. It is 1 if the centered mask is a linear combination of them.

    Sigma and landmarks are held constant. Gradients are exact for up to 4096 nodes and with ``solver="exact"``;
    otherwise they are those of the Nyström approximation, unless `ncut` has ``exact_gradient=True``. Ablation and
    checks use an exact cut of at most 2048 sampled nodes. The result is deterministic for a given ``random_state`` of
    `ncut`. Time is O(n m (c + m)) per target for m landmarks, and memory twice that of the features.

    References
    ----------
    Yu, Shi. Multiclass Spectral Clustering. ICCV 2003.
    Samek et al. Evaluating the Visualization of What a Deep Neural Network Has Learned. TNNLS 2017.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(120, 6))
    >>> X[:40, 3] += 9
    >>> X[40:80, 5] += 9
    >>> labels = np.repeat([0, 1, 2], 40)
    >>> attribution = channel_attribution(X, labels)
    >>> [attribution.top_k(1, target=cluster)[0].name for cluster in (0, 1)]
    ['channel 3', 'channel 5']
    >>> bool((attribution.faithfulness(1).area > 0).all())
    True
    """
    method, region = check_method(method, region)
    n_maps = check_positive_int(n_maps, "n_maps", minimum=0)
    nodes, _ = check_features(features, "features", min_nodes=3)
    nodes = nodes.detach()
    weights = check_weights(features, None, len(nodes))
    targets = check_targets(target, len(nodes), clusters=clusters, n_eig=n_eig)
    ncut = attribution_ncut(ncut, targets.n_eig)
    if method == "ablation":
        with torch.no_grad():
            scores = targets.scores(ncut.fit_transform(nodes, sample_weight=weights), weights)
        ablation = ChannelAblation.from_fit(nodes, targets, weights, ncut)
        raw, _ = ablation_effects(ablation, (), progress)
        leading, gradients = np.empty((len(raw), 0), np.int64), np.empty((len(raw), len(nodes), 0), np.float32)
    else:
        raw, leading, gradients, scores = _by_gradient(nodes, targets, weights, ncut, method, region, n_maps, progress)
        ablation = ChannelAblation.from_fit(nodes, targets, weights, ncut)
    _warn_of_outlier_targets(targets, ncut)
    names = getattr(features, "channel_names", None) or [f"channel {j}" for j in range(nodes.shape[1])]
    return ChannelAttribution(
        raw=raw,
        target_names=targets.names,
        channel_names=tuple(names),
        target_scores=scores.cpu().float().numpy(),
        method=method,
        region=region,
        n_eig=targets.n_eig,
        sigma=ncut.sigma_,
        map_data=MapData(nodes, getattr(features, "grid", None), leading, gradients),
        ablation=ablation,
    )


def _warn_of_outlier_targets(targets: Targets, ncut: Ncut) -> None:
    """Warn if all nodes of a target are outliers, which an automatic sigma excludes from the graph."""
    graph_weights = ncut.counted_weights(None)
    if graph_weights is None:
        return
    is_outlier = graph_weights.cpu() == 0
    names = [name for row, name in enumerate(targets.names) if bool(is_outlier[targets.members(row).cpu()].all())]
    if names:
        warn(
            f"The attributions to {', '.join(map(repr, names))} are not meaningful: all nodes of the target are "
            f"outliers, which the automatic sigma excludes from the graph. Pass "
            f"`ncut=Ncut(sigma={ncut.sigma_:.3g})` to include all nodes.",
            OutlierWarning,
        )


def _by_gradient(
    nodes: torch.Tensor,
    targets: Targets,
    weights: torch.Tensor | None,
    ncut: Ncut,
    method: str,
    region: str,
    n_maps: int,
    show: Progress,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, torch.Tensor]:
    """Return the attributions (t, c), the leading channels (t, m), their gradients (t, n, m), and the scores (t,)."""
    means, (n, c) = nodes.mean(0), nodes.shape
    t, m = len(targets.names), min(n_maps, c)
    raw, leading, columns = np.empty((t, c)), np.empty((t, m), np.int64), np.empty((t, n, m), np.float32)
    with progress_steps(t + 1, "gradients", show) as advance:
        scores, gradients = score_gradients(nodes, targets, weights, ncut)
        advance(1)
        for row, gradient in enumerate(gradients):
            raw[row] = aggregate(gradient, nodes, means, targets.members(row), method, region)
            leading[row] = np.argsort(-np.abs(raw[row]), kind="stable")[:m]
            columns[row] = gradient[:, torch.from_numpy(leading[row]).to(gradient.device)].cpu().float().numpy()
            advance(1)
    if not (np.isfinite(raw).all() and np.isfinite(columns).all()):
        raise ValueError(
            "`features` must have a scale at which gradients are finite in float32; got values from "
            f"{float(nodes.min()):.3g} to {float(nodes.max()):.3g}. Scale them to a magnitude of about 1, or raise "
            "`sigma`."
        )
    return raw, leading, columns, scores
