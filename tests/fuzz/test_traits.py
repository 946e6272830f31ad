"""Values of any kind for every trait, from Python and from the page: taken and plain JSON, or refused by our error."""

from __future__ import annotations

import collections
import fractions
import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
import traitlets
from hypothesis import event, given, settings
from hypothesis import strategies as st
from PIL import Image

import ncut_widgets as nw
from ncut_widgets import FeatureMaps, PatchGrid, PatchMap, Session
from ncut_widgets.plotting.layers import LAYERS
from ncut_widgets.widgets.session.layers import TABS
from ncut_widgets.widgets.session.masks import REFINEMENTS

pytestmark = pytest.mark.fuzz

VIEWS = [nw.ImageGrid, nw.EmbeddingScatter, nw.ClickSegmenter, nw.ClusterPanel, nw.ChannelBars, nw.Explorer]
# Layouts are widgets of their own, which ipywidgets checks.
NOT_OURS = {"layout"}


@pytest.fixture(scope="module")
def widgets():
    rng = np.random.default_rng(0)
    sizes = [(40, 30), (24, 48)]
    images = [Image.fromarray(rng.integers(0, 255, (h, w, 3), np.uint8)) for w, h in sizes]
    grid = PatchGrid(sizes, [PatchMap(0, 3, 4, "one"), PatchMap(0, 2, 3, "two"), PatchMap(1, 4, 2, "two")])
    features = FeatureMaps(rng.normal(size=(26, 3)).astype(np.float32), grid)
    session = Session(images, features=features, eigenvectors=np.linalg.qr(rng.normal(size=(26, 4)))[0])
    session.objects = [{"name": "paw", "clicks": [{"image": 0, "x": 5, "y": 5}]}, {"name": "cut"}]
    made = [session, *(view(session) for view in VIEWS)]
    yield made
    for widget in reversed(made):
        widget.close()


NUMBERS = st.one_of(
    st.integers(-2, 30),
    st.floats(),
    st.booleans(),
    st.sampled_from([0, 1, 0.5, 1.5, 3, 200, 2**53, 10**400, -(10**4000), float("nan"), float("inf"), 1e308, 5e-324]),
)
TEXT = st.one_of(
    st.text(max_size=6),
    st.sampled_from(
        [
            "one",
            "two",
            "masks",
            "ncut",
            "crf",
            "none",
            "clusters",
            "segment",
            "1",
            "03",
            "٣",
            "\ud800",
            "",
            "x" * 10_000,
        ]
    ),
)
KEYS = TEXT | st.sampled_from(
    ["position", "target", "zoom", "name", "clicks", "boxes", "image", "x", "y", "threshold", "min_area", "n_eig"]
)
# What a page can send: JSON, with the NaN and Infinity that Python's reader takes.
JSON = st.recursive(
    st.none() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
POINTS = st.lists(NUMBERS, min_size=3, max_size=3)
CAMERAS = st.fixed_dictionaries({"position": POINTS | JSON, "target": POINTS, "zoom": NUMBERS | JSON})
PROMPTS = st.fixed_dictionaries(
    {"image": NUMBERS, "x": NUMBERS, "y": NUMBERS}, optional={"positive": NUMBERS, "z": NUMBERS}
)
OBJECTS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            **{
                key: NUMBERS
                for key in ("threshold", "gamma", "negative_threshold", "min_area", "n_eig", "click_weight", "visible")
            },
            **{key: TEXT for key in ("name", "color", "method")},
            "clicks": st.lists(PROMPTS, max_size=3) | JSON,
        },
    ),
    max_size=3,
)
FITTING = st.one_of(
    st.lists(st.integers(-1, 26), max_size=6),
    st.lists(st.lists(st.integers(-1, 4), max_size=3), max_size=3),
    st.dictionaries(st.integers(0, 4).map(str) | KEYS, TEXT, max_size=3),
    CAMERAS,
    OBJECTS,
)
FROM_PAGE = st.one_of(JSON, FITTING)


