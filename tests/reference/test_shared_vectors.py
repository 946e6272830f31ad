"""Numbers that the JavaScript tests check as well: what the page computes is what Python computes."""

import json
from pathlib import Path

import numpy as np
import pytest

from ncut_widgets.readouts import similarity_heatmap

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "similarity.json").read_text())


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: f"node {case['node']}, gamma {case['gamma']}")
def test_heatmap_is_the_one_that_the_page_draws(case):
    eigenvectors = np.array(VECTORS["eigenvectors"])
    found = similarity_heatmap(eigenvectors, eigenvectors[case["node"]], gamma=case["gamma"])
    np.testing.assert_allclose(found, case["heatmap"], atol=1e-5)
