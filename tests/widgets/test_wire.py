import io

import numpy as np
import pytest
from PIL import Image

from ncut_widgets.widgets import _wire
from ncut_widgets.widgets._wire import reply_to


class Page:
    """Stands for the browser: asks, and puts the parts of an answer together."""

    def __init__(self, session, monkeypatch):
        self.messages = []
        monkeypatch.setattr(session, "send", lambda message, buffers: self.messages.append((message, buffers)))
        self.session = session

    def ask(self, name):
        self.messages.clear()
        self.session._handle_custom_msg({"kind": "request", "id": "1", "name": name}, [])
        message = self.messages[0][0]
        assert message["id"] == "1"
        if not message["ok"]:
            return message["error"]
        parts = sorted(self.messages, key=lambda reply: reply[0]["part"])
        data = b"".join(buffers[0] for _, buffers in parts)
        return np.frombuffer(data, message["dtype"]).reshape(message["shape"])


@pytest.fixture
def page(session, monkeypatch):
    return Page(session, monkeypatch)


def test_arrays_arrive_as_they_are(page, session):
    np.testing.assert_array_equal(page.ask("eigenvectors"), session.eigenvectors)
    np.testing.assert_array_equal(page.ask("coords"), session.coords)
    np.testing.assert_allclose(page.ask("rgb") / 255, session.rgb, atol=0.5 / 255 + 1e-6)
    np.testing.assert_array_equal(page.ask("labels/3"), session.labels(3))


def test_large_arrays_come_in_parts(page, session, monkeypatch):
    monkeypatch.setattr(_wire, "PART_BYTES", 64)
    np.testing.assert_array_equal(page.ask("eigenvectors"), session.eigenvectors)
    assert len(page.messages) == -(-session.eigenvectors.nbytes // 64)


def test_images_arrive_as_pictures_of_their_size(page, images):
    picture = Image.open(io.BytesIO(page.ask("image/1").tobytes()))
    assert picture.size == images[1].size


def test_large_images_are_made_smaller_for_the_screen(monkeypatch):
    from ncut_widgets import PatchGrid, PatchMap, Session

    grid = PatchGrid([(3000, 600)], [PatchMap(0, 1, 2)])
    session = Session([np.zeros((600, 3000, 3), np.uint8)], grid=grid, eigenvectors=np.eye(2))
    picture = Image.open(io.BytesIO(Page(session, monkeypatch).ask("image/0").tobytes()))
    assert picture.size == (1024, 205)


def test_patch_colours_are_the_means_of_their_pixels(page, images):
    expected = np.asarray(images[0])[:10, :10].reshape(-1, 3).mean(0)
    np.testing.assert_allclose(page.ask("patch_rgb")[0], expected, atol=1)


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("labels/99", "`n_clusters` must lie in 1 to 5"),
        ("image/7", "no array named 'image/7'"),
        ("../secret", "no array named"),
    ],
)
def test_what_cannot_be_had_is_an_answer_with_its_text(page, name, match):
    assert match in page.ask(name)


@pytest.mark.parametrize(
    "message",
    [{"kind": "something else"}, {"kind": "request", "id": "1"}, {"kind": "request", "name": "rgb"}, "request"],
)
def test_what_is_no_request_passes_by(message):
    sent = []
    reply_to(message, lambda name: np.zeros(1), lambda *reply: sent.append(reply))
    assert sent == []


def test_an_empty_array_is_an_answer_too():
    sent = []
    reply_to({"kind": "request", "id": "1", "name": "x"}, lambda name: np.zeros((0, 3)), lambda *r: sent.append(r))
    assert sent[0][0]["shape"] == [0, 3]
