"""Every class with `fit` is a scikit-learn estimator: official checks, data frames, pipelines and column checks."""

from __future__ import annotations

import inspect
import pkgutil
import warnings
from importlib import import_module

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError, SkipTestWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks
from sklearn.utils.validation import check_is_fitted

import ncut_widgets as nw
from ncut_widgets.readouts import ClickMask

ESTIMATORS = {
    "ncut": nw.Ncut(n_eig=2),
    "ncut-nystrom": nw.Ncut(n_eig=2, solver="nystrom"),
    "kway": nw.Kway(2),
    "hierarchy": nw.Hierarchy((2,)),
    "kway-n_eig": nw.Kway(2, n_eig=2, n_restarts=2),
    "coloring-pca": nw.Coloring("pca"),
    "coloring-tsne": nw.Coloring("tsne", n_sample=24, n_neighbors=5),
    "coloring-mspace": nw.Coloring("mspace", n_sample=24, n_eig=(2, 4)),
    "click_ncut": nw.ClickNcut(n_sample=40),
    "click_mask": ClickMask(min_area=0),
}
_CLICKS = {
    "check_dtype_object": "expects an error about classes, but `y` contains the indices of clicked nodes",
    "check_estimators_nan_inf": "passes `y` as floats, which cannot be indices of clicked nodes",
}
# Checks of scikit-learn that are expected to fail, with the reason.
EXPECTED_FAILED_CHECKS = {
    "kway": {"check_clustering": "expects three clusters of two columns, which requires `n_eig=2`"},
    "click_ncut": _CLICKS,
    "click_mask": {**_CLICKS, "check_fit2d_1sample": "clicks on the second of only one node"},
}
# Checks that `check_estimator` does not run, but scikit-learn runs for its own estimators.
FURTHER_CHECKS = [
    estimator_checks.check_dataframe_column_names_consistency,
    estimator_checks.check_n_features_in_after_fitting,
    estimator_checks.check_transformer_get_feature_names_out,
    estimator_checks.check_set_output_transform,
    estimator_checks.check_set_output_transform_pandas,
    estimator_checks.check_global_output_transform_pandas,
]


# M-space differs from the other colorings only in its layout.
@pytest.mark.parametrize("name", [name for name in ESTIMATORS if name != "coloring-mspace"])
def test_scikit_learn_checks_pass(name):
    expected = EXPECTED_FAILED_CHECKS.get(name, {})
    results = estimator_checks.check_estimator(
        ESTIMATORS[name], expected_failed_checks=expected, on_skip=None, on_fail=None
    )
    by_status = {}
    for result in results:
        by_status.setdefault(result["status"], {})[result["check_name"]] = str(result["exception"])
    assert by_status.get("failed", {}) == {}
    assert set(by_status.get("xfail", {})) == set(expected)
    # Requires SCIPY_ARRAY_API to be set before scipy is imported; tensors are tested below.
    assert set(by_status.get("skipped", {})) <= {"check_array_api_input"}


# These checks intentionally mix inputs with and without feature names.
@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names")
@pytest.mark.parametrize("check", FURTHER_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", ["ncut", "kway", "coloring-pca", "click_ncut", "click_mask"])
def test_additional_scikit_learn_checks_pass(name, check):
    estimator = ESTIMATORS[name]
    if hasattr(estimator, "transform") or check in FURTHER_CHECKS[:2]:
        # A heatmap is one-dimensional, but this check uses its second dimension.
        one_dimensional = name == "click_ncut" and "feature_names_out" in check.__name__
        if one_dimensional:
            assert clone(estimator).fit(np.eye(4), [0]).get_feature_names_out().tolist() == ["clickncut0"]
        else:
            check(name, estimator)


def test_every_class_with_fit_is_tested():
    classes = set()
    for module in pkgutil.walk_packages(nw.__path__, "ncut_widgets."):
        if "__main__" not in module.name:
            for _, member in inspect.getmembers(import_module(module.name), inspect.isclass):
                if member.__module__.startswith("ncut_widgets.") and hasattr(member, "fit"):
                    classes.add(member)
    public = {cls for cls in classes if issubclass(cls, BaseEstimator) and "_estimator" not in cls.__module__}
    assert {cls.__name__ for cls in public} == {type(e).__name__ for e in ESTIMATORS.values()} | {"AnchorAlignment"}


@pytest.fixture
def X():
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal(0, 1, (30, 4)), rng.normal(4, 1, (30, 4))])


