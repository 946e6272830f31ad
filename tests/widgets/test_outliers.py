"""Outliers of a session."""

from __future__ import annotations

import numpy as np
import pytest

import ncut_widgets as nw
from helpers.pages import request


@pytest.fixture
def features():
    rng = np.random.default_rng(0)
    X = 3 * rng.normal(size=(3, 8))[np.arange(200) % 3] + rng.normal(size=(200, 8))
    X[7] *= 30
    return nw.FeatureMaps(X, nw.PatchGrid([(200, 100)], [nw.PatchMap(0, 10, 20)]))


@pytest.fixture
def session(features):
    ncut = nw.Ncut(4).fit(features)
    return nw.Session(
        [np.zeros((100, 200, 3), np.uint8)], features=features, eigenvectors=ncut.eigenvectors_, ncut=ncut
    )


def test_outliers_come_from_the_cut(session):
    np.testing.assert_array_equal(session.outliers.nonzero()[0], [7])
    assert session.meta["n_outliers"] == 1
    assert request(session, "outliers").tolist() == session.outliers.astype(int).tolist()
    assert not session.hide_outliers


def test_outliers_are_saved_and_exported(session, tmp_path):
    session.hide_outliers = True
    again = nw.Session.load(session.save(tmp_path / "s.ncut"))
    np.testing.assert_array_equal(again.outliers, session.outliers)
    assert again.hide_outliers
    assert '"outliers"' in session.to_html(tmp_path / "s.html", n_clusters=[2], progress=False).read_text()


def test_new_eigenvectors_have_no_outliers(session):
    session.update(eigenvectors=np.random.default_rng(0).normal(size=(200, 3)))
    assert not session.outliers.any()
    assert session.meta["n_outliers"] == 0


@pytest.mark.parametrize("outliers", [np.zeros(3, bool), np.full(200, 2), np.zeros((200, 1), bool)])
def test_invalid_outliers_raise(features, outliers):
    with pytest.raises(ValueError, match=r"`outliers` must be a boolean per node, of shape \(200,\)"):
        nw.Session(
            [np.zeros((100, 200, 3), np.uint8)], features=features, eigenvectors=np.ones((200, 2)), outliers=outliers
        )
