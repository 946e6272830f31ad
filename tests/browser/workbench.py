"""One notebook in JupyterLab that tests use in turn.

To load JupyterLab, to start a kernel and to import torch there takes longer than most tests do.
"""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import BrowserContext

from jupyter_driver import JupyterLab, Notebook


class Workbench:
    """A notebook in a page and a kernel of its own, which one test after the other takes and gives back.

    What stays is JupyterLab, and in the kernel what cells imported and named. A notebook that was not given back, as
    its test failed, is closed with its page and its kernel, and the next test gets others.
    """

    def __init__(self, lab: JupyterLab, new_context: Callable[[], BrowserContext]) -> None:
        self._lab = lab
        self._new_context = new_context
        self._notebook: Notebook | None = None
        self._is_back = False

    def take(self) -> Notebook:
        """Return the notebook: without a widget, in a page as it is at first."""
        if not self._is_back:
            self.close()
            self._notebook = self._lab.open(self._new_context().new_page(), [""])
            self._viewport = self._notebook.page.viewport_size
        self._is_back = False
        return self._notebook

    def give_back(self) -> None:
        """Undo what a test may have done to the page around the notebook, for the next test to take it."""
        page = self._notebook.page
        page.mouse.move(0, 0)
        page.set_viewport_size(self._viewport)
        self._notebook.use_theme("light")
        self._is_back = True

    def close(self) -> None:
        """Close the page and shut the kernel down."""
        if self._notebook is not None:
            self._notebook.page.context.close()
            self._notebook.close()
        self._notebook = None
