"""Colors computed in the background: waiting, cancelling, failing."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from sklearn.exceptions import NotFittedError
from traitlets import TraitError

import ncut_widgets as nw
from helpers.pages import request
from helpers.processes import threads
from ncut_widgets.widgets import explorer as explorer_module


def run_in_a_loop(cell):
    """Run a coroutine function in an event loop of its own, and return its thread: the main one may have a loop."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, cell()).result()
        return pool.submit(threading.current_thread).result()


@pytest.fixture
def session():
    """Three regions of 48 patches each, seen through twelve noisy eigenvectors."""
    rng = np.random.default_rng(0)
    grid = nw.PatchGrid([(96, 96)], [nw.PatchMap(0, 12, 12)])
    vectors = np.eye(12)[np.repeat([0, 1, 2], 48)] + 0.2 * rng.normal(size=(144, 12))
    features = nw.FeatureMaps(vectors.astype(np.float32), grid)
    session = nw.Session([Image.new("RGB", (96, 96))], features=features, eigenvectors=vectors)
    yield session
    session.close()


class Paused(nw.Coloring):
    """Stops at its first step until it is let go or ended."""

    def __init__(self, method="tsne"):
        super().__init__(method)
        self.started, self.go_on = threading.Event(), threading.Event()

    def fit(self, eig, **options):
        check = options.pop("progress")

        def progress(fraction):
            self.started.set()
            check(fraction)
            while not self.go_on.wait(0.01):
                check(fraction)

        return super().fit(eig, progress=progress, **options)


def seen(session, trait):
    values = []
    session.observe(lambda change: values.append(change.new), trait)
    return values


def test_first_colors_are_principal_axes(session):
    assert session.recolor_status == {"method": "pca", "status": "ready", "error": None}
    np.testing.assert_allclose(session.rgb, nw.pca_color(session.eigenvectors), atol=1e-6)


def test_passed_colors_have_no_method(session):
    session.update(rgb=np.zeros((144, 3)))
    assert session.recolor_status == {"method": None, "status": "ready", "error": None}


def test_colors_stay_until_new_ones_are_ready(session):
    coloring, before = Paused(), session.rgb
    statuses, metas = seen(session, "recolor_status"), seen(session, "meta")
    session.recolor(coloring)
    assert coloring.started.wait(20)
    np.testing.assert_array_equal(request(session, "rgb"), np.rint(before * 255))
    assert (session.recolor_status["status"], metas) == ("running", [])
    coloring.go_on.set()
    rgb = session.rgb
    assert (rgb != before).any()
    assert [entry["status"] for entry in statuses] == ["running", "ready"]
    assert statuses[-1] == {"method": "tsne", "status": "ready", "error": None}
    # New colours of the same embedding: what the page computed from the eigenvectors holds.
    assert [meta["embedding"] for meta in metas] == [0]
    np.testing.assert_array_equal(coloring.rgb_, rgb)


def test_result_does_not_depend_on_waiting(session):
    rows, places = session.eigenvectors, session.coords
    session.recolor()
    later = session.rgb, session.coords
    session.update(rgb=later[0] * 0, coords=places)
    session.recolor(wait=True)
    np.testing.assert_array_equal(session.rgb, later[0])
    np.testing.assert_array_equal(session.coords, later[1])
    alone = nw.Coloring().fit(rows)
    moved = np.linalg.norm(session.coords - places, axis=1).mean()
    assert moved < 0.5 * np.linalg.norm(alone.coords_ - places, axis=1).mean()


def test_mspace_uses_the_features(session):
    session.recolor(nw.Coloring("mspace", n_eig=(2, 3)), wait=True)
    expected = nw.Coloring("mspace", n_eig=(2, 3)).fit(session.features.flatten()).coords_
    distances = [np.linalg.norm(c - c[:1], axis=1) for c in (session.coords, expected)]
    np.testing.assert_allclose(distances[0] / distances[0].max(), distances[1] / distances[1].max(), atol=1e-4)


class TestCancelling:
    def test_recolor_cancels_the_previous_one(self, session):
        coloring = Paused()
        session.recolor(coloring)
        assert coloring.started.wait(20)
        session.recolor("pca", wait=True)
        assert session.recolor_status["method"] == "pca"
        with pytest.raises(NotFittedError, match="This Coloring instance is not fitted"):
            coloring.rgb_  # noqa: B018

    def test_passed_colors_cancel_it(self, session):
        coloring = Paused()
        session.recolor(coloring)
        assert coloring.started.wait(20)
        session.update(rgb=np.full((144, 3), 0.25))
        assert (session.rgb == 0.25).all()
        assert session.recolor_status == {"method": None, "status": "ready", "error": None}
        assert threads("ncut-colors") == []

    def test_only_valid_eigenvectors_cancel_it(self, session):
        coloring = Paused()
        session.recolor(coloring)
        with pytest.raises(ValueError, match="`eigenvectors` must have shape"):
            session.update(eigenvectors=np.ones((3, 2)))
        session.update(eigenvalues=np.linspace(1, 0, 12))
        assert session.recolor_status["status"] == "running"
        session.update(eigenvectors=session.eigenvectors[:, :5])
        assert session.recolor_status == {"method": "pca", "status": "ready", "error": None}
        assert session.meta["embedding"] == 1

    def test_closing_leaves_no_thread(self, session):
        coloring = Paused()
        session.recolor(coloring)
        assert coloring.started.wait(20)
        session.close()
        assert threads("ncut-colors") == []