def test_pipelines_to_colors_clusters_and_masks(X):
    colors = make_pipeline(nw.Ncut(6), nw.Coloring("pca")).fit(X)
    np.testing.assert_allclose(colors.transform(X), colors[-1].rgb_, atol=1e-9)
    np.testing.assert_array_equal(make_pipeline(nw.Ncut(6), nw.Coloring("pca")).fit_transform(X), colors[-1].rgb_)
    labels = make_pipeline(StandardScaler(), nw.Ncut(4), nw.Kway(2)).fit_predict(X)
    assert len(set(labels[:30])) == len(set(labels[30:])) == 1
    heat = make_pipeline(StandardScaler(), nw.ClickNcut()).fit(X, [0, 3], clickncut__negative=[40]).transform(X)
    assert heat[:30].mean() > 0.8 > 0.2 > heat[30:].mean()
    assert make_pipeline(nw.Ncut(4), ClickMask(n_eig=2, min_area=0)).fit(X, [0]).predict(X)[:30].mean() > 0.9


def test_pipeline_of_tensors_returns_tensors(X):
    rgb = make_pipeline(nw.Ncut(3), nw.Coloring("pca")).fit_transform(torch.from_numpy(X).float())
    assert isinstance(rgb, torch.Tensor)
    assert rgb.dtype == torch.float32


def test_set_output_returns_data_frames(X):
    df = pd.DataFrame(X, columns=list("abcd"), index=[f"node {i}" for i in range(60)])
    pipeline = make_pipeline(nw.Ncut(3), nw.Kway(2, n_eig=3)).set_output(transform="pandas")
    scores = pipeline.fit_transform(df)
    assert scores.columns.tolist() == ["kway0", "kway1"]
    assert scores.index.equals(df.index)
    assert pipeline[0].feature_names_in_.tolist() == list("abcd")
    assert pipeline[1].feature_names_in_.tolist() == ["ncut0", "ncut1", "ncut2"]
    with config_context(transform_output="pandas"):
        rgb = nw.Coloring("pca").fit(torch.from_numpy(X)).transform(torch.from_numpy(X[:5]))
        heat = nw.ClickNcut().fit_transform(df, positive=[0])
    assert rgb.shape == (5, 3)
    assert rgb.columns.tolist() == ["coloring0", "coloring1", "coloring2"]
    assert heat.columns.tolist() == ["clickncut0"]


@pytest.mark.parametrize("name", ["ncut", "ncut-nystrom", "kway", "coloring-pca", "coloring-tsne", "click_ncut"])
def test_unfitted_estimator_raises(name, X):
    estimator = clone(ESTIMATORS[name])
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        check_is_fitted(estimator)
    with pytest.raises(NotFittedError, match=r"fitted"):
        estimator.transform(X)
    check_is_fitted(estimator.fit(X, [0]))


METHODS = [
    (name, method)
    for name, estimator in ESTIMATORS.items()
    for method in ("transform", "predict", "transform_coords", "coverage", "heatmap")
    if hasattr(estimator, method)
]


