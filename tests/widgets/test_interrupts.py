"""Ctrl-C at any line restores the process, and the same call works afterwards."""

from __future__ import annotations

import gc
import threading
import warnings

import numpy as np
import pytest
import torch
from ipywidgets.widgets.widget import _instances
from threadpoolctl import threadpool_info, threadpool_limits

import ncut_widgets as nw
from helpers.interrupts import Interrupter, close_all_widgets

POINTS = 15


def state():
    """What a call may change for the whole process, and has to restore."""
    return {
        "BLAS and OpenMP": [(library["filepath"], library["num_threads"]) for library in threadpool_info()],
        "torch threads": torch.get_num_threads(),
        "gradients": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "warnings": list(warnings.filters),
        "widgets": set(_instances),
        "threads": {t for t in threading.enumerate() if t.name.startswith(("ncut-jobs", "ncut-colors"))},
    }


@pytest.fixture(scope="module")
def blobs():
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(4, 8)) * 4
    return (centers[np.arange(120) % 4] + rng.normal(size=(120, 8))).astype(np.float32)


@pytest.fixture(scope="module")
def eig(blobs):
    return nw.Ncut(4).fit_transform(blobs)


CALLS = {
    "explore": lambda blobs, eig: nw.explore(nw.sample_images()[:1], n_eig=4, resolution=64, progress=False),
    "segment": lambda blobs, eig: nw.segment(nw.sample_images()[0].resize((64, 48)), n_clusters=3)[0],
    "Ncut": lambda blobs, eig: nw.Ncut(4).fit(blobs).transform(blobs[:9]),
    "tsne": lambda blobs, eig: nw.Coloring("tsne").fit(eig).rgb_,
    "mspace": lambda blobs, eig: nw.Coloring("mspace").fit(blobs).rgb_,
    "kway": lambda blobs, eig: nw.kway_ncut(eig, n_clusters=4),
    "click_ncut": lambda blobs, eig: nw.click_ncut(blobs, [0], [1]),
    "attribution": lambda blobs, eig: nw.channel_attribution(blobs, np.arange(120) % 4, progress=False).scores,
}


def numbers(result):
    """Return what is to be equal after the same call; an explorer, which would go on in the background, is closed."""
    if not isinstance(result, nw.Explorer):
        return result
    rgb = result.session.rgb
    result.close()
    return rgb


def interrupted_everywhere(call, n_points=POINTS):
    """Interrupt the call at lines spread over all of it, and check what it leaves."""
    close_all_widgets()
    numbers(call())
    interrupter = Interrupter()
    expected = numbers(interrupter.run(call))
    gc.collect()
    before = state()
    # Up to the last lines, whose number varies with when widgets and threads are collected.
    for line in np.unique(np.linspace(1, 0.95 * interrupter.lines, n_points).astype(int)).tolist():
        try:
            interrupter.run(call, line)
        except KeyboardInterrupt:
            pass
        else:
            raise AssertionError(f"line {line} of {interrupter.lines} was not interrupted")
        after = state()
        # Widgets and threads of earlier tests may end meanwhile.
        changed = {
            key: after[key] - before[key] if isinstance(before[key], set) else (before[key], after[key])
            for key in before
            if (after[key] - before[key] if isinstance(before[key], set) else before[key] != after[key])
        }
        assert not changed, (interrupter.place, changed)
    np.testing.assert_array_equal(numbers(call()), expected)


@pytest.mark.parametrize("name", CALLS)
def test_interrupted_call_restores_the_process(name, blobs, eig):
    with threadpool_limits(2):
        interrupted_everywhere(lambda: CALLS[name](blobs, eig))


def written(path, write):
    """Return what `write` writes in the place of an old file, which is kept if it is interrupted."""
    path.write_bytes(b"old")
    try:
        write(path)
    except KeyboardInterrupt:
        assert path.read_bytes() == b"old" or path.stat().st_size > 1000
        raise
    finally:
        assert [found.name for found in path.parent.iterdir()] == [path.name]
    return np.array(path.stat().st_size > 1000)


def loaded(session, path):
    session.save(path)
    made = nw.Session.load(path)
    try:
        return made.eigenvectors
    finally:
        made.close()


def recolored(session, **options):
    session.recolor("tsne", **options)
    return session.rgb


METHODS = {
    "masks": lambda session, folder: np.stack(session.masks(resolution="pixel", refine="guided")["right"]),
    "masks by the graph": lambda session, folder: np.stack(session.masks(["cut"])["cut"]),
    "clicks": lambda session, folder: setattr(session, "clicks", []) or np.array(len(session.objects)),
    "labels": lambda session, folder: session.labels(4, merged=True),
    "attribute": lambda session, folder: session.attribute(n_clusters=2).scores,
    "recolor and wait": lambda session, folder: recolored(session, wait=True),
    "recolor": lambda session, folder: recolored(session),
    "update": lambda session, folder: session.update(rgb=np.ones((96, 3))) or session.rgb,
    "a message": lambda session, folder: session.set_state({"hover": 3, "layer": "masks"}) or np.array(session.hover),
    "save": lambda session, folder: written(folder / "s.ncut", session.save),
    "load": lambda session, folder: loaded(session, folder / "s.ncut"),
    "to_html": lambda session, folder: written(
        folder / "s.html", lambda path: session.to_html(path, n_clusters=[2], attributions=True, progress=False)
    ),
    "export": lambda session, folder: session.export(folder / "m.npz", format="npz") and np.array(True),
}


def segmented(images, features, eigenvectors):
    session = nw.Session(images, features=features, eigenvectors=eigenvectors)
    click = [{"image": 0, "x": 60, "y": 30}]
    session.objects = [{"name": "right", "clicks": click}, {"name": "cut", "clicks": click, "method": "ncut"}]
    return session


@pytest.mark.parametrize("name", METHODS)
def test_session_works_after_an_interrupted_method(name, halves, tmp_path):
    parts = halves.images, halves.features, halves.eigenvectors
    halves.close()
    method, interrupter = METHODS[name], Interrupter()

    def tried(line=None):
        """Run the method of a new session, run it again if it was interrupted, and return what it gives."""
        with threadpool_limits(2):
            session = segmented(*parts)
            before = state()
            try:
                try:
                    found = interrupter.run(lambda: method(session, tmp_path), line)
                    assert line is None, f"line {line} was not interrupted"
                except KeyboardInterrupt:
                    place = interrupter.place
                    # As a message of the page would, in another thread.
                    other = threading.Thread(target=lambda: session.set_state({"blend": 0.25}), daemon=True)
                    other.start()
                    other.join(10)
                    assert session.blend == 0.25, place
                    found = method(session, tmp_path)
                    assert session.recolor_status["status"] == "ready", place
            finally:
                session.close()
            for thread in state()["threads"] - before["threads"]:
                # One whose colors have been taken over ends by itself.
                thread.join(10)
            after = state()
            assert after["threads"] <= before["threads"]
            assert after | {"widgets": 0, "threads": 0} == before | {"widgets": 0, "threads": 0}
            assert after["widgets"] <= before["widgets"]
            return found

    # The first call imports libraries.
    method(segmented(*parts), tmp_path)
    close_all_widgets()
    expected = tried()
    for line in np.unique(np.linspace(1, interrupter.lines - 3, 10).astype(int)).tolist():
        # Colors may have come before they are asked for again, and are then turned onto themselves.
        np.testing.assert_allclose(tried(line), expected, atol=1e-5, err_msg=interrupter.place)
