"""The exported HTML page: data, state, escaping and content security policy."""

from __future__ import annotations

import base64
import json
import re

import numpy as np
import pytest
from PIL import Image

from ncut_widgets import PatchGrid, PatchMap, Session
from ncut_widgets.export.html import _javascript


@pytest.fixture
def session():
    grid = PatchGrid([(40, 30)], [PatchMap(0, 3, 4)])
    vectors = np.random.default_rng(0).normal(size=(12, 4))
    image = Image.new("RGB", (40, 30), "teal")
    image.info["name"] = "</script><b>evil</b>"
    return Session([image], grid=grid, eigenvectors=vectors)


@pytest.fixture
def page(session, tmp_path):
    session.layer = "clusters"
    session.selection = [3]
    session.hover = 5
    return session.to_html(tmp_path / "deep" / "explorer.html", title="Cats & dogs").read_text("utf-8")


def manifest(page):
    return json.loads(re.search(r'id="ncut-manifest">(.*?)</script>', page, re.S)[1])


def array(page, name):
    found = re.search(rf'data-ncut-array="{name}" data-dtype="(\w+)" data-shape="([^"]*)">([^<]*)<', page)
    dtype, shape, text = found.groups()
    return np.frombuffer(base64.b64decode(text), dtype).reshape(json.loads(shape))


def test_page_contains_data(page, session):
    np.testing.assert_allclose(array(page, "eigenvectors"), session.eigenvectors, rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(array(page, "coords"), session.coords)
    for k in (2, 3, 4):
        np.testing.assert_array_equal(array(page, f"labels/{k}"), session.labels(k))


def test_page_contains_state_without_hover(page):
    state = manifest(page)["session"]
    assert state["layer"] == "clusters"
    assert state["selection"] == [3]
    assert state["hover"] is None


def test_names_are_escaped(page):
    assert manifest(page)["session"]["meta"]["images"][0]["name"] == "</script><b>evil</b>"
    assert "<b>evil" not in page.split('id="ncut-manifest"')[0]
    assert page.count("</script><b>") == 0
    assert "<title>Cats &amp; dogs</title>" in page


@pytest.mark.parametrize("name", ["<!--", "</SCRIPT><b>evil</b>", "<!--<script>", "<\\!--"])
def test_image_names_may_be_arbitrary_text(tmp_path, name):
    image = Image.new("RGB", (40, 30))
    image.info["name"] = name
    session = Session([image], grid=PatchGrid([(40, 30)], [PatchMap(0, 3, 4)]), eigenvectors=np.eye(12)[:, :4])
    page = session.to_html(tmp_path / "x.html", progress=False).read_text("utf-8")
    assert manifest(page)["session"]["meta"]["images"][0]["name"] == name
    assert "<" not in re.search(r'id="ncut-manifest">(.*?)</script>', page, re.S)[1]


def test_script_strings_are_escaped():
    assert _javascript('"</ScRiPt>" + "</script>"') == r'"<\/ScRiPt>" + "<\/script>"'
    assert _javascript('"<!--<script>"') == r'"<\x21--<script>"'


def test_content_security_policy_blocks_network(page):
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert policy.startswith("default-src &#x27;none&#x27;")
    assert not re.search(r'(src|href)="https?:', page)


def test_export_leaves_session_unchanged(session, tmp_path):
    session.hover = 2
    version = session.meta["version"]
    session.to_html(tmp_path / "x.html")
    assert session.hover == 2
    assert session.meta["version"] == version
    assert session.eigenvectors.dtype == np.float32