@pytest.mark.parametrize(("name", "method"), METHODS)
def test_columns_must_match_fit(name, method, X):
    df = pd.DataFrame(X, columns=["one", "two", "three", "four"])
    call = getattr(clone(ESTIMATORS[name]).fit(df, [0]), method)
    call(df)
    for changed, message in (
        (df[df.columns[::-1]], "must be in the same order as they were in fit"),
        (df[["two", "one", "three", "four"]], "must be in the same order as they were in fit"),
        (df.rename(columns={"one": "five"}), "Feature names unseen at fit time:\n- five"),
        (df.drop(columns="three"), "Feature names seen at fit time, yet now missing:\n- three"),
        (df.assign(five=0.0), "Feature names unseen at fit time:\n- five"),
    ):
        with pytest.raises(ValueError, match=message):
            call(changed)
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        call(X)
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        call(torch.from_numpy(X))
    unnamed = getattr(clone(ESTIMATORS[name]).fit(X, [0]), method)
    with pytest.warns(UserWarning, match="X has feature names, but .* was fitted without feature names"):
        unnamed(df)


def test_refit_replaces_feature_names(X):
    ncut = nw.Ncut(2).fit(pd.DataFrame(X, columns=list("abcd")))
    ncut.fit(X)
    assert not hasattr(ncut, "feature_names_in_")
    ncut.fit(pd.DataFrame(X))
    assert not hasattr(ncut, "feature_names_in_")


def test_data_frame_chunks_keep_column_names(X):
    df = pd.DataFrame(X, columns=list("abcd"))
    ncut = nw.Ncut(2).fit_chunks([df[:30], df[30:]])
    assert ncut.feature_names_in_.tolist() == list("abcd")
    ncut.transform(df)
    with pytest.raises(ValueError, match="same order as they were in fit"):
        next(ncut.transform_chunks([df[df.columns[::-1]]]))
    with pytest.raises(ValueError, match="same order as they were in fit"):
        nw.Ncut(2).fit_chunks([df[:30], df[list("bacd")][30:]])


GRID = nw.PatchGrid([(60, 50)], [nw.PatchMap(0, 5, 6, "one")])


def maps(values, names=None, source="one"):
    grid = nw.PatchGrid([(60, 50)], [nw.PatchMap(0, 5, 6, source)])
    return nw.FeatureMaps(values, grid, names)


@pytest.mark.parametrize("name", ["ncut", "coloring-mspace", "click_ncut"])
def test_channel_names_of_feature_maps_must_match_fit(name, X):
    fitted = clone(ESTIMATORS[name]).fit(maps(X[:30], ["red", "green", "edge", "shade"]), [0])
    fitted.transform(maps(X[30:], ["red", "green", "edge", "shade"], source="two"))
    with pytest.raises(ValueError, match="got 'green' instead of 'red' \\(channel 0\\)"):
        fitted.transform(maps(X[:30, [1, 0, 2, 3]], ["green", "red", "edge", "shade"]))
    with pytest.raises(ValueError, match="got 'texture' instead of 'shade'"):
        fitted.transform(maps(X[:30], ["red", "green", "edge", "texture"]))
    # Default channel names are not feature names.
    numbered = clone(ESTIMATORS[name]).fit(maps(X[:30]), [0])
    assert not hasattr(numbered, "feature_names_in_")
    numbered.transform(X[30:])


def test_different_alignments_have_different_channel_names(X):
    one, two = (nw.AnchorAlignment(n_anchors=4, random_state=seed).fit(maps(X[:30])) for seed in (0, 1))
    ncut = nw.Ncut(2).fit(one.transform(maps(X[:30])))
    ncut.transform(one.transform(maps(X[30:])))
    with pytest.raises(
        ValueError, match="the same channels in the same order as in the fit; got 'similarity to image 0"
    ):
        ncut.transform(two.transform(maps(X[:30])))


