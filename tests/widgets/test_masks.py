"""Objects and their masks."""

from typing import ClassVar

import numpy as np
import pytest
from traitlets import TraitError

from ncut_widgets import PatchGrid, PatchMap, Session, click_mask

CLICK = {"image": 0, "x": 5, "y": 5}


class TestState:
    def test_defaults_are_filled_in_and_observers_notified(self, halves):
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
    def test_invalid_objects_change_nothing(self, halves, objects, match):
        halves.objects = [{"name": "left"}]
        with pytest.raises(TraitError, match=match):
            halves.objects = objects
        assert [item["name"] for item in halves.objects] == ["left"]

    def test_first_object_becomes_active(self, halves):
        halves.objects = [{"name": "left", "clicks": [CLICK]}, {"name": "right"}]
        assert (halves.active_object, len(halves.clicks)) == (0, 1)
        halves.active_object = None
        halves.objects = [{"name": "left"}]
        assert (halves.active_object, halves.clicks) == (None, [])

    def test_modified_copy_can_be_set(self, halves):
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

    def test_clicks_mirror_the_active_object(self, halves):
        seen = []
        halves.observe(lambda change: seen.append(len(change.new)), "clicks")
        halves.clicks = [CLICK]
        assert (halves.active_object, len(halves.objects)) == (0, 1)
        halves.objects = [*halves.objects, {"name": "other", "clicks": [CLICK, CLICK | {"x": 70}]}]
        halves.active_object = 1
        assert len(halves.clicks) == 2
        halves.clicks = []
        assert halves.objects[1]["clicks"] == []
        assert len(halves.objects[0]["clicks"]) == 1
        assert seen == [1, 2, 0]

    def test_invalid_click_changes_nothing(self, halves):
        halves.clicks = [CLICK]
        with pytest.raises(TraitError, match=r"clicks\[0\].*x"):
            halves.clicks = [CLICK | {"x": -1}]
        assert len(halves.clicks) == len(halves.objects[0]["clicks"]) == 1

    def test_active_object_exists(self, halves):
        halves.objects = [{}, {}]
        halves.active_object = 1
        with pytest.raises(TraitError, match="`active_object` must be None or one of the 2 objects"):
            halves.active_object = 2
        halves.objects = [{}]
        assert halves.active_object == 0
        halves.objects = []
        assert halves.active_object is None
        assert halves.clicks == []

    def test_page_sets_objects_and_active_together(self, halves):
        halves.set_state({"active_object": 1, "objects": [{"name": "a"}, {"name": "b", "clicks": [CLICK]}]})
        assert halves.active_object == 1
        assert len(halves.clicks) == 1

    @pytest.mark.parametrize(
        ("trait", "value", "match"),
        [
            ("selected_cluster", 9, "`selected_cluster` must name clusters from 0 to 3; got 9"),
            ("hidden_clusters", [1, 4], "`hidden_clusters` must name clusters"),
            ("cluster_groups", [[0, 1], [1, 2]], "`cluster_groups` must have each cluster in one group"),
            ("cluster_names", {"sky": "3"}, "`cluster_names` must have numbers of clusters"),
            ("refine", "magic", "refine"),
        ],
    )
    def test_unavailable_clusters_raise(self, halves, trait, value, match):
        with pytest.raises(TraitError, match=match):
            setattr(halves, trait, value)

    def test_new_eigenvectors_reset_cluster_names(self, halves):
        halves.cluster_names, halves.hidden_clusters, halves.cluster_groups = {"1": "sky"}, [1], [[2, 0]]
        assert halves.cluster_groups == [[0, 2]]
        halves.update(rgb=np.zeros((96, 3)))
        assert halves.cluster_names == {"1": "sky"}
        halves.update(eigenvectors=halves.eigenvectors[:, ::-1])
        assert (halves.cluster_names, halves.hidden_clusters, halves.cluster_groups) == ({}, [], [])


