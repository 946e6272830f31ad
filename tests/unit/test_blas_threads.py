"""One BLAS thread for many small products, and as many as before when they are done."""

from __future__ import annotations

import threading

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from interrupts import Interrupter, close_all_widgets
from ncut_widgets._threads import one_blas_thread


def limits():
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


@pytest.fixture(autouse=True)
def two_threads():
    close_all_widgets()
    with threadpool_limits(2, user_api="blas"):
        yield


@one_blas_thread
def inside(then=limits):
    return then()


def test_the_limit_holds_in_the_call_and_not_after_it():
    assert inside() == {1}
    assert limits() == {2}


def test_the_limit_is_lifted_by_the_last_of_those_who_set_it():
    first_inside, first_may_end = threading.Event(), threading.Event()

    def first():
        first_inside.set()
        first_may_end.wait()

    def second():
        first_may_end.set()
        thread.join()
        return limits()

    thread = threading.Thread(target=inside, args=[first])
    thread.start()
    first_inside.wait()
    assert inside(second) == {1}
    assert limits() == {2}


def test_the_limit_is_lifted_when_the_call_fails():
    with pytest.raises(ZeroDivisionError, match="by zero"):
        inside(lambda: 1 / 0)
    assert limits() == {2}


def test_the_limit_is_lifted_wherever_the_call_is_interrupted():
    interrupter = Interrupter()
    interrupter.run(inside)
    lines = interrupter.lines
    assert lines > 20
    for last in range(1, lines + 1):
        with pytest.raises(KeyboardInterrupt, match="by the test"):
            interrupter.run(inside, last)
        assert limits() == {2}, interrupter.place
        assert inside() == {1}
