"""The colours of a session: there at once, and replaced by better ones when these are ready."""

from __future__ import annotations

from typing import Any

import numpy as np

from ncut_widgets._progress import progress as progress_bar
from ncut_widgets._validation import check_in
from ncut_widgets.readouts import Coloring
from ncut_widgets.widgets._trait_types import lock_unless, state_lock
from ncut_widgets.widgets.session.recoloring import LABELS, Recoloring
from ncut_widgets.widgets.session.traits import SessionState


class SessionColors(SessionState):
    """What a session can do about its colours; `Session` explains the traits."""

    _recoloring: Recoloring | None = None
    _method: str | None

    @property
    def rgb(self) -> np.ndarray:
        """(n, 3) float32 in [0, 1], the colour of each node; waits for colours that `recolor` has on their way."""
        self._await_colors()
        return self._data.rgb

    @property
    def coords(self) -> np.ndarray:
        """(n, 3) float32, where each node is in the scatter; waits as `rgb` does."""
        self._await_colors()
        return self._data.coords

    def recolor(self, method: str | Coloring = "tsne", *, wait: bool = False) -> None:
        """Make colours and coordinates anew, in the background, turned onto those on show so that nothing jumps.

        The views keep what they show, with a note, and move to the new places when these are there. Reading `rgb` or
        `coords`, or exporting, waits for them. A new call, `update` and `close` end what is on its way.

        Parameters
        ----------
        method : "tsne", "umap", "umap_sphere", "pca", "mspace" or Coloring
            "mspace" needs the session's features, the others take its eigenvectors. A `Coloring` of your own has its
            options, is fitted, and can then colour new nodes alike.
        wait : bool
            Return when the colours are there, and raise what went wrong.

        Raises
        ------
        TypeError, ValueError
            If there is no such method, or no features for M-space. What goes wrong later is in ``coloring``, shown in
            the views, and raised by whoever waits, until other colours are asked for or given.

        Notes
        -----
        The same embedding, colours on show and options give the same result, waited for or not. With an event loop,
        as in a notebook, colours are taken over between two cells; without one in the thread that made them.

        Examples
        --------
        >>> import numpy as np, ncut_widgets as nw
        >>> grid = nw.PatchGrid([(40, 30)], [nw.PatchMap(0, 6, 8)])
        >>> session = nw.Session([np.zeros((30, 40, 3), np.uint8)], grid=grid, eigenvectors=np.eye(48)[:, :4])
        >>> session.recolor("tsne", wait=True)
        >>> session.coloring
        {'method': 'tsne', 'status': 'ready', 'error': None}
        """
        coloring = method if isinstance(method, Coloring) else Coloring(method)
        name = check_in(coloring.method, "method", tuple(LABELS))
        rows: Any = self.eigenvectors
        if name == "mspace":
            if self._features is None:
                raise ValueError(
                    "`method='mspace'` needs features, which this session lacks. Pass `features` to Session, or "
                    "choose another method."
                )
            rows = self._features.flatten()
        coloring._import_library(rows)
        self._start_recoloring(coloring, rows)
        if wait:
            self._await_colors()

    def _start_recoloring(self, coloring: Coloring, rows: Any) -> None:
        recoloring = Recoloring(coloring, rows, self._data.coords, self._take_over)
        try:
            while self._recoloring is not recoloring:
                with state_lock:
                    superseded = self._drop_recoloring()
                    if superseded is None:
                        self._recoloring = recoloring
                        self._tell(recoloring.method, "running")
                        recoloring.start()
                        return
                # Without the lock, since it waits for the thread. Another thread may start one meanwhile.
                superseded.cancel()
        except BaseException:
            with state_lock:
                if self._recoloring is recoloring:
                    self._drop_recoloring()
                    self._tell(self._method, "ready")
            recoloring.cancel()
            raise

    @property
    def _shown(self) -> tuple[np.ndarray, np.ndarray]:
        """The colors and coordinates that views show now."""
        with state_lock:
            return self._data.rgb, self._data.coords

    def _await_colors(self, *, progress: bool = False) -> None:
        """Wait for what is on its way, take it over, and raise what went wrong."""
        recoloring = self._recoloring
        if recoloring is None:
            return
        title = f"colours: {LABELS[recoloring.method]} of {self.grid.n_nodes} nodes"
        with progress_bar(1, title, unit="step", show=progress) as done:
            recoloring.wait()
            done(1)
        self._take_over(recoloring)
        if self._recoloring is recoloring:
            recoloring.future.result()

    def _take_over(self, recoloring: Recoloring) -> None:
        """Show what has come, once, unless something else was asked for meanwhile."""
        with lock_unless(lambda: recoloring.cancelled) as locked:
            if not locked or recoloring is not self._recoloring or self.coloring["status"] != "running":
                return
            error = recoloring.future.exception()
            if error is not None:
                # Kept, so that whoever waits for these colours hears why there are none.
                self._tell(recoloring.method, "failed", f"{type(error).__name__}: {error}")
                return
            self._recoloring = None
            data = self._data
            data.replace(data.eigenvectors, data.eigenvalues, *recoloring.future.result(), fresh=False)
            self._publish()
            self._tell(recoloring.method, "ready")

    def _drop_recoloring(self) -> Recoloring | None:
        dropped, self._recoloring = self._recoloring, None
        return dropped

    def _tell(self, method: str | None, status: str, error: str | None = None) -> None:
        if status == "ready":
            self._method = method
        self.set_trait("coloring", {"method": method, "status": status, "error": error})
