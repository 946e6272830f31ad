"""`one_blas_thread` limits BLAS to one thread during a call, and restores the number afterwards."""

from __future__ import annotations

import threading

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from helpers.interrupts import Interrupter, close_all_widgets
from ncut_widgets._threads import one_blas_thread


def limits():
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


@pytest.fixture(autouse=True)
def two_threads():
    close_all_widgets()
    with threadpool_limits(2, user_api="blas"):
        yield


@one_blas_thread
def limited(then=limits):
    return then()


def test_limit_holds_only_during_call():
    assert limited() == {1}
    assert limits() == {2}


def test_limit_ends_with_last_concurrent_call():
    first_started, first_may_end = threading.Event(), threading.Event()

    def first():
        first_started.set()
        first_may_end.wait()

    def second():
        first_may_end.set()
        thread.join()
        return limits()

    thread = threading.Thread(target=limited, args=[first])
    thread.start()
    first_started.wait()
    assert limited(second) == {1}
    assert limits() == {2}


def test_limit_ends_when_call_raises():
    with pytest.raises(ZeroDivisionError, match="by zero"):
        limited(lambda: 1 / 0)
    assert limits() == {2}


def test_limit_ends_after_interrupt_at_any_line():
    interrupter = Interrupter()
    interrupter.run(limited)
    lines = interrupter.lines
    assert lines > 20
    for last in range(1, lines + 1):
        with pytest.raises(KeyboardInterrupt, match="by the test"):
            interrupter.run(limited, last)
        assert limits() == {2}, interrupter.place
        assert limited() == {1}
