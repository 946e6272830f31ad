"""Validation of the traits of all widgets, set from Python and from the page."""

import collections
import json
import re
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
import traitlets

import ncut_widgets as nw
from ncut_widgets import FeatureMaps, PatchGrid, PatchMap, Session
from ncut_widgets.objects import Box, Click, MaskObject

VIEWS = [nw.ImageGrid, nw.EmbeddingScatter, nw.ClickSegmenter, nw.ClusterPanel, nw.ChannelBars, nw.Explorer]
CLICK = {"image": 0, "x": 5, "y": 5}
CAMERA = {"position": [0.0, 0.0, 3.0], "target": [0.0, 0.0, 0.0], "zoom": 1.5}
# Nothing that any trait takes: the kinds of values that JSON cannot say, that pass for numbers, or that are too deep.
NEVER = [
    *(float("nan"), float("inf"), -float("inf"), np.float32("nan"), torch.tensor(float("nan")), 10**400, -(10**5000)),
    *(complex(1, 2), b"1", bytearray(b"1"), memoryview(b"1"), object(), np.datetime64("2020"), np.ma.masked),
    *([float("nan")], [True], [[[[]]]], {"position": [True, 0, 0], "target": [0, 0, 0], "zoom": 1}, "\ud800"),
    *(np.ones((2, 2)), np.array([1.5]), np.array(["1"]), [object()], {1.5: "a"}, iter([1]), range(10**9, 10**9 + 1)),
]


def settable(widget):
    """The names of the traits of a widget that the page and the user may set."""
    return [name for name, trait in widget.traits(sync=True).items() if name[0] != "_" and not trait.read_only]


def fixed(widget):
    return [name for name, trait in widget.traits(sync=True).items() if name[0] != "_" and trait.read_only]


@pytest.fixture
def told(monkeypatch):
    """Return a function by which a widget's messages to the page are collected: what the page has for each trait."""

    def listen(widget):
        page = {}
        monkeypatch.setattr(widget, "_send", lambda message, buffers=None: page.update(message.get("state", {})))
        return page

    return listen


