import numpy as np
import pytest

import ncut_widgets as nw
from ncut_widgets.pipeline import embed
from ncut_widgets.widgets._bundles import bundle

VIEWS = [nw.ImageGrid, nw.EmbeddingScatter, nw.ClickSegmenter, nw.ClusterPanel, nw.ChannelBars, nw.Explorer]


@pytest.mark.parametrize("view", VIEWS)
def test_views_share_their_session(session, view):
    assert view(session).session is view(session).session


@pytest.mark.parametrize(
    ("view", "element"),
    [*zip(VIEWS, ["image-grid", "cloud", "object-list", "levels", "channel-bars", "explorer-body"], strict=True)],
)
def test_views_carry_their_front_end(session, view, element):
    made = view(session)
    assert "render" in made._esm
    assert f".ncut-{element}" in made._css


@pytest.mark.parametrize("view", VIEWS)
def test_view_requires_a_session(view):
    with pytest.raises(TypeError, match=r"`session` must be a Session; got list\. Make one with"):
        view([1, 2, 3])


def test_unknown_options_are_refused(session):
    with pytest.raises(TypeError, match="ImageGrid has no option 'heigth'"):
        nw.ImageGrid(session, heigth=300)


def test_arrays_stay_out_of_the_saved_state(session):
    """What a notebook would save of a widget is small state, not megabytes of data."""
    state = {key: value for key, value in session.get_state().items() if key != "_esm"}
    assert not any(isinstance(value, (bytes, memoryview)) for value in state.values())
    assert len(str(state)) < 4000


def test_missing_front_end_names_the_build_command():
    with pytest.raises(FileNotFoundError, match=r"has not been built: nothing\.js is missing\. Run `make build`"):
        bundle("nothing.js")


def test_explore_does_everything_in_one_call():
    explorer = nw.explore(nw.sample_images()[:2], n_eig=6, progress=False)
    session = explorer.session
    assert len(session.images) == 2
    assert session.eigenvectors.shape == (session.grid.n_nodes, 6)
    assert session.features.grid is session.grid
    assert session.eigenvalues[0] == pytest.approx(1, abs=1e-3)


def test_explore_is_deterministic():
    images = nw.sample_images()[:1]
    first, second = (nw.explore(images, n_eig=5, progress=False).session for _ in range(2))
    assert (first.eigenvectors == second.eigenvectors).all()
    assert (first.rgb == second.rgb).all()
    assert (first.coords == second.coords).all()


def test_closing_an_explorer_keeps_a_passed_session(session):
    explorer = nw.Explorer(session)
    made = [explorer, explorer.image_grid, explorer.scatter]
    explorer.close()
    assert [widget.comm for widget in made] == [None] * 3
    assert session.comm is not None
    explorer.close()


def test_explore_takes_the_options_of_embed():
    image = nw.sample_images()[:1]
    explorer = nw.explore(image, n_eig=4, degree=0.1, device="cpu", coloring="pca", resolution=128)
    result = embed(image, n_eig=4, degree=0.1, resolution=128, progress=False)
    np.testing.assert_array_equal(explorer.session.eigenvectors, result.eigenvectors)
    colors = nw.Coloring("pca").fit(result.eigenvectors)
    np.testing.assert_allclose(explorer.session.rgb, colors.rgb_, atol=1e-6)
    explorer.close()
    assert explorer.session.comm is None


def test_explore_checks_the_coloring_first():
    with pytest.raises(ValueError, match=r"`coloring` must be one of 'tsne', 'umap'.*got 'tnse'"):
        nw.explore("no/such/folder", coloring="tnse")


def test_opening_a_tab_sets_the_layer(session):
    explorer = nw.Explorer(session)
    explorer.tab = "clusters"
    assert session.layer == "clusters"
    explorer.tab = "segment"
    assert session.layer == "masks"
    session.layer = "eigenvector"
    explorer.tab = "explore"
    assert session.layer == "eigenvector"
