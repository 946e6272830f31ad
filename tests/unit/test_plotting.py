"""Figures of images and embeddings, from sessions and from arrays, without pyplot."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from ncut_widgets.grid import PatchGrid, PatchMap
from ncut_widgets.plotting import plot_eigenvectors, plot_embedding, plot_images


@pytest.fixture
def session():
    """Return an object with the session attributes that plots use: two images of 4 x 2 and 3 x 3 patches."""
    images = [Image.new("RGB", (40, 20), (100, 0, 0)), Image.new("RGB", (30, 30), (0, 100, 0))]
    images[0].info["name"] = "first"
    grid = PatchGrid([image.size for image in images], [PatchMap(0, 2, 4), PatchMap(1, 3, 3)])
    rng = np.random.default_rng(0)
    return SimpleNamespace(
        images=images,
        grid=grid,
        eigenvectors=rng.normal(size=(17, 5)),
        rgb=rng.uniform(size=(17, 3)),
        coords=rng.normal(size=(17, 3)),
    )


def pixels(figure, index=0):
    return np.asarray(figure.axes[index].images[0].get_array())


def test_figure_displays_without_pyplot_import(session):
    code = """
from IPython.core.interactiveshell import InteractiveShell
import numpy as np, sys
from PIL import Image
from ncut_widgets.grid import PatchGrid, PatchMap
from ncut_widgets.plotting import plot_images

grid = PatchGrid([(40, 20)], [PatchMap(0, 2, 4)])
figure = plot_images([Image.new("RGB", (40, 20))], grid=grid, rgb=np.zeros((8, 3)))
shown, _ = InteractiveShell.instance().display_formatter.format(figure)
print(shown["image/png"][:4] == b"\\x89PNG", "matplotlib.pyplot" in sys.modules)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.stdout.split() == ["True", "False"], result.stderr


def test_plot_images_uses_colors_of_session(session):
    figure = plot_images(session, blend=1)
    assert [axes.get_title() for axes in figure.axes] == ["first", ""]
    expected = np.repeat(np.repeat(session.rgb[:8].reshape(2, 4, 3), 10, axis=0), 10, axis=1)
    np.testing.assert_allclose(pixels(figure) / 255, expected, atol=1 / 254)
    assert pixels(figure, 1).shape == (30, 30, 3)


def test_arrays_and_session_give_same_figure(session):
    one = plot_images(session, blend=0.3)
    other = plot_images(session.images, session.grid, rgb=torch.from_numpy(session.rgb), blend=0.3)
    for index in range(2):
        np.testing.assert_array_equal(pixels(one, index), pixels(other, index))


def test_passed_array_sets_layer(session):
    bare = plot_images(session.images, session.grid)
    np.testing.assert_array_equal(pixels(bare), np.asarray(session.images[0]))
    heat = np.zeros(17)
    heat[0] = 1
    figure = plot_images(session, heatmap=heat, blend=1)
    assert tuple(pixels(figure)[5, 5]) == (252, 255, 164), "the hot end of inferno"
    assert pixels(figure)[15, 35].max() < 6, "the cold end"


def test_eigenvector_colors_diverge_from_white(session):
    values = np.zeros((17, 2))
    values[:, 1] = np.linspace(-1, 1, 17)
    shown = pixels(plot_images(session, eigenvectors=values, eigenvector=1, blend=1), 0)
    red, blue = plot_images(session, eigenvectors=values, blend=1), shown[5, 5]
    assert blue[2] > blue[0], "blue below zero"
    last = pixels(red, 1)[25, 25]
    assert last[0] > last[2], "red above zero"
    zero = pixels(red, 1)[5, 5]
    assert zero.min() > 240, "white at zero"


def test_outlier_does_not_compress_color_range(session):
    grid = PatchGrid([(20, 20)], [PatchMap(0, 20, 20)])
    values = np.tile([[0.0, 1.0], [0.0, -1.0]], (200, 1))
    values[0, 1] = 1000
    shown = pixels(plot_images([Image.new("RGB", (20, 20))], grid, eigenvectors=values, blend=1))
    assert tuple(shown[0, 1]) == (5, 48, 97)
    assert tuple(shown[0, 2]) == (103, 0, 31)


def test_zero_eigenvector_is_white(session):
    shown = pixels(plot_images(session, eigenvectors=np.zeros((17, 2)), blend=1))
    assert shown.min() > 240


def test_clusters_have_mean_color_of_nodes(session):
    labels = np.arange(17) % 2
    figure = plot_images(session, labels=labels, blend=1)
    mean = session.rgb[labels == 0].mean(0) * 255
    np.testing.assert_allclose(pixels(figure)[5, 5], mean, atol=1)
    np.testing.assert_array_equal(pixels(figure)[5, 5], pixels(figure)[5, 25])
    without = plot_images(session.images, session.grid, labels=labels, blend=1)
    assert len(np.unique(pixels(without).reshape(-1, 3), axis=0)) == 2


def test_columns_set_layout(session):
    images, grid = session.images * 3, PatchGrid([(40, 20), (30, 30)] * 3, [PatchMap(i, 1, 1) for i in range(6)])
    for columns, expected in ((2, 2), (6, 6), (9, 6), (None, 3)):
        figure = plot_images(images, grid, columns=columns)
        assert figure.axes[0].get_subplotspec().get_gridspec().ncols == expected
        assert len(figure.axes) == 6