class TestValues:
    @pytest.mark.parametrize(
        "value",
        [
            np.int64(3),
            np.uint8(3),
            np.array(3),
            torch.tensor(3),
            torch.tensor(3, dtype=torch.int16),
            np.array([1, 3])[1],
        ],
    )
    @pytest.mark.parametrize("trait", ["hover", "eigenvector", "n_clusters", "selected_cluster", "hovered_channel"])
    def test_integers_of_any_library(self, halves, trait, value):
        if trait == "hovered_channel":
            halves = Session(
                halves.images, features=FeatureMaps(np.ones((96, 4)), halves.grid), eigenvectors=halves.eigenvectors
            )
        setattr(halves, trait, value)
        assert getattr(halves, trait) == 3
        assert type(getattr(halves, trait)) is int

    @pytest.mark.parametrize(
        "value", [np.float32(0.5), np.array(0.5), torch.tensor(0.5, dtype=torch.bfloat16), 1, np.int8(1)]
    )
    def test_numbers_of_any_library(self, session, value):
        session.blend = value
        session.point_size = value + 1
        session.point_size = torch.tensor(2.0, requires_grad=True)
        assert session.blend == pytest.approx(float(value))
        assert type(session.blend) is float

    @pytest.mark.parametrize("value", [np.True_, np.array(True), torch.tensor(True)])
    def test_flags_of_any_library(self, session, value):
        session.smooth = value
        assert session.smooth is True

    @pytest.mark.parametrize(
        "value",
        [
            np.array([3, 1]),
            np.array([3, 1], np.uint8),
            torch.tensor([3, 1]),
            (3, 1, 3),
            [np.int32(3), torch.tensor(1)],
            collections.deque([3, 1]),
            {3: 0, 1: 0}.keys(),
            range(3, 0, -2),
            np.array([3, 1], object),
        ],
    )
    @pytest.mark.parametrize("trait", ["selection", "hidden_clusters"])
    def test_indices_of_any_type(self, halves, trait, value):
        setattr(halves, trait, value)
        assert getattr(halves, trait) == ([3, 1] if trait == "selection" else [1, 3])

    def test_sets_are_sorted(self, session):
        session.selection = {11, 2, 7}
        assert session.selection == [2, 7, 11]
        for empty in [[], (), set(), np.array([]), torch.tensor([]), range(0)]:
            session.selection = [1]
            session.selection = empty
            session.pinned_channels = empty
            assert session.selection == session.pinned_channels == []

    def test_boolean_array_selects_its_true_entries(self, halves):
        import pandas

        mask = halves.eigenvectors[:, 1] > 0
        for value in [mask, torch.from_numpy(mask), pandas.Series(mask)]:
            halves.selection = []
            halves.selection = value
            assert halves.selection == np.flatnonzero(mask).tolist()
        halves.hidden_clusters = np.array([False, True, True, False])
        assert halves.hidden_clusters == [1, 2]
        halves.pinned_channels = torch.tensor([False, False, True])
        assert halves.pinned_channels == [2]
        with pytest.raises(
            ValueError, match=r"`selection` must have shape \(96,\) if it is a boolean array; got.*\(5,\)"
        ):
            halves.selection = np.ones(5, bool)

    def test_cluster_names_by_number_or_text(self, halves):
        halves.cluster_names = {1: "sky", np.int64(2): np.str_("sea"), "3": "sand", "0": ""}
        assert halves.cluster_names == {"1": "sky", "2": "sea", "3": "sand"}
        halves.cluster_groups = (np.array([2, 0]), {1, 3})
        assert halves.cluster_groups == [[0, 2], [1, 3]]
        for names in [{1: "a", "1": "b"}, {"٣": "a"}, {"1" * 5000: "a"}, {-1: "a"}, {4: "a"}]:
            with pytest.raises(ValueError, match="`cluster_names` must"):
                halves.cluster_names = names
        for wrong in [["sky"], {1: 2}, {True: "a"}, {None: "a"}, {1: None}]:
            with pytest.raises(TypeError, match="`cluster_names"):
                halves.cluster_names = wrong

    def test_camera_of_arrays_is_saved_and_exported(self, session, tmp_path):
        session.camera = {"position": np.array([0, 0, 3]), "target": torch.zeros(3), "zoom": np.float32(1.5)}
        assert json.loads(json.dumps(session.camera)) == CAMERA
        assert Session.load(session.save(tmp_path / "s.ncut")).camera == CAMERA
        session.to_html(tmp_path / "s.html", progress=False)
        assert '"zoom": 1.5' in (tmp_path / "s.html").read_text("utf-8")

    def test_numpy_numbers_become_plain(self, images, tmp_path):
        grid = PatchGrid(np.array([(40, 30), (24, 48)]), [PatchMap(*np.array([0, 3, 4])), PatchMap(np.int8(1), 4, 2)])
        session = Session(images, grid=grid, eigenvectors=np.eye(20)[:, :4])
        session.objects = ({"clicks": [{"image": torch.tensor(0), "x": np.array(5), "y": np.float16(5)}]},)
        session.clicks = [{"image": np.array(0), "x": torch.tensor(5.0), "y": 5, "positive": np.array(False)}]
        json.dumps(session.get_state(), allow_nan=False)
        assert Session.load(session.save(tmp_path / "s.ncut")).clicks == session.clicks

    @pytest.mark.parametrize("view", VIEWS)
    def test_views_take_the_options_of_widgets(self, session, view):
        made = view(session, layout={"width": "50%"}, tooltip="hello", height=np.int64(300))
        assert (made.layout.width, made.tooltip, made.height) == ("50%", "hello", 300)

    def test_explorer_opens_at_a_tab(self, session):
        assert nw.Explorer(session, tab="clusters").tab == "clusters"
        assert session.layer == "clusters"
        with pytest.raises(TypeError, match=r"Explorer has no option 'lay0ut'. It takes height, layout, tab"):
            nw.Explorer(session, lay0ut={})


