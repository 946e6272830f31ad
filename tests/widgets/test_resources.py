"""The table of arrays: names, types, shapes, and what is derived from it."""

import re
from pathlib import Path
from runpy import run_path

import numpy as np
import pytest

import ncut_widgets as nw
from helpers.pages import request
from ncut_widgets.widgets.session.resources import RESOURCES, array_name

SCRIPT = Path(__file__).parents[2] / "js" / "generate_types.py"
CLICK = {"image": 0, "x": 5, "y": 5}
OBJECTS = [{"name": "left / top", "clicks": [CLICK]}, {"name": "cut", "clicks": [CLICK], "method": "ncut"}]
# One array of each resource: its arguments and params.
EXAMPLES = {
    "image/{image}": ({"image": 1}, {}),
    "labels/{n_clusters}": ({"n_clusters": 3}, {}),
    "parents/{n_clusters}": ({"n_clusters": 3}, {}),
    "cluster_colors/{n_clusters}": ({"n_clusters": 3}, {}),
    "click_heat/{positive}/{negative}/{click_weight}": ({"positive": [3, 1], "negative": [], "click_weight": 0.5}, {}),
    "refined": ({}, {"image": 0, "method": None, "objects": ["left / top"]}),
    "export": ({}, {"format": "coco"}),
    "attribution/{method}/clusters/{n_clusters}": ({"method": "gradient", "n_clusters": 3}, {}),
    "attribution/{method}/mask/{name}": ({"method": "gradient", "name": "left / top"}, {}),
    "attribution/{method}/nodes": ({"method": "gradient"}, {"nodes": [1, 2, 3]}),
    "evidence/{method}/clusters/{n_clusters}/{cluster}": ({"method": "gradient", "n_clusters": 2, "cluster": 0}, {}),
    "evidence/{method}/mask/{name}": ({"method": "gradient", "name": "left / top"}, {}),
    "evidence/{method}/nodes": ({"method": "gradient"}, {"nodes": [1, 2, 3]}),
    "channel_map/{channel}": ({"channel": 2}, {}),
}


@pytest.fixture
def session(halves):
    halves.objects = OBJECTS
    return halves


def sizes(session):
    """The known sizes in the shapes of the table."""
    data = {"n": 96, "n_eig": 4, "c": 3, "n_clusters": 3, "k": 1, "height": 60, "width": 80}
    return {name: str(size) for name, size in data.items()}


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.template)
def test_array_has_its_dtype_and_shape(session, resource):
    arguments, params = EXAMPLES.get(resource.template, ({}, {}))
    array = request(session, resource.name(arguments), params)
    assert array.dtype == resource.dtype
    shape = [sizes(session).get(size, size) for size in re.findall(r"\w+", resource.shape)]
    assert len(shape) == array.ndim
    assert all(not size.isdecimal() or int(size) == length for size, length in zip(shape, array.shape, strict=True))


def test_names_match_one_resource_each():
    for resource in RESOURCES:
        name = resource.name(EXAMPLES.get(resource.template, ({}, {}))[0])
        assert [other.template for other in RESOURCES if other.pattern.fullmatch(name)] == [resource.template]


def test_name_quotes_text():
    name = array_name("attribution/{method}/mask/{name}", method="ablation", name="a/b c")
    assert name == "attribution/ablation/mask/a%2Fb%20c"


def test_an_exported_page_has_the_arrays_of_the_table(session, tmp_path):
    session.pinned_channels = [2]
    page = session.to_html(tmp_path / "page.html", n_clusters=[2, 3], attributions=[3], progress=False)
    names = re.findall(r'data-ncut-array="([^"]*)"', page.read_text("utf-8"))
    absent = {resource.template for resource in RESOURCES if not any(map(resource.pattern.fullmatch, names))}
    # There are no outliers, and the others take a kernel.
    kernel = {"refined", "export", "attribution/{method}/mask/{name}", "attribution/{method}/nodes"}
    assert {template for template in absent if not template.startswith("evidence/")} == {"outliers"} | kernel
    assert len(names) == len(set(names))


def test_types_of_the_page_are_up_to_date():
    for path, text in run_path(str(SCRIPT))["generate"]().items():
        assert path.read_text("utf-8") == text, "Run `python js/generate_types.py`."


def test_session_lists_its_traits_in_its_docstring():
    names = [name for name in nw.Session.class_traits() if f"\n{name} : " in nw.Session.__doc__]
    shared = {name for name in nw.Session.class_traits(sync=True) if not name.startswith("_")}
    assert shared - set(names) <= {"layout", "tabbable", "tooltip"}
    assert np.all([nw.Session.class_traits()[name].help for name in names])
