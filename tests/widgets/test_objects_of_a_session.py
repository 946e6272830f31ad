"""Named masks: set from Python as from the page, observed, computed, exported, applied to new images."""

import io
import json
import zipfile
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image
from traitlets import TraitError

from ncut_widgets import FeatureMaps, PatchGrid, PatchMap, Session, click_mask
from ncut_widgets.export import load_clicks, load_npz, write_session

CLICK = {"image": 0, "x": 5, "y": 5}


@pytest.fixture
def halves():
    """Two images of 6 x 8 patches, each dark on the left and bright on the right; what is alike is so in both."""
    grid = PatchGrid([(80, 60), (80, 60)], [PatchMap(0, 6, 8), PatchMap(1, 6, 8)])
    pixels = np.zeros((60, 80, 3), np.uint8)
    pixels[:, 40:] = 220
    right = np.tile(np.arange(8) >= 4, 12).astype(float)
    noise = np.random.default_rng(0).normal(scale=0.02, size=(96, 2))
    eig = np.column_stack([np.ones(96), 2 * right - 1, noise])
    features = FeatureMaps(eig[:, 1:].astype(np.float32), grid)
    return Session([Image.fromarray(pixels)] * 2, features=features, eigenvectors=eig)


class TestState:
    def test_fills_in_what_is_missing_and_tells_observers(self, halves):
        seen = []
        halves.observe(lambda change: seen.append(change.new), "objects")
        halves.objects = [{"name": "left", "clicks": [CLICK]}]
        assert seen[0][0]["threshold"] == 0.5
        assert seen[0][0]["clicks"] == [{"image": 0, "x": 5.0, "y": 5.0, "positive": True}]
        halves.clicks = [{"image": np.int64(0), "x": np.float32(5), "y": 5, "positive": np.bool_(False)}]
        assert halves.clicks[0]["positive"] is False

    @pytest.mark.parametrize(
        ("objects", "match"),
        [
            ([{"clicks": [CLICK | {"image": 2}]}], r"image.* must"),
            ([{"clicks": [CLICK | {"x": 80}]}], r"x.* must"),
            ([{"name": "a"}, {"name": "a"}], "a"),
            ([{"threshold": 2}], r"threshold.* must"),
            ([{"colour": "#ffffff"}], "colour"),
        ],
    )
    def test_refuses_what_is_wrong_and_stays_as_it_was(self, halves, objects, match):
        halves.objects = [{"name": "left"}]
        with pytest.raises(TraitError, match=match):
            halves.objects = objects
        assert [item["name"] for item in halves.objects] == ["left"]

    def test_the_first_of_objects_that_are_given_is_active_and_none_can_be(self, halves):
        halves.objects = [{"name": "left", "clicks": [CLICK]}, {"name": "right"}]
        assert (halves.active, len(halves.clicks)) == (0, 1)
        halves.active = None
        halves.objects = [{"name": "left"}]
        assert (halves.active, halves.clicks) == (None, [])

    def test_what_was_read_changed_and_set_again_is_a_change(self, halves):
        halves.clicks = [CLICK]
        seen = []
        halves.observe(lambda change: seen.append(change.name), ["objects", "clicks", "selection", "camera"])
        objects = halves.objects
        objects[0]["threshold"] = 0.05
        assert halves.objects[0]["threshold"] == 0.5
        halves.objects = objects
        assert (halves.objects[0]["threshold"], seen) == (0.05, ["objects"])
        clicks = halves.clicks
        clicks.append(CLICK | {"x": 70, "positive": False})
        halves.clicks = clicks
        assert [click["x"] for click in halves.objects[0]["clicks"]] == [5, 70]
        selection = halves.selection
        selection.append(3)
        halves.selection = selection
        halves.camera = camera = {"position": [0, 0, 5], "target": [0, 0, 0], "zoom": 1}
        camera["position"][2] = 9
        halves.camera = camera
        assert (halves.selection, halves.camera["position"][2]) == ([3], 9)
        assert seen == ["objects", "objects", "clicks", "selection", "camera", "camera"]

    def test_clicks_are_those_of_the_active_object_both_ways(self, halves):
        seen = []
        halves.observe(lambda change: seen.append(len(change.new)), "clicks")
        halves.clicks = [CLICK]
        assert (halves.active, len(halves.objects)) == (0, 1)
        halves.objects = [*halves.objects, {"name": "other", "clicks": [CLICK, CLICK | {"x": 70}]}]
        halves.active = 1
        assert len(halves.clicks) == 2
        halves.clicks = []
        assert halves.objects[1]["clicks"] == []
        assert len(halves.objects[0]["clicks"]) == 1
        assert seen == [1, 2, 0]

    def test_a_wrong_click_changes_nothing(self, halves):
        halves.clicks = [CLICK]
        with pytest.raises(TraitError, match=r"clicks\[0\].*x"):
            halves.clicks = [CLICK | {"x": -1}]
        assert len(halves.clicks) == len(halves.objects[0]["clicks"]) == 1

    def test_the_active_object_is_one_that_is_there(self, halves):
        halves.objects = [{}, {}]
        halves.active = 1
        with pytest.raises(TraitError, match="`active` must be None or one of the 2 objects"):
            halves.active = 2
        halves.objects = [{}]
        assert halves.active == 0
        halves.objects = []
        assert halves.active is None
        assert halves.clicks == []

    def test_takes_objects_and_the_active_one_from_the_page_in_one_message(self, halves):
        halves.set_state({"active": 1, "objects": [{"name": "a"}, {"name": "b", "clicks": [CLICK]}]})
        assert halves.active == 1
        assert len(halves.clicks) == 1

    @pytest.mark.parametrize(
        ("trait", "value", "match"),
        [
            ("cluster", 9, "`cluster` must name clusters from 0 to 3; got 9"),
            ("hidden_clusters", [1, 4], "`hidden_clusters` must name clusters"),
            ("cluster_groups", [[0, 1], [1, 2]], "`cluster_groups` must have each cluster in one group"),
            ("cluster_names", {"sky": "3"}, "`cluster_names` must have numbers of clusters"),
            ("refine", "magic", "refine"),
        ],
    )
    def test_refuses_clusters_that_are_not_there(self, halves, trait, value, match):
        with pytest.raises(TraitError, match=match):
            setattr(halves, trait, value)

    def test_clusters_of_another_embedding_have_no_names_yet(self, halves):
        halves.cluster_names, halves.hidden_clusters, halves.cluster_groups = {"1": "sky"}, [1], [[2, 0]]
        assert halves.cluster_groups == [[0, 2]]
        halves.update(rgb=np.zeros((96, 3)))
        assert halves.cluster_names == {"1": "sky"}
        halves.update(eigenvectors=halves.eigenvectors[:, ::-1])
        assert (halves.cluster_names, halves.hidden_clusters, halves.cluster_groups) == ({}, [], [])


