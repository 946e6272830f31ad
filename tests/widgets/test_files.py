"""Exports of masks, clicks as JSON, and session files."""

import io
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from helpers.pages import Page
from ncut_widgets import PatchGrid, PatchMap, Session
from ncut_widgets.export import load_clicks, load_npz, write_session

CLICK = {"image": 0, "x": 5, "y": 5}
FILES = {"masks": "left/image 0.png", "overlays": "image 0.png", "labels": "image 0.png", "coco": ""}
FILES |= {"npz": "", "clicks": ""}


@pytest.mark.parametrize(("format", "file"), FILES.items())
def test_exports(halves, tmp_path, format, file):
    halves.objects = [{"name": "left", "clicks": [CLICK]}]
    path = tmp_path / ("out" if file else f"out.{'npz' if format == 'npz' else 'json'}")
    assert halves.export(path, format=format) == path
    written = path / file if file else path
    assert written.is_file()
    if format == "coco":
        assert json.loads(path.read_text())["annotations"][0]["area"] == 40 * 60


@pytest.mark.parametrize("format", ["masks", "labels", "coco", "npz"])
def test_exports_patches(halves, tmp_path, format):
    halves.objects = [{"name": "left", "clicks": [CLICK]}]
    halves.export(tmp_path / "out", format=format, resolution="patch")
    if format == "npz":
        halves.export(tmp_path / "out.npz", format=format, resolution="patch")
        _, masks = load_npz(tmp_path / "out.npz")
        np.testing.assert_array_equal(masks["left"][1], halves.masks()["left"][1])
    elif format != "coco":
        (picture, *_) = (tmp_path / "out").rglob("image 0.png")
        with Image.open(picture) as image:
            assert image.size == (8, 6)


@pytest.mark.parametrize("format", ["masks", "labels", "coco", "npz"])
def test_images_without_patches_are_not_exported(images, tmp_path, format):
    grid = PatchGrid([(40, 30), (24, 48)], [PatchMap(0, 3, 4, "one"), PatchMap(1, 2, 2, "two")])
    session = Session(images, grid=grid, eigenvectors=np.random.default_rng(0).normal(size=(16, 3)))
    session.objects = [{"name": "a", "clicks": [CLICK], "min_area": 0}]
    session.export(tmp_path / "out.json", format=format, resolution="patch")
    if format == "coco":
        assert [image["width"] for image in json.loads((tmp_path / "out.json").read_text())["images"]] == [4]


def test_overlays_show_visible_objects(halves, tmp_path, monkeypatch):
    halves.objects = [{"name": "left", "clicks": [CLICK], "visible": False}, {"name": "none"}]
    halves.export(tmp_path, format="overlays")
    with Image.open(tmp_path / "image 0.png") as written:
        np.testing.assert_array_equal(np.asarray(written.convert("RGB")), np.asarray(halves.images[0]))
    content = Page(halves, monkeypatch).ask("export", {"format": "overlays"}).tobytes()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, Image.open(archive.open("image 0.png")) as sent:
        np.testing.assert_array_equal(np.asarray(sent.convert("RGB")), np.asarray(halves.images[0]))


