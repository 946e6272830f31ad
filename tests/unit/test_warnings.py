"""A warning names the line of the user's code that led to it."""

import numpy as np
import pytest

import ncut_widgets as nw
from ncut_widgets.errors import DegenerateWarning, NystromWarning


@pytest.mark.parametrize("call", ["fit", "fit_transform"])
def test_a_cut_of_identical_nodes_warns_the_caller(call):
    with pytest.warns(DegenerateWarning, match="arbitrary") as caught:
        getattr(nw.Ncut(3), call)(np.ones((30, 4)))
    assert {warning.filename for warning in caught} == {__file__}


def test_few_landmarks_warn_the_caller():
    X = np.random.default_rng(0).normal(size=(600, 6))
    with pytest.warns(NystromWarning, match="n_sample") as caught:
        nw.Ncut(8, sigma=0.5, solver="nystrom", n_sample=12).fit(X)
    assert {warning.filename for warning in caught} == {__file__}
