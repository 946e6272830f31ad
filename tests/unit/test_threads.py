"""Thread limits, worker threads, and determinism for any number of threads."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from ncut_widgets._threads import all_threads, map_in_order, one_thread, usable_threads
from ncut_widgets.ncut import Ncut
from ncut_widgets.ncut.graph.chunks import for_each_chunk


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def two_cpus(monkeypatch):
    monkeypatch.setattr("joblib.cpu_count", lambda: 2)


def test_limit_holds_for_call_in_its_thread_only(two_threads):
    @one_thread
    def limited():
        seen = []
        thread = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        return seen[0], torch.get_num_threads(), usable_threads(), all_threads(torch.get_num_threads)

    assert limited() == (2, 1, 2, 2)
    assert torch.get_num_threads() == 2


def test_limit_ends_when_call_raises(two_threads):
    @one_thread
    def stop():
        raise KeyboardInterrupt("stop")

    with pytest.raises(KeyboardInterrupt, match="stop"):
        stop()
    assert torch.get_num_threads() == 2


def test_limit_holds_in_new_thread_after_set_num_threads(two_threads):
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(one_thread(torch.get_num_threads)).result() == 1
        assert pool.submit(torch.get_num_threads).result() == 2


def test_matrix_products_use_only_calling_thread(two_threads):
    M = torch.ones(1000, 1000)

    @one_thread
    def seconds_of_other_threads():
        process, own = time.process_time(), time.thread_time()
        for _ in range(5):
            M @ M
        return (time.process_time() - process) - (time.thread_time() - own)

    assert seconds_of_other_threads() < 0.02


def test_usable_threads_are_limited_by_cpus(two_threads, monkeypatch):
    monkeypatch.setattr("joblib.cpu_count", lambda: 1)
    assert usable_threads() == 1


def test_workers_keep_order_and_gradient_mode(two_threads):
    with torch.no_grad():
        modes = list(map_in_order(lambda i: (i, torch.is_grad_enabled(), torch.get_num_threads()), range(20)))
    assert modes == [(i, False, 1) for i in range(20)]
    with torch.inference_mode():
        assert all(map_in_order(lambda _: torch.is_inference_mode_enabled(), range(4)))


def test_workers_run_concurrently(two_threads):
    meeting = threading.Barrier(2, timeout=30)
    assert len({index for index in map_in_order(lambda _: meeting.wait(), range(2))}) == 2


def test_pending_items_are_dropped_when_worker_raises(two_threads):
    begun = []

    def fail(i):
        begun.append(i)
        raise ValueError(f"item {i}")

    with pytest.raises(ValueError, match="item 0"):
        list(map_in_order(fail, range(100)))
    assert len(begun) < 10


def test_forked_process_starts_new_workers(two_threads):
    assert list(map_in_order(abs, [-1, 2])) == [1, 2]
    child = os.fork()
    if child == 0:
        os._exit(list(map_in_order(abs, [-1, 2])) != [1, 2])
    assert os.waitpid(child, 0)[1] == 0


def test_sums_over_chunks_are_deterministic(two_threads):
    values = torch.randn(4000, generator=torch.Generator().manual_seed(0))

    def total():
        out = torch.zeros((), dtype=torch.float32)

        def add(here):
            part = values[here].sum()
            return lambda: out.add_(part)

        for_each_chunk(len(values), 1 << 18, torch.device("cpu"), add)
        return float(out)

    assert len({total() for _ in range(20)}) == 1


@pytest.mark.parametrize("n", [600, 3000, 5000], ids=["dense", "exact", "nystrom"])
def test_embedding_is_independent_of_number_of_threads(n, two_threads):
    X = np.random.default_rng(0).normal(size=(n, 12)).astype(np.float32)
    X[: n // 2] += 3
    two = Ncut(4, n_sample=512).fit(X)
    torch.set_num_threads(1)
    one = Ncut(4, n_sample=512).fit(X)
    np.testing.assert_array_equal(one.eigenvectors_, two.eigenvectors_)
    np.testing.assert_array_equal(one.transform(X[:50]), two.transform(X[:50]))


def test_small_problems_run_on_one_thread(two_threads, monkeypatch):
    """With several threads, thousands of barriers would make a fit much slower on a busy machine."""
    seen = []
    eigh = torch.linalg.eigh
    monkeypatch.setattr(torch.linalg, "eigh", lambda M: seen.append(torch.get_num_threads()) or eigh(M))
    X = np.random.default_rng(0).normal(size=(5000, 12)).astype(np.float32)
    Ncut(4, n_sample=512).fit(X)
    assert set(seen) == {1}
    assert torch.get_num_threads() == 2


def test_callable_affinity_runs_in_main_thread_with_all_threads(two_threads):
    seen = set()

    def affinity(X, Z):
        seen.add((threading.current_thread() is threading.main_thread(), torch.get_num_threads()))
        return torch.exp(-torch.cdist(X, Z))

    Ncut(3, affinity=affinity, solver="nystrom", n_sample=64).fit(torch.randn(900, 4)).transform(torch.randn(9, 4))
    assert seen == {(True, 2)}
