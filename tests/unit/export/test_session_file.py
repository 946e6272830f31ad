"""Session files: exact round trips, and rejection of invalid content."""

from __future__ import annotations

import io
import json
import math
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ncut_widgets.export import read_session, write_session
from ncut_widgets.export import session_file as module

NESTED = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
STATE = {"layer": "masks", "camera": None, "objects": [{"name": "paw", "clicks": [{"x": 0.1 + 0.2}]}]}
ARRAYS = {
    "eigenvectors": np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32),
    "labels/8": np.arange(50, dtype=np.uint8),
    "../../etc/passwd": np.array([True, False]),
    "": np.zeros((0, 3), np.float16),
    "scalar": np.array(-7, dtype=">i8"),
    "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "not finite": np.array([np.nan, np.inf, -np.inf, -0.0]),
    "complex": np.array([1 + 2j, complex(np.nan, -0.0)]),
}


@pytest.fixture
def path(images, tmp_path):
    return write_session(tmp_path / "deep" / "cats.ncut", state=STATE, arrays=ARRAYS, images=images)


def same_state(a, b):
    # Compares types too; NaN equals NaN, and -0.0 differs from 0.0.
    return type(a) is type(b) and repr(a) == repr(b)


def test_session_round_trips(path, images):
    state, arrays, restored = read_session(path)
    assert same_state(state, STATE)
    assert list(arrays) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        assert arrays[name].shape == array.shape
        assert arrays[name].tobytes() == array.tobytes()
        assert arrays[name].flags.writeable
    assert [image.info for image in restored] == [image.info for image in images]
    for found, image in zip(restored, images, strict=True):
        assert found.mode == image.mode
        np.testing.assert_array_equal(np.array(found), np.array(image))


@settings(deadline=None)
@given(state=st.dictionaries(st.text(), NESTED, max_size=4))
def test_arbitrary_state_round_trips(tmp_path_factory, state):
    path = tmp_path_factory.getbasetemp() / "any.ncut"
    write_session(path, state=state, arrays={}, images=[])
    assert same_state(read_session(path).state, state)


def test_tuples_and_numpy_numbers_become_builtin(tmp_path):
    path = write_session(tmp_path / "x", state={"a": (1, np.float64(0.1)), "b": {"c": math.nan}}, arrays={}, images=[])
    state = read_session(path).state
    assert repr(state) == "{'a': [1, 0.1], 'b': {'c': nan}}"


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA"])
def test_images_round_trip_without_metadata(tmp_path, mode):
    noise = np.random.default_rng(0).integers(0, 256, (9, 11, 4), dtype=np.uint8)
    image = Image.fromarray(noise).convert(mode) if mode != "LA" else Image.fromarray(noise[..., :2])
    image.info = {"comment": "at home", "icc_profile": b"secret"}
    path = write_session(tmp_path / "x.ncut", state={}, arrays={}, images=[image])
    (restored,) = read_session(path).images
    assert restored.mode == mode
    assert restored.tobytes() == image.tobytes()
    assert restored.info == {}
    with zipfile.ZipFile(path) as archive, Image.open(archive.open("images/0.png")) as png_file:
        assert png_file.info == {}
    assert image.info["comment"] == "at home"


def test_same_session_gives_same_file(path, images, tmp_path):
    again = write_session(tmp_path / "again.ncut", state=STATE, arrays=ARRAYS, images=images)
    assert again.read_bytes() == path.read_bytes()


