"""Hints for users of ncut_pytorch (1.x to 3.2): errors about its names, modules and options give the replacement.

`docs/from_ncut_pytorch.md` has the same tables; a test compares them.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple, ParamSpec, TypeVar

__all__ = ["METHODS", "MODULES", "NAMES", "OPTIONS", "OldModuleFinder", "explains_old_options", "hint_for_name"]

P = ParamSpec("P")
R = TypeVar("R")


class Hint(NamedTuple):
    """The replacement of an old name, or None if there is none, and a remark."""

    new: str | None
    remark: str = ""

    def message(self, old: str) -> str:
        """Return the error message for the old name."""
        if self.new is None:
            start = f"`{old}` of ncut_pytorch does not exist in ncut_widgets."
        else:
            start = f"`{old}` of ncut_pytorch is replaced by `{self.new}` in ncut_widgets."
        return f"{start} {self.remark}".rstrip()


_EIGVAL = "It returns only the eigenvectors; the eigenvalues are in `eigval`."
_RGB_ALONE = "It returns only the colors; `Coloring` also has the coordinates."
_FLAT = "Layouts have three dimensions; `colormap_2d` colors a 2D layout."
_VIEWS = "Use `explore` or the views of a `Session`."

# Names in the top-level package.
NAMES: dict[str, Hint] = {
    "NCUT": Hint("Ncut", f"`num_eig` is `n_eig`. {_EIGVAL}"),
    "nystrom_ncut": Hint("Ncut(...).fit", "The results are in `eigenvectors_` and `eigenvalues_`."),
    "ncut_fn": Hint("Ncut(...).fit", "The results are in `eigenvectors_` and `eigenvalues_`."),
    "affinity_from_features": Hint(
        None, '`Ncut` computes the affinity from features: `Ncut(solver="exact").fit(features)`.'
    ),
    "rbf_affinity": Hint('Ncut(affinity="rbf")'),
    "cosine_affinity": Hint('Ncut(affinity="cosine")'),
    "find_sigma": Hint("Ncut(degree=...).fit(X).sigma_"),
    "find_sigma_by_degree": Hint("Ncut(degree=...).fit(X).sigma_"),
    "find_gamma_by_degree": Hint("Ncut(degree=...).fit(X).sigma_"),
    "find_gamma_by_degree_after_fps": Hint("Ncut(degree=...).fit(X).sigma_"),
    "find_optimal_sigma": Hint("Ncut().fit(X).sigma_"),
    "ncut_with_repulsion": Hint("Ncut(repulsion_weight=...)"),
    "farthest_point_sampling": Hint('Ncut(sampling="farthest")', "The sampling function is not public."),
    "run_subgraph_sampling": Hint('Ncut(sampling="farthest")', "The sampling function is not public."),
    "normalize_affinity": Hint(None, "`Ncut` does this."),
    "correct_rotation": Hint(None, "`Ncut` fixes the signs: the sum of the cubes of each column is positive."),
    "gram_schmidt": Hint(None, "The columns of `eigenvectors_` are orthonormal; otherwise use `torch.linalg.qr`."),
    "svd_lowrank": Hint(None, "Use `torch.svd_lowrank`."),
    "pca_lowrank": Hint(None, "Use `torch.pca_lowrank`."),
    "chunked_matmul": Hint(None, "Use torch's matrix product; chunks are needed only if memory is short."),
    "axis_align": Hint("Kway(n_clusters).fit(eigenvectors).rotation_"),
    "quick_kway": Hint("kway_ncut(eigenvectors, n_clusters=..., n_eig=...)"),
    "ncut_click_prompt": Hint("click_ncut", "It returns a heatmap instead of two eigenvectors."),
    "bias_ncut_soft": Hint("click_ncut", "It returns a heatmap instead of eigenvectors."),
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
    "rgb_from_3d_rgb_cube": Hint(None, "`Coloring` applies this to its layout."),
    "rgb_from_nd_colormap": Hint(None, "`Coloring` applies this to its layout."),
    "flatten_sphere": Hint(None, "`colormap_2d` colors a 2D layout."),
    "mspace_viz_transform": Hint('Coloring("mspace").fit(features).coords_'),
    "train_mspace_model": Hint(
        'Coloring("mspace").fit(features)', "It computes the layout of a sample and does not train a network."
    ),
    "propagate_eigenvectors": Hint("Ncut.transform", "For other values: `nystrom_propagate(values, X, nystrom_X)`."),
    "propagate_rgb_color": Hint("Coloring.transform", "For other values: `nystrom_propagate(values, X, nystrom_X)`."),
    "propagate_knn": Hint("nystrom_propagate", "`knn` is `n_neighbors`."),
    "propagate_nearest": Hint("nystrom_propagate(..., n_neighbors=1)"),
    "quantile_normalize": Hint(None, "`plot_eigenvectors` and `plot_embedding` draw eigenvectors as images."),
    "quantile_min_max": Hint(None, "Use `numpy.quantile`."),
    "load_model": Hint("extract_features(images, backbone=...)", "Pass the name of the model."),
    "load_text_model": Hint(None, "`Ncut` accepts features of any model, one row per token."),
    "NcutPredictor": Hint("explore", _VIEWS),
    "NcutVisionPredictor": Hint("explore", _VIEWS),
    "NcutDinov3Predictor": Hint("explore", _VIEWS),
    "NcutDinoPredictor": Hint("explore", _VIEWS),
    "NcutDinoPredictorFeatUp": Hint("explore", _VIEWS),
    "NcutDinoPredictorSR": Hint("explore", _VIEWS),
}

# Modules that users import from.
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
    "backbone_text": Hint(None, "`Ncut` accepts features of any model, one row per token."),
    "math_utils": Hint(None, "Affinities are options of `Ncut`."),
    "affinity_gamma": Hint(None, "`Ncut(degree=...)` finds the scale and stores it in `sigma_`."),
    "utils": Hint(None, "Affinities, the search for a scale and sampling are options of `Ncut`."),
    "predictor": Hint(None, _VIEWS),
}

# Methods of a fitted `Ncut`.
METHODS: dict[str, Hint] = {
    "kway_fit": Hint(
        "Kway(n_clusters, n_eig=...).fit(eigenvectors)", "`eigenvectors` is the result of `fit_transform`."
    ),
    "kway_transform": Hint("kway.transform(ncut.transform(X))", "`kway` is a fitted `Kway`."),
}

_DEVICE = {"move_output_to_cpu": Hint(None, "Remove it: results are on the device of the features.")}
_GRAPH = {
    "A_degree": Hint("degree"),
    "quantile_sigma": Hint("degree", "It is the mean affinity of all pairs."),
    "d_gamma": Hint("degree", "It is the mean affinity of all pairs."),
    "gamma": Hint("sigma", "An affinity is exp(-d^2 / 2 sigma^2)."),
    "affinity_focal_gamma": Hint("sigma", "Or set the scale with `degree`."),
    "affinity_fn": Hint("affinity", '"rbf", "cosine", or a callable of X and Z.'),
    "distance": Hint("affinity", '"rbf" or "cosine".'),
    "track_grad": Hint(None, "Remove it: features that require gradients get gradients."),
    "num_sample": Hint("n_sample"),
}
_APPROXIMATION = {
    "num_eig": Hint("n_eig"),
    "num_sample2": Hint(None, "Remove it: the eigenvectors are computed from all landmarks."),
    "n_sample2": Hint(None, "Remove it: the eigenvectors are computed from all landmarks."),
    "n_sample_max_ratio": Hint(
        None,
        "`n_sample` sets the number of landmarks; of more than 2048, only as many as needed are used, at most 4096.",
    ),
    "knn": Hint(None, "Remove it: nodes are embedded with all landmarks."),
    "n_neighbors": Hint(None, "Remove it: nodes are embedded with all landmarks."),
    "n_neighbors_max_ratio": Hint(None, "Remove it: nodes are embedded with all landmarks."),
    "sample_method": Hint("sampling", '"uniform" or "farthest".'),
    "precomputed_sampled_indices": Hint(None, "`sample_weight` of `fit` selects and weights nodes."),
    "chunk_size": Hint(None, "Remove it: the chunk size is chosen automatically."),
    "matmul_chunk_size": Hint(None, "Remove it: the chunk size is chosen automatically."),
    "eig_solver": Hint("solver", '"auto", "exact" or "nystrom".'),
    "make_orthogonal": Hint(None, "Remove it: eigenvectors are always orthonormal."),
    "normalize_features": Hint(None, 'affinity="cosine" ignores the lengths of features.'),
    "indirect_connection": Hint(None, "Remove it: the graph contains all nodes."),
    "indirect_pca_dim": Hint(None, "Remove it: the graph contains all nodes."),
    "extrapolation_factor": Hint(None, "Remove it: `coverage` measures how reliable `transform` is."),
    "no_propagation": Hint(None, "Remove it: use `fit_chunks` to fit a sample of the nodes."),
    "affinity_diag_eps": Hint(None, "Remove it: the solver does not need a shift."),
    "A_rep_degree": Hint("repulsion_sigma", "Pass the scale itself."),
    "quantile_sigma_repulsion": Hint("repulsion_sigma", "Pass the scale itself."),
    "repulsion_gamma": Hint("repulsion_sigma", "Pass the scale itself."),
}
_SCALED_SAMPLE = {"num_sample": Hint("n_sample"), "seed": Hint("random_state")}
_LAYOUT = {
    **_SCALED_SAMPLE,
    "X": Hint("eigenvectors"),
    "features": Hint("eigenvectors"),
    "perplexity": Hint("n_neighbors", "It also sets the perplexity of t-SNE."),
    "knn": Hint(None, "Remove it: a node is placed by its 10 nearest sampled nodes."),
    "q": Hint(None, "Remove it: colors range from the 2 % to the 98 % quantile of each axis."),
    "metric": Hint(None, "Remove it: eigenvectors are compared by cosine similarity."),
    "n_dim": Hint(None, "Remove it: layouts always have three dimensions."),
}
_UMAP = {
    **_LAYOUT,
    "min_dist": Hint(None, "Remove it: the value is tuned for colors."),
    "spread": Hint(None, "Remove it: the value is tuned for colors."),
    "min_distance": Hint(None, "Remove it: the value is tuned for colors."),
}
_MSPACE = {
    **_SCALED_SAMPLE,
    "X": Hint("features"),
    "n_eig_list": Hint("n_eig"),
    "q": Hint(None, "Remove it: colors range from the 2 % to the 98 % quantile of each axis."),
    "n_dim": Hint(None, "Remove it: layouts always have three dimensions."),
    "training_steps": Hint(None, "Remove it: no network is trained."),
    "encoder_training_steps": Hint(None, "Remove it: no network is trained."),
    "decoder_training_steps": Hint(None, "Remove it: no network is trained."),
    "batch_size": Hint(None, "Remove it: no network is trained."),
    "lr": Hint(None, "Remove it: no network is trained."),
    "progress_bar": Hint(None, "Use `progress` of `Coloring.fit`."),
    "return_model": Hint(None, '`Coloring("mspace")` stores the layout.'),
}
_ROTATION = {
    "ret_R": Hint(None, "`Kway(n_clusters).fit(eigenvectors).rotation_` is R."),
    "return_rotation": Hint(None, "`Kway(n_clusters).fit(eigenvectors).rotation_` is R."),
    "return_continuous": Hint(None, "Remove it: scores are continuous; their `argmax(1)` gives the labels."),
    "max_iter": Hint(None, "Remove it: it runs until convergence, at most 60 iterations."),
    "kmeans_iter": Hint(None, "Remove it: it runs until convergence, at most 60 iterations."),
    "n_sample": Hint(None, "Remove it: the rotation is computed from at most 8192 nodes."),
    "num_sample": Hint(None, "Remove it: the rotation is computed from at most 8192 nodes."),
    "sample_idx": Hint(None, "Remove it: `random_state` seeds the sample."),
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
    "n_eig": Hint(None, "Remove it: the heatmap is the second eigenvector."),
    "num_eig": Hint(None, "Remove it: the heatmap is the second eigenvector."),
    "exact_gradient": Hint(None, "Remove it: heatmaps have no gradients."),
    "no_propagation": Hint(None, "Remove it: all nodes get a value."),
    "return_indices_and_sigma": Hint(None, "`ClickNcut().fit(...).sigma_` is the scale."),
    "return_indices_and_gamma": Hint(None, "`ClickNcut().fit(...).sigma_` is the scale."),
}

# Old options, by the function or class that has the replacement.
OPTIONS: dict[str, dict[str, Hint]] = {
    "extract_features": {
        "model": Hint("backbone", "The name of a model, or a callable that takes images."),
        "use_cuda": Hint("device"),
        "node_type": Hint(None, "Remove it: features are always the output of a whole block."),
    },
    "Ncut": {**_GRAPH, **_APPROXIMATION, **_DEVICE},
    "Ncut.fit": {
        "features": Hint("X"),
        "precomputed_sampled_indices": Hint(None, "`sample_weight` selects and weights nodes."),
    },
    "kway_ncut": {"eigvec": Hint("eigenvectors"), "eigen_vectors": Hint("eigenvectors"), **_ROTATION},
    "Kway": _ROTATION,
    "nystrom_propagate": {
        "subgraph_output": Hint("nystrom_out"),
        "inp_features": Hint("X"),
        "fullgraph_features": Hint("X"),
        "subgraph_features": Hint("nystrom_X"),
        "knn": Hint("n_neighbors"),
        "extrapolation_factor": Hint(None, "Remove it: the scale of the weights follows from the neighbors."),
        "affinity_focal_gamma": Hint(None, "Remove it: the scale of the weights follows from the neighbors."),
        "gamma": Hint(None, "Remove it: the scale of the weights follows from the neighbors."),
        "affinity_fn": Hint(None, "Remove it: the neighbors are the nearest nodes."),
        "distance": Hint(None, "Remove it: the neighbors are the nearest nodes."),
        "return_indices": Hint(None, "Remove it: only the values are returned."),
        "cache": Hint(None, "Remove it."),
        "track_grad": Hint(None, "Remove it: values that require gradients get gradients."),
        "n_sample": Hint(None, "Remove it: all sampled nodes are used."),
        "n_sample2": Hint(None, "Remove it: all sampled nodes are used."),
        "num_sample": Hint(None, "Remove it: all sampled nodes are used."),
        "use_tqdm": Hint(None, "Remove it: there is no progress bar."),
        **_DEVICE,
    },
    "tsne_color": _LAYOUT,
    "umap_color": _UMAP,
    "umap_sphere_color": _UMAP,
    "pca_color": {
        "X": Hint("eigenvectors"),
        "features": Hint("eigenvectors"),
        "q": _LAYOUT["q"],
        "n_dim": _LAYOUT["n_dim"],
    },
    "mspace_color": _MSPACE,
    # The features or eigenvectors are an argument of `Coloring.fit`, not of `Coloring`.
    "Coloring": {
        old: hint for old, hint in {**_MSPACE, **_UMAP}.items() if hint.new not in ("eigenvectors", "features")
    },
    "get_mask": {"all_eigvecs": Hint("eigvecs")},
    "click_ncut": {"X": Hint("features"), **_CLICKED, **_CLICKS},
    "ClickNcut": _CLICKS,
    "ClickNcut.fit": {"features": Hint("X"), **_CLICKED},
}


def hint_for_name(name: str) -> str | None:
    """Return the error message for a name or module of ncut_pytorch, or None for other names."""
    hint = NAMES.get(name) or MODULES.get(name)
    return None if hint is None else hint.message(name)


def explains_old_options(name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorator for a function, or the `__init__` of a class, whose old options raise a TypeError with a hint.

    The signature is unchanged, and other unknown options raise Python's usual TypeError.
    """
    hints = OPTIONS[name]

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        parameters = [p for p in inspect.signature(function).parameters.values() if p.name != "self"]
        positional = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]
        keyword_only = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
        n_self = int("self" in inspect.signature(function).parameters)

        @functools.wraps(function)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
            for option in kwargs:
                if option in hints:
                    raise TypeError(hints[option].message(option))
            if keyword_only and len(args) - n_self > len(positional):
                raise TypeError(
                    f"`{name}` takes only {_join_names(positional)} by position; got {len(args) - n_self} arguments. "
                    f"Pass the others by name: {_join_names(keyword_only)}."
                )
            return function(*args, **kwargs)

        return wrapper

    return decorate


def _join_names(names: list[str]) -> str:
    quoted = [f"`{name}`" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"


class OldModuleFinder:
    """Import finder, last in `sys.meta_path`, that raises hints for old names and modules of `ncut_widgets`."""

    @staticmethod
    def find_spec(fullname: str, path: Any = None, target: Any = None) -> None:  # noqa: ARG004
        """Raise an ImportError with a hint for an old name; find no module otherwise."""
        package, _, name = fullname.partition(".")
        hint = hint_for_name(name) if package == "ncut_widgets" else None
        if hint is not None:
            raise ImportError(hint, name=fullname)
