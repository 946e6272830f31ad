"""Damaged and hostile files: every load gives a session, masks or clicks, or a ValueError of ours."""

from __future__ import annotations

import io
import json
import math
import zipfile
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ipywidgets.widgets.widget import _instances

import ncut_widgets as nw
from ncut_widgets.export import load_clicks, load_coco, load_npz, save_clicks, save_coco, save_npz

pytestmark = pytest.mark.fuzz

_MEMBERS = ("manifest.json", "arrays/0.npy", "arrays/1.npy", "arrays/3.npy", "images/0.png")
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=True)
    | st.text(max_size=8)
    | st.sampled_from(["<f4", "nan", "cosine", "tsne", "image 0", "$float", "\udce9", "arrays/0.npy"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


class Saved:
    """Valid files by their kind, and the images that they are about."""

    def __init__(self, contents, scene):
        self.contents, self.scene = contents, scene


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def saved(folder):
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (12, 16, 3), dtype=np.uint8)] * 2
    grid = nw.PatchGrid([(16, 12)] * 2, [nw.PatchMap(i, 3, 4) for i in range(2)])
    features = nw.FeatureMaps(rng.normal(size=(24, 3)).astype(np.float32), grid)
    session = nw.Session(images, features=features, eigenvectors=rng.normal(size=(24, 3)), eigenvalues=[1, 0.5, 0.2])
    session.objects = [{"name": "paw", "clicks": [{"image": 0, "x": 3, "y": 4}], "boxes": []}]
    masks = {"paw": [rng.random((12, 16)) > 0.5 for _ in range(2)]}
    session.save(folder / "good.ncut")
    save_npz(session.images, masks, folder / "good.npz")
    save_coco(session.images, masks, folder / "good.json")
    save_clicks(session.images, session.objects, folder / "good-clicks.json")
    files = {"session": "good.ncut", "npz": "good.npz", "coco": "good.json", "clicks": "good-clicks.json"}
    scene = session.images
    session.close()
    return Saved({kind: (folder / name).read_bytes() for kind, name in files.items()}, scene)


@st.composite
def damage(draw, content):
    """The content with bits flipped, a part cut out, copied elsewhere or replaced."""
    data = bytearray(content)
    how = draw(st.sampled_from(["bits", "cut", "copy", "replace", "end"]))
    place = draw(st.integers(0, len(data) - 1))
    length = draw(st.integers(0, 64))
    if how == "bits":
        for at in draw(st.lists(st.integers(0, len(data) * 8 - 1), min_size=1, max_size=8)):
            data[at // 8] ^= 1 << at % 8
    elif how == "cut":
        del data[place : place + length]
    elif how == "copy":
        other = draw(st.integers(0, len(data) - 1))
        data[other : other + length] = data[place : place + length]
    elif how == "replace":
        data[place : place + length] = draw(st.binary(max_size=64))
    else:
        del data[place:]
    return bytes(data)


def replace_somewhere(draw, value):
    """Replace one place in a JSON document."""
    if isinstance(value, dict) and value and draw(st.integers(0, 3)):
        key = draw(st.sampled_from(sorted(value)))
        if draw(st.integers(0, 9)) == 0:
            return {k: v for k, v in value.items() if k != key}
        return value | {key: replace_somewhere(draw, value[key])}
    if isinstance(value, list) and value and draw(st.integers(0, 3)):
        index = draw(st.integers(0, len(value) - 1))
        return [*value[:index], replace_somewhere(draw, value[index]), *value[index + 1 :]]
    return draw(_JSON)


@st.composite
def rewritten_zip(draw, content):
    """A zip whose checksums are right, with members that are damaged, swapped, missing, new or hostile."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = draw(st.sampled_from([n for n in _MEMBERS if n in members] or sorted(members)))
    how = draw(st.sampled_from(["damage", "json", "array", "swap", "drop", "add"]))
    if how == "json" and "manifest.json" in members:
        document = replace_somewhere(draw, json.loads(members["manifest.json"]))
        members["manifest.json"] = json.dumps(document).encode()
    elif how == "array":
        name = draw(st.sampled_from(sorted(n for n in members if n.endswith(".npy"))))
        array = np.load(io.BytesIO(members[name])).copy()
        if array.dtype.kind == "f":
            array.flat[draw(st.integers(0, array.size - 1))] = draw(st.sampled_from([np.nan, np.inf, 1e38, -1, 0]))
        elif array.dtype.kind != "U":
            array = array.astype(draw(st.sampled_from(["U3", "?", "<c8", ">f4", "u1"])))
        buffer = io.BytesIO()
        np.save(buffer, array)
        members[name] = buffer.getvalue()
    elif how == "swap":
        other = draw(st.sampled_from(sorted(members)))
        members[name], members[other] = members[other], members[name]
    elif how == "drop":
        del members[name]
    elif how == "add":
        members[draw(st.text(min_size=1, max_size=9))] = draw(st.binary(max_size=40))
    else:
        members[name] = draw(damage(members[name]))
    buffer = io.BytesIO()
    compression = draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]))
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for member, data in members.items():
            archive.writestr(member.replace("\0", "_").encode("utf-8", "replace").decode(), data)
    return buffer.getvalue()


@st.composite
def changed_json(draw, content):
    return json.dumps(replace_somewhere(draw, json.loads(content))).encode()


def load(kind, path, scene):
    if kind == "session":
        session = nw.Session.load(path)
        try:
            use(session)
        finally:
            session.close()
    elif kind == "npz":
        load_npz(path)
    elif kind == "coco":
        load_coco(path)
    else:
        load_clicks(path, scene)


def use(session):
    """What is wrong with a session must show when it is loaded, not when it is used."""
    for array in (session.eigenvectors, session.rgb, session.coords, session.features.values):
        assert np.isfinite(np.asarray(array, dtype=float)).all()
    assert session.eigenvalues is None or all(math.isfinite(value) for value in session.eigenvalues)
    session.labels()
    session.masks()
    json.dumps(session.get_state(["objects", "meta", "camera", "selection"]), allow_nan=False, default=str)


def check(kind, content, folder, scene):
    path = folder / "tried"
    path.write_bytes(content)
    widgets = len(_instances)
    with suppress(ValueError):
        load(kind, path, scene)
    assert len(_instances) == widgets
    assert sorted(p.name for p in folder.iterdir() if p.name.startswith(".")) == []


@settings.get_profile("fuzz")
@given(data=st.data(), kind=st.sampled_from(["session", "session", "npz", "coco", "clicks"]))
def test_a_damaged_file_is_read_or_refused(data, kind, saved, folder):
    check(kind, data.draw(damage(saved.contents[kind])), folder, saved.scene)


@settings.get_profile("fuzz")
@given(data=st.data(), kind=st.sampled_from(["session", "session", "npz", "coco", "clicks"]))
def test_a_file_with_other_content_is_read_or_refused(data, kind, saved, folder):
    other = rewritten_zip if kind in ("session", "npz") else changed_json
    check(kind, data.draw(other(saved.contents[kind])), folder, saved.scene)