def _arrays(values):
    """An array or tensor of any numbers, or a container of them."""
    dtypes = st.sampled_from(
        [np.int8, np.uint8, np.int64, np.uint64, np.float16, np.float32, np.float64, np.complex64, bool, object, "U3"]
    )

    def array(numbers, dtype, shape):
        with np.errstate(all="ignore"):
            try:
                made = np.array(numbers).astype(dtype)
            except (TypeError, ValueError, OverflowError):
                made = np.array(numbers, object)
        return made.reshape(shape) if shape is not None and made.size == np.prod(shape) else made

    return st.builds(array, values, dtypes, st.sampled_from([None, (), (1,), (3, 1), (1, 26), (2, 13)]))


def _tensor(numbers, dtype):
    return torch.tensor(numbers).to(dtype)


SMALL = st.one_of(
    st.integers(-2, 30), st.lists(st.integers(-2, 30), max_size=6), st.lists(st.booleans(), min_size=26, max_size=26)
)
TENSORS = st.builds(
    _tensor,
    SMALL,
    st.sampled_from(
        [torch.int8, torch.int64, torch.float32, torch.float16, torch.bfloat16, torch.bool, torch.complex64]
    ),
)
OBJECTS_OF_PYTHON = st.sampled_from(
    [
        *(
            object(),
            b"1",
            bytearray(b"12"),
            memoryview(b"1"),
            iter([1]),
            range(3),
            range(30),
            {1, 2},
            frozenset({25}),
            fractions.Fraction(1, 2),
        ),
        *(
            np.ma.masked,
            np.ma.array([1, 2], mask=[0, 1]),
            np.datetime64("2020"),
            np.str_("one"),
            np.bool_(True),
            collections.deque([1]),
        ),
        *(
            ValueError,
            Path("x"),
            complex(1, 1),
            {1: "sky"},
            {np.int64(2): "sea"},
            {True: "x"},
            {None: None},
            {(1,): "a"},
            ...,
            lambda: 1,
        ),
    ]
)
FROM_PYTHON = st.one_of(
    FROM_PAGE,
    _arrays(SMALL | NUMBERS | st.lists(NUMBERS, max_size=5)),
    TENSORS,
    OBJECTS_OF_PYTHON,
    st.lists(TENSORS | _arrays(NUMBERS) | OBJECTS_OF_PYTHON, max_size=3),
    st.sets(st.integers(-1, 26), max_size=5),
    st.fixed_dictionaries(
        {"position": _arrays(POINTS), "target": TENSORS | _arrays(POINTS), "zoom": _arrays(NUMBERS) | NUMBERS}
    ),
)


def _traits(widget):
    return sorted(name for name in widget.traits(sync=True) if name[0] != "_" and name not in NOT_OURS)


NODES = st.lists(st.integers(0, 25), max_size=6)
CLUSTERS = st.lists(st.integers(0, 3), max_size=4)
# What most traits take; the others take some of the values above.
FITTING_BY_NAME = {
    **{name: st.integers(0, 3) for name in ("hover", "eigenvector", "selected_cluster", "active_object")},
    **{name: st.floats(0, 1) | st.floats(1, 40) for name in ("blend", "point_size")},
    **{name: st.booleans() for name in ("smooth", "hover_heatmap", "hide_outliers", "tabbable")},
    "selection": NODES,
    "hidden_clusters": CLUSTERS,
    "pinned_channels": st.lists(st.integers(0, 2), max_size=4),
    "hovered_channel": st.integers(0, 2),
    "n_clusters": st.integers(1, 4),
    "cluster_groups": st.lists(CLUSTERS, max_size=2),
    "cluster_names": st.dictionaries(st.integers(0, 3) | st.sampled_from(["0", "02", "3"]), TEXT, max_size=3),
    "camera": st.none() | CAMERAS,
    "objects": OBJECTS,
    "layer": st.sampled_from(LAYERS),
    "refine": st.sampled_from([None, *REFINEMENTS]),
    "source": st.sampled_from(["one", "two"]),
    "tab": st.sampled_from(TABS),
    "height": st.integers(160, 900),
}


