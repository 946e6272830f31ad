"""From a cluster back to the channels that make it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ncut_widgets._process import restores_process_state, warn
from ncut_widgets._threads import one_thread
from ncut_widgets._validation import check_features, check_in, check_positive_int
from ncut_widgets.errors import OutlierWarning
from ncut_widgets.ncut import Ncut
from ncut_widgets.ncut.settings import check_weights

from .methods import METHODS, REGION_OF, REGIONS, aggregate, falls
from .result import ChannelAttribution, Traced
from .scores import Deletions, Step, gradients_of_scores, steps
from .targets import Targets, check_targets

__all__ = ["channel_attribution"]


@restores_process_state
@one_thread
def channel_attribution(
    features: Any,
    target: Any,
    *,
    method: str = "gradient",
    region: str | None = None,
    clusters: Any = None,
    n_eig: int | None = None,
    affinity: str | Callable[[Any, Any], Any] = "rbf",
    sigma: float | None = None,
    degree: float | None = None,
    n_sample: int | str = "auto",
    solver: str = "auto",
    n_maps: int = 16,
    device: Any = None,
    random_state: Any = 0,
    progress: bool | Step = False,
) -> ChannelAttribution:
    """Return which channels make each cluster, or a mask: signed, ranked, with their maps and the evidence.

    With f(X) the strength of a target in the Normalized Cut embedding of the features X, g = df/dX its gradient
    through the cut, T the nodes of the target and m the mean of a channel over all nodes, the attribution of channel j
    is, by method,

        gradient            mean over i in T of g_ij
        abs_gradient        mean over i in T of |g_ij|
        gradient_x_input    sum over all i of g_ij (x_ij - m_j)
        ablation            f(X) - f(X with m_j for all x_ij)

    Positive means that more of the channel makes the target stronger: more of its value there, or for the last two,
    more of its contrast, of which the third is the first order of the fourth.

    Parameters
    ----------
    features : array, tensor or feature maps of shape (n, c)
        Finite features, one row per node.
    target : labels, mask, nodes, or mapping of names to masks or nodes
        Integers (n,) are the labels of all nodes, as of `kway_ncut(...).argmax(1)`; each cluster is a target, and all
        share one cut. Booleans, n in any shape, are a mask. Fewer integers are the nodes of a selection.
    method : {"gradient", "abs_gradient", "gradient_x_input", "ablation"}
        The first three take one cut and one pass back for each target; the last, what they are to predict, takes a cut
        for each channel.
    region : "target" or "all", optional
        Which nodes gradients are gathered from, T or all, where not as above. Over all, means are over n, and
        "gradient" counts the nodes outside T with the opposite sign: less of the channel there is more of it in T.
        "ablation" takes a channel from all nodes either way.
    clusters : int or sequence of int, optional
        Which labels to attribute. By default all.
    n_eig : int, optional
        In how many eigenvectors targets are scored. By default as many as clusters, or 20 for masks.
    affinity, sigma, degree, n_sample, solver, device, random_state
        As in `Ncut`: those of the cut that the target comes from. A callable gets tensors.
    n_maps : int
        Of how many leading channels of each target to keep the gradients, for `maps`.
    progress : bool or callable
        Show a bar, or call this with the share that is done, in [0, 1]; what it raises ends the work.

    Returns
    -------
    ChannelAttribution
        In numpy, whatever the features are.

    Raises
    ------
    TypeError, ValueError
        Where the target does not fit the features, or an option cannot be used; as `Ncut` does.

    Notes
    -----
    The strength of a cluster is the mean |k-way score| of its nodes. The rotation of the k-way cut follows the
    embedding, with the labels held fixed, so that only the space of the leading eigenvectors counts: where clusters are
    clear, their eigenvalues nearly coincide, and gradients with a fixed rotation are mostly about which eigenvector is
    which. The strength of a mask is the cosine between the mask, less its mean, and the space of the eigenvectors:
    1 where a combination of them is the mask.

    Sigma, and landmarks where there are any, are held fixed. Gradients are exact up to 4096 nodes, and with
    solver="exact"; beyond, those of the Nyström approximation. Ablation and evidence are exact on 2048 of the nodes.
    Deterministic for a given `random_state`. O(n m (c + m)) per target for m landmarks, in the memory of the features,
    twice.

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
    method = check_in(method, "method", METHODS)
    region = REGION_OF[method] if region is None else check_in(region, "region", REGIONS)
    n_maps = check_positive_int(n_maps, "n_maps", minimum=0)
    nodes, _ = check_features(features, "features", min_nodes=3)
    nodes = nodes.detach()
    weights = check_weights(features, None, len(nodes))
    targets = check_targets(target, len(nodes), clusters=clusters, n_eig=n_eig)
    ncut = Ncut(
        targets.n_eig,
        affinity=affinity,
        sigma=sigma,
        degree=degree,
        n_sample=n_sample,
        solver=solver,
        device=device,
        random_state=random_state,
    )
    if method == "ablation":
        with torch.no_grad():
            scores = targets.scores(ncut.fit_transform(nodes, sample_weight=weights), weights)
        deletions = Deletions.of(nodes, targets, weights, ncut)
        raw, _ = falls(deletions, (), progress)
        kept, gradients = np.empty((len(raw), 0), np.int64), np.empty((len(raw), len(nodes), 0), np.float32)
    else:
        raw, kept, gradients, scores = _by_gradient(nodes, targets, weights, ncut, method, region, n_maps, progress)
        deletions = Deletions.of(nodes, targets, weights, ncut)
    _warn_if_left_out(targets, ncut)
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
        traced=Traced(nodes, getattr(features, "grid", None), kept, gradients),
        deletions=deletions,
    )


def _warn_if_left_out(targets: Targets, ncut: Ncut) -> None:
    """Warn of targets that are not in the graph: an automatic sigma leaves outliers out."""
    counted = ncut.counted_weights(None)
    if counted is None:
        return
    outlying = counted.cpu() == 0
    lost = [name for row, name in enumerate(targets.names) if bool(outlying[targets.members(row).cpu()].all())]
    if lost:
        warn(
            f"Attributions of {', '.join(map(repr, lost))} say nothing: all nodes of the target are outliers, which "
            f"the automatic sigma leaves out of the graph. Pass `sigma={ncut.sigma_:.3g}`, which counts all nodes.",
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
    show: bool | Step,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, torch.Tensor]:
    """Return the attributions (t, c), the leading channels (t, m), their gradients (t, n, m), and the scores (t,)."""
    means, (n, c) = nodes.mean(0), nodes.shape
    t, m = len(targets.names), min(n_maps, c)
    raw, kept, columns = np.empty((t, c)), np.empty((t, m), np.int64), np.empty((t, n, m), np.float32)
    with steps(t + 1, "gradients", show) as done:
        scores, gradients = gradients_of_scores(nodes, targets, weights, ncut)
        done(1)
        for row, gradient in enumerate(gradients):
            raw[row] = aggregate(gradient, nodes, means, targets.members(row), method, region)
            kept[row] = np.argsort(-np.abs(raw[row]), kind="stable")[:m]
            columns[row] = gradient[:, torch.from_numpy(kept[row]).to(gradient.device)].cpu().float().numpy()
            done(1)
    if not (np.isfinite(raw).all() and np.isfinite(columns).all()):
        raise ValueError(
            "`features` must be of a size at which gradients are finite in float32; got features from "
            f"{float(nodes.min()):.3g} to {float(nodes.max()):.3g}. Multiply them by a number that brings them to "
            "about 1, or raise `sigma`."
        )
    return raw, kept, columns, scores