class TestMasks:
    def test_click_selects_the_object_in_every_image(self, halves):
        halves.objects = [{"name": "left", "clicks": [CLICK]}, {"name": "nothing"}]
        masks = halves.masks()
        expected = np.tile(np.arange(8) < 4, (6, 1))
        for image in range(2):
            np.testing.assert_array_equal(masks["left"][image], expected)
            assert not masks["nothing"][image].any()

    def test_equals_click_mask(self, halves):
        halves.objects = [{"name": "mine", "clicks": [CLICK, CLICK | {"x": 75, "positive": False}], "gamma": 2.0}]
        expected = click_mask(halves.eigenvectors, [0], [7], grid=halves.grid, gamma=2.0)
        np.testing.assert_array_equal(np.stack(halves.masks()["mine"]).ravel(), expected)

    def test_boxes_select_as_clicks_do(self, halves):
        box = {"image": 1, "x0": 42, "y0": 2, "x1": 78, "y1": 58}
        halves.objects = [{"name": "right", "boxes": [box]}]
        assert halves.masks()["right"][0][:, 4:].mean() > 0.9
        assert halves.masks()["right"][0][:, :4].mean() < 0.1

    @pytest.mark.parametrize("refine", [None, "guided", "crf"])
    def test_pixel_masks(self, halves, refine):
        halves.objects = [{"name": "left", "clicks": [CLICK]}]
        found = halves.masks(resolution="pixel", refine=refine)["left"][1]
        assert found.shape == (60, 80)
        np.testing.assert_array_equal(found, np.tile(np.arange(80) < 40, (60, 1)))

    def test_image_without_patches_has_an_empty_mask(self, images):
        grid = PatchGrid(
            [(40, 30), (24, 48)], [PatchMap(0, 3, 4, "one"), PatchMap(0, 6, 8, "two"), PatchMap(1, 2, 2, "two")]
        )
        session = Session(images, grid=grid, eigenvectors=np.random.default_rng(0).normal(size=(64, 3)))
        session.objects = [{"name": "a", "clicks": [CLICK, {"image": 1, "x": 1, "y": 1}], "min_area": 0}]
        shapes = [mask.shape for mask in session.masks()["a"]]
        assert shapes == [(3, 4), (0, 0)]
        assert session.masks(resolution="pixel")["a"][1].shape == (48, 24)
        session.source = "two"
        assert [mask.shape for mask in session.masks()["a"]] == [(6, 8), (2, 2)]

    def test_unknown_object_raises(self, halves):
        halves.objects = [{"name": "left"}]
        with pytest.raises(ValueError, match=r"`name` must be the name of an object, one of \['left'\]; got 'right'"):
            halves.masks(["right"])

    def test_segmenter_finds_the_object_in_new_images(self, halves):
        halves.objects = [{"name": "left", "clicks": [CLICK], "min_area": 0}]
        new = halves.eigenvectors[40:56]
        found = halves.segmenter("left").predict(new, grid=PatchGrid([(20, 20)], [PatchMap(0, 4, 4)]))
        np.testing.assert_array_equal(found, new[:, 1] < 0)


class TestNcut:
    OBJECT: ClassVar = {
        "name": "left",
        "method": "ncut",
        "clicks": [CLICK, CLICK | {"x": 75, "positive": False}],
    }

    def test_mask_of_the_graph_cut(self, halves):
        halves.objects = [self.OBJECT]
        np.testing.assert_array_equal(halves.masks()["left"][1], np.tile(np.arange(8) < 4, (6, 1)))

    def test_requires_features(self, images, grid, eigenvectors):
        session = Session(images, grid=grid, eigenvectors=eigenvectors)
        assert "ncut" not in session.meta["abilities"]
        session.objects = [self.OBJECT | {"clicks": [CLICK]}]
        with pytest.raises(ValueError, match="`features` are needed for masks of the method 'ncut'"):
            session.masks()

    def test_box_is_replaced_by_its_central_node(self, halves):
        right = {"image": 1, "x0": 42, "y0": 2, "x1": 78, "y1": 58}
        left = {"image": 0, "x0": 2, "y0": 2, "x1": 38, "y1": 58, "positive": False}
        halves.objects = [{"name": "right", "method": "ncut", "boxes": [right, left]}]
        np.testing.assert_array_equal(halves.masks()["right"][0], np.tile(np.arange(8) >= 4, (6, 1)))
        boxed = halves.segmenter("right").heatmap_
        # The middles of the halves are nodes of their boxes; which of the equal ones stand for them does not matter.
        halves.objects = [{"name": "right", "method": "ncut", "clicks": [CLICK | {"image": 1, "x": 60, "y": 30}]}]
        assert np.corrcoef(boxed, halves.segmenter("right").heatmap_)[0, 1] > 0.95

    def test_segmenter_finds_the_object_in_new_images(self, halves):
        halves.objects = [self.OBJECT | {"min_area": 0}]
        heat = halves.segmenter("left").transform(halves.features.values[40:56])
        assert heat[halves.features.values[40:56, 0] < 0].min() > heat[halves.features.values[40:56, 0] > 0].max()
