"""The names of ncut_pytorch, 1.x to 3.2, that are other ones here: a hint answers each of them.

`docs/from_ncut_pytorch.md` has the same tables, and a test compares them.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple, ParamSpec, TypeVar

__all__ = ["METHODS", "MODULES", "NAMES", "OPTIONS", "OldModules", "answers_old_options", "hint_at_name"]

P = ParamSpec("P")
R = TypeVar("R")


class Hint(NamedTuple):
    """What to write instead: `new`, or None if nothing answers to it; and what to know about it."""

    new: str | None
    remark: str = ""

    def about(self, old: str) -> str:
        start = f"`{old}` is not here." if self.new is None else f"`{old}` is `{self.new}` here."
        return f"{start} {self.remark}".rstrip()


_EIGVAL = "It returns the eigenvectors alone; the eigenvalues are in `eigval`."
_RGB_ALONE = "It returns the colors alone; `Coloring` has the coordinates, too."
_FLAT = "Colors come from three dimensions; `colormap_2d` colors a layout of your own."
_VIEWS = "`explore` and the views of a `Session` do this."

# Names at the top of the package.
NAMES: dict[str, Hint] = {
    "NCUT": Hint("Ncut", f"`num_eig` is `n_eig`. {_EIGVAL}"),
    "nystrom_ncut": Hint("Ncut(...).fit", "The results are in `eigenvectors_` and `eigenvalues_`."),
    "ncut_fn": Hint("Ncut(...).fit", "The results are in `eigenvectors_` and `eigenvalues_`."),
    "affinity_from_features": Hint(None, '`Ncut` takes the features: `Ncut(solver="exact").fit(features)`.'),
    "rbf_affinity": Hint('Ncut(affinity="rbf")'),
    "cosine_affinity": Hint('Ncut(affinity="cosine")'),
    "find_sigma": Hint("Ncut(degree=...).fit(X).sigma_"),
    "find_sigma_by_degree": Hint("Ncut(degree=...).fit(X).sigma_"),
    "find_gamma_by_degree": Hint("Ncut(degree=...).fit(X).sigma_"),
    "find_gamma_by_degree_after_fps": Hint("Ncut(degree=...).fit(X).sigma_"),
    "find_optimal_sigma": Hint("Ncut().fit(X).sigma_"),
    "ncut_with_repulsion": Hint("Ncut(repulsion_weight=...)"),
    "farthest_point_sampling": Hint('Ncut(sampling="farthest")', "Sampling by itself is not public."),
    "run_subgraph_sampling": Hint('Ncut(sampling="farthest")', "Sampling by itself is not public."),
    "normalize_affinity": Hint(None, "`Ncut` does this."),
    "correct_rotation": Hint(None, "`Ncut` does this: the sum of the cubes of a column is positive."),
    "gram_schmidt": Hint(None, "The columns of `eigenvectors_` are orthonormal; torch has `linalg.qr`."),
    "svd_lowrank": Hint(None, "torch has `svd_lowrank`."),
    "pca_lowrank": Hint(None, "torch has `pca_lowrank`."),
    "chunked_matmul": Hint(None, "torch's matrix product does this unless memory is short."),
    "axis_align": Hint("Kway(n_clusters).fit(eig).rotation_"),
    "quick_kway": Hint("kway_ncut(eig, n_clusters=..., n_eig=...)"),
    "ncut_click_prompt": Hint("click_ncut", "It returns a heatmap in place of two eigenvectors."),
    "bias_ncut_soft": Hint("click_ncut", "It returns a heatmap in place of eigenvectors."),
    "get_mask_and_heatmap": Hint("click_mask", "The heatmap is `similarity_heatmap`."),
    "eigenvector_to_rgb": Hint("Coloring(method).fit_transform", "Methods: `tsne`, `umap`, `umap_sphere` and `pca`."),
    "rgb_from_tsne_3d": Hint("tsne_color", _RGB_ALONE),
    "rgb_from_cosine_tsne_3d": Hint("tsne_color", _RGB_ALONE),
    "rgb_from_umap_3d": Hint("umap_color", _RGB_ALONE),
    "rgb_from_umap_sphere": Hint("umap_sphere_color", _RGB_ALONE),
    "rgb_from_mspace_3d": Hint("mspace_color", _RGB_ALONE),
    "rgb_from_tsne_2d": Hint("tsne_color", _FLAT),
    "rgb_from_umap_2d": Hint("umap_color", _FLAT),
    "rgb_from_mspace_2d": Hint("mspace_color", _FLAT),
    "rgb_from_2d_colormap": Hint("colormap_2d"),
    "rgb_from_3d_rgb_cube": Hint(None, "`Coloring` does this to the layout that it finds."),
    "rgb_from_nd_colormap": Hint(None, "`Coloring` does this to the layout that it finds."),
    "flatten_sphere": Hint(None, "`colormap_2d` colors a layout of two dimensions."),
    "mspace_viz_transform": Hint('Coloring("mspace").fit(features).coords'),
    "train_mspace_model": Hint('Coloring("mspace").fit(features)', "It lays out a sample and trains no network."),
    "propagate_eigenvectors": Hint("Ncut.transform", "For other values: `nystrom_propagate(values, X, nystrom_X)`."),
    "propagate_rgb_color": Hint("Coloring.transform", "For other values: `nystrom_propagate(values, X, nystrom_X)`."),
    "propagate_knn": Hint("nystrom_propagate", "`knn` is `n_neighbors`."),
    "propagate_nearest": Hint("nystrom_propagate(..., n_neighbors=1)"),
    "quantile_normalize": Hint(None, "`plot_eigenvectors` and `plot_embedding` draw eigenvectors as images."),
    "quantile_min_max": Hint(None, "numpy's `quantile` gives both numbers."),
    "load_model": Hint("extract_features(images, backbone=...)", "It takes the name of the model."),
    "load_text_model": Hint(None, "`Ncut` takes the features of any model, one row per token."),
    "NcutPredictor": Hint("explore", _VIEWS),
    "NcutVisionPredictor": Hint("explore", _VIEWS),
    "NcutDinov3Predictor": Hint("explore", _VIEWS),
    "NcutDinoPredictor": Hint("explore", _VIEWS),
    "NcutDinoPredictorFeatUp": Hint("explore", _VIEWS),
    "NcutDinoPredictorSR": Hint("explore", _VIEWS),
}

# Modules from which they were imported.
_FROM_TOP = "Import from `ncut_widgets` itself:"
MODULES: dict[str, Hint] = {
    "color": Hint(None, f"{_FROM_TOP} `from ncut_widgets import tsne_color`."),
    "ncuts": Hint(None, f"{_FROM_TOP} `from ncut_widgets import Ncut, kway_ncut`."),
    "ncut_pytorch": Hint(None, f"{_FROM_TOP} `from ncut_widgets import Ncut, kway_ncut`."),
    "visualize_utils": Hint(None, f"{_FROM_TOP} `from ncut_widgets import tsne_color, get_mask`."),
    "nystrom_utils": Hint(None, f"{_FROM_TOP} `from ncut_widgets import nystrom_propagate`."),
    "mspace": Hint(None, f"{_FROM_TOP} `from ncut_widgets import mspace_color`."),
    "biased_ncut": Hint(None, f"{_FROM_TOP} `from ncut_widgets import click_ncut`."),
    "backbone": Hint(None, f"{_FROM_TOP} `from ncut_widgets import extract_features`."),
    "backbone_text": Hint(None, "`Ncut` takes the features of any model, one row per token."),
    "math_utils": Hint(None, "Affinities are options of `Ncut`."),
    "affinity_gamma": Hint(None, "`Ncut(degree=...)` finds the scale and keeps it in `sigma_`."),
    "utils": Hint(None, "Affinities, the search for a scale and sampling are options of `Ncut`."),
    "predictor": Hint(None, _VIEWS),
}

# Methods of a fitted `Ncut`.
METHODS: dict[str, Hint] = {
    "kway_fit": Hint("Kway(n_clusters, n_eig=...).fit(eig)", "`eig` is what `fit_transform` returns."),
    "kway_transform": Hint("kway.transform(ncut.transform(X))", "With `kway` a fitted `Kway`."),
}

_DEVICE = {"move_output_to_cpu": Hint(None, "Results come back where the features are.")}
_GRAPH = {
    "A_degree": Hint("degree"),
    "quantile_sigma": Hint("degree", "It is the mean affinity of all pairs."),
    "d_gamma": Hint("degree", "It is the mean affinity of all pairs."),
    "gamma": Hint("sigma", "An affinity is exp(-d^2 / 2 sigma^2)."),
    "affinity_focal_gamma": Hint("sigma", "Or choose the scale by `degree`."),
    "affinity_fn": Hint("affinity", '"rbf", "cosine", or a callable of X and Z.'),
    "distance": Hint("affinity", '"rbf" or "cosine".'),
    "track_grad": Hint(None, "Leave it out: features that require gradients get them."),
    "num_sample": Hint("n_sample"),
}
_APPROXIMATION = {
    "num_eig": Hint("n_eig"),
    "num_sample2": Hint(None, "Leave it out: all landmarks carry the eigenvectors."),
    "n_sample2": Hint(None, "Leave it out: all landmarks carry the eigenvectors."),
    "n_sample_max_ratio": Hint(
        None,
        "`n_sample` says how many landmarks there are. More than 2048 are taken only as far as needed, up to 4096.",
    ),
    "knn": Hint(None, "Leave it out: nodes are embedded through all landmarks."),
    "n_neighbors": Hint(None, "Leave it out: nodes are embedded through all landmarks."),
    "n_neighbors_max_ratio": Hint(None, "Leave it out: nodes are embedded through all landmarks."),
    "sample_method": Hint("sampling", '"uniform" or "farthest".'),
    "precomputed_sampled_indices": Hint(None, "`sample_weight` of `fit` says which nodes count."),
    "chunk_size": Hint(None, "Leave it out: chunks fit the cache, or the memory of the device."),
    "matmul_chunk_size": Hint(None, "Leave it out: chunks fit the cache, or the memory of the device."),
    "eig_solver": Hint("solver", '"auto", "exact" or "nystrom".'),
    "make_orthogonal": Hint(None, "Leave it out: eigenvectors are orthonormal."),
    "normalize_features": Hint(None, 'affinity="cosine" looks at directions alone.'),
    "indirect_connection": Hint(None, "Leave it out: the graph is that of all nodes."),
    "indirect_pca_dim": Hint(None, "Leave it out: the graph is that of all nodes."),
    "extrapolation_factor": Hint(None, "Leave it out: `coverage` says how far to trust `transform`."),
    "no_propagation": Hint(None, "Leave it out: `fit_chunks` fits a sample of the nodes."),
    "affinity_diag_eps": Hint(None, "Leave it out: the solver needs no shift."),
    "A_rep_degree": Hint("repulsion_sigma", "The scale itself."),
    "quantile_sigma_repulsion": Hint("repulsion_sigma", "The scale itself."),
    "repulsion_gamma": Hint("repulsion_sigma", "The scale itself."),
}
_SCALED_SAMPLE = {"num_sample": Hint("n_sample"), "seed": Hint("random_state")}
_LAYOUT = {
    **_SCALED_SAMPLE,
    "X": Hint("eig"),
    "features": Hint("eig"),
    "eigenvectors": Hint("eig"),
    "perplexity": Hint("n_neighbors", "It is the perplexity of t-SNE, too."),
    "knn": Hint(None, "Leave it out: the 10 nearest sampled nodes place a node."),
    "q": Hint(None, "Leave it out: colors run from the 2 % to the 98 % quantile of each axis."),
    "metric": Hint(None, "Leave it out: eigenvectors are compared by their cosine."),
    "n_dim": Hint(None, "Leave it out: colors come from three dimensions."),
}
_UMAP = {
    **_LAYOUT,
    "min_dist": Hint(None, "Leave it out: it is chosen for colors."),
    "spread": Hint(None, "Leave it out: it is chosen for colors."),
    "min_distance": Hint(None, "Leave it out: it is chosen for colors."),
}
_MSPACE = {
    **_SCALED_SAMPLE,
    "X": Hint("features"),
    "n_eig_list": Hint("n_eig"),
    "q": Hint(None, "Leave it out: colors run from the 2 % to the 98 % quantile of each axis."),
    "n_dim": Hint(None, "Leave it out: colors come from three dimensions."),
    "training_steps": Hint(None, "Leave it out: there is no network to train."),
    "encoder_training_steps": Hint(None, "Leave it out: there is no network to train."),
    "decoder_training_steps": Hint(None, "Leave it out: there is no network to train."),
    "batch_size": Hint(None, "Leave it out: there is no network to train."),
    "lr": Hint(None, "Leave it out: there is no network to train."),
    "progress_bar": Hint(None, "`Coloring.fit` takes `on_step`, called after each step."),
    "return_model": Hint(None, '`Coloring("mspace")` keeps the layout.'),
}
_ROTATION = {
    "ret_R": Hint(None, "`Kway(n_clusters).fit(eig).rotation_` is R."),
    "return_rotation": Hint(None, "`Kway(n_clusters).fit(eig).rotation_` is R."),
    "return_continuous": Hint(None, "Leave it out: scores are continuous, and `argmax(1)` are the labels."),
    "max_iter": Hint(None, "Leave it out: it goes on until the rotation stays, 60 rounds at most."),
    "kmeans_iter": Hint(None, "Leave it out: it goes on until the clusters stay, 60 rounds at most."),
    "n_sample": Hint(None, "Leave it out: at most 8192 nodes find the rotation."),
    "num_sample": Hint(None, "Leave it out: at most 8192 nodes find the rotation."),
    "sample_idx": Hint(None, "Leave it out: `random_state` seeds the sample."),
    "num_cluster": Hint("n_clusters"),
}
_CLICKED = {
    "fg_indices": Hint("positive"),
    "bg_indices": Hint("negative"),
    "fg_idx": Hint("positive"),
    "bg_idx": Hint("negative"),
}
_CLICKS = {
    **_GRAPH,
    "bias_factor": Hint("click_weight"),
    "bg_factor": Hint("bg_weight"),
    "n_eig": Hint(None, "Leave it out: the second eigenvector is the heatmap."),
    "num_eig": Hint(None, "Leave it out: the second eigenvector is the heatmap."),
    "exact_gradient": Hint(None, "Leave it out: heatmaps carry no gradients."),
    "no_propagation": Hint(None, "Leave it out: all nodes get their value."),
    "return_indices_and_sigma": Hint(None, "`ClickNcut().fit(...).sigma_` is the scale."),
    "return_indices_and_gamma": Hint(None, "`ClickNcut().fit(...).sigma_` is the scale."),
}

# Options, by the function or class that takes their successors.
OPTIONS: dict[str, dict[str, Hint]] = {
    "extract_features": {
        "model": Hint("backbone", "The name of a model, or a callable of images."),
        "use_cuda": Hint("device"),
        "node_type": Hint(None, "Leave it out: features are those after a whole block."),
    },
    "Ncut": {**_GRAPH, **_APPROXIMATION, **_DEVICE},
    "Ncut.fit": {
        "features": Hint("X"),
        "precomputed_sampled_indices": Hint(None, "`sample_weight` says which nodes count, and how much."),
    },
    "kway_ncut": {"eigvec": Hint("eig"), "eigen_vectors": Hint("eig"), **_ROTATION},
    "Kway": _ROTATION,
    "nystrom_propagate": {
        "subgraph_output": Hint("nystrom_out"),
        "inp_features": Hint("X"),
        "fullgraph_features": Hint("X"),
        "subgraph_features": Hint("nystrom_X"),
        "knn": Hint("n_neighbors"),
        "extrapolation_factor": Hint(None, "Leave it out: the scale of the weights is that of the neighbors."),
        "affinity_focal_gamma": Hint(None, "Leave it out: the scale of the weights is that of the neighbors."),
        "gamma": Hint(None, "Leave it out: the scale of the weights is that of the neighbors."),
        "affinity_fn": Hint(None, "Leave it out: neighbors are the nearest ones."),
        "distance": Hint(None, "Leave it out: neighbors are the nearest ones."),
        "return_indices": Hint(None, "It returns the values alone."),
        "cache": Hint(None, "Leave it out."),
        "track_grad": Hint(None, "Leave it out: values that require gradients get them."),
        "n_sample": Hint(None, "Leave it out: all sampled nodes take part."),
        "n_sample2": Hint(None, "Leave it out: all sampled nodes take part."),
        "num_sample": Hint(None, "Leave it out: all sampled nodes take part."),
        "use_tqdm": Hint(None, "It shows no progress."),
        **_DEVICE,
    },
    "tsne_color": _LAYOUT,
    "umap_color": _UMAP,
    "umap_sphere_color": _UMAP,
    "pca_color": {"X": Hint("eig"), "features": Hint("eig"), "q": _LAYOUT["q"], "n_dim": _LAYOUT["n_dim"]},
    "mspace_color": _MSPACE,
    # What is colored is an argument of `Coloring.fit`.
    "Coloring": {old: hint for old, hint in {**_MSPACE, **_UMAP}.items() if hint.new not in ("eig", "features")},
    "get_mask": {"all_eigvecs": Hint("eigvecs")},
    "click_ncut": {"X": Hint("features"), **_CLICKED, **_CLICKS},
    "ClickNcut": _CLICKS,
    "ClickNcut.fit": {"features": Hint("X"), **_CLICKED},
}


def hint_at_name(name: str) -> str | None:
    """Return the hint at an old name or module of the package, if it is one."""
    hint = NAMES.get(name) or MODULES.get(name)
    return None if hint is None else hint.about(name)


def answers_old_options(name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a function, or the `__init__` of a class, so that old options are answered by a hint.

    Nothing else changes: the signature stays, and other unknown options are Python's own `TypeError`.
    """
    hints = OPTIONS[name]

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        parameters = [p for p in inspect.signature(function).parameters.values() if p.name != "self"]
        by_place = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]
        by_name = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
        n_self = int("self" in inspect.signature(function).parameters)

        @functools.wraps(function)
        def answering(*args: P.args, **kwargs: P.kwargs) -> R:
            for option in kwargs:
                if option in hints:
                    raise TypeError(hints[option].about(option))
            if by_name and len(args) - n_self > len(by_place):
                raise TypeError(
                    f"`{name}` takes {_listed(by_place)} by position; got {len(args) - n_self} arguments. "
                    f"Pass the others by name: {_listed(by_name)}."
                )
            return function(*args, **kwargs)

        return answering

    return decorate


def _listed(names: list[str]) -> str:
    quoted = [f"`{name}`" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"


class OldModules:
    """The last of the finders of modules: `from ncut_widgets import NCUT` and `ncut_widgets.color` raise the hint."""

    @staticmethod
    def find_spec(fullname: str, path: Any = None, target: Any = None) -> None:  # noqa: ARG004
        """Raise an ImportError about an old name; find nothing."""
        package, _, name = fullname.partition(".")
        hint = hint_at_name(name) if package == "ncut_widgets" else None
        if hint is not None:
            raise ImportError(hint, name=fullname)