def test_source_selects_patches(session):
    grid = PatchGrid([(8, 8)], [PatchMap(0, 1, 1, "coarse"), PatchMap(0, 1, 2, "fine")])
    rgb = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    image = [Image.new("RGB", (8, 8))]
    assert tuple(pixels(plot_images(image, grid, rgb=rgb, blend=1))[0, 0]) == (255, 0, 0)
    assert tuple(pixels(plot_images(image, grid, rgb=rgb, blend=1, source="fine"))[0, 7]) == (0, 0, 255)


def test_plot_eigenvectors_has_one_row_per_image(session):
    figure = plot_eigenvectors(session, which=(0, 2, 9))
    assert [axes.get_title() for axes in figure.axes] == ["", "eigenvector 0", "eigenvector 2", "", "", ""]
    np.testing.assert_array_equal(pixels(figure, 0), np.asarray(session.images[0]))
    expected = plot_images(session, layer="eigenvector", eigenvector=2, blend=1)
    np.testing.assert_array_equal(pixels(figure, 2), pixels(expected, 0))
    np.testing.assert_array_equal(pixels(figure, 5), pixels(expected, 1))


def test_figures_save_and_are_unknown_to_pyplot(session, tmp_path):
    plot_images(session).savefig(tmp_path / "images.png")
    plot_eigenvectors(session).savefig(tmp_path / "eigenvectors.png")
    assert (tmp_path / "images.png").stat().st_size > 1000
    from matplotlib import pyplot

    assert pyplot.get_fignums() == []


def test_embedding_has_every_node_in_its_color(session):
    figure = plot_embedding(session)
    cloud = figure.data[0]
    np.testing.assert_allclose(np.stack([cloud.x, cloud.y, cloud.z], axis=1), session.coords, rtol=1e-6)
    red, green, blue = np.rint(session.rgb[3] * 255).astype(int)
    assert cloud.marker.color[3] == f"rgb({red},{green},{blue})"
    assert cloud.text[5] == "first<br>row 1, column 1"
    assert cloud.text[16] == "image 1<br>row 2, column 2"
    assert figure.layout.scene.aspectmode == "data"
    assert [figure.layout.scene[axis].visible for axis in ("xaxis", "yaxis", "zaxis")] == [False] * 3


def test_embedding_theme_and_array_input(session):
    light = plot_embedding(session.coords, rgb=session.rgb)
    dark = plot_embedding(torch.from_numpy(session.coords), session.grid, rgb=session.rgb, names=["a", "b"], dark=True)
    assert light.layout.template.layout.paper_bgcolor == "white"
    assert dark.layout.template.layout.paper_bgcolor != "white"
    assert light.data[0].text is None
    assert dark.data[0].text[0] == "a<br>row 0, column 0"


def test_subsampled_embedding_has_correct_hover_text(session):
    figure = plot_embedding(session, max_points=5)
    cloud = figure.data[0]
    assert len(cloud.x) == 5
    drawn = [int(np.abs(session.coords[:, 0] - x).argmin()) for x in cloud.x]
    for node, text in zip(drawn, cloud.text, strict=True):
        image, row, column, _ = session.grid.locate(node)
        assert text == f"{['first', 'image 1'][image]}<br>row {row}, column {column}"


def test_plotting_libraries_load_on_use():
    script = (
        "import sys, ncut_widgets.plotting; "
        "assert not {'matplotlib', 'plotly', 'umap'} & {name.split('.')[0] for name in sys.modules}"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_invalid_arguments_raise(session):
    with pytest.raises(ValueError, match="`grid` is required with a sequence of images"):
        plot_images(session.images)
    with pytest.raises(ValueError, match="`images` must be the 2 images of `grid`; got 1"):
        plot_images(session.images[:1], session.grid)
    with pytest.raises(ValueError, match=r"`layer` must be one of 'image', 'ncut'.*got 'ncuts'"):
        plot_images(session, layer="ncuts")
    with pytest.raises(ValueError, match="`labels` is required for the layer 'clusters'"):
        plot_images(session, layer="clusters")
    with pytest.raises(ValueError, match=r"`rgb` must have shape \(17, 3\).*got \(16, 3\)"):
        plot_images(session, rgb=session.rgb[:16])
    with pytest.raises(ValueError, match=r"`heatmap` must have shape \(17,\).*got \(17, 1\)"):
        plot_images(session, heatmap=np.zeros((17, 1)))
    with pytest.raises(ValueError, match="`eigenvector` must be at most 4; got 5"):
        plot_images(session, layer="eigenvector", eigenvector=5)
    with pytest.raises(ValueError, match=r"`blend` must be in \[0, 1\]; got 1.5"):
        plot_images(session, blend=1.5)
    with pytest.raises(ValueError, match="`which` must contain at least one of the columns 0 to 4"):
        plot_eigenvectors(session, which=[7])
    with pytest.raises(ValueError, match="`eigenvectors` is required for plot_eigenvectors"):
        plot_eigenvectors(session.images, session.grid)
    with pytest.raises(ValueError, match="`rgb` is required with an array of coordinates"):
        plot_embedding(session.coords)
    with pytest.raises(ValueError, match=r"`coords` must have shape \(17, 3\).*got \(17, 2\)"):
        plot_embedding(session.coords[:, :2], session.grid, rgb=session.rgb)