class TestInvalidValues:
    @pytest.mark.parametrize("value", NEVER, ids=lambda value: str(type(value).__name__))
    def test_every_trait_refuses_other_types(self, halves, value):
        for widget in [halves, *(view(halves) for view in VIEWS)]:
            for name in {*settable(widget), *fixed(widget)} - {"layout", "tooltip"}:
                before = json.dumps(widget.get_state(name))
                with pytest.raises(traitlets.TraitError, match=f"{name}") as caught:
                    setattr(widget, name, value)
                assert isinstance(caught.value, TypeError | ValueError)
                assert len(str(caught.value)) < 600
                assert json.dumps(widget.get_state(name)) == before

    @pytest.mark.parametrize(
        "trait",
        [
            "hover",
            "eigenvector",
            "n_clusters",
            "selected_cluster",
            "hovered_channel",
            "active_object",
            "blend",
            "point_size",
        ],
    )
    @pytest.mark.parametrize("value", [True, np.True_, np.array(True), torch.tensor(False), "1", [1], np.array([1])])
    def test_non_numbers(self, halves, trait, value):
        halves.objects = [{}, {}]
        with pytest.raises(TypeError, match=f"`{trait}` must be an? (integer|number); got"):
            setattr(halves, trait, value)

    def test_numbers_out_of_range(self, session):
        for trait, value in [("blend", -0.1), ("blend", np.float64(1.01)), ("point_size", 0), ("point_size", 41)]:
            with pytest.raises(ValueError, match=rf"`{trait}` must be in \["):
                setattr(session, trait, value)

    @pytest.mark.parametrize(
        "camera",
        [
            CAMERA | {"zoom": 0},
            CAMERA | {"zoom": True},
            CAMERA | {"position": [[0, 0, 0]]},
            CAMERA | {"position": [0, [0], 0]},
            CAMERA | {"position": "abc"},
            CAMERA | {"target": {0, 1, 2}},
            CAMERA | {"target": np.zeros((3, 1))},
            CAMERA | {"target": [0, 0, 10**400]},
            CAMERA | {"up": 1},
            {"position": [0, 0, 0]},
        ],
    )
    def test_invalid_cameras(self, session, camera):
        with pytest.raises(traitlets.TraitError, match=r"`camera` must be None or .* Set it to None to frame"):
            session.camera = camera

    def test_read_only_traits(self, session):
        for name, hint in [("meta", r"session\.update"), ("recolor_status", r"session\.recolor")]:
            with pytest.raises(TypeError, match=f"`{name}` is read-only; got {{}}.*{hint}"):
                setattr(session, name, {})
        session.meta["n_nodes"] = 0
        assert session.meta["n_nodes"] == 20

    @pytest.mark.parametrize("view", VIEWS)
    def test_view_cannot_change_its_session(self, session, images, grid, eigenvectors, view):
        made = view(session)
        other = Session(images, grid=grid, eigenvectors=eigenvectors)
        for name in fixed(made):
            before = getattr(made, name)
            setattr(made, name, before)
            for value in [other, view(session), None, "x"]:
                with pytest.raises(TypeError, match=f"`{name}` cannot change.*Create another {view.__name__}"):
                    setattr(made, name, value)
            assert getattr(made, name) is before

    def test_data_must_be_finite(self, session, images, grid, eigenvectors):
        for wrong in [[1, 0.9, np.nan, 0, 0], [np.inf, 0, 0, 0, 0]]:
            with pytest.raises(ValueError, match="`eigenvalues` must be finite; got NaN or infinity in 1 of 5"):
                Session(images, grid=grid, eigenvectors=eigenvectors, eigenvalues=wrong)
            with pytest.raises(ValueError, match="`eigenvalues` must be finite"):
                session.update(eigenvalues=wrong)
        json.dumps(session.get_state("meta"), allow_nan=False)


