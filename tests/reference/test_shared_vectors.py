"""Numbers that the JavaScript tests check as well: what the page computes is what Python computes."""

import json
from pathlib import Path

import numpy as np
import pytest

from ncut_widgets import ClickMask, PatchGrid, PatchMap, Session, similarity_heatmap
from ncut_widgets.widgets.session.data import SessionData
from ncut_widgets.widgets.session.masks import Masks

FOLDER = Path(__file__).parent.parent / "vectors"
SIMILARITY = json.loads((FOLDER / "similarity.json").read_text())
MASKS = json.loads((FOLDER / "masks.json").read_text())
BOX_NODES = json.loads((FOLDER / "box_nodes.json").read_text())


@pytest.mark.parametrize("case", SIMILARITY["cases"], ids=lambda case: f"node {case['node']}, gamma {case['gamma']}")
def test_heatmap_is_the_one_that_the_page_draws(case):
    eigenvectors = np.array(SIMILARITY["eigenvectors"])
    found = similarity_heatmap(eigenvectors, eigenvectors[case["node"]], gamma=case["gamma"])
    np.testing.assert_allclose(found, case["heatmap"], atol=1e-5)


@pytest.mark.parametrize("case", MASKS["cases"], ids=lambda case: case["name"])
def test_mask_is_the_one_that_the_page_draws(case):
    grid = PatchGrid(
        [(image["width"], image["height"]) for image in MASKS["images"]], [PatchMap(**m) for m in MASKS["maps"]]
    )
    eigenvectors = np.array(MASKS["eigenvectors"])
    source = case["source"]
    nodes: dict[bool, list] = {True: [], False: []}
    boxes: dict[bool, list] = {True: [], False: []}
    for click in case["clicks"]:
        nodes[click["positive"]].append(grid.node_at(click["image"], click["x"], click["y"], source))
    for box in case["boxes"]:
        boxes[box["positive"]].append([box[key] for key in ("image", "x0", "y0", "x1", "y1")])
    options = {key: case[key] for key in ("threshold", "gamma", "negative_threshold", "min_area")}
    for positive, name in ((True, "positive"), (False, "negative")):
        prompted = ClickMask(gamma=case["gamma"]).fit(
            eigenvectors, nodes[positive], positive_boxes=boxes[positive], grid=grid, source=source
        )
        expected = np.zeros(len(eigenvectors)) if case[name] is None else np.clip(case[name], 0, 1)
        np.testing.assert_allclose(prompted.heatmap(eigenvectors), expected, atol=1e-4)
    clicks = ClickMask(**options).fit(
        eigenvectors,
        nodes[True],
        nodes[False],
        positive_boxes=boxes[True],
        negative_boxes=boxes[False],
        grid=grid,
        source=source,
    )
    assert "".join("01"[int(on)] for on in clicks.predict(eigenvectors, grid=grid)) == case["mask"]


@pytest.mark.parametrize("case", BOX_NODES["cases"], ids=lambda case: f"node {case['node']}")
def test_the_node_that_stands_for_a_box_is_the_one_that_the_page_cuts_with(case):
    sizes = [(image["width"], image["height"]) for image in MASKS["images"]]
    grid = PatchGrid(sizes, [PatchMap(**m) for m in MASKS["maps"]])
    session = Session([np.zeros((h, w, 3), np.uint8) for w, h in sizes], grid=grid, eigenvectors=MASKS["eigenvectors"])
    session.source = case["source"]
    box = {key: case[key] for key in ("image", "x0", "y0", "x1", "y1")}
    session.objects = [{"method": "ncut", "boxes": [box], "n_eig": session.eigenvectors.shape[1]}]
    data = SessionData(session.images, grid, eigenvectors=session.eigenvectors)
    assert Masks(data).graph_prompts(session.objects[0], session.source) == ([case["node"]], [])
