"""The plots show what the widgets show, from the same session."""

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


def test_a_heatmap_needs_a_pinned_patch(session):
    with pytest.raises(ValueError, match=r"`session\.selection` must hold a patch .* Pin a patch, or pass `heatmap`"):
        nw.plot_images(session, layer="heatmap")


def test_the_chosen_eigenvector_is_shown(session):
    session.layer, session.eigenvector = "eigenvector", 3
    np.testing.assert_array_equal(
        pixels(nw.plot_images(session)), pixels(nw.plot_images(session, layer="eigenvector", eigenvector=3))
    )


def test_a_view_stands_for_its_session(session):
    explorer = nw.Explorer(session)
    np.testing.assert_array_equal(pixels(nw.plot_images(explorer)), pixels(nw.plot_images(session)))
    assert len(nw.plot_eigenvectors(explorer, which=(1, 2)).axes) == len(
        nw.plot_eigenvectors(session, which=(1, 2)).axes
    )
    assert len(nw.plot_embedding(explorer).data[0].x) == session.grid.n_nodes