class TestMasks:
    def test_a_click_finds_the_object_in_every_image(self, halves):
        halves.objects = [{"name": "left", "clicks": [CLICK]}, {"name": "nothing"}]
        masks = halves.masks()
        expected = np.tile(np.arange(8) < 4, (6, 1))
        for image in range(2):
            np.testing.assert_array_equal(masks["left"][image], expected)
            assert not masks["nothing"][image].any()

    def test_is_that_of_click_mask(self, halves):
        halves.objects = [{"name": "mine", "clicks": [CLICK, CLICK | {"x": 75, "positive": False}], "gamma": 2.0}]
        expected = click_mask(halves.eigenvectors, [0], [7], grid=halves.grid, gamma=2.0)
        np.testing.assert_array_equal(np.stack(halves.masks()["mine"]).ravel(), expected)

    def test_boxes_prompt_as_clicks_do(self, halves):
        box = {"image": 1, "x0": 42, "y0": 2, "x1": 78, "y1": 58}
        halves.objects = [{"name": "right", "boxes": [box]}]
        assert halves.masks()["right"][0][:, 4:].mean() > 0.9
        assert halves.masks()["right"][0][:, :4].mean() < 0.1

    @pytest.mark.parametrize("refine", ["none", "guided", "crf"])
    def test_reaches_the_pixels(self, halves, refine):
        halves.objects = [{"name": "left", "clicks": [CLICK]}]
        found = halves.masks(resolution="pixel", refine=refine)["left"][1]
        assert found.shape == (60, 80)
        np.testing.assert_array_equal(found, np.tile(np.arange(80) < 40, (60, 1)))

    def test_an_image_that_the_source_does_not_show_has_none(self, images):
        grid = PatchGrid(
            [(40, 30), (24, 48)], [PatchMap(0, 3, 4, "one"), PatchMap(0, 6, 8, "two"), PatchMap(1, 2, 2, "two")]
        )
        session = Session(images, grid=grid, eigenvectors=np.random.default_rng(0).normal(size=(64, 3)))
        session.objects = [{"name": "a", "clicks": [CLICK, {"image": 1, "x": 1, "y": 1}], "denoise": 0}]
        shapes = [mask.shape for mask in session.masks()["a"]]
        assert shapes == [(3, 4), (0, 0)]
        assert session.masks(resolution="pixel")["a"][1].shape == (48, 24)
        session.source = "two"
        assert [mask.shape for mask in session.masks()["a"]] == [(6, 8), (2, 2)]

    def test_says_which_objects_there_are(self, halves):
        halves.objects = [{"name": "left"}]
        with pytest.raises(ValueError, match=r"`name` must be that of an object, one of \['left'\]; got 'right'"):
            halves.masks(["right"])

    def test_clicks_find_the_object_in_new_images(self, halves):
        halves.objects = [{"name": "left", "clicks": [CLICK], "denoise": 0}]
        new = halves.eigenvectors[40:56]
        found = halves.segmenter("left").predict(new, grid=PatchGrid([(20, 20)], [PatchMap(0, 4, 4)]))
        np.testing.assert_array_equal(found, new[:, 1] < 0)