class TestFile:
    def test_load_restores_everything(self, halves, tmp_path):
        halves.objects = [{"name": "left", "clicks": [CLICK], "color": "#123456", "threshold": 0.25}]
        halves.active_object, halves.layer, halves.n_clusters, halves.cluster_names = 0, "masks", 3, {"1": "sky"}
        halves.camera = {"position": [1, 2, 3], "target": [0, 0, 0], "zoom": 2}
        halves.hover, halves.selection, halves.hovered_channel = 3, [4, 5], 1
        again = Session.load(halves.save(tmp_path / "mine.ncut"))
        left_out = {"meta", "hover", "hovered_channel", "recolor_status", "layout"}
        for name in set(Session.class_traits(sync=True)) - left_out:
            if not name.startswith("_"):
                assert getattr(again, name) == getattr(halves, name), name
        assert again.hover is None
        assert again.hovered_channel is None
        for name in ("eigenvectors", "rgb", "coords", "labels"):
            left, right = getattr(halves, name), getattr(again, name)
            np.testing.assert_array_equal(left() if callable(left) else left, right() if callable(right) else right)
        np.testing.assert_array_equal(again.features.values, halves.features.values)
        assert again.grid == halves.grid
        assert all(np.array_equal(a, b) for a, b in zip(again.images, halves.images, strict=True))
        np.testing.assert_array_equal(again.masks()["left"][1], halves.masks()["left"][1])

    def test_load_restores_image_names_and_coloring(self, images, grid, eigenvectors, tmp_path):
        images[0].info["name"] = "a/cat.jpg"
        values = [1, 0.9, 0.2, 0.1, 0]
        session = Session(images, grid=grid, eigenvectors=eigenvectors, rgb=np.zeros((20, 3)), eigenvalues=values)
        again = Session.load(session.save(tmp_path / "mine.ncut"))
        assert [image["name"] for image in again.meta["images"]] == ["a/cat.jpg", "image 1"]
        assert again.recolor_status["method"] is None
        assert again.eigenvalues.tolist() == values
        assert again.features is None

    def test_other_files_raise(self, tmp_path):
        path = write_session(tmp_path / "other.ncut", state={"format": "something"}, arrays={}, images=[])
        with pytest.raises(ValueError, match=r"`path` must be a session that `Session.save` wrote.*something"):
            Session.load(path)
        forged = {"format": "ncut_widgets session", "state": [], "names": ["a"], "maps": [[0, 3, 4, "a"]], "graph": {}}
        arrays = {
            "eigenvectors": np.eye(12, 3, dtype=np.float32),
            "rgb": np.zeros((12, 3)),
            "coords": np.zeros((12, 3)),
        }
        path = write_session(tmp_path / "f.ncut", state=forged, arrays=arrays, images=[Image.new("RGB", (40, 30))])
        with pytest.raises(ValueError, match=r"is not: its state is a list, not a dict of traits"):
            Session.load(path)
        with pytest.raises(FileNotFoundError, match=r"none\.ncut"):
            Session.load(tmp_path / "none.ncut")


def test_page_gets_refined_masks_and_files(halves, monkeypatch):
    halves.objects = [{"name": "left", "clicks": [CLICK]}, {"name": "right", "clicks": [CLICK | {"x": 70}]}]
    page = Page(halves, monkeypatch)
    found = page.ask("refined", {"image": 1, "method": "guided", "objects": ["left", "right"]})
    assert found.shape == (2, 60, 80)
    np.testing.assert_array_equal(found[0] + found[1], 1)
    assert json.loads(page.ask("export", {"format": "clicks"}).tobytes())["objects"][1]["name"] == "right"
    assert page.ask("export", {"format": "masks"}).tobytes()[:2] == b"PK"
    heat = page.ask("click_heat/0/7/0.500")
    assert heat.shape == (96,)
    assert heat[0] > 0.9 > 0.1 > heat[7]
    assert "no array named 'click_heat/zero'" in page.ask("click_heat/zero")


def test_invalid_clicks_of_a_file_change_nothing(halves, tmp_path):
    halves.objects = [{"name": "left", "clicks": [CLICK], "threshold": 0.25}]
    path = halves.export(tmp_path / "clicks.json", format="clicks")
    before = halves.objects
    halves.objects = [{"name": "other"}]
    halves.objects = load_clicks(path, halves.images)
    assert halves.objects == before
    path.write_text(path.read_text().replace('"x": 5', '"x": 500'))
    with pytest.raises(ValueError, match=r"clicks\[0\]\.x.* must"):
        halves.objects = load_clicks(path, halves.images)
    assert halves.objects == before
