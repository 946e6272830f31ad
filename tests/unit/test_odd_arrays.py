"""Odd arrays: every function that takes an array returns finite numbers, or raises an error of ours."""

from __future__ import annotations

import linecache
import traceback
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

import ncut_widgets as nw
from ncut_widgets import errors

_PACKAGE = Path(nw.__file__).parent
# They say that a result is degenerate or imprecise.
_WARNINGS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Warning)]
_N, _C = 12, 3


def _normal(n: int = _N, c: int = _C):
    return np.random.default_rng(0).normal(size=(n, c))


def _outlier(factor: float):
    X = _normal()
    X[5] *= factor
    return X


# (n, c) arrays: 12 nodes and 3 channels, unless the name says otherwise.
ARRAYS = {
    # Magnitudes
    "denormal": lambda: _normal() * 1e-310,
    "float32 denormal": lambda: (_normal() * 1e-42).astype(np.float32),
    "1e-150": lambda: _normal() * 1e-150,
    "1e-30": lambda: _normal() * 1e-30,
    "1e30": lambda: _normal() * 1e30,
    "1e38": lambda: _normal() * 1e38,
    "float32 1e38": lambda: np.sign(_normal()).astype(np.float32) * np.float32(1e38),
    "float32 3e38": lambda: np.sign(_normal()).astype(np.float32) * np.float32(3e38),
    "1.7e308": lambda: np.sign(_normal()) * 1.7e308,
    "1e150": lambda: _normal() * 1e150,
    "channels of all scales": lambda: _normal() * [1e-30, 1, 1e30],
    "entries of all scales": lambda: 10.0 ** np.random.default_rng(0).integers(-300, 300, (_N, _C)),
    "far from zero": lambda: 1e8 + _normal(),
    # Outlying nodes
    "one outlier": lambda: _outlier(1e6),
    "one far outlier": lambda: _outlier(1e30),
    "all nodes but one equal": lambda: np.eye(_N, _C),
    # Few different nodes
    "two points": lambda: _normal(2)[np.arange(_N) % 2],
    "two close points": lambda: 1 + 1e-7 * _normal(2)[np.arange(_N) % 2],
    "opposite points": lambda: np.where(np.arange(_N) % 2, 1.0, -1.0)[:, None] * _normal(1),
    "one-hot": lambda: np.eye(_C)[np.arange(_N) % _C],
    "one-hot, as many channels as nodes": lambda: np.eye(_N),
    "rank one": lambda: _normal(_N, 1) * _normal(1),
    "constant": lambda: np.full((_N, _C), 0.7),
    "zero": lambda: np.zeros((_N, _C)),
    "zero rows": lambda: _normal() * (np.arange(_N) % 2)[:, None],
    "duplicates": lambda: _normal(4)[np.arange(_N) % 4],
    # Shapes
    "one node": lambda: _normal(1),
    "two nodes": lambda: _normal(2),
    "three nodes": lambda: _normal(3),
    "one channel": lambda: _normal(_N, 1),
    "two channels": lambda: _normal(_N, 2),
    "40 channels": lambda: _normal(_N, 40),
    "20 plain nodes": lambda: _normal(20),
    # Types
    "float16": lambda: _normal().astype(np.float16),
    "large float16": lambda: (_normal() * 2e4).astype(np.float16),
    "tiny float16": lambda: (_normal() * 1e-6).astype(np.float16),
    "bfloat16": lambda: torch.from_numpy(_normal()).to(torch.bfloat16),
    "large bfloat16": lambda: torch.from_numpy(_normal() * 1e38).to(torch.bfloat16),
    "big integers": lambda: np.random.default_rng(0).integers(-(2**62), 2**62, (_N, _C)),
    "unsigned integers": lambda: np.random.default_rng(0).integers(0, 2**64, (_N, _C), dtype=np.uint64),
    "booleans": lambda: _normal() > 0,
    # Memory
    "reversed rows": lambda: _normal()[::-1],
    "reversed channels": lambda: _normal()[:, ::-1],
    "one node, reversed": lambda: _normal(1)[::-1, ::-1],
    "every second channel": lambda: np.repeat(_normal(), 2, axis=1)[:, ::2],
    "Fortran order": lambda: np.asfortranarray(_normal()),
    "list": lambda: _normal().tolist(),
    # Not finite
    "NaN": lambda: np.where(np.arange(_N)[:, None] == 3, np.nan, _normal()),
    "infinity": lambda: np.where(np.arange(_N)[:, None] == 3, -np.inf, _normal()),
}


