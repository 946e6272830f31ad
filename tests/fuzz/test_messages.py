"""Messages of a page, random or almost right: each gets one short reply in valid JSON, and the session goes on."""

from __future__ import annotations

import copy
import json
import logging

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from PIL import Image

from helpers.pages import Page
from ncut_widgets import FeatureMaps, PatchGrid, PatchMap, Session

pytestmark = pytest.mark.fuzz

CLICK = {"image": 0, "x": 5.0, "y": 5.0, "positive": True}
BOX = {"image": 1, "x0": 1, "y0": 1, "x1": 20, "y1": 20, "positive": False}
OBJECTS = [
    {"name": "paw", "clicks": [CLICK], "boxes": [BOX], "min_area": 0},
    {"name": "cut", "method": "ncut", "clicks": [CLICK], "visible": False},
]
MASKS = {"objects": OBJECTS, "source": "two", "refine": None, "opacity": 0.5}
VALID = [
    *(
        {"name": name}
        for name in ["eigenvectors", "rgb", "coords", "patch_rgb", "channel_ranges", "image/0", "image/1"]
    ),
    *(
        {"name": name}
        for name in ["labels/2", "labels/3", "parents/3", "cluster_colors/3", "channel_map/0", "channel_map/2"]
    ),
    *({"name": name} for name in ["click_heat/3,1/7/0.500", "click_heat/0//0.000"]),
    *({"name": f"attribution/{method}/clusters/2"} for method in ["gradient", "gradient_x_input"]),
    {"name": "evidence/gradient/clusters/2/1"},
    {"name": "attribution/gradient/mask/paw", "params": MASKS},
    {"name": "evidence/gradient/mask/paw", "params": MASKS},
    {"name": "attribution/abs_gradient/nodes", "params": {"nodes": [1, 2, 3]}},
    *({"name": "refined", "params": MASKS | {"image": 0, "method": method}} for method in [None, "guided"]),
    {"name": "refined", "params": {"image": 1, "method": None, "objects": ["paw"]}},
    *({"name": "export", "params": MASKS | {"format": format}} for format in ["masks", "overlays", "labels", "coco"]),
    *({"name": "export", "params": {"format": format, "resolution": "patch"}} for format in ["npz", "clicks"]),
]
VALID = [{"kind": "request", "id": "1", "version": 1, "embedding": 0} | message for message in VALID]

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 100),
    st.sampled_from([2**31, 2**53, 2**63, -(2**63), 10**400, 10**4000, 0, -1]),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["", "٣", "³", "-1", "1e3", " 2", "02", "0x2", "\ud800", "\x00", "paw", "x" * 100_000, "9" * 5000]),
    st.sampled_from(["request", "cancel", "progress", "one", "two", "none", "crf", "clicks", "nan", "../..", "%2F"]),
    st.just(b"bytes"),
)
VALUES = st.recursive(
    ODD,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=4) | st.sampled_from([*CLICK, *BOX]), inner, max_size=4)
    ),
    max_leaves=8,
)


@st.composite
def mutated(draw):
    """A valid message in which one or two places have become others."""
    message = copy.deepcopy(draw(st.sampled_from(VALID)))
    for _ in range(draw(st.integers(1, 2))):
        place, key = _any_place(draw, message)
        change = draw(st.sampled_from(["replace", "replace", "remove", "splice", "nest"]))
        if change == "remove" and isinstance(place, dict):
            del place[key]
        elif change == "splice" and isinstance(place[key], str):
            text, at = place[key], draw(st.integers(0, len(place[key])))
            place[key] = (
                text[:at]
                + draw(st.text(max_size=3) | st.sampled_from("/٣,.-9%"))
                + text[at + draw(st.integers(0, 2)) :]
            )
        elif change == "nest":
            for _ in range(draw(st.sampled_from([1, 50, 2000]))):
                place[key] = [place[key]]
        else:
            place[key] = draw(VALUES)
        if not message:
            break
    return message


def _any_place(draw, message):
    """A container in the message and a key of it."""
    place = message
    key = draw(st.sampled_from(sorted(place)))
    while isinstance(place[key], dict | list) and place[key] and draw(st.booleans()):
        place = place[key]
        key = draw(st.sampled_from(sorted(place)) if isinstance(place, dict) else st.integers(0, len(place) - 1))
    return place, key


MESSAGES = st.one_of(
    mutated(),
    mutated(),
    st.sampled_from(VALID),
    VALUES,
    st.fixed_dictionaries({"kind": st.just("request"), "id": VALUES, "name": VALUES}, optional={"params": VALUES}),
)


def _session():
    rng = np.random.default_rng(0)
    sizes = [(40, 30), (24, 48)]
    images = [Image.fromarray(rng.integers(0, 255, (h, w, 3), np.uint8)) for w, h in sizes]
    grid = PatchGrid(sizes, [PatchMap(0, 3, 4, "one"), PatchMap(0, 2, 3, "two"), PatchMap(1, 4, 2, "two")])
    features = FeatureMaps(rng.normal(size=(26, 3)).astype(np.float32), grid)
    session = Session(images, features=features, eigenvectors=np.linalg.qr(rng.normal(size=(26, 4)))[0])
    session.update(rgb=session.rgb)
    session.objects = OBJECTS
    return session


class Bugs(logging.Handler):
    """Keeps what is logged as a bug."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.records = []

    def emit(self, record):
        self.records.append(record)


@pytest.fixture(scope="module")
def page():
    """Return a function that sends a message to a session, and gives its replies and what was logged."""
    session, bugs = _session(), Bugs()
    logging.getLogger("ncut_widgets").addHandler(bugs)
    with pytest.MonkeyPatch.context() as patch:
        page = Page(session, patch)

        def send(message):
            page.messages.clear()
            bugs.records.clear()
            page.post(message, [b"unexpected"])
            page.wait()
            return [reply for reply in page.messages if reply[0]["kind"] != "progress"], bugs.records

        yield send
    logging.getLogger("ncut_widgets").removeHandler(bugs)
    session.close()


@settings.get_profile("fuzz")
@given(message=MESSAGES)
def test_every_message_has_one_reply(page, message):
    replies, bugs = page(message)
    assert not bugs, bugs[0].exc_info
    is_cancel = isinstance(message, dict) and message.get("kind") == "cancel"
    if is_cancel and not replies:
        event("cancelled")
        return
    assert len({reply["part"] for reply, _ in replies} if replies[0][0]["ok"] else replies) == len(replies) > 0
    reply, buffers = replies[0]
    event("answered" if reply["ok"] else "refused")
    assert len(json.dumps(reply, allow_nan=False, ensure_ascii=False).encode()) < 2000
    assert "Traceback" not in reply.get("error", "")
    asked = message.get("id") if isinstance(message, dict) else None
    assert (
        reply["id"] == asked if isinstance(asked, str) and asked == "1" else reply["id"] is None or reply["id"] == asked
    )
    if reply["ok"]:
        assert len(replies) == reply["parts"]
        assert sum(len(part[0]) for _, part in replies) == np.prod(reply["shape"]) * np.dtype(reply["dtype"]).itemsize
    else:
        assert len(replies) == 1
        assert reply["error"]
        assert buffers == []
    # The session still answers.
    ((after, _),), _ = page({"kind": "request", "id": 2, "name": "patch_rgb"})
    assert after["ok"] is True


@pytest.mark.parametrize("message", VALID, ids=lambda message: message["name"].replace("/", "-"))
def test_what_is_mutated_is_answered_as_it_is(page, message):
    replies, bugs = page(message)
    assert not bugs
    assert all(reply["ok"] for reply, _ in replies), replies
