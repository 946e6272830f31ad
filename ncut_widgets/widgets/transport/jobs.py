"""Background work: tasks in one worker thread, with progress reports and cancellation."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from typing import Any, Generic, TypeVar

__all__ = ["Jobs", "Key", "Progress", "Task", "Worker", "no_progress"]

Key = str | int
Progress = Callable[[float], None]
T = TypeVar("T")

_THREAD_PREFIX = "ncut-"


def no_progress(_: float) -> None:
    """Ignore a progress report."""


class Task(Generic[T]):
    """A computation for a worker thread.

    Parameters
    ----------
    work : callable
        Called in the thread with `step`, which it calls now and then with the fraction that is done, from 0 to 1.
    done : callable
        Called in the thread with the task after `work` has returned or raised, unless the task was cancelled.
    report : callable
        Called in the thread with the fraction that is done.
    """

    def __init__(
        self, work: Callable[[Progress], T], done: Callable[[Task[T]], None], report: Progress = no_progress
    ) -> None:
        # The result or the error of `work`.
        self.future: Future[T] = Future()
        self._work = work
        self._done = done
        self._report = report
        self._cancel = threading.Event()
        self._lock = threading.Lock()

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancel.is_set()

    def cancel(self) -> None:
        """Drop the task, or end it at its next step if it is running."""
        self._cancel.set()
        with self._lock:
            if not self.future.cancelled() and self.future.cancel():
                # Wakes the threads that wait for it.
                self.future.set_running_or_notify_cancel()

    def step(self, fraction: float) -> None:
        """Report progress, or raise CancelledError if the task was cancelled."""
        if self.cancelled:
            raise CancelledError
        self._report(fraction)

    def run(self) -> None:
        """Do the work in this thread."""
        with self._lock:
            if self.future.cancelled():
                return
            self.future.set_running_or_notify_cancel()
        try:
            self.step(0.0)
            result = self._work(self.step)
        except BaseException as error:  # noqa: BLE001 - raised again by `future.result()`
            self.future.set_exception(error)
        else:
            self.future.set_result(result)
        if not self.cancelled:
            self._done(self)


class Worker:
    """A thread that runs tasks one after another, so that the kernel's main thread stays free for cells.

    The thread starts with the first task. Any thread may call any method.
    """

    def __init__(self, name: str) -> None:
        self._name = _THREAD_PREFIX + name
        self._executor: ThreadPoolExecutor | None = None
        self._tasks: set[Task[Any]] = set()
        self._lock = threading.Lock()
        self.closed = False

    def start(self, task: Task[Any]) -> None:
        """Queue a task.

        Raises
        ------
        ValueError
            After `close`.
        """
        task.future.add_done_callback(lambda _: self._tasks.discard(task))
        with self._lock:
            self.check_open()
            if self._executor is None:
                self._executor = ThreadPoolExecutor(1, thread_name_prefix=self._name)
            self._tasks.add(task)
            self._executor.submit(task.run)

    def check_open(self) -> None:
        """Raise a ValueError after `close`."""
        if self.closed:
            raise ValueError("The session was closed. Run its cell again to go on.")

    def wait(self) -> None:
        """Wait until all tasks have ended."""
        wait([task.future for task in list(self._tasks)])

    def end_when_idle(self) -> None:
        """Take no more tasks, and end the thread after those that are queued."""
        if self._executor is not None:
            self._executor.shutdown(wait=False)

    def close(self) -> None:
        """Cancel all tasks and wait for the thread to end. Work that takes no steps, such as UMAP, runs to its end."""
        with self._lock:
            self.closed = True
            for task in list(self._tasks):
                task.cancel()
        if self._executor is not None:
            # Garbage collection in a worker thread may close a session, and two threads could wait for each other.
            in_worker = threading.current_thread().name.startswith(_THREAD_PREFIX)
            self._executor.shutdown(wait=not in_worker, cancel_futures=True)


class Jobs:
    """The tasks that compute arrays for the page, by the id of the request. A page may use an id twice."""

    def __init__(self) -> None:
        self._worker = Worker("jobs")
        self._running: set[tuple[Key, Task[None]]] = set()

    def start(
        self,
        key: Key,
        work: Callable[[Progress], None],
        *,
        report: Progress,
        failed: Callable[[BaseException], None],
    ) -> None:
        """Queue `work`. Progress goes to `report`, an exception to `failed`, both in the worker thread.

        Raises
        ------
        ValueError
            After `close`.
        """

        def done(task: Task[None]) -> None:
            error = task.future.exception()
            if error is not None:
                failed(error)

        task = Task(work, done, report)
        entry = (key, task)
        self._worker.start(task)
        self._running.add(entry)
        task.future.add_done_callback(lambda _: self._running.discard(entry))

    def cancel(self, key: Key) -> None:
        """Cancel the tasks with this key."""
        for other, task in list(self._running):
            if other == key:
                task.cancel()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._worker.closed

    def check_open(self) -> None:
        """Raise a ValueError after `close`."""
        self._worker.check_open()

    def wait(self) -> None:
        """Wait until all tasks have ended."""
        self._worker.wait()

    def close(self) -> None:
        """Cancel all tasks and end the thread."""
        self._worker.close()