def test_file_is_readable_by_other_tools(path):
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        manifest = json.loads(archive.read("manifest.json"))
        assert (manifest["format"], manifest["version"]) == ("ncut-widgets session", 1)
        array = np.load(io.BytesIO(archive.read("arrays/0.npy")), allow_pickle=False)
        np.testing.assert_array_equal(array, ARRAYS["eigenvectors"])


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"state": [1]}, TypeError, "`state` must be a dict; got list"),
        ({"state": {"a": [0, {1}]}}, TypeError, r"`state.a\[1\]` must be None, a bool.*; got set"),
        ({"state": {"a": {"b": np.zeros(2)}}}, TypeError, "`state.a.b` must be None.*; got ndarray. Put arrays into"),
        ({"state": {1: 2}}, TypeError, "`state` must have text other than .* as keys; got 1"),
        ({"state": {"$float": "nan"}}, TypeError, r"`state` must have text other than '\$float' as keys"),
        ({"arrays": {3: np.zeros(2)}}, TypeError, "`arrays` must have text as keys; got 3"),
        ({"arrays": {"a": [1, 2]}}, TypeError, "`arrays` must contain numpy arrays; got list for 'a'"),
        ({"arrays": {"a": np.array([None])}}, TypeError, "must contain numbers or booleans; got dtype object for 'a'"),
        ({"arrays": {"a": np.array(["x"])}}, TypeError, "must contain numbers or booleans; got dtype <U1 for 'a'"),
        ({"images": ["cat.jpg"]}, TypeError, "`images` must contain PIL images; got str at index 0"),
        (
            {"images": [Image.new("CMYK", (1, 1))]},
            ValueError,
            "must have one of the modes 1, L.*; got 'CMYK' at index 0",
        ),
    ],
)
def test_unsupported_values_raise_and_keep_existing_file(path, changes, error, message):
    before = path.read_bytes()
    with pytest.raises(error, match=message):
        write_session(path, **{"state": {}, "arrays": {}, "images": [], **changes})
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def rewrite(path, change):
    """Rewrite the zip after `change` has modified the dict of its members."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def manifest(**changes):
    def change(members):
        members["manifest.json"] = json.dumps(json.loads(members["manifest.json"]) | changes).encode()

    return change


def member(name, content):
    return lambda members: members.__setitem__(name, content)


def npy(array, **options):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, **options)
    return buffer.getvalue()


def png(mode, size):
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, "PNG")
    return buffer.getvalue()


EIGENVECTORS = ARRAYS["eigenvectors"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda members: members.pop("manifest.json"), "it is a different type of zip"),
        (member("manifest.json", b"{"), "the manifest must be JSON"),
        (member("manifest.json", b"[" * 200_000), "the manifest must be JSON"),
        (member("manifest.json", b"[]"), "it is a different type of zip"),
        (manifest(format="other"), "it is a different type of zip"),
        (manifest(version=2), "its version must be 1 or older; got 2. Upgrade ncut_widgets"),
        (manifest(version="1"), "the manifest must have a int named 'version'; got str '1'"),
        (manifest(state=[]), "the manifest must have a dict named 'state'; got list"),
        (manifest(arrays={}), "the manifest must have a list named 'arrays'; got dict"),
        (manifest(arrays=[]), "only the members in its manifest; also got 'arrays/0.npy'"),
        (manifest(images=[{}] * 4), r"it must contain 'images/3.png', which is missing"),
        (manifest(images=[{}] * 3), "an image must have a str named 'mode'; got nothing"),
        (manifest(images=[None] * 3), "an image must have a str named 'mode'; got nothing"),
        (lambda members: members.pop("arrays/0.npy"), "it must contain 'arrays/0.npy', which is missing"),
        (member("../../evil", b"x"), "only the members in its manifest; also got '../../evil'"),
        (member("arrays/0.npy", b"x"), "'arrays/0.npy' is not a numpy array"),
        (
            member("arrays/0.npy", npy(np.array([print]), allow_pickle=True)),
            "is not an array of numbers, booleans or text",
        ),
        (
            member("arrays/0.npy", npy(EIGENVECTORS.astype("f8"))),
            "must have dtype <f4 and shape.*; got dtype <f8 and shape",
        ),
        (
            member("arrays/0.npy", npy(EIGENVECTORS[1:])),
            r"must have dtype <f4 and shape \[50, 4\].*; got dtype <f4 and shape \[49, 4",
        ),
        (member("arrays/0.npy", npy(EIGENVECTORS)[:-4]), r"must have 800 bytes for its shape \(50, 4\); got 796"),
        (member("arrays/0.npy", npy(EIGENVECTORS, version=(2, 0))), "is not a numpy array of version 1.0"),
        (member("arrays/0.npy", npy(np.array(["text"]))), "must have dtype <f4 and shape.*; got dtype <U4 and shape"),
        (member("images/0.png", b"GIF89a"), "must be a PNG of mode 'RGB'.*cannot identify"),
        (member("images/0.png", png("L", (20, 12))), "must be a PNG of mode 'RGB'.*; got mode 'L'"),
        (member("images/0.png", png("RGB", (20, 13))), r"and size \[20, 12\]; got .* size \[20, 13\]"),
        (member("images/0.png", png("RGB", (20, 12))[:45]), "must be a PNG of mode 'RGB'"),
    ],
)
def test_invalid_file_raises(path, change, message):
    rewrite(path, change)
    with pytest.raises(ValueError, match=rf"`path` must be a session file; got '.*cats\.ncut': .*{message}"):
        read_session(path)


def test_duplicate_member_raises(path):
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("arrays/0.npy", npy(np.zeros((50, 4), np.float32)))
    with pytest.raises(ValueError, match="got two members with the same name"):
        read_session(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04", b"\x80\x04]\x94."])
def test_non_zip_file_raises(tmp_path, content):
    path = tmp_path / "x.ncut"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"must be a session file; got '.*x\.ncut', which is truncated, damaged or"):
        read_session(path)


def test_truncated_file_raises(path):
    content = path.read_bytes()
    for end in np.linspace(0, len(content) - 1, 30).astype(int):
        path.write_bytes(content[:end])
        with pytest.raises(ValueError, match="truncated, damaged or not a zip file"):
            read_session(path)


def test_changed_byte_in_array_or_image_raises(path):
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        places = [i.header_offset + i.file_size // 2 + 60 for i in archive.infolist() if i.compress_type == 0]
    assert len(places) > 6
    for place in places:
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(ValueError, match="must be a session file"):
            read_session(path)


def test_unsupported_compression_raises(path):
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\x01\x02")
    content[at + 10] = 99
    content[8] = 99
    path.write_bytes(content)
    with pytest.raises(ValueError, match="not compressed with deflate"):
        read_session(path)


def test_failed_write_keeps_existing_file(path, monkeypatch):
    before = path.read_bytes()

    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.np.lib.format, "write_array", full)
    with pytest.raises(OSError, match="No space left"):
        write_session(path, state={}, arrays={"a": np.zeros(3)}, images=[])
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_missing_file_raises(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.ncut"):
        read_session(tmp_path / "none.ncut")