class TestFailing:
    @pytest.fixture
    def failed(self, session, monkeypatch):
        def fail(self, *_, **__):
            raise MemoryError("no room for colours")

        with monkeypatch.context() as patch:
            patch.setattr(nw.Coloring, "fit", fail)
            session.recolor("umap")
            with pytest.raises(MemoryError, match="no room for colours"):
                session.rgb  # noqa: B018
        return session

    def test_error_is_reported_and_raised_on_waiting(self, failed, tmp_path):
        assert failed.recolor_status == {
            "method": "umap",
            "status": "failed",
            "error": "MemoryError: no room for colours",
        }
        for use in (lambda: failed.coords, lambda: failed.to_html(tmp_path / "a.html"), lambda: nw.plot_images(failed)):
            with pytest.raises(MemoryError, match="no room for colours"):
                use()
        assert not (tmp_path / "a.html").exists()
        assert failed.labels(2).shape == (144,)

    def test_recolor_clears_the_error(self, failed):
        failed.recolor("pca", wait=True)
        assert failed.recolor_status["status"] == "ready"
        assert failed.rgb.shape == (144, 3)

    def test_passed_colors_cancel_it(self, failed):
        failed.update(rgb=np.zeros((144, 3)))
        assert not failed.rgb.any()

    def test_recolor_with_wait_raises(self, session):
        with pytest.raises(ValueError, match="`n_sample` must be at least 2"):
            session.recolor(nw.Coloring(n_sample=1), wait=True)

    @pytest.mark.parametrize(
        ("method", "error", "match"),
        [
            ("tnse", ValueError, r"`method` must be one of 'tsne'.*got 'tnse'"),
            (7, TypeError, r"`method` must be one of .* got 7"),
        ],
    )
    def test_invalid_method_raises_at_once(self, session, method, error, match):
        with pytest.raises(error, match=match):
            session.recolor(method)
        assert session.recolor_status["status"] == "ready"

    def test_mspace_requires_features(self, session):
        bare = nw.Session(session.images, grid=session.grid, eigenvectors=session.eigenvectors)
        with pytest.raises(ValueError, match=r"`method='mspace'` needs features"):
            bare.recolor("mspace")

    def test_status_is_read_only(self, session):
        with pytest.raises(TraitError, match="recolor_status"):
            session.recolor_status = {}


def test_colors_are_shown_in_the_thread_of_the_loop(session):
    threads_of = []
    session.observe(lambda _: threads_of.append(threading.current_thread()), "meta")

    async def cell():
        arrived = asyncio.Event()
        session.observe(lambda change: change.new["status"] == "ready" and arrived.set(), "recolor_status")
        session.recolor("tsne")
        await asyncio.wait_for(arrived.wait(), 20)

    loop_of = run_in_a_loop(cell)
    assert threads_of == [loop_of]


def test_colors_are_shown_after_the_loop_closed(session):
    coloring = Paused()

    async def cell():
        session.recolor(coloring)

    run_in_a_loop(cell)
    arrived = threading.Event()
    session.observe(lambda change: change.new["status"] == "ready" and arrived.set(), "recolor_status")
    coloring.go_on.set()
    assert arrived.wait(20)
    np.testing.assert_array_equal(session.rgb, coloring.rgb_)


class TestExplore:
    @pytest.fixture
    def paused(self, monkeypatch):
        coloring = Paused()
        monkeypatch.setattr(explorer_module, "Coloring", lambda method, random_state: coloring)
        return coloring

    def test_explorer_opens_early_and_exports_final_colors(self, paused, tmp_path):
        explorer = nw.explore(nw.sample_images()[:1], n_eig=4, resolution=128, progress=False)
        session = explorer.session
        assert session.recolor_status["status"] == "running"
        first, _ = session.visible_colors
        np.testing.assert_allclose(first, nw.pca_color(session.eigenvectors), atol=1e-6)
        data, _ = explorer._repr_mimebundle_()
        assert data["image/png"].startswith(b"\x89PNG")
        assert session.recolor_status["status"] == "running"
        paused.go_on.set()
        page = explorer.to_html(tmp_path / "explorer.html", progress=False).read_text("utf-8")
        assert session.recolor_status["status"] == "ready"
        assert '"recolor_status": {"method": "tsne", "status": "ready", "error": null}' in page
        assert explorer.to_png() != data["image/png"]
        explorer.close()

    def test_closing_the_explorer_cancels_recolor(self, paused):
        explorer = nw.explore(nw.sample_images()[:1], n_eig=4, resolution=128, progress=False)
        assert paused.started.wait(20)
        explorer.close()
        assert threads("ncut-colors") == []


def test_export_shows_progress_of_recolor(session, tmp_path, capsys):
    session.recolor()
    session.to_html(tmp_path / "a.html", progress=True)
    assert "colors: t-SNE of 144 nodes" in capsys.readouterr().err