class TestNcut:
    OBJECT: ClassVar = {
        "name": "left",
        "method": "ncut",
        "clicks": [CLICK, CLICK | {"x": 75, "positive": False}],
    }

    def test_cuts_with_the_clicks_in_the_graph(self, halves):
        halves.objects = [self.OBJECT]
        np.testing.assert_array_equal(halves.masks()["left"][1], np.tile(np.arange(8) < 4, (6, 1)))

    def test_needs_features(self, images, grid, eigenvectors):
        session = Session(images, grid=grid, eigenvectors=eigenvectors)
        assert "ncut" not in session.meta["abilities"]
        session.objects = [self.OBJECT | {"clicks": [CLICK]}]
        with pytest.raises(ValueError, match="`features` must be there for masks of the method 'ncut'"):
            session.masks()

    def test_a_box_stands_for_what_is_most_like_it(self, halves):
        right = {"image": 1, "x0": 42, "y0": 2, "x1": 78, "y1": 58}
        left = {"image": 0, "x0": 2, "y0": 2, "x1": 38, "y1": 58, "positive": False}
        halves.objects = [{"name": "right", "method": "ncut", "boxes": [right, left]}]
        np.testing.assert_array_equal(halves.masks()["right"][0], np.tile(np.arange(8) >= 4, (6, 1)))
        boxed = halves.segmenter("right").heatmap_
        # The middles of the halves are nodes of their boxes; which of the equal ones stand for them does not matter.
        halves.objects = [{"name": "right", "method": "ncut", "clicks": [CLICK | {"image": 1, "x": 60, "y": 30}]}]
        assert np.corrcoef(boxed, halves.segmenter("right").heatmap_)[0, 1] > 0.95

    def test_finds_the_object_in_new_images(self, halves):
        halves.objects = [self.OBJECT | {"denoise": 0}]
        heat = halves.segmenter("left").transform(halves.features.values[40:56])
        assert heat[halves.features.values[40:56, 0] < 0].min() > heat[halves.features.values[40:56, 0] > 0].max()


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
def test_images_that_the_source_does_not_show_have_no_patches_to_export(images, tmp_path, format):
    grid = PatchGrid([(40, 30), (24, 48)], [PatchMap(0, 3, 4, "one"), PatchMap(1, 2, 2, "two")])
    session = Session(images, grid=grid, eigenvectors=np.random.default_rng(0).normal(size=(16, 3)))
    session.objects = [{"name": "a", "clicks": [CLICK], "denoise": 0}]
    session.export(tmp_path / "out.json", format=format, resolution="patch")
    if format == "coco":
        assert [image["width"] for image in json.loads((tmp_path / "out.json").read_text())["images"]] == [4]


