"""Files are written completely or not at all."""

import os
import resource
import signal
import stat
import threading

import numpy as np
import pytest

import ncut_widgets as nw
from ncut_widgets.export import (
    load_clicks,
    read_session,
    save_clicks,
    save_coco,
    save_label_maps,
    save_masks,
    save_npz,
    save_overlays,
)
from ncut_widgets.export._files import replacing

# How Python reads a Latin-1 file name on Linux.
SURROGATE = "caf\udce9.png"


@pytest.fixture
def session():
    rng = np.random.default_rng(0)
    images = nw.load_images([rng.integers(0, 255, (48, 64, 3), dtype=np.uint8) for _ in range(2)])
    images[0].info["name"] = SURROGATE
    grid = nw.PatchGrid([(64, 48)] * 2, [nw.PatchMap(i, 6, 8) for i in range(2)])
    session = nw.Session(images, grid=grid, eigenvectors=rng.normal(size=(96, 5)))
    session.objects = [{"name": "paw", "clicks": [{"image": 0, "x": 3, "y": 4}], "boxes": []}]
    yield session
    session.close()


def masks_of(session):
    return {"paw": [np.ones((48, 64), bool), np.eye(48, 64) > 0]}


WRITERS = {
    "session.ncut": lambda s, path: s.save(path),
    "page.html": lambda s, path: s.to_html(path, progress=False),
    "masks.npz": lambda s, path: save_npz(s.images, masks_of(s), path),
    "coco.json": lambda s, path: save_coco(s.images, masks_of(s), path),
    "clicks.json": lambda s, path: save_clicks(s.images, s.objects, path),
    "masks": lambda s, path: save_masks(s.images, masks_of(s), path),
    "overlays": lambda s, path: save_overlays(s.images, masks_of(s), path),
    "labels": lambda s, path: save_label_maps(s.images, masks_of(s), path),
}


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", WRITERS)
def test_full_disk_keeps_the_old_files(name, session, tmp_path):
    WRITERS[name](session, tmp_path / name)
    before = contents(tmp_path)
    assert before
    session.objects = []
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            WRITERS[name](session, tmp_path / name)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", WRITERS)
def test_file_permissions(name, session, tmp_path):
    plain = tmp_path / "plain"
    plain.write_bytes(b"")
    new = stat.S_IMODE(plain.stat().st_mode)
    for mode in (new, 0o640):
        WRITERS[name](session, tmp_path / name)
        written = [path for path in (tmp_path / name, *(tmp_path / name).rglob("*")) if path.is_file()]
        assert {stat.S_IMODE(path.stat().st_mode) for path in written} == {mode}
        for path in written:
            path.chmod(0o640)


@pytest.mark.parametrize("name", WRITERS)
def test_names_invalid_in_utf8_are_written(name, session, tmp_path):
    path = tmp_path / f"caf\udce9-{name}"
    WRITERS[name](session, path)
    assert os.path.exists(path)


def test_name_invalid_in_utf8_is_read(session, tmp_path):
    assert read_session(session.save(tmp_path / "s.ncut")).images[0].info["name"] == SURROGATE
    clicks = save_clicks(session.images, session.objects, tmp_path / "clicks.json")
    assert load_clicks(clicks, session.images)[0]["clicks"][0]["image"] == 0


def test_killed_process_leaves_no_file(tmp_path):
    child = os.fork()
    if child == 0:
        with replacing(tmp_path / "x") as file:
            file.write(b"half")
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("tmpfile", [True, False], ids=["without a name", "with a name"])
def test_link_points_to_the_new_file(tmpfile, tmp_path, monkeypatch):
    if not tmpfile:
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    (tmp_path / "old").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "old")
    with replacing(tmp_path / "link") as file:
        file.write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert contents(tmp_path) == {"old": b"new", "link": b"new"}


def test_folder_as_path_raises(session, tmp_path):
    with pytest.raises(IsADirectoryError, match="is a folder"):
        session.save(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["session.ncut", "page.html"])
def test_file_has_one_state_during_updates(name, session, tmp_path):
    n = session.grid.n_nodes
    stop = threading.Event()

    def update():
        value = 0.0
        while not stop.is_set():
            value = 1.0 - value
            session.update(rgb=np.full((n, 3), value), coords=np.full((n, 3), value))

    session.update(rgb=np.zeros((n, 3)), coords=np.zeros((n, 3)))
    thread = threading.Thread(target=update)
    thread.start()
    try:
        for _ in range(5):
            path = WRITERS[name](session, tmp_path / name)
            rgb, coords = read_colors(path)
            assert rgb == coords
    finally:
        stop.set()
        thread.join()


def read_colors(path):
    """Whether colors and coordinates are those of the state 0 or 1."""
    if path.suffix == ".ncut":
        arrays = read_session(path).arrays
        return float(arrays["rgb"].max()), float(arrays["coords"].max())
    text = path.read_text()
    starts = [text.index(f'data-ncut-array="{array}"') for array in ("rgb", "coords")]
    blocks = [text[start:].split(">", 1)[1].split("<", 1)[0] for start in starts]
    return tuple(float("AAAAAAAAAA" not in block) for block in blocks)
