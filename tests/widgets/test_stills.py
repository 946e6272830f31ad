"""The still image that every view leaves in a notebook for readers without a kernel."""

import time

import numpy as np
import pytest
from PIL import Image

import ncut_widgets as nw
from helpers.images import opened
from ncut_widgets.widgets.views import base

VIEWS = [nw.ImageGrid, nw.EmbeddingScatter, nw.ClickSegmenter, nw.ClusterPanel, nw.ChannelBars, nw.Explorer]
WIDGET = "application/vnd.jupyter.widget-view+json"
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def still(view):
    """Return the pixels of the still of a shown view."""
    data, _ = view._repr_mimebundle_()
    return opened(data["image/png"])


def places(pixels, color, tolerance=10):
    """Return the share of the still, and its left and right half, that has this color."""
    found = (np.abs(pixels - color) <= tolerance).all(-1)
    half = pixels.shape[1] // 2
    return found.mean(), found[:, :half].mean(), found[:, half:].mean()


@pytest.fixture
def session():
    """One wide image of 2 x 8 patches: the left half red, the right half blue, with opaque layers."""
    grid = nw.PatchGrid([(400, 100)], [nw.PatchMap(0, 2, 8)])
    right = np.tile(np.arange(8) >= 4, 2)
    vectors = np.column_stack([np.full(16, 0.25), np.where(right, 0.25, -0.25), np.linspace(-0.3, 0.3, 16)])
    rgb = np.where(right[:, None], [0, 0, 1.0], [1.0, 0, 0])
    features = nw.FeatureMaps(np.column_stack([right, ~right, np.arange(16)]).astype(np.float32), grid)
    session = nw.Session([np.zeros((100, 400, 3), np.uint8)], features=features, eigenvectors=vectors, rgb=rgb)
    session.blend = 1
    return session


@pytest.mark.parametrize("kind", VIEWS)
def test_jupyter_gets_the_widget_and_a_separate_still(session, kind, monkeypatch):
    published = []
    monkeypatch.setattr(base, "_outputs_are_jupyters", lambda: True)
    monkeypatch.setattr(base, "publish_display_data", lambda data, metadata: published.append(data))
    data, metadata = kind(session)._repr_mimebundle_()
    assert list(published[0]) == ["text/plain", WIDGET]
    assert data["image/png"].startswith(b"\x89PNG")
    assert WIDGET not in data
    assert data["text/plain"] == f"{kind.__name__}(Session(1 image, 16 nodes, 3 eigenvectors))"
    # nbconvert reads it from here.
    assert metadata["image/png"]["alt"].startswith("Still image of the ")


@pytest.mark.parametrize("kind", VIEWS)
def test_other_hosts_choose_from_one_bundle(session, kind):
    data, metadata = kind(session)._repr_mimebundle_()
    assert data["image/png"].startswith(b"\x89PNG")
    assert WIDGET in data
    assert metadata["image/png"]["alt"].endswith("of 1 image")


def test_images_show_the_layer(session):
    view = nw.ImageGrid(session)
    _, left, right = places(still(view), RED)
    assert left > 0.7
    assert right == 0
    session.layer = "image"
    assert places(still(view), (0, 0, 0))[0] > 0.7
    session.layer, session.pinned_channels = "channels", [0, 1]
    _, left, right = places(still(view), GREEN)
    assert left > 0.7
    assert right == 0
    session.layer = "eigenvector"
    # The darkest blue and red of the diverging color map.
    assert places(still(view), (5, 48, 97), 30)[1] > 0.7
    assert places(still(view), (103, 0, 31), 30)[2] > 0.7


