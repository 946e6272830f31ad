"""Nasty arrays: every public function answers with finite numbers or with an error of ours, within seconds."""

from __future__ import annotations

import linecache
import time
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

import ncut_widgets as nw
from helpers.pages import request
from ncut_widgets.errors import ConvergenceError, DegenerateWarning, NystromWarning, OutlierWarning

pytestmark = pytest.mark.fuzz

# A case of at most 1500 nodes that computes for longer hangs, as far as a user can tell.
_SECONDS = 30
_HERE = Path(nw.__file__).parent

_SCALES = (1e-310, 1e-150, 1e-45, 1e-38, 1e-30, 1e-8, 1, 1e8, 1e19, 1e30, 1e38, 1e150, 1e300)
_TYPES = ("float64", "float64", "float32", "float32", "float16", "bfloat16", "int64", "int32", "uint8", "bool")
_ORDERS = ("C", "F", "reversed rows", "reversed columns", "every second", "tensor", "list", "read-only")
_VALUES = {
    "normal": lambda rng, n, c: rng.normal(size=(n, c)),
    "uniform": lambda rng, n, c: rng.random((n, c)),
    "constant": lambda rng, n, c: np.full((n, c), rng.normal()),
    "zero": lambda rng, n, c: np.zeros((n, c)),
    "outlier": lambda rng, n, c: rng.normal(size=(n, c)) * np.where(np.arange(n) == n // 2, 1e6, 1)[:, None],
    "far outlier": lambda rng, n, c: rng.normal(size=(n, c)) * np.where(np.arange(n) == n // 2, 1e30, 1)[:, None],
    "two points": lambda rng, n, c: rng.normal(size=(2, c))[rng.integers(0, 2, n)],
    "two close points": lambda rng, n, c: 1 + 1e-7 * rng.normal(size=(2, c))[rng.integers(0, 2, n)],
    "one apart": lambda rng, n, c: np.where(np.arange(n) == 0, 1.0, 0.0)[:, None] * np.ones(c),
    "opposite": lambda rng, n, c: rng.choice([-1.0, 1.0], (n, 1)) * rng.normal(size=c),
    "one-hot": lambda rng, n, c: np.eye(c)[rng.integers(0, c, n)],
    "rank one": lambda rng, n, c: rng.normal(size=(n, 1)) * rng.normal(size=c),
    "channels of all scales": lambda rng, n, c: rng.normal(size=(n, c)) * np.logspace(-30, 30, c),
    "far from zero": lambda rng, n, c: 1e8 + rng.normal(size=(n, c)),
    "zero rows": lambda rng, n, c: rng.normal(size=(n, c)) * (rng.random((n, 1)) < 0.5),
    "duplicates": lambda rng, n, c: rng.normal(size=(n, c))[rng.integers(0, max(1, n // 4), n)],
    "powers": lambda rng, n, c: 10.0 ** rng.integers(-300, 300, (n, c)),
    "big integers": lambda rng, n, c: rng.integers(-(2**62), 2**62, (n, c)).astype(float),
    "with NaN": lambda rng, n, c: np.where(rng.random((n, c)) < 0.1, np.nan, rng.normal(size=(n, c))),
    "with infinity": lambda rng, n, c: np.where(rng.random((n, c)) < 0.1, -np.inf, rng.normal(size=(n, c))),
}


@dataclass(frozen=True)
class Case:
    """How an array is made: small, so that a failing case prints as what it is."""

    n: int
    c: int
    values: str = "normal"
    scale: float = 1
    dtype: str = "float64"
    order: str = "C"
    seed: int = 0

    def array(self, *shape: int):
        """Return the array, of shape (n, c) unless another of as many rows and columns is given."""
        rng = np.random.default_rng(self.seed)
        with np.errstate(all="ignore"):
            array = _VALUES[self.values](rng, self.n, self.c) * self.scale
            array = array.reshape(shape or (self.n, self.c))
            if self.dtype in ("int64", "int32", "uint8"):
                array = np.nan_to_num(array).clip(-(2.0**31), 2.0**31 - 1)
            if self.dtype == "bfloat16":
                return torch.from_numpy(array).to(torch.bfloat16)
            array = array.astype(self.dtype)
        if self.order == "F":
            return np.asfortranarray(array)
        if self.order == "reversed rows":
            return np.ascontiguousarray(array[::-1])[::-1]
        if self.order == "reversed columns":
            return np.ascontiguousarray(array[..., ::-1])[..., ::-1]
        if self.order == "every second":
            return np.repeat(array, 2, axis=-1)[..., ::2]
        if self.order == "tensor":
            return torch.from_numpy(array)
        if self.order == "list":
            return array.tolist()
        array.flags.writeable = self.order != "read-only"
        return array


def cases(nodes=None, channels=None):
    """Cases of at most 1500 nodes and 40 channels, nearly all of them tiny."""
    few = st.integers(1, 12) | st.integers(1, 40)
    many = st.sampled_from([0, 100, 300, 660, 1500])
    weight = st.integers(0, 39)
    nodes = st.tuples(weight, few, many).map(lambda t: t[2] if t[0] == 39 else t[1]) if nodes is None else nodes
    channels = st.sampled_from([1, 1, 2, 2, 3, 3, 4, 5, 8, 17, 33, 40]) if channels is None else channels
    return st.builds(
        Case,
        nodes,
        channels,
        st.sampled_from(sorted(_VALUES)),
        st.just(1) | st.sampled_from(_SCALES),
        st.sampled_from(_TYPES),
        st.sampled_from(_ORDERS),
        st.integers(0, 5),
    )


def options(**each):
    """Some of these options, each by its strategy."""
    return st.fixed_dictionaries({}, optional={name: st.sampled_from(value) for name, value in each.items()})


def answer(call, *arguments, **named):
    """Return what a call gives, or None if it refuses its input as the package does."""
    start = time.process_time()
    result = None
    with warnings.catch_warnings():
        for category in (NystromWarning, DegenerateWarning, OutlierWarning):
            warnings.simplefilter("ignore", category)
        try:
            result = call(*arguments, **named)
        except (TypeError, ValueError, ConvergenceError) as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            statement = linecache.getline(frame.filename, frame.lineno or 0).strip()
            if not (Path(frame.filename).is_relative_to(_HERE) and statement.startswith("raise")):
                raise
    assert time.process_time() - start < _SECONDS
    event("refused" if result is None else "answered")
    return result


def plain(array):
    """Return any of these arrays in float64, as numpy has it."""
    array = array.detach().double().numpy() if isinstance(array, torch.Tensor) else np.asarray(array)
    return array.astype(float)


def assert_finite(*results):
    for result in results:
        assert result is None or np.isfinite(plain(result)).all()


def callable_affinity(X, Z):
    """Exponential of minus the cosine distance, for arrays and tensors, as a user might write it."""
    X, Z = (torch.as_tensor(part).double() for part in (X, Z))
    return torch.exp(-((torch.nn.functional.normalize(X) @ torch.nn.functional.normalize(Z).T - 1) ** 2))


_POWERS = tuple(10.0**power for power in range(-20, 11, 2))


def combined(*parts):
    """Options from several strategies in one dict."""
    return st.tuples(*parts).map(lambda found: {name: value for part in found for name, value in part.items()})


# Mostly options that go together: what does not is refused before any number is looked at.
_GRAPH = (
    options(affinity=["cosine", "rbf"], sigma=[None, *_POWERS])
    | options(affinity=["cosine", "rbf"], degree=[0.01, 0.1, 0.3, 0.5, 0.9, 0.999999, *_POWERS])
    | st.just({"affinity": callable_affinity})
)
_SOLVER = (
    options(solver=["exact", "nystrom"], n_sample=["auto", 1, 2, 3, 5, 20, 600])
    | options(sampling=["farthest"], n_sample=["auto", 2, 3, 5, 20, 600])
    | st.just({"exact_gradient": True})
)
_REPULSION = st.just({}) | options(repulsion_weight=[1e-10, 0.2, 1.0, 1e10], repulsion_sigma=[None, 1e-20, 0.3, 1e10])
_NCUT = combined(_GRAPH, _SOLVER, st.just({}) | options(alpha=[0.5, 1.0]), st.just({}) | _REPULSION)
_WEIGHTS = {
    "none": lambda rng, n: None,
    "ones": lambda rng, n: np.ones(n),
    "tiny": lambda rng, n: np.full(n, 1e-30),
    "huge": lambda rng, n: np.full(n, 1e30),
    "half": lambda rng, n: (rng.random(n) < 0.5).astype(float),
    "all scales": lambda rng, n: 10.0 ** rng.uniform(-20, 20, n),
    "two": lambda rng, n: np.where(np.arange(n) < 2, 1.0, 0.0),
    "integers": lambda rng, n: rng.integers(0, 5, n),
    "NaN": lambda rng, n: np.full(n, np.nan),
}


def embedding(X, n_eig, weights, chosen):
    """Fit a cut and return it with what the fit gives."""
    ncut = nw.Ncut(n_eig, **chosen)
    result = ncut.fit_transform(X, sample_weight=weights)
    return ncut, result


def _share(parts):
    """Of the examples that a fuzz test has, one in so many: the tests of this file share them."""
    profile = settings.get_profile("fuzz")
    return settings(profile, max_examples=max(4, profile.max_examples // parts))


@_share(5)
@given(cases(), st.integers(1, 40), _NCUT, st.just("none") | st.sampled_from(sorted(_WEIGHTS)), cases())
def test_a_cut_is_finite_and_extends(case, n_eig, chosen, weights, other):
    X = case.array()
    given_weights = _WEIGHTS[weights](np.random.default_rng(case.seed), case.n)
    found = answer(embedding, X, min(n_eig, max(1, case.n - 1)), given_weights, chosen)
    if found is None:
        return
    ncut, vectors = found
    assert_finite(vectors, ncut.eigenvalues_, ncut.residual_, ncut.sigma_ or 1.0)
    assert_finite(answer(ncut.transform, X), answer(ncut.coverage, X))
    Z = Case(other.n, case.c, other.values, other.scale, other.dtype, other.order, other.seed).array()
    assert_finite(answer(ncut.transform, Z), answer(ncut.coverage, Z))


def gradient(X, n_eig, chosen):
    X = torch.as_tensor(X.copy() if isinstance(X, np.ndarray) else X)
    # Leaves in half precision cannot hold large gradients: that is torch's own cast.
    X = (X if X.dtype in (torch.float32, torch.float64) else X.float()).clone().requires_grad_()
    vectors = nw.Ncut(n_eig, **chosen).fit_transform(X)
    return torch.autograd.grad((vectors**3).sum(), X)[0]


@_share(5)
@given(cases(st.integers(1, 30)), st.integers(1, 30), _NCUT)
def test_gradients_are_finite(case, n_eig, chosen):
    X = case.array()
    X = X if isinstance(X, torch.Tensor) else np.ascontiguousarray(X)
    assert_finite(answer(gradient, X, min(n_eig, max(1, case.n - 1)), chosen))


@_share(5)
@given(cases(), cases(), cases(), st.sampled_from([1, 2, 3, 10, 2000]), st.booleans())
def test_propagated_values_are_finite(at, known, values, n_neighbors, fits):
    X, Z = at.array(), known.array()
    if fits:
        Z = Case(known.n, at.c, known.values, known.scale, known.dtype, known.order, known.seed).array()
        values = Case(known.n, values.c, values.values, values.scale, values.dtype, values.order, values.seed)
    assert_finite(answer(nw.nystrom_propagate, values.array(), X, Z, n_neighbors=n_neighbors))


def tree_of(eig, n_clusters, n_eig):
    tree = nw.hierarchy(eig, n_clusters=n_clusters, n_eig=n_eig)
    parts = [(tree.labels(level), tree.parents(level), tree.shares(level)) for level in tree.levels_]
    rgb = np.random.default_rng(0).random((len(eig), 3))
    return [*(array for part in parts for array in part), tree.colors(rgb)]


@_share(5)
@given(cases(), st.none() | st.integers(1, 12), st.none() | st.integers(1, 12), cases())
def test_clusters_are_finite(case, n_clusters, n_eig, other):
    eig = case.array()
    n_eig = None if n_eig is None else min(n_eig, case.c)
    assert_finite(answer(nw.kway_ncut, eig, n_clusters=n_clusters, n_eig=n_eig))
    kway = answer(nw.Kway(n_clusters or 2, n_eig=n_eig).fit, eig)
    if kway is not None:
        Z = Case(other.n, case.c, other.values, other.scale, other.dtype, other.order, other.seed).array()
        assert_finite(kway.rotation_, kway.objective_, kway.labels_, answer(kway.transform, Z), answer(kway.predict, Z))
    assert_finite(*(answer(tree_of, eig, sorted({1, n_clusters or 2}), n_eig) or ()))


def check_coloring(method, case, other, chosen):
    coloring = answer(nw.Coloring(method, **chosen).fit, case.array())
    if coloring is None:
        return
    assert_finite(coloring.coords_, coloring.rgb_)
    Z = Case(other.n, case.c, other.values, other.scale, other.dtype, other.order, other.seed).array()
    assert_finite(answer(coloring.transform, Z), answer(coloring.transform_coords, Z))
    # Turned onto the last embedding.
    if answer(coloring.fit, case.array()) is not None:
        assert_finite(coloring.rgb_)


@_share(5)
@given(cases(), cases(), st.sampled_from([2, 3, 800]))
def test_principal_axes_are_finite(case, other, n_sample):
    check_coloring("pca", case, other, {"n_sample": n_sample})


@example("mspace", Case(16, 2, "channels of all scales"), Case(1, 1), {"n_sample": 2})
@_share(10)
@given(
    st.sampled_from(["tsne", "mspace"]),
    cases(st.integers(14, 40)),
    cases(),
    options(n_sample=[2, 16, 800], n_neighbors=[2, 5, 100], n_eig=[(2,), (4, 16, 64)]),
)
def test_layouts_are_finite(method, case, other, chosen):
    check_coloring(method, case, other, chosen)


# UMAP compiles for ten seconds: one place to wait for it, and few cases.
@_share(50)
@given(st.sampled_from(["umap", "umap_sphere"]), cases(st.integers(14, 30)), cases())
def test_umap_is_finite(method, case, other):
    check_coloring(method, case, other, {})


@_share(5)
@given(
    st.integers(1, 3),
    st.integers(1, 5),
    st.integers(1, 5),
    cases(),
    cases(st.just(1)),
    options(gamma=[1e-30, 0.5, 1.0, 50.0, 1e30], threshold=[0.0, 0.5, 1.0]),
)
def test_masks_and_heatmaps_answer(b, h, w, case, prompt, chosen):
    n, c = b * h * w, case.c
    eig = Case(n, c, case.values, case.scale, case.dtype, case.order, case.seed).array(b, h, w, c)
    point = Case(1, c, prompt.values, prompt.scale, prompt.dtype, prompt.order, prompt.seed).array(c)
    gamma = {key: value for key, value in chosen.items() if key == "gamma"}
    assert_finite(answer(nw.similarity_heatmap, eig, point, **gamma), answer(nw.get_mask, eig, point, **chosen))
    clicks = {"positive": [(0, 0, 0), (b - 1, h - 1, w - 1)], "negative": [(0, h // 2, w // 2)]}
    boxes = {"positive_boxes": [(0, 0, 0, w, h)], "negative_boxes": [(b - 1, 0, 0, 1, 1)]}
    assert_finite(answer(nw.click_mask, eig, **clicks, **chosen), answer(nw.click_mask, eig, **boxes, **chosen))
    estimator = answer(nw.ClickMask(**chosen).fit, eig, **clicks)
    if estimator is not None:
        assert_finite(answer(estimator.heatmap, eig), answer(estimator.predict, eig))


@_share(5)
@given(
    cases(),
    cases(),
    _GRAPH,
    options(click_weight=[0.0, 1e-9, 0.5, 1.0], bg_weight=[0.0, 0.5, 1.0, 1e10], n_sample=[2, 3, 8, 1024]),
    st.integers(0, 2),
)
def test_cuts_with_clicks_are_finite(case, other, graph, chosen, n_negative):
    X, last = case.array(), max(0, case.n - 1)
    clicks = {"positive": [last // 2], "negative": [0, last][:n_negative]}
    cut = answer(nw.ClickNcut(**graph, **chosen).fit, X, **clicks)
    if cut is not None:
        Z = Case(other.n, case.c, other.values, other.scale, other.dtype, other.order, other.seed).array()
        assert_finite(cut.heatmap_, cut.eigenvalue_, answer(cut.transform, X), answer(cut.transform, Z))


@_share(5)
@given(
    cases(st.integers(1, 9), st.integers(1, 9)),
    st.tuples(st.integers(1, 24), st.integers(1, 24)),
    cases(),
    st.sampled_from(["guided", "guided", "guided", "crf"]),
    st.booleans(),
)
def test_refined_masks_are_finite(case, size, picture, method, stretched):
    heat = case.array()
    if stretched:
        heat = np.clip(np.nan_to_num(plain(heat)), 0, 1)
    image = Case(size[0] * size[1], 3, picture.values, picture.scale, picture.dtype, "C", picture.seed)
    image = plain(image.array(*size, 3)) if picture.seed % 2 else image.array(*size, 3)
    if not picture.seed:
        image = np.random.default_rng(0).integers(0, 255, (*size, 3), dtype=np.uint8)
    assert_finite(answer(nw.refine_heatmap, heat, image, method=method), answer(nw.refine_mask, heat, image))


def evidence(attribution):
    curves = attribution.faithfulness(n_random=1)
    permuted = attribution.permuted_targets(1)
    return curves.top, curves.bottom, curves.random, curves.area, permuted.correlation, permuted.permuted_scores


@_share(5)
@given(
    cases(st.integers(1, 30) | st.sampled_from([3, 8, 15, 20, 20, 100, 1500])),
    _GRAPH,
    options(
        method=["abs_gradient", "gradient_x_input", "ablation"],
        region=["all", "target"],
        n_eig=[1, 2, 5, 20],
        n_maps=[0, 3],
    ),
    options(solver=["exact", "nystrom"], n_sample=[2, 5, 20]),
    st.sampled_from(["labels", "mask", "nodes"]),
    st.integers(2, 8),
)
def test_attributions_are_finite(case, graph, chosen, solver, kind, k):
    X, rng = case.array(), np.random.default_rng(case.seed)
    targets = {"labels": rng.integers(0, k, case.n), "mask": rng.random(case.n) < 0.4, "nodes": np.arange(case.n)[:2]}
    attribution = answer(nw.channel_attribution, X, targets[kind], ncut=nw.Ncut(**graph, **solver), **chosen)
    if attribution is None:
        return
    assert_finite(attribution.raw, attribution.scores, attribution.target_scores, attribution.map_data.gradients)
    if case.n <= 30 and case.c <= 5:
        assert_finite(*(answer(evidence, attribution) or ()))


@_share(5)
@given(
    cases(channels=st.sampled_from([1, 2, 3])),
    st.integers(0, 6),
    st.booleans(),
    options(colormap=["disc", "square"], extent=[((-1, 1), (0, 1e-300)), ((-1e300, 1e300), (0, 1)), ((0, 1), (0, 1))]),
)
def test_color_maps_are_finite(case, position, full_range, chosen):
    array = case.array()
    assert_finite(answer(nw.colormap_2d, array, **chosen))
    for rgb in (array, np.clip(np.nan_to_num(plain(array)), 0, 1)):
        assert_finite(answer(nw.rotate_rgb_cube, rgb, position), answer(nw.convert_to_lab_color, rgb, full_range))


def maps_of(case, rows, columns, source):
    grid = nw.PatchGrid([(columns * 8, rows * 8)], [nw.PatchMap(0, rows, columns, source)])
    sized = Case(rows * columns, case.c, case.values, case.scale, case.dtype, case.order, case.seed)
    array = sized.array()
    return nw.FeatureMaps(np.asarray(array) if isinstance(array, list) else array, grid)


@_share(5)
@given(
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
    cases(),
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
    cases(),
    options(
        weights=["equal", [1, 2], [1e-30, 1e30], [1e-320, 1e300], [0, 1], [np.nan, 1]],
        align=["anchors", "anchors", None],
        n_anchors=[1, 2, 5, 256],
    ),
)
def test_joined_features_are_finite(shape, case, other_shape, other, chosen):
    one = answer(maps_of, case, *shape, "one")
    two = answer(maps_of, other, *other_shape, "two")
    # What shows the same image is of one size.
    grid = nw.PatchGrid(one.grid.image_sizes, [two.grid.maps[0]])
    two = nw.FeatureMaps(two.values, grid)
    joined = answer(nw.concat, [one, two], **chosen)
    if joined is None:
        return
    event(f"joined by {chosen.get('align')}")
    if chosen.get("align") == "anchors":
        assert_finite(joined.values)
    assert_finite(joined.weights)
    assert_finite(answer(nw.Ncut(1).fit_transform, joined))


def session_of(images, features, arrays):
    session = nw.Session(images, features=features, **arrays)
    try:
        session.labels(1)
        levels = [
            f"{name}/{k}" for name in ("labels", "parents", "cluster_colors") for k in session.meta["cluster_counts"]
        ]
        for name in ("eigenvectors", "rgb", "coords", "patch_rgb", *levels, "channel_ranges", "channel_map/0"):
            assert_finite(request(session, name))
        return session.eigenvectors, session.eigenvalues, session.rgb, session.coords
    finally:
        session.close()


@_share(5)
@given(
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    cases(),
    cases(),
    st.fixed_dictionaries({}, optional={"eigenvalues": cases(), "rgb": cases(), "coords": cases()}),
)
def test_a_session_holds_finite_arrays(shape, case, eig, others):
    n = shape[0] * shape[1]
    image = np.zeros((shape[0] * 8, shape[1] * 8, 3), np.uint8)
    arrays = {"eigenvectors": Case(n, eig.c, eig.values, eig.scale, eig.dtype, eig.order, eig.seed).array()}
    for name, other in others.items():
        rows, columns = (1, eig.c) if name == "eigenvalues" else (n, 3)
        made = Case(rows, columns, other.values, other.scale, other.dtype, other.order, other.seed)
        arrays[name] = made.array(columns) if name == "eigenvalues" else made.array()
    assert_finite(*(answer(session_of, image, maps_of(case, *shape, "features"), arrays) or ()))


@_share(10)
@given(st.tuples(st.integers(1, 5), st.integers(1, 5)), cases(), st.none() | st.sampled_from(_POWERS))
def test_features_of_images_are_embedded(shape, case, degree):
    image = np.zeros((shape[0] * 8, shape[1] * 8, 3), np.uint8)
    features = maps_of(case, *shape, "features")
    embedded = answer(nw.embed, image, features=features, degree=degree, progress=False)
    if embedded is not None:
        assert_finite(embedded.eigenvectors)
