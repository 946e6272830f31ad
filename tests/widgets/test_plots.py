"""Plots of a session show the same as its views."""

import numpy as np
import pytest

import ncut_widgets as nw


def pixels(figure):
    return np.concatenate([np.asarray(axes.images[0].get_array()).ravel() for axes in figure.axes])


@pytest.mark.parametrize("layer", ["ncut", "eigenvector", "clusters", "heatmap"])
def test_plot_images_shows_the_layer_of_the_session(session, layer):
    session.selection = [2, 15]
    session.layer = layer
    shown = pixels(nw.plot_images(session))
    np.testing.assert_array_equal(shown, pixels(nw.plot_images(session, layer=layer)))
    assert (shown != pixels(nw.plot_images(session, layer="image"))).any()


class TestPaintedLayers:
    def test_clusters(self, session):
        session.n_clusters = 3
        colors, labels = session.layer_colors("clusters"), session.labels()
        for cluster in range(3):
            np.testing.assert_array_equal(np.unique(colors[labels == cluster], axis=0).shape, (1, 4))
        session.hidden_clusters, session.selected_cluster = [0], 1
        alpha = session.layer_colors("clusters")[:, 3]
        assert set(alpha[labels == 0]) == {0}
        assert set(alpha[labels == 1]) == {1}
        assert 0.2 < alpha[labels == 2].max() < 0.4
        session.cluster_groups = [[1, 2]]
        np.testing.assert_array_equal(session.labels(merged=True), np.minimum(labels, 1))
        assert len(np.unique(session.layer_colors("clusters"), axis=0)) == 2

    def test_masks(self, session):
        session.objects = [
            {"name": "a", "color": "#ff0000", "clicks": [{"image": 0, "x": 5, "y": 5}], "min_area": 0},
            {
                "name": "b",
                "color": "#00ff00",
                "clicks": [{"image": 1, "x": 5, "y": 5}],
                "min_area": 0,
                "visible": False,
            },
        ]
        mask = np.concatenate([m.ravel() for m in session.masks()["a"]])
        np.testing.assert_array_equal(session.layer_colors("masks"), mask[:, None] * [1, 0, 0, 1])
        session.layer = "masks"
        pictures = [np.asarray(axes.images[0].get_array()) for axes in nw.plot_images(session, blend=1).figure.axes]
        for picture, image, covered in zip(
            pictures, session.images, session.masks(resolution="pixel")["a"], strict=True
        ):
            np.testing.assert_array_equal(picture[covered], np.tile([255, 0, 0], (covered.sum(), 1)))
            np.testing.assert_array_equal(picture[~covered], np.asarray(image)[~covered])

    def test_channels_require_a_pinned_channel(self, images, grid, eigenvectors):
        features = nw.FeatureMaps(np.arange(40, dtype=np.float32).reshape(20, 2), grid)
        session = nw.Session(images, features=features, eigenvectors=eigenvectors)
        with pytest.raises(ValueError, match=r"The layer 'channels' needs a pinned channel"):
            nw.plot_images(session, layer="channels")
        session.pinned_channels = [1]
        lightness = session.layer_colors("channels")[:, :3].sum(1)
        assert (np.diff(lightness[1:-1]) > 0).all()
        session.pinned_channels = [1, 0]
        assert set(session.layer_colors("channels")[:, 2]) == {0}

    def test_images_without_a_session_raise(self, images, grid):
        with pytest.raises(ValueError, match="`layer='masks'` requires a session"):
            nw.plot_images(images, grid, layer="masks")


def test_heatmap_requires_a_pinned_patch(session):
    with pytest.raises(ValueError, match=r"`session\.selection` is empty. Select a patch, or pass `heatmap`"):
        nw.plot_images(session, layer="heatmap")


def test_selected_eigenvector_is_shown(session):
    session.layer, session.eigenvector = "eigenvector", 3
    np.testing.assert_array_equal(
        pixels(nw.plot_images(session)), pixels(nw.plot_images(session, layer="eigenvector", eigenvector=3))
    )


def test_view_is_accepted_as_its_session(session):
    explorer = nw.Explorer(session)
    np.testing.assert_array_equal(pixels(nw.plot_images(explorer)), pixels(nw.plot_images(session)))
    assert len(nw.plot_eigenvectors(explorer, which=(1, 2)).axes) == len(
        nw.plot_eigenvectors(session, which=(1, 2)).axes
    )
    assert len(nw.plot_embedding(explorer).data[0].x) == session.grid.n_nodes
