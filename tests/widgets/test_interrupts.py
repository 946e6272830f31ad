"""Ctrl-C at any line: the process is as before, nothing is left, and the same call works afterwards."""

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
from interrupts import Interrupter, close_all_widgets

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
        "threads": {t for t in threading.enumerate() if t.name.startswith(("ncut-jobs", "ncut-colours"))},
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
    "tsne": lambda blobs, eig: nw.Coloring("tsne").fit(eig).rgb,
    "mspace": lambda blobs, eig: nw.Coloring("mspace").fit(blobs).rgb,
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
def test_an_interrupted_call_leaves_nothing(name, blobs, eig):
    with threadpool_limits(2):
        interrupted_everywhere(lambda: CALLS[name](blobs, eig))
