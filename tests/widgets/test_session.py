import numpy as np
import pytest
import torch
from traitlets import TraitError

from ncut_widgets import FeatureMaps, Session


class TestConstruction:
    def test_grid_comes_from_the_features(self, images, grid, eigenvectors):
        features = FeatureMaps(np.ones((grid.n_nodes, 3), np.float32), grid)
        session = Session(images, features=features, eigenvectors=eigenvectors)
        assert session.grid is features.grid
        assert session.features is features

    def test_takes_tensors(self, images, grid, eigenvectors):
        session = Session(images, grid=grid, eigenvectors=torch.tensor(eigenvectors, requires_grad=True))
        np.testing.assert_allclose(session.eigenvectors, eigenvectors, rtol=1e-6)

    def test_default_colors_and_coordinates(self, images, grid, eigenvectors):
        coords = np.arange(grid.n_nodes * 3, dtype=float).reshape(-1, 3)
        session = Session(images, grid=grid, eigenvectors=eigenvectors, coords=coords)
        np.testing.assert_array_equal(session.coords, coords)
        assert session.rgb.shape == (grid.n_nodes, 3)
        between = np.linalg.norm(session.rgb[:12].mean(0) - session.rgb[12:].mean(0))
        within = np.linalg.norm(session.rgb[:12] - session.rgb[:12].mean(0), axis=1).mean()
        assert between > within

    @pytest.mark.parametrize(
        ("change", "error", "match"),
        [
            ({"eigenvectors": None}, ValueError, r"`eigenvectors` must be .* got None\. Compute it with"),
            ({"eigenvectors": np.ones((7, 2))}, ValueError, r"`eigenvectors` must have shape \(20, k\).* got \(7, 2\)"),
            ({"eigenvectors": np.full((20, 2), np.nan)}, ValueError, "`eigenvectors` must be finite; got NaN"),
            ({"rgb": np.full((20, 3), 255)}, ValueError, r"`rgb` must lie in \[0, 1\]; got values from 255 to 255"),
            ({"coords": np.ones((20, 2))}, ValueError, r"`coords` must have shape \(20, 3\)"),
            ({"eigenvalues": [1, 2]}, ValueError, r"`eigenvalues` must have shape \(5,\)"),
            ({"eigenvectors": "abc"}, TypeError, "`eigenvectors` must"),
            ({"features": np.ones((20, 3))}, TypeError, "`features` must be FeatureMaps.* got ndarray"),
            ({"grid": None}, ValueError, "`features` or `grid` must say which patch each node is; got neither"),
        ],
    )
    def test_invalid_arguments_raise(self, images, grid, eigenvectors, change, error, match):
        with pytest.raises(error, match=match):
            Session(images, **({"grid": grid, "eigenvectors": eigenvectors} | change))

    def test_other_images_than_those_of_the_grid_raise(self, images, grid, eigenvectors):
        with pytest.raises(ValueError, match=r"`images` must be the ones that the grid was made for, 2 of sizes"):
            Session(images[::-1], grid=grid, eigenvectors=eigenvectors)

    def test_grid_with_features_raises(self, images, grid, eigenvectors):
        features = FeatureMaps(np.ones((grid.n_nodes, 3), np.float32), grid)
        with pytest.raises(ValueError, match="`grid` and `features` cannot be combined"):
            Session(images, features=features, grid=grid, eigenvectors=eigenvectors)


