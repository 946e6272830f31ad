"""Colours on their way: computed in a thread, while what is there is on show already."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, wait

import numpy as np

from ncut_widgets.readouts import Coloring
from ncut_widgets.widgets.transport.event_loop import call_in, running_loop

LABELS = {
    "tsne": "t-SNE",
    "umap": "UMAP",
    "umap_sphere": "UMAP on the sphere",
    "pca": "principal axes",
    "mspace": "M-space",
}
Colors = tuple[np.ndarray, np.ndarray]


class Recoloring:
    """One colouring of `rows` (n, k), turned `onto` (n, 3), in a thread of its own.

    `deliver` is called with this when it has ended, well or not: in the event loop in which it was started, where
    there is one, for that is the thread that talks to the page; else in its own thread. A loop may be late, so whoever
    needs the colours before waits for `future` and must not mind that `deliver` comes too. `deliver` is a method whose
    object is not kept alive by the thread.
    """

    def __init__(
        self,
        coloring: Coloring,
        rows: np.ndarray,
        onto: np.ndarray,
        deliver: Callable[[Recoloring], None],
    ) -> None:
        self.method = str(coloring.method)
        self._cancelled = threading.Event()
        self._deliver = weakref.WeakMethod(deliver)
        self._loop = running_loop()
        self.future: Future[Colors] = Future()
        self._thread = threading.Thread(target=self._run, args=(coloring, rows, onto), name="ncut-colours")

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wait(self) -> None:
        """Wait until it has ended."""
        wait([self.future])

    @property
    def cancelled(self) -> bool:
        """Whether nobody wants these colors anymore."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """End it, and its thread; UMAP, which is one step, is waited for."""
        self._cancelled.set()
        self.future.cancel()
        # Whatever is collected in such a thread may close a session there, and two of them could wait for each other.
        if self._thread.is_alive() and not threading.current_thread().name.startswith("ncut-colours"):
            self._thread.join()

    def _run(self, coloring: Coloring, rows: np.ndarray, onto: np.ndarray) -> None:
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            coloring.fit(rows, onto=onto, on_step=self._check)
            colors = coloring.rgb, coloring.coords
        except BaseException as error:  # noqa: BLE001 - it is raised by whoever waits for the colors
            self.future.set_exception(error)
        else:
            self.future.set_result(colors)
        self._hand_over()

    def _check(self) -> None:
        if self.cancelled:
            raise CancelledError

    def _hand_over(self) -> None:
        if not self.cancelled:
            call_in(self._loop, self._hand_to_session)

    def _hand_to_session(self) -> None:
        deliver = self._deliver()
        if deliver is not None:
            deliver(self)