def _as_python_has_it(value):
    """The same value as an array, a tensor or a tuple, if it can be one."""
    if isinstance(value, list) and all(type(item) is int for item in value):
        return st.sampled_from([value, tuple(value), set(value), np.array(value), torch.tensor(value), iter(value)])
    if isinstance(value, bool | int | float):
        return st.sampled_from([value, np.array(value), torch.tensor(value), np.asarray(value)[()]])
    return st.just(value)


@st.composite
def assigned(draw, values, *, of_python):
    """A widget by its place, the name of one of its traits, and a value: fitting, or of any kind."""
    # Every other time the session, which has most traits.
    at = draw(st.sampled_from([0] * len(VIEWS) + list(range(len(VIEWS) + 1))))
    kind = [Session, *VIEWS][at]
    name = draw(st.sampled_from(sorted(n for n in kind.class_traits(sync=True) if n[0] != "_" and n not in NOT_OURS)))
    if name in FITTING_BY_NAME and draw(st.booleans()):
        value = draw(FITTING_BY_NAME[name])
        return at, name, draw(_as_python_has_it(value)) if of_python else value
    return at, name, draw(values)


def _plain(widget):
    return json.dumps(widget.get_state(_traits(widget)), allow_nan=False, ensure_ascii=False).encode()


@settings.get_profile("fuzz")
@given(what=assigned(FROM_PYTHON, of_python=True))
def test_what_python_sets_is_plain_or_refused(widgets, what):
    widget, name = widgets[what[0]], what[1]
    before = _plain(widget)
    try:
        setattr(widget, name, what[2])
    except traitlets.TraitError as error:
        event("refused")
        _is_ours(error)
        assert _plain(widget) == before
    else:
        event("taken")
        value = getattr(widget, name) if name not in ("session", *nw.Explorer.class_own_traits()) else None
        _plain(widget)
        # What was read can be set again, and stays.
        if value is not None:
            setattr(widget, name, value)
            assert getattr(widget, name) == value


@settings.get_profile("fuzz")
@given(
    what=assigned(FROM_PAGE, of_python=False),
    more=st.dictionaries(
        st.sampled_from(["hover", "active_object", "blend", "objects", "layer"]), FROM_PAGE, max_size=2
    ),
)
def test_what_the_page_sets_is_taken_or_sent_back(widgets, what, more):
    widget, name = widgets[what[0]], what[1]
    message = {name: what[2]} | {other: value for other, value in more.items() if widget is widgets[0]}
    before, page = _plain(widget), dict(message)
    widget._send = lambda content, buffers=None: page.update(content.get("state", {}))
    try:
        widget.set_state(message)
    except traitlets.TraitError as error:
        event("refused")
        _is_ours(error)
        assert _plain(widget) == before
    else:
        event("taken")
    finally:
        del widget._send
    state = widget.get_state(list(message))
    # As JavaScript compares them: 1 and 1.0 are one number.
    shown = json.loads(json.dumps({key: page[key] for key in message}, allow_nan=False), parse_int=float)
    assert shown == json.loads(json.dumps(state, allow_nan=False), parse_int=float)
    assert str(shown) == str(json.loads(json.dumps(state), parse_int=float)) or shown == state


def _is_ours(error):
    assert isinstance(error, TypeError | ValueError), repr(error)
    assert 10 < len(str(error)) < 1000
    assert "`" in str(error)


def test_what_was_taken_can_be_saved_and_exported(widgets):
    """After all those values: the state that they left is written, and read again."""
    session = widgets[0]
    with tempfile.TemporaryDirectory() as folder:
        again = Session.load(session.save(Path(folder, "s.ncut")))
        session.to_html(Path(folder, "s.html"), progress=False)
        saved = {
            name: getattr(session, name)
            for name in _traits(session)
            if name not in ("meta", "recolor_status", "hover", "hovered_channel", "tooltip", "tabbable")
        }
        assert {name: getattr(again, name) for name in saved} == saved
        again.close()
