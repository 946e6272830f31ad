"""Requests that take a while: computed in a thread, one after the other, with progress, and ended when nobody waits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from typing import Any

from ncut_widgets.widgets.transport.event_loop import call_in, running_loop

Key = str | int
Progress = Callable[[float], None]
Send = Callable[[dict[str, Any], list[bytes]], None]


class Jobs:
    """What a session computes for its page beside the kernel's main thread, which stays free for the user's cells."""

    def __init__(self) -> None:
        self._executor: ThreadPoolExecutor | None = None
        # Of what is queued or running, the request's key and what ends it. A page may use a key twice.
        self._wanted: set[tuple[Key, threading.Event]] = set()
        self._futures: set[Future[None]] = set()
        self._lock = threading.Lock()
        self.closed = False

    def start(
        self,
        key: Key,
        work: Callable[[Progress], None],
        *,
        progress: Callable[[float], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        """Call `work` in the thread, with a function to call now and then with the share that is done.

        That function hands the share on to `progress`, and ends the work if it was cancelled. What else ends it is
        handed to `failed`.

        Raises
        ------
        ValueError
            After `close`.
        """
        ended = threading.Event()

        def step(fraction: float) -> None:
            if ended.is_set():
                raise CancelledError
            progress(fraction)

        def run() -> None:
            try:
                step(0.0)
                work(step)
            except CancelledError:
                pass
            finally:
                self._wanted.discard((key, ended))

        def done(future: Future[None]) -> None:
            self._futures.discard(future)
            error = None if future.cancelled() else future.exception()
            if error is not None:
                failed(error)

        with self._lock:
            self.check_open()
            if self._executor is None:
                self._executor = ThreadPoolExecutor(1, thread_name_prefix="ncut-jobs")
            self._wanted.add((key, ended))
            future = self._executor.submit(run)
            self._futures.add(future)
        future.add_done_callback(done)

    def check_open(self) -> None:
        """Raise a ValueError after `close`."""
        if self.closed:
            raise ValueError("The session was closed. Run its cell again to go on.")

    def cancel(self, key: Key) -> None:
        """End the jobs of that key at their next step."""
        for wanted, ended in list(self._wanted):
            if wanted == key:
                ended.set()

    def wait(self) -> None:
        """Wait until all jobs have ended."""
        wait(list(self._futures))

    def close(self) -> None:
        """End everything, and the thread."""
        with self._lock:
            self.closed = True
            for _, ended in list(self._wanted):
                ended.set()
        if self._executor is not None:
            # Whatever is collected in that thread may close a session there, and a thread can't wait for itself.
            here = threading.current_thread().name.startswith("ncut-jobs")
            self._executor.shutdown(wait=not here, cancel_futures=True)


def from_this_thread(send: Send) -> Send:
    """Return a `send` that any thread may call: messages leave from the one that calls this, if it has a loop."""
    loop = running_loop()
    return lambda message, buffers: call_in(loop, send, message, buffers)