def test_anchor_alignment_is_a_transformer(X):
    features = maps(X[:30])
    alignment = nw.AnchorAlignment(n_anchors=8)
    with pytest.warns(SkipTestWarning, match="Can't test estimator AnchorAlignment which requires input"):
        estimator_checks.check_estimator(alignment, on_skip=None)
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        check_is_fitted(alignment)
    pipeline = make_pipeline(alignment, nw.Ncut(3), nw.Kway(2)).fit(features)
    assert pipeline.predict(features).shape == (30,)
    assert isinstance(pipeline[0].transform(features), nw.FeatureMaps)
    assert pipeline[1].feature_names_in_.tolist() == pipeline[0].get_feature_names_out().tolist()
    pipeline.set_output(transform="pandas")
    assert pipeline[0].transform(features).columns.tolist() == pipeline[0].get_feature_names_out().tolist()
    both = clone(alignment).set_output(transform="pandas").fit_transform([features, maps(X[30:], source="two")])
    assert both.shape == (60, 8)


def test_alignment_is_independent_of_source_order(X):
    first, second = maps(X[:30]), maps(X[30:], source="two")
    one = nw.AnchorAlignment(n_anchors=8).fit([first, second])
    other = nw.AnchorAlignment(n_anchors=8).fit([second, first])
    np.testing.assert_allclose(one.transform(second).values, other.transform(second).values)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda X: nw.Kway(2).fit(X).predict(X[:, :3]),
            "`X` must have 4 columns.*Pass the same eigenvectors",
        ),
        (
            lambda X: nw.Kway(2, n_eig=3).fit(X).transform(X[:, :3]),
            "expecting 4 features as input. Pass the same",
        ),
        (lambda X: nw.Coloring("pca").fit(X).transform(X[:, :2]), "Pass the same eigenvectors as to `fit`"),
        (lambda X: nw.Coloring("pca").fit(X).transform_coords(X[:, :2]), "Pass the same eigenvectors as to `fit`"),
        (lambda X: ClickMask().fit(X, [0]).heatmap(X[:, :2]), "Pass the same eigenvectors as to `fit`"),
        (lambda X: nw.Coloring("mspace").fit(X).transform(X[:, :2]), "Extract the features with the backbone"),
        (lambda X: nw.Ncut(2).fit(X).transform(X[:, :2]), "Extract the features with the backbone"),
        (lambda X: nw.Ncut(2).fit(X).coverage(X[:, :2]), "Extract the features with the backbone"),
        (lambda X: nw.ClickNcut().fit(X, [0]).transform(X[:, :2]), "Extract the features with the backbone"),
        (
            lambda X: nw.hierarchy(X, n_clusters=(2, 3)).colors(X),
            "`rgb` must have 3 columns, red, green and blue; got",
        ),
        (lambda X: nw.Coloring("pca").fit(X, onto=X), "`onto` must have 3 columns, x, y and z; got 4"),
        (lambda X: nw.nystrom_propagate(X, X, X[:, :2]), "`X` must have 2 columns, as `nystrom_X` has; got 4"),
    ],
)
def test_wrong_number_of_columns_raises_with_advice(call, message, X):
    with pytest.raises(ValueError, match=message):
        call(X)


def test_clicks_may_be_passed_as_y(X):
    clicks = nw.ClickNcut().fit(X, [0, 1], [40])
    np.testing.assert_array_equal(clicks.heatmap_, nw.ClickNcut().fit(X, positive=[0, 1], negative=[40]).heatmap_)
    np.testing.assert_array_equal(clicks.heatmap_, nw.ClickNcut().fit_transform(X, [0, 1], [40]))
    with pytest.raises(ValueError, match="`positive` must hold at least one node; got None"):
        nw.ClickNcut().fit(X)
    for estimator in (nw.ClickNcut(), ClickMask()):
        with pytest.raises(ValueError, match="`positive` and `y` are two names for the same clicks; got both"):
            estimator.fit(X, [0], positive=[0])


def test_pipeline_without_names_does_not_warn(X):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make_pipeline(nw.Ncut(3), nw.Kway(2)).fit(maps(X[:30], list("abcd"))).predict(maps(X[30:], list("abcd")))
