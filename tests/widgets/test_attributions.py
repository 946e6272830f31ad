"""Channel attributions in Python, on the page and in files."""

import json
import re

import numpy as np
import pytest
from traitlets import TraitError

from helpers.pages import Page
from ncut_widgets import Explorer, FeatureMaps, Ncut, PatchGrid, PatchMap, Session, channel_attribution
from ncut_widgets.widgets.session import attributions as attributions_module

PLANTED = {0: 3, 1: 5}


@pytest.fixture
def planted():
    """120 patches of three clusters, of which two differ by a channel each."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 6)).astype(np.float32)
    X[:40, 3] += 9
    X[40:80, 5] += 9
    grid = PatchGrid([(120, 100)], [PatchMap(0, 10, 12)])
    ncut = Ncut(5).fit(X)
    features = FeatureMaps(X, grid, channel_names=list("abcdef"))
    image = np.zeros((100, 120, 3), np.uint8)
    return Session(
        [image], features=features, eigenvectors=ncut.eigenvectors_, eigenvalues=ncut.eigenvalues_, ncut=ncut
    )


def leading(session, scores, n_clusters=3):
    """The leading channel of the clusters of the first and of the second forty nodes."""
    labels = session.labels(n_clusters)
    return [int(np.abs(scores[labels[at]]).argmax()) for at in (20, 60)]


def test_attribute_finds_channels_and_notifies_observers(planted):
    seen = []
    planted.observe(lambda change: seen.append(change.new), "attribution")
    found = planted.attribute(n_clusters=3)
    assert seen == [found]
    assert planted.attribution is found
    assert leading(planted, found.scores) == [3, 5]
    assert found.channel_names == tuple("abcdef")


def test_attribution_is_cached_and_uses_the_graph_of_the_cut(planted):
    found = planted.attribute(n_clusters=3)
    assert planted.attribute(n_clusters=3) is found
    assert planted.attribute(n_clusters=3, method="abs_gradient") is not found
    expected = channel_attribution(
        planted.features, planted.labels(3).astype(int), n_eig=3, ncut=Ncut(sigma=planted.ncut.sigma_)
    )
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-5)


def test_new_eigenvectors_remove_the_attribution(planted):
    planted.attribute(n_clusters=3)
    planted.update(rgb=np.zeros((120, 3)))
    assert planted.attribution is not None
    planted.update(eigenvectors=planted.eigenvectors[:, :4])
    assert planted.attribution is None


def test_attribute_requires_features(images, grid, eigenvectors):
    session = Session(images, grid=grid, eigenvectors=eigenvectors)
    assert "attribution" not in session.meta["abilities"]
    assert session.meta["channel_names"] is None
    with pytest.raises(ValueError, match="`features` are needed for attributions"):
        session.attribute()
    with pytest.raises(TraitError, match="`hovered_channel` must be empty in a session without features"):
        session.hovered_channel = 0


def test_channel_traits_are_validated(planted):
    planted.hovered_channel, planted.pinned_channels = 5, [1, 1, 0]
    assert planted.pinned_channels == [1, 0]
    with pytest.raises(TraitError, match=r"`pinned_channels` must name channels from 0 to 5; got 6"):
        planted.pinned_channels = [6]
    assert planted.pinned_channels == [1, 0]


class TestPage:
    def test_outdated_attribution_is_not_shown(self, planted, monkeypatch):
        page = Page(planted, monkeypatch)
        found = attributions_module.channel_attribution

        def slowly(*arguments, **options):
            result = found(*arguments, **options)
            planted.update(eigenvectors=planted.eigenvectors[:, :4])
            return result

        monkeypatch.setattr(attributions_module, "channel_attribution", slowly)
        page.ask("attribution/gradient/clusters/3")
        assert planted.attribution is None

    def test_attribution_of_clusters(self, planted, monkeypatch):
        page = Page(planted, monkeypatch)
        scores = page.ask("attribution/gradient/clusters/3")
        assert scores.shape == (3, 6)
        assert leading(planted, scores) == [3, 5]
        np.testing.assert_allclose(np.abs(scores).sum(1), 1, rtol=1e-5)
        assert planted.attribution is planted.attribute(n_clusters=3)

    def test_attribution_of_a_mask_and_a_selection(self, planted, monkeypatch):
        page = Page(planted, monkeypatch)
        planted.objects = [{"name": "a / b", "clicks": [{"image": 0, "x": 5, "y": 5}], "n_eig": 3}]
        assert np.abs(page.ask("attribution/gradient/mask/a%20%2F%20b")).argmax() == 3
        assert np.abs(page.ask("attribution/gradient/nodes", {"nodes": list(range(40, 80))})).argmax() == 5
        assert "`selection` must hold the patches" in page.ask("attribution/gradient/nodes", {"nodes": []})

    def test_evidence(self, planted, monkeypatch):
        row = int(planted.labels(3)[20])
        counts, top, bottom, random = Page(planted, monkeypatch).ask(f"evidence/gradient/clusters/3/{row}")
        assert counts.tolist() == [0, 1, 2, 3]
        assert top[1] < bottom[1]
        assert top[1] < random[1]

    def test_channel_map_is_scaled_to_its_quantiles(self, planted, monkeypatch):
        page = Page(planted, monkeypatch)
        low, high = page.ask("channel_ranges")[3]
        values = planted.features.values[:, 3]
        expected = np.clip((values - low) / (high - low), 0, 1)
        np.testing.assert_allclose(page.ask("channel_map/3") / 255, expected, atol=0.003)
        assert low < 0 < 8 < high
        assert "`channel` must lie in 0 to 5; got 6" in page.ask("channel_map/6")

    @pytest.mark.parametrize(
        ("name", "match"),
        [
            ("attribution/magic/clusters/3", "`method` must be one of"),
            ("attribution/gradient/clusters/99", "`n_clusters` must lie in"),
            ("attribution/gradient/else", "no array named"),
        ],
    )
    def test_invalid_requests_get_errors(self, planted, monkeypatch, name, match):
        assert match in Page(planted, monkeypatch).ask(name)


class TestFile:
    def arrays(self, path):
        return set(re.findall(r'data-ncut-array="([^"]+)"', path.read_text()))

    def manifest(self, path):
        return json.loads(re.search(r'id="ncut-manifest">(.*?)</script>', path.read_text()).group(1))["session"]

    def test_has_attributions_and_channel_maps(self, planted, tmp_path):
        planted.pinned_channels = [4]
        path = planted.to_html(
            tmp_path / "a.html", n_clusters=[3, 2], attributions=True, channel_bytes=350, progress=False
        )
        arrays = self.arrays(path)
        wanted = {f"{kind}/{k}" for k in (2, 3) for kind in ("labels", "parents", "cluster_colors")}
        assert {name for name in arrays if name.startswith(("labels", "parents", "cluster_colors"))} == wanted
        assert {name for name in arrays if name.startswith("attribution")} == {
            "attribution/gradient/clusters/2",
            "attribution/gradient/clusters/3",
        }
        # The pinned one, and the one that made most: two of 120 bytes each fit.
        maps = {name for name in arrays if name.startswith("channel_map")}
        assert len(maps) == 2
        assert "channel_map/4" in maps
        assert maps <= {"channel_map/3", "channel_map/4", "channel_map/5"}
        assert self.manifest(path)["meta"]["cluster_counts"] == [2, 3]
        assert self.manifest(path)["n_clusters"] == 3

    def test_has_attributions_for_chosen_cluster_counts(self, planted, tmp_path):
        path = planted.to_html(tmp_path / "a.html", n_clusters=[2, 3, 4], attributions=[3], progress=False)
        assert {name for name in self.arrays(path) if name.startswith("attribution")} == {
            "attribution/gradient/clusters/3"
        }
        meta = self.manifest(path)["meta"]
        assert (meta["cluster_counts"], meta["traced_counts"]) == ([2, 3, 4], [3])

    @pytest.mark.parametrize(
        ("options", "error", "match"),
        [
            ({"attributions": [5]}, ValueError, "numbers of clusters that the file has; got 5. Add it to `n_clusters`"),
            ({"attributions": [1]}, ValueError, "`attributions` must be at least 2; got 1"),
            ({"attributions": [2.5]}, TypeError, "`attributions` must be an integer; got 2.5"),
            ({"tab": "channels"}, ValueError, "got no attributions. Pass attributions=True"),
            ({"tab": "chanels"}, ValueError, "`tab` must be one of 'explore'"),
        ],
    )
    def test_invalid_attribution_counts_raise(self, planted, tmp_path, options, error, match):
        with pytest.raises(error, match=match):
            planted.to_html(tmp_path / "a.html", progress=False, **{"n_clusters": [2, 3]} | options)
        assert not list(tmp_path.iterdir())

    def test_single_cluster_has_no_attribution(self, planted, tmp_path):
        one = Session(planted.images, features=planted.features, eigenvectors=planted.eigenvectors[:, :1])
        with pytest.raises(ValueError, match="`attributions` take 2 or more clusters"):
            one.to_html(tmp_path / "a.html", attributions=True, progress=False)

    def test_explorer_opens_at_an_available_tab(self, planted, tmp_path):
        explorer = Explorer(planted)
        explorer.tab = "channels"
        for attributions, tab in ((False, "explore"), ([2], "channels")):
            path = explorer.to_html(tmp_path / "a.html", n_clusters=[2], attributions=attributions, progress=False)
            assert f'"tab": "{tab}"' in path.read_text()

    def test_has_no_channels_by_default(self, planted, tmp_path):
        planted.pinned_channels, planted.hovered_channel, planted.layer = [4], 2, "channels"
        path = planted.to_html(tmp_path / "a.html", progress=False)
        assert not any(name.startswith(("attribution", "channel")) for name in self.arrays(path))
        state = self.manifest(path)
        assert state["meta"]["channel_names"] is None
        assert (state["hovered_channel"], state["pinned_channels"], state["layer"]) == (None, [], "ncut")
        assert planted.pinned_channels == [4]

    @pytest.mark.parametrize("n_clusters", [[9], []])
    def test_unavailable_cluster_counts_raise(self, planted, tmp_path, n_clusters):
        with pytest.raises(ValueError, match="`n_clusters` must be numbers from 2 to 5"):
            planted.to_html(tmp_path / "a.html", n_clusters=n_clusters)
        assert not (tmp_path / "a.html").exists()

    def test_loaded_session_uses_the_same_graph(self, planted, tmp_path):
        again = Session.load(planted.save(tmp_path / "a.ncut"))
        np.testing.assert_allclose(
            again.attribute(n_clusters=3).scores, planted.attribute(n_clusters=3).scores, rtol=1e-5
        )