def test_pinned_patches_show_their_similarity(session):
    view, scatter = nw.ImageGrid(session), nw.EmbeddingScatter(session)
    before = still(view), still(scatter)
    session.selection = [0]
    for kind, was in zip((view, scatter), before, strict=True):
        assert places(was, RED, 100)[0] > 0
        assert places(still(kind), BLUE, 100)[0] == 0
    bright = still(view).sum(-1)
    assert bright[:, : bright.shape[1] // 2].mean() > 2 * bright[:, bright.shape[1] // 2 :].mean()


@pytest.mark.parametrize("layer", ["heatmap", "masks", "channels"])
def test_empty_layers_show_the_images(session, layer):
    session.layer = layer
    assert places(still(nw.ImageGrid(session)), (0, 0, 0))[0] > 0.7
    points = still(nw.EmbeddingScatter(session))
    assert places(points, RED, 100)[0] > 0
    assert places(points, BLUE, 100)[0] > 0


def test_points_have_the_colors_of_the_layer(session):
    view = nw.EmbeddingScatter(session)
    session.objects = [{"name": "left", "color": "#00ff00", "clicks": [{"image": 0, "x": 5, "y": 5}], "min_area": 0}]
    assert places(still(view), GREEN, 100)[0] == 0
    session.layer = "masks"
    pixels = still(view)
    assert places(pixels, GREEN, 100)[0] > 0
    assert places(pixels, (191, 191, 191), 30)[0] > 0, "points outside of all masks are gray"


def test_hidden_outliers_are_not_drawn(session):
    session = nw.Session(
        session.images,
        grid=session.grid,
        eigenvectors=session.eigenvectors,
        rgb=session.rgb,
        outliers=session.rgb[:, 0] == 1,
    )
    view = nw.EmbeddingScatter(session)
    assert places(still(view), RED, 100)[0] > 0
    session.hide_outliers = True
    assert places(still(view), RED, 100)[0] == 0


def test_masks_show_visible_objects_and_their_names(session):
    view = nw.ClickSegmenter(session)
    black = still(view)
    assert places(black, (0, 0, 0))[0] > 0.7
    session.objects = [
        {"name": "left", "color": "#00ff00", "clicks": [{"image": 0, "x": 5, "y": 5}], "min_area": 0},
        {"name": "no", "color": "#ff0000", "clicks": [{"image": 0, "x": 390, "y": 5}], "min_area": 0, "visible": False},
    ]
    pixels = still(view)
    assert places(pixels, GREEN)[1] > 0.2
    assert places(pixels, GREEN)[2] == 0
    assert places(pixels, RED)[0] == 0
    legend = pixels[black.shape[0] - 10 :]
    assert places(legend, GREEN)[0] > 0


def test_clusters_show_their_colors_and_a_legend(session):
    session.n_clusters = 2
    view = nw.ClusterPanel(session)
    first, second = (np.asarray(color) for color in session.cluster_colors())
    pixels = still(view)
    shares = [places(pixels, color, 2) for color in (first, second)]
    assert max(shares[0][1:]) > 0.7
    assert max(shares[1][1:]) > 0.7
    session.hidden_clusters = [0]
    assert places(still(view), first, 2)[0] == 0


def test_channels_show_the_bars_of_the_attribution(session):
    view = nw.ChannelBars(session)
    bars = ((47, 111, 222), (217, 104, 43))
    pixels = still(view)
    assert places(pixels, RED)[0] > 0.3
    assert all(places(pixels, color, 2)[0] == 0 for color in bars)
    session.attribute(n_clusters=2, progress=False)
    session.pinned_channels = [0]
    pixels = still(view)
    assert sum(places(pixels, color, 2)[2] for color in bars) > 0.01
    assert all(places(pixels, color, 2)[1] == 0 for color in bars)
    assert places(pixels, RED)[0] == 0, "the images show the map of the pinned channel"


def test_explorer_shows_the_open_tab_and_the_points(session):
    explorer = nw.Explorer(session)
    pixels = still(explorer)
    assert places(pixels, RED)[1] > 0.2
    assert places(pixels, BLUE, 100)[2] > 0.01
    session.n_clusters = 2
    explorer.tab = "clusters"
    assert places(still(explorer), np.asarray(session.cluster_colors()[0]), 2)[0] > 0.1
    assert opened(explorer.to_png(dark=True))[0, 0].tolist() == [17, 17, 17]


def test_large_sessions_have_small_stills_soon():
    """As measured: 0.5 s and 0.2 MB for a view of 100 images and 102 400 patches."""
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 255, (24, 32, 3), np.uint8)).resize((640, 480), Image.Resampling.BICUBIC)
    grid = nw.PatchGrid([image.size] * 100, [nw.PatchMap(i, 16, 16) for i in range(100)])
    session = nw.Session([image] * 100, grid=grid, eigenvectors=rng.normal(size=(grid.n_nodes, 4)))
    explorer = nw.Explorer(session)
    for view in (explorer, explorer.image_grid, explorer.scatter):
        start = time.process_time()
        data, _ = view._repr_mimebundle_()
        assert time.process_time() - start < 2
        assert len(data["image/png"]) < 301_000