class TestPage:
    STATE: ClassVar = {
        "hover": 3,
        "selection": [3, 1],
        "layer": "masks",
        "source": "features",
        "blend": 1,
        "smooth": True,
        "eigenvector": 2,
        "n_clusters": 3,
        "hover_heatmap": False,
        "hide_outliers": True,
        "point_size": 7.5,
        "camera": CAMERA,
        "objects": [{"name": "a", "clicks": [CLICK]}],
        "active_object": 0,
        "refine": "guided",
        "selected_cluster": 1,
        "cluster_names": {"1": "sky"},
        "hidden_clusters": [2],
        "cluster_groups": [[0, 1]],
        "hovered_channel": 1,
        "pinned_channels": [0, 1],
    }

    def test_sets_every_trait(self, halves, told):
        told(halves)
        assert set(self.STATE) == {*settable(halves)} - {"layout", "tooltip", "tabbable"}
        halves.set_state(self.STATE)
        assert {name: getattr(halves, name) for name in self.STATE if name != "objects"} == {
            name: value for name, value in self.STATE.items() if name != "objects"
        }
        assert halves.objects[0]["name"] == "a"

    @pytest.mark.parametrize(
        "value", [float("nan"), float("inf"), True, -1, 10**400, "x", [[]], {"a": float("nan")}, None, [None], b"x"]
    )
    def test_refused_value_is_replaced_by_pythons(self, halves, told, value):
        halves.set_state(self.STATE)
        for widget in [halves, *(view(halves) for view in VIEWS)]:
            page = told(widget)
            for name in widget.traits(sync=True):
                before = widget.get_state(name)[name]
                page[name] = value
                refused = None
                try:
                    widget.set_state({name: value})
                except traitlets.TraitError as error:
                    refused = error
                if refused is not None:
                    assert isinstance(refused, TypeError | ValueError)
                    assert widget.get_state(name)[name] == before
                mine = widget.get_state(name)[name]
                assert json.dumps(page[name], allow_nan=False) == json.dumps(mine, allow_nan=False), name

    def test_normalized_value_is_sent_back(self, halves, told):
        halves.hidden_clusters = [1]
        page = told(halves)
        halves.set_state({"hidden_clusters": [1, 1], "cluster_groups": [[3, 2], [1]], "cluster_names": {"01": "sky"}})
        assert page == {"hidden_clusters": [1], "cluster_groups": [[2, 3]], "cluster_names": {"1": "sky"}}
        page.clear()
        halves.set_state({"objects": [{"name": "a", "color": "#ABCDEF"}]})
        assert page["objects"][0]["color"] == "#abcdef"

    def test_unchanged_values_are_not_sent_back(self, halves, monkeypatch):
        messages = []
        monkeypatch.setattr(halves, "_send", lambda message, buffers=None: messages.append(message))
        halves.set_state({"selection": [3, 1], "blend": 1, "camera": CAMERA | {"zoom": 2}})
        assert [message["method"] for message in messages] == ["echo_update"]

    def test_message_applies_completely_or_not_at_all(self, halves, told):
        page = told(halves)
        with pytest.raises(traitlets.TraitError, match="`active_object` must be None or one of the 1 objects"):
            halves.set_state({"hover": 3, "objects": [{"name": "a"}], "active_object": 1})
        assert (halves.hover, halves.objects, halves.active_object) == (None, [], None)
        assert (page["hover"], page["objects"], page["active_object"]) == (None, [], None)

    @pytest.mark.parametrize("name", ["meta", "recolor_status", "_esm", "_model_name", "_dom_classes", "layout"])
    def test_page_sets_only_synced_traits(self, session, told, name):
        page = told(session)
        session.set_state(session.get_state(name))
        with pytest.raises(traitlets.TraitError, match=f"`{name}` must not be set by the page"):
            session.set_state({name: ["x"]})
        assert page[name] == session.get_state(name)[name]

    def test_page_cannot_change_the_session_of_a_view(self, session, told):
        view = nw.ImageGrid(session)
        page = told(view)
        view.set_state(view.get_state("session"))
        with pytest.raises(traitlets.TraitError, match="`session` must not be set by the page"):
            view.set_state({"session": f"anywidget:{view.model_id}"})
        assert page["session"] == f"anywidget:{session.model_id}"

    @pytest.mark.parametrize("message", [[1], None, "hover"])
    def test_message_must_be_a_dict(self, session, message):
        with pytest.raises(TypeError, match="The page must send a dict of traits; got"):
            session.set_state(message)

    def test_nesting_is_limited(self, session):
        deep = []
        for _ in range(100_000):
            deep = [deep]
        with pytest.raises(ValueError, match="`selection` must be nested at most 32 deep"):
            session.set_state({"selection": deep})


def test_names_invalid_in_utf8_reach_the_page(images, grid, eigenvectors, tmp_path):
    """A file with a Latin-1 name, as Linux hands it over."""
    images[0].info["name"] = "caf\udce9.png"
    features = FeatureMaps(np.ones((20, 1)), grid, ["\udce9"])
    session = Session(images, features=features, eigenvectors=eigenvectors)
    json.dumps(session.get_state(), ensure_ascii=False, allow_nan=False).encode()
    assert session.meta["images"][0]["name"] == "caf?.png"
    assert session.meta["channel_names"] == ["?"]
    session.clicks = [CLICK]
    session.export(tmp_path / "masks")
    with pytest.raises(ValueError, match="`maps: source` must be valid Unicode"):
        PatchGrid([(4, 4)], [PatchMap(0, 1, 1, "\udce9")])


@pytest.mark.parametrize(
    ("option", "match"),
    [
        ({"height": float("nan")}, "`height` must be an integer"),
        ({"height": 3}, "`height` must be at least 160"),
        ({"tab": "x"}, "`tab` must be one of 'explore'"),
        ({"title": None}, "`title` must be text"),
    ],
)
def test_page_options_are_validated(session, tmp_path, option, match):
    with pytest.raises((TypeError, ValueError), match=match):
        session.to_html(tmp_path / "x.html", progress=False, **option)
    assert not (tmp_path / "x.html").exists()


def test_closing_ends_the_running_status(session):
    session.recolor("tsne")
    session.close()
    assert session.recolor_status == {"method": "pca", "status": "ready", "error": None}


@pytest.mark.parametrize(("name", "kind"), [("MaskObject", MaskObject), ("Click", Click), ("BoxPrompt", Box)])
def test_page_knows_every_key_of_objects(name, kind):
    schema = Path(__file__).parents[2] / "js" / "src" / "shared" / "schema.ts"
    (body,) = re.findall(rf"interface {name} {{(.*?)\n}}", schema.read_text(encoding="utf-8"), re.DOTALL)
    assert re.findall(r"^  (\w+):", body, re.MULTILINE) == list(kind.__annotations__)