def test_overlays_show_what_the_views_show(halves, tmp_path, monkeypatch):
    from .test_wire import Page

    halves.objects = [{"name": "left", "clicks": [CLICK], "visible": False}, {"name": "none"}]
    halves.export(tmp_path, format="overlays")
    with Image.open(tmp_path / "image 0.png") as written:
        np.testing.assert_array_equal(np.asarray(written.convert("RGB")), np.asarray(halves.images[0]))
    content = Page(halves, monkeypatch).ask("export", {"format": "overlays"}).tobytes()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, Image.open(archive.open("image 0.png")) as sent:
        np.testing.assert_array_equal(np.asarray(sent.convert("RGB")), np.asarray(halves.images[0]))


class TestFile:
    def test_everything_comes_back(self, halves, tmp_path):
        halves.objects = [{"name": "left", "clicks": [CLICK], "color": "#123456", "threshold": 0.25}]
        halves.active, halves.layer, halves.n_clusters, halves.cluster_names = 0, "masks", 3, {"1": "sky"}
        halves.camera = {"position": [1, 2, 3], "target": [0, 0, 0], "zoom": 2}
        halves.hover, halves.selection = 3, [4, 5]
        again = Session.load(halves.save(tmp_path / "mine.ncut"))
        left_out = ("meta", "hover", "coloring")
        for name, value in halves._state().items():
            if name not in left_out:
                assert getattr(again, name) == value, name
        assert again.hover is None
        for name in ("eigenvectors", "rgb", "coords", "labels"):
            left, right = getattr(halves, name), getattr(again, name)
            np.testing.assert_array_equal(left() if callable(left) else left, right() if callable(right) else right)
        np.testing.assert_array_equal(again.features.values, halves.features.values)
        assert again.grid == halves.grid
        assert all(np.array_equal(a, b) for a, b in zip(again.images, halves.images, strict=True))
        np.testing.assert_array_equal(again.masks()["left"][1], halves.masks()["left"][1])

    def test_names_of_images_and_the_colouring_come_back(self, images, grid, eigenvectors, tmp_path):
        images[0].info["name"] = "a/cat.jpg"
        values = [1, 0.9, 0.2, 0.1, 0]
        session = Session(images, grid=grid, eigenvectors=eigenvectors, rgb=np.zeros((20, 3)), eigenvalues=values)
        again = Session.load(session.save(tmp_path / "mine.ncut"))
        assert [image["name"] for image in again.meta["images"]] == ["a/cat.jpg", "image 1"]
        assert again.coloring["method"] is None
        assert again.eigenvalues.tolist() == values
        assert again.features is None

    def test_another_file_is_refused(self, tmp_path):
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
        with pytest.raises(ValueError, match=r"is not: its state is no dict of traits but list"):
            Session.load(path)
        with pytest.raises(FileNotFoundError, match=r"none\.ncut"):
            Session.load(tmp_path / "none.ncut")


def test_the_page_gets_refined_masks_and_files(halves, monkeypatch):
    from .test_wire import Page

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
    assert "`name` must be click_heat" in page.ask("click_heat/zero")


def test_clicks_of_a_file_come_into_a_session_whole_or_not_at_all(halves, tmp_path):
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
