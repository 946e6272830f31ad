"""Colors of a session: computed in a background thread, while the current ones stay visible."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from concurrent.futures import wait
from typing import Any

import numpy as np

from ncut_widgets._progress import Progress as ProgressArgument
from ncut_widgets._progress import progress as progress_bar
from ncut_widgets._validation import check_in
from ncut_widgets.readouts import Coloring
from ncut_widgets.widgets._trait_types import lock_unless, state_lock
from ncut_widgets.widgets.session.data import SessionData
from ncut_widgets.widgets.transport.event_loop import call_in, running_loop
from ncut_widgets.widgets.transport.jobs import Progress, Task, Worker

__all__ = ["COLORING_LABELS", "Colors", "Recoloring"]

COLORING_LABELS = {
    "tsne": "t-SNE",
    "umap": "UMAP",
    "umap_sphere": "UMAP on the sphere",
    "pca": "principal axes",
    "mspace": "M-space",
}
RgbAndCoords = tuple[np.ndarray, np.ndarray]


class Recoloring:
    """One computation of colors from `rows` (n, k), aligned to the coordinates `onto` (n, 3), in its own thread.

    After it has ended, `deliver` is called with this object, unless it was cancelled: in the event loop in which it was
    created, if there is one, because that thread sends messages to the page; otherwise in its own thread. The loop may
    be busy, so a caller that needs the colors earlier waits for them, and `deliver` must allow for that. `deliver` is a
    method; the thread does not keep its object alive.
    """

    def __init__(self, coloring: Coloring, rows: Any, onto: np.ndarray, deliver: Callable[[Recoloring], None]) -> None:
        self.method = str(coloring.method)
        self._worker = Worker("colors")
        method, loop = weakref.WeakMethod(deliver), running_loop()

        def work(step: Progress) -> RgbAndCoords:
            coloring.fit(rows, onto=onto, progress=step)
            return coloring.rgb_, coloring.coords_

        def hand_over() -> None:
            bound = method()
            if bound is not None:
                bound(self)

        self.task: Task[RgbAndCoords] = Task(work, lambda _: call_in(loop, hand_over))

    def start(self) -> None:
        """Start the thread."""
        self._worker.start(self.task)
        self._worker.end_when_idle()

    def wait(self) -> None:
        """Wait until it has ended."""
        wait([self.task.future])

    def cancel(self) -> None:
        """Cancel it, and wait for its thread to end."""
        self.task.cancel()
        self._worker.close()


class Colors:
    """Replaces the colors and coordinates of the data.

    Parameters
    ----------
    data : SessionData
    report : callable
        Gets the method, the status "ready", "running" or "failed", and the text of an error or None.
    publish : callable
        Tells the views that the data were replaced.
    """

    def __init__(
        self,
        data: SessionData,
        report: Callable[[str | None, str, str | None], None],
        publish: Callable[[], None],
    ) -> None:
        self._data = data
        self._report = report
        self._publish = publish
        self._running: Recoloring | None = None
        self._status = "ready"
        # The method of the visible colors; None if they were passed in.
        self.method: str | None = None

    def set_status(self, method: str | None, status: str = "ready", error: str | None = None) -> None:
        """Set and report the status."""
        if status == "ready":
            self.method = method
        self._status = status
        self._report(method, status, error)

    def visible(self) -> RgbAndCoords:
        """Return the colors and coordinates that views show now."""
        with state_lock:
            return self._data.rgb, self._data.coords

    def recolor(self, coloring: Coloring) -> None:
        """Start to compute colors; see `Session.recolor`."""
        method = check_in(coloring.method, "method", tuple(COLORING_LABELS))
        rows: Any = self._data.eigenvectors
        if method == "mspace":
            if self._data.features is None:
                raise ValueError(
                    "`method='mspace'` needs features, which this session lacks. Pass `features` to Session, or "
                    "choose another method."
                )
            rows = self._data.features.flatten()
        coloring._import_library(rows)
        recoloring = Recoloring(coloring, rows, self._data.coords, self._take_over)
        try:
            while self._running is not recoloring:
                with state_lock:
                    superseded = self.drop()
                    if superseded is None:
                        self._running = recoloring
                        self.set_status(recoloring.method, "running")
                        recoloring.start()
                        return
                # Without the lock, because it waits for the thread. Another thread may start one meanwhile.
                superseded.cancel()
        except BaseException:
            with state_lock:
                if self._running is recoloring:
                    self.drop()
                    self.set_status(self.method)
            recoloring.cancel()
            raise

    def wait(self, *, progress: ProgressArgument = False) -> None:
        """Wait for the colors that are being computed, show them, and raise the error if they failed."""
        recoloring = self._running
        if recoloring is None:
            return
        title = f"colors: {COLORING_LABELS[recoloring.method]} of {self._data.grid.n_nodes} nodes"
        with progress_bar(1, title, unit="step", show=progress) as done:
            recoloring.wait()
            done(1)
        self._take_over(recoloring)
        if self._running is recoloring:
            recoloring.task.future.result()

    def drop(self) -> Recoloring | None:
        """Forget the colors that are being computed, and return them to be cancelled. The caller holds `state_lock`."""
        dropped, self._running = self._running, None
        return dropped

    def _take_over(self, recoloring: Recoloring) -> None:
        """Show computed colors, once, unless they were superseded."""
        with lock_unless(lambda: recoloring.task.cancelled) as locked:
            if not locked or recoloring is not self._running or self._status != "running":
                return
            future = recoloring.task.future
            error = future.exception()
            if error is not None:
                # The recoloring is kept, so that `wait` raises the error.
                self.set_status(recoloring.method, "failed", f"{type(error).__name__}: {error}")
                return
            self._running = None
            self._data.replace(self._data.eigenvectors, self._data.eigenvalues, *future.result(), fresh=False)
            self._publish()
            self.set_status(recoloring.method)