class TestState:
    def test_is_observable(self, session):
        seen = []
        session.observe(lambda change: seen.append(change.new), "hover")
        session.hover = 3
        session.hover = None
        assert seen == [3, None]

    @pytest.mark.parametrize(
        ("trait", "value", "match"),
        [
            ("hover", 20, "`hover` must hold nodes from 0 to 19; got 20"),
            ("selection", [1, -1], "`selection` must hold nodes from 0 to 19; got -1"),
            ("layer", "mosaic", "mosaic"),
            ("eigenvector", 5, "`eigenvector` must lie in 0 to 4; got 5"),
            ("n_clusters", 6, "`n_clusters` must lie in 1 to 5 for 5 eigenvectors; got 6"),
            ("source", "dino", r"`source` must be one of \['features'\]; got 'dino'"),
            ("blend", 1.5, "blend"),
            ("camera", {"a": 1}, r"`camera` must be None or .* got \{'a': 1\}\. Set it to None"),
            ("camera", {"position": [0, 0, np.nan], "target": [0, 0, 0], "zoom": 1}, "`camera` must be None or"),
        ],
    )
    def test_invalid_values_change_nothing(self, session, trait, value, match):
        before = getattr(session, trait)
        with pytest.raises(TraitError, match=match):
            setattr(session, trait, value)
        assert getattr(session, trait) == before

    def test_a_patch_is_pinned_once(self, session):
        session.selection = [3, 1, 3]
        assert session.selection == [3, 1]

    def test_a_camera_can_be_set_and_reset(self, session):
        session.camera = {"position": [0, 0, 3], "target": [0, 0, 0], "zoom": 1.5}
        session.camera = None
        assert session.camera is None

    def test_defaults_fit_the_data(self, images, grid):
        session = Session(images, grid=grid, eigenvectors=np.ones((20, 1)))
        assert session.eigenvector == 0
        assert session.n_clusters == 1


class TestUpdate:
    def test_views_are_notified_and_state_is_kept(self, session):
        session.selection = [4]
        version = session.meta["version"]
        rgb = np.zeros((20, 3))
        session.update(rgb=rgb)
        assert session.meta["version"] > version
        assert session.selection == [4]
        np.testing.assert_array_equal(session.rgb, rgb)

    def test_invalid_data_change_nothing(self, session):
        rgb, meta = session.rgb, session.meta
        with pytest.raises(ValueError, match=r"`coords` must have shape \(20, 3\)"):
            session.update(rgb=np.zeros((20, 3)), coords=np.ones((3, 3)))
        assert session.rgb is rgb
        assert session.meta == meta

    def test_new_colors_keep_the_clusters(self, session):
        labels = session.labels(3)
        session.update(rgb=np.zeros((20, 3)))
        assert session.labels(3) is labels
        session.update(eigenvectors=session.eigenvectors[::-1])
        assert session.labels(3) is not labels

    def test_new_eigenvectors_keep_colors_only(self, session):
        rgb, coords = session.rgb, session.coords
        session.update(eigenvectors=session.eigenvectors[::-1])
        np.testing.assert_array_equal(session.rgb, rgb)
        np.testing.assert_array_equal(session.coords, coords)
        assert session.eigenvalues is None

    def test_fewer_eigenvectors_lower_the_sliders(self, session):
        session.eigenvector = 4
        session.labels(5)
        session.update(eigenvectors=session.eigenvectors[:, :3])
        assert session.eigenvector == 2
        assert session.n_clusters == 3
        assert session.eigenvalues is None
        with pytest.raises(ValueError, match="`n_clusters` must lie in 1 to 3"):
            session.labels(5)


class TestLabels:
    def test_planted_clusters_largest_first(self, session):
        labels = session.labels(2)
        assert labels.dtype == np.uint8
        np.testing.assert_array_equal(labels, [0] * 12 + [1] * 8)

    def test_follow_the_trait(self, session):
        session.n_clusters = 3
        assert session.labels().max() == 2

    def test_one_cluster_has_all_nodes(self, session):
        assert not session.labels(1).any()


def test_sources_can_be_switched(images, eigenvectors):
    from ncut_widgets import PatchGrid, PatchMap

    grid = PatchGrid([(40, 30), (24, 48)], [PatchMap(0, 3, 4, "coarse"), PatchMap(1, 4, 2, "fine")])
    session = Session(images, grid=grid, eigenvectors=eigenvectors)
    assert session.source == "coarse"
    session.source = "fine"


def test_repr(session):
    assert repr(session) == "Session(2 images, 20 nodes, 5 eigenvectors)"
