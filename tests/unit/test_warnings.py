"""Warnings point to the line of the user's code."""

import numpy as np
import pytest

import ncut_widgets as nw
from ncut_widgets.errors import DegenerateWarning, NystromWarning


@pytest.mark.parametrize("call", ["fit", "fit_transform"])
def test_warning_for_identical_nodes_points_to_caller(call):
    with pytest.warns(DegenerateWarning, match="arbitrary") as caught:
        getattr(nw.Ncut(3), call)(np.ones((30, 4)))
    assert {warning.filename for warning in caught} == {__file__}


def test_warning_for_few_landmarks_points_to_caller():
    X = np.random.default_rng(0).normal(size=(600, 6))
    with pytest.warns(NystromWarning, match="n_sample") as caught:
        nw.Ncut(8, sigma=0.5, solver="nystrom", n_sample=12).fit(X)
    assert {warning.filename for warning in caught} == {__file__}
