"""Passes over the nodes in chunks, and what happens if memory runs out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from ncut_widgets.ncut import Ncut
from ncut_widgets.ncut.graph.chunks import for_each_chunk


def test_out_of_memory_shortens_chunks():
    seen, tried = np.zeros(1000, dtype=int), []

    def body(here):
        tried.append(here.stop - here.start)
        if tried[-1] > 60:
            raise torch.cuda.OutOfMemoryError("out of memory")
        seen[here] += 1

    for_each_chunk(1000, 4000, torch.device("cpu"), body, parallel=False)
    assert (seen == 1).all()
    assert tried[0] > 60
    assert max(tried[tried.index(min(tried[:10])) :]) <= 60
    # Halved until it fits, and not increased again.
    assert sum(length > 60 for length in tried) < 6


def test_out_of_memory_on_one_row_raises():
    tried = []

    def body(here):
        tried.append(here.stop - here.start)
        raise torch.cuda.OutOfMemoryError("out of memory")

    with pytest.raises(torch.cuda.OutOfMemoryError, match="out of memory"):
        for_each_chunk(100, 1 << 15, torch.device("cpu"), body, parallel=False)
    assert tried[-1] == 1
    assert len(tried) == len(set(tried))


def test_other_errors_are_not_retried():
    tried = []

    def body(here):
        tried.append(here)
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        for_each_chunk(100, 10, torch.device("cpu"), body)
    assert len(tried) == 1


def test_fit_survives_out_of_memory(monkeypatch):
    """A kernel that runs out of memory for more than a few rows gives the same embedding."""
    X = 2 * np.random.default_rng(0).normal(size=(900, 6))
    expected = Ncut(3, sigma=4.0, solver="nystrom", n_sample=64).fit(X)
    limited = {"rows": 1 << 30}

    def kernel(X, Z):
        if len(X) > limited["rows"]:
            raise torch.cuda.OutOfMemoryError("out of memory")
        return np.exp(-cdist(X, Z, "sqeuclidean") / 32)

    options = {"affinity": kernel, "solver": "nystrom", "n_sample": 64}
    free = Ncut(3, **options).fit(X)
    limited["rows"] = 130
    tight = Ncut(3, **options).fit(X)
    np.testing.assert_allclose(tight.eigenvectors_, free.eigenvectors_, atol=1e-10)
    np.testing.assert_allclose(tight.eigenvalues_, expected.eigenvalues_, atol=0.02)