def n_of(X) -> int:
    return len(X)


def fit(X, n_eig=2, **options):
    ncut = nw.Ncut(min(n_eig, max(1, n_of(X) - 1)), **options)
    vectors = ncut.fit_transform(X)
    return vectors, ncut.eigval, ncut.transform(X), ncut.coverage(X)


def gradient(X):
    values = torch.as_tensor(np.ascontiguousarray(X) if isinstance(X, np.ndarray) else X)
    values = values.float().clone().requires_grad_()
    (nw.Ncut(min(2, max(1, len(values) - 1))).fit_transform(values) ** 3).sum().backward()
    return values.grad


def clicked(X, **options):
    cut = nw.ClickNcut(**options).fit(X, positive=[n_of(X) // 2], negative=[0] if n_of(X) > 1 else [])
    return cut.heatmap_, cut.transform(X)


def attribution(X, target="mask", **options):
    n = n_of(X)
    targets = {"mask": np.arange(n) < (n + 1) // 2, "labels": np.arange(n) % 2, "nodes": [0]}
    found = nw.channel_attribution(X, targets[target], **options)
    return found.raw, found.scores, found.target_scores


def propagated(X):
    values = np.arange(2.0 * n_of(X)).reshape(-1, 2)
    return nw.nystrom_propagate(values, X, X), nw.nystrom_propagate(X, X, X)


def masks(X):
    rows = X.reshape(1, -1, 1, X.shape[1]) if hasattr(X, "reshape") else [[[row] for row in X]]
    prompt = X[0]
    clicks = {"positive": [(0, 0, 0)], "negative": [(0, n_of(X) - 1, 0)] if n_of(X) > 1 else []}
    return nw.similarity_heatmap(rows, prompt), nw.get_mask(rows, prompt), nw.click_mask(rows, **clicks)


def clusters(X):
    tree = nw.hierarchy(X, n_clusters=[1, 2])
    return nw.kway_ncut(X, n_clusters=2), nw.Kway(2).fit(X).predict(X), tree.labels(2), tree.shares(2)


def refined(X):
    image = np.random.default_rng(0).integers(0, 255, (16, 12, 3), dtype=np.uint8)
    return nw.refine_heatmap(X, image), nw.refine_mask(X, image)


def refined_along(X):
    """Use the array as an image."""
    image = np.asarray(X.float() if isinstance(X, torch.Tensor) else X)
    image = np.repeat(image[:, :1, None], 3, axis=2)
    return nw.refine_heatmap(np.array([[0.2], [0.9]]), image)


def colored(X):
    return nw.colormap_2d([row[:2] for row in X] if isinstance(X, list) else X[:, :2])


def feature_maps(X, source="features"):
    grid = nw.PatchGrid([(8, 8 * n_of(X))], [nw.PatchMap(0, n_of(X), 1, source)])
    return nw.FeatureMaps(np.asarray(X) if isinstance(X, list) else X, grid)


def embedded(X, **options):
    maps = feature_maps(X)
    image = np.zeros((8 * n_of(X), 8, 3), np.uint8)
    return nw.embed(image, features=maps, progress=False, **options).eigenvectors


def joined(X):
    return nw.concat([feature_maps(X, "one"), feature_maps(X, "two")], align="anchors", n_anchors=2).values


def in_session(X):
    image = np.zeros((8 * n_of(X), 8, 3), np.uint8)
    session = nw.Session(image, features=feature_maps(X), eigenvectors=X)
    try:
        return session.labels(1), session.rgb, session.coords, session.eigenvectors
    finally:
        session.close()


FUNCTIONS = {
    "Ncut": fit,
    "Ncut cosine": partial(fit, affinity="cosine"),
    "Ncut cosine, sigma 1e-20": partial(fit, affinity="cosine", sigma=1e-20),
    "Ncut sigma 1e-20": partial(fit, sigma=1e-20),
    "Ncut sigma 1e10": partial(fit, sigma=1e10),
    "Ncut degree 1e-20": partial(fit, degree=1e-20),
    "Ncut degree 0.1": partial(fit, degree=0.1),
    "Ncut cosine, degree 0.9": partial(fit, affinity="cosine", degree=0.9),
    "Ncut degree 0.999999": partial(fit, degree=0.999999),
    "Ncut all eigenvectors": partial(fit, n_eig=99),
    "Ncut nystrom": partial(fit, solver="nystrom", n_sample=5),
    "Ncut farthest": partial(fit, n_eig=99, sampling="farthest", n_sample=5),
    "Ncut repulsion": partial(fit, repulsion_weight=0.2),
    "gradient": gradient,
    "ClickNcut": clicked,
    "ClickNcut cosine": partial(clicked, affinity="cosine"),
    "attribution": attribution,
    "attribution of labels, abs_gradient": partial(attribution, target="labels", method="abs_gradient"),
    "attribution of nodes, cosine": partial(
        attribution, target="nodes", ncut=nw.Ncut(affinity="cosine"), method="gradient_x_input"
    ),
    "attribution by ablation": partial(attribution, method="ablation"),
    "nystrom_propagate": propagated,
    "masks": masks,
    "clusters": clusters,
    "refine": refined,
    "refine along an odd image": refined_along,
    "pca_color": nw.pca_color,
    "mspace_color": nw.mspace_color,
    "colormap_2d": colored,
    "rotate_rgb_cube": nw.rotate_rgb_cube,
    "convert_to_lab_color": nw.convert_to_lab_color,
    "embed": embedded,
    "embed, degree 1e-10": partial(embedded, degree=1e-10),
    "concat": joined,
    "Session": in_session,
}


def answer(call, *arguments):
    """Return what a call returns, or None if it refuses its input with an error of the package."""
    with warnings.catch_warnings():
        for kind in _WARNINGS:
            warnings.simplefilter("ignore", kind)
        try:
            return call(*arguments)
        except (TypeError, ValueError, errors.ConvergenceError) as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            statement = linecache.getline(frame.filename, frame.lineno or 0).strip()
            if not (Path(frame.filename).is_relative_to(_PACKAGE) and statement.startswith("raise")):
                raise
            return None


def assert_finite(result):
    for part in result if isinstance(result, tuple) else (result,):
        array = part.detach().double().numpy() if isinstance(part, torch.Tensor) else np.asarray(part, dtype=float)
        assert np.isfinite(array).all()


def fault(function, array):
    """Return what is wrong with the answer of a function, or None."""
    try:
        result = answer(function, array)
        if result is not None:
            assert_finite(result)
    except Exception as error:  # noqa: BLE001
        return f"{type(error).__name__}: {error}"[:200]
    return None


@pytest.mark.parametrize("name", FUNCTIONS)
def test_odd_arrays_give_finite_numbers_or_our_errors(name):
    faults = {kind: fault(FUNCTIONS[name], make()) for kind, make in ARRAYS.items()}
    assert {kind: found for kind, found in faults.items() if found} == {}


def test_plain_arrays_are_not_refused():
    array = np.random.default_rng(0).random((16, 3))
    refused = [name for name, function in FUNCTIONS.items() if answer(function, array) is None]
    assert refused == ["Ncut degree 1e-20", "Ncut farthest", "embed, degree 1e-10"]


@pytest.mark.parametrize("call", [clicked, attribution])
def test_1500_plain_nodes_are_finite(call):
    assert_finite(call(_normal(1500, 8).astype(np.float32)))


@pytest.mark.parametrize("scale", [1.0, 1e-310, 1e30])
def test_odd_layouts_are_finite(scale):
    """A t-SNE takes too long for all arrays."""
    for X in (_normal(16) * scale, _normal(2)[np.arange(16) % 2] * scale):
        result = answer(nw.tsne_color, X)
        if result is not None:
            assert_finite(result)
