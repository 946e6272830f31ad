from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from ncut_widgets.ncut import Ncut


def _checks():
    for estimator in (Ncut(n_eig=2), Ncut(n_eig=2, solver="nystrom")):
        for instance, check in estimator_checks_generator(estimator, mark="skip"):
            # Needs SCIPY_ARRAY_API set before scipy is imported, and asks nothing that numpy and torch tests do not.
            if "array_api" not in check.func.__name__:
                yield pytest.param(instance, check, id=f"{estimator.solver}-{check.func.__name__}")


@pytest.mark.parametrize(("estimator", "check"), list(_checks()))
def test_is_a_scikit_learn_estimator(estimator, check):
    check(estimator)
