"""Paths that cannot be written or read: our own error, of the class that callers catch, and nothing is left behind."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest

import ncut_widgets as nw
from ncut_widgets import export

FILES = ("save", "to_html", "coco", "npz", "clicks")
FOLDERS = ("masks", "overlays", "labels")
READERS = {
    "session": nw.Session.load,
    "clicks": lambda path: export.load_clicks(path, [("a", 4, 3)]),
    "coco": export.load_coco,
    "npz": export.load_npz,
}


@pytest.fixture(scope="module")
def session():
    grid = nw.PatchGrid([(4, 3)], [nw.PatchMap(0, 3, 4)])
    session = nw.Session([np.zeros((3, 4, 3), np.uint8)], grid=grid, eigenvectors=np.eye(12)[:, :4])
    session.objects = [{"name": "a", "clicks": [{"image": 0, "x": 0, "y": 0}]}]
    return session


def write(session, name, path):
    if name == "save":
        return session.save(path)
    if name == "to_html":
        return nw.Explorer(session).to_html(path, progress=False)
    return session.export(path, format=name)


@pytest.fixture
def places(tmp_path):
    """Return the bad paths by name."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("old")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    os.mkfifo(tmp_path / "pipe")
    return {
        "folder": tmp_path / "folder",
        "file": tmp_path / "file",
        "in a file": tmp_path / "file" / "x",
        "loop": tmp_path / "loop" / "x",
        "long": tmp_path / ("n" * 300),
        "pipe": tmp_path / "pipe",
        "missing": tmp_path / "missing",
        "null": "a\0b",
        "empty": "",
        "number": 3,
        "none": None,
    }


def tree(folder):
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


UNUSABLE = {
    "in a file": (NotADirectoryError, "part of the path is a file, not a folder. Check the path"),
    "loop": (OSError, "Too many levels of symbolic links. Check where the links point"),
    "long": (OSError, r"nnn.*: File name too long\. Shorten the name"),
    "null": (ValueError, "`path` must be a path without null characters; got 'a.x00b'"),
    "empty": (ValueError, "`path` must be a path without null characters; got ''"),
    "number": (TypeError, "`path` must be a path as text or a pathlib.Path; got 3"),
    "none": (TypeError, "`path` must be a path as text or a pathlib.Path; got None"),
}


@pytest.mark.parametrize(
    ("name", "place", "error", "message"),
    [(name, place, *expected) for name in (*FILES, *FOLDERS) for place, expected in UNUSABLE.items()]
    + [(name, "folder", IsADirectoryError, "must name a file; .* is a folder. Add a file name") for name in FILES]
    + [(name, "pipe", OSError, "must name a regular file; .* is a device or a pipe") for name in FILES]
    + [(name, "file", NotADirectoryError, "must name a folder; .* is a file. Choose another") for name in FOLDERS],
)
def test_unwritable_path(session, places, tmp_path, name, place, error, message):
    before = tree(tmp_path)
    with pytest.raises(error, match=message) as raised:
        write(session, name, places[place])
    assert ".tmp" not in str(raised.value)
    assert "Errno" not in str(raised.value)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", [*FILES, *FOLDERS])
def test_forbidden_folder(session, tmp_path, monkeypatch, name):
    """Simulated, because administrators may write anywhere."""

    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / ".ncut-1.tmp"))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(PermissionError, match=r"out' cannot be written: Permission denied\. Check the perm") as raised:
        write(session, name, tmp_path / "out")
    assert raised.value.errno == errno.EACCES
    assert not tree(tmp_path)


@pytest.mark.parametrize(
    ("name", "place", "error", "message"),
    [
        (name, place, *expected)
        for name in READERS
        for place, expected in {
            "folder": (IsADirectoryError, "`path` must be .*; '.*' is a folder. Add the name of the file"),
            "missing": (FileNotFoundError, "`path` must be .*; there is no file '.*missing'. Check the path"),
            "in a file": (FileNotFoundError, "`path` must be .*; there is no file '.*x'. Check the path"),
            "loop": (FileNotFoundError, "there is no file"),
            "long": (FileNotFoundError, "there is no file"),
            "pipe": (OSError, "`path` must be .*; '.*' is a device or a pipe. Pass a regular file"),
            **{place: UNUSABLE[place] for place in ("null", "empty", "number", "none")},
        }.items()
    ],
)
def test_unreadable_path(places, name, place, error, message):
    with pytest.raises(error, match=message):
        READERS[name](places[place])


def test_forbidden_file(session, tmp_path, monkeypatch):
    path = session.save(tmp_path / "mine.ncut")

    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(PermissionError, match=r"mine\.ncut' cannot be read: Permission denied\. Check the permissions"):
        nw.Session.load(path)


@pytest.mark.parametrize("place", ["folder", "pipe", "missing", "in a file", "loop", "null", "empty"])
def test_images_that_cannot_be_read(places, place):
    with pytest.raises((OSError, ValueError), match=r"\. (Check|Pass)"):
        nw.load_images(places[place])


@pytest.mark.parametrize("name", [*FILES, *FOLDERS])
def test_tilde_is_the_home_of_the_user(session, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    write(session, name, "~/written")
    assert (tmp_path / "home" / "written").exists()
    assert not (tmp_path / "~").exists()
