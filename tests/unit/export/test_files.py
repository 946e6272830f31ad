"""File names that are valid on every system, and atomic writing of files."""

from __future__ import annotations

import io
import json
import unicodedata
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncut_widgets.export import export_bytes, save_masks
from ncut_widgets.export._files import file_names, read_json, replacing, zip_of


@settings(deadline=None)
@given(st.lists(st.text(max_size=200), max_size=8))
def test_arbitrary_names_become_safe_and_unique(names):
    files = file_names(names)
    assert len({file.casefold() for file in files}) == len(names)
    for file in files:
        assert file == unicodedata.normalize("NFC", file)
        assert 0 < len(f"{file}.png".encode()) < 200
        assert not set(file) & set('/\\:*?"<>|\0\n')
        assert file not in (".", "..")
        assert file[0] != "."


@pytest.mark.parametrize(
    ("names", "files"),
    [
        (["hand", "Füße", "手 🐾"], ["hand", "Füße", "手 🐾"]),
        (["a/b", "a\\b", "a_b"], ["a_b", "a_b-2", "a_b-3"]),
        (["cat", "cat-2", "Cat"], ["cat", "cat-2", "Cat-3"]),
        (["cat.jpg", "v1.2", ".png", "x.tar.gz"], ["cat", "v1.2", "png", "x.tar.gz"]),
        (["../../etc/passwd", "C:\\x", ""], ["_.._etc_passwd", "C__x", "unnamed"]),
        (["con", "COM1.jpg", "console", "aux.x"], ["con_", "COM1_", "console", "aux_.x"]),
        (["evil\u202egpj.exe", "a\nb", "\ud800"], ["evil_gpj.exe", "a_b", "_"]),
        (["e\u0301", "\u00e9"], ["\u00e9", "\u00e9-2"]),
    ],
)
def test_file_names_stay_readable(names, files):
    assert file_names(names) == files


def write(path, content, *, fail=False):
    with replacing(path) as file:
        file.write(content)
        if fail:
            raise RuntimeError("halfway")


def test_failed_write_keeps_old_file_only(tmp_path):
    path = tmp_path / "deep" / "file"
    write(path, b"old")
    with pytest.raises(RuntimeError, match="halfway"):
        write(path, b"new", fail=True)
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]
    write(path, b"new")
    assert path.read_bytes() == b"new"


def test_replacing_link_replaces_its_target(tmp_path):
    (tmp_path / "data").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "data" / "file")
    write(link, b"new")
    assert link.is_symlink()
    assert (tmp_path / "data" / "file").read_bytes() == b"new"


def test_zip_has_files_and_is_reproducible():
    files = [("a/b.png", b"1"), ("ü.json", b"2")]
    content = zip_of(files)
    assert content == zip_of(files)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert [(name, archive.read(name)) for name in archive.namelist()] == files


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"{", b"", b"[" * 100_000])
def test_invalid_json_raises(tmp_path, content):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"`path` must be a COCO file; got '.*x\.json', which is not JSON"):
        read_json(path, "a COCO file")


def test_json_without_object_raises(tmp_path):
    path = tmp_path / "x.json"
    path.write_text(json.dumps([1]))
    with pytest.raises(ValueError, match="which contains a list"):
        read_json(path, "a COCO file")


@pytest.mark.parametrize("name", ["masks.json", "MASKS.json", "masks.json.png", " masks.json. ", "Masks.Json"])
def test_object_folders_do_not_replace_masks_json(tmp_path, name):
    """Object folders are next to masks.json and must not collide with it, even on case-insensitive file systems."""
    masks = {name: [np.eye(3, dtype=bool)], "masks.json-2": [np.eye(3, dtype=bool)]}
    paths = save_masks([("a", 3, 3)], masks, tmp_path)
    assert [entry["object"] for entry in read_json(paths[-1], "masks")["masks"]] == list(masks)
    names = [path.relative_to(tmp_path).parts[0].casefold() for path in paths]
    assert len(set(names)) == len(masks) + 1
    _, content = export_bytes("masks", [("a", 3, 3)], masks)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(tmp_path / "page")
    assert (tmp_path / "page" / "masks.json").is_file()
