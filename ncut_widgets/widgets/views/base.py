"""Base class of the views: their session, their size, and the still image for notebooks without a kernel."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import anywidget
from IPython import get_ipython
from IPython.display import publish_display_data

from ncut_widgets._validation import brief
from ncut_widgets.export.still import Panel, render_still
from ncut_widgets.widgets._lifetime import closes_on_failure
from ncut_widgets.widgets._synced import Synced
from ncut_widgets.widgets._trait_types import Integer, TraitTypeError
from ncut_widgets.widgets.session import Session


class Part(anywidget.WidgetTrait):
    """A reference to another widget, set once when the view is created."""

    read_only = True

    def __set__(self, obj: Any, value: Any) -> None:
        if value is not self.get(obj):
            raise TraitTypeError(
                f"`{self.name}` cannot change after the view was created; got {brief(value)}. "
                f"Create another {type(obj).__name__}."
            )


class View(Synced):
    """A view of a session. All views of a session, in any cells, show the same state.

    Parameters
    ----------
    session : Session
        The session to show. It cannot be replaced.
    height : int, at least 160
        Height in CSS pixels.
    **traits
        Options of every widget: ``layout``, ``tooltip``, ``tabbable``.
    """

    # What a screen reader calls the still image.
    _description = ""

    session = Part().tag(sync=True)
    height = Integer(480, minimum=160)

    @closes_on_failure
    def __init__(self, session: Session, **traits: Any) -> None:
        if not isinstance(session, Session):
            raise TypeError(
                f"`session` must be a Session; got {type(session).__name__}. "
                "Make one with nw.Session(images, features=...), or take `explore(images).session`."
            )
        options = {name for name, trait in self.traits(sync=True).items() if name[0] != "_" and not trait.read_only}
        unknown = sorted(set(traits) - options)
        if unknown:
            raise TypeError(
                f"{type(self).__name__} has no option {unknown[0]!r}. It takes {', '.join(sorted(options))}."
            )
        self.set_trait("session", session)
        super().__init__(**traits)

    def to_png(self, *, width: int = 960, dark: bool = False) -> bytes:
        """Return an image of the view as the bytes of a PNG, drawn without a browser.

        Waits for `Session.recolor` to finish.

        Parameters
        ----------
        width : int, at least 240
            Maximum width in pixels; the height follows from the content.
        dark : bool
            Use a dark background.
        """
        return render_still(self._panels(wait=True), width=width, dark=dark)

    def _panels(self, *, wait: bool) -> Sequence[Panel]:
        """Return the panels of the still image; see `Session.layer_colors` for `wait`."""
        raise NotImplementedError

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict, dict] | None:
        """Show the widget, and a still image for notebooks that are opened without a kernel.

        Without a kernel, Jupyter's widget renderer shows "model not found" and ignores the rest of the output, so the
        image is a separate output there. The live session hides it (`js/src/widgets/session/stills.ts`). Other hosts
        choose from one bundle.
        """
        shown = super()._repr_mimebundle_(**options)
        if shown is None:
            return None
        data, metadata = shown
        # The visible colors, because showing the widget must not wait for `recolor`.
        still = {"image/png": render_still(self._panels(wait=False))}
        count = len(self.session.images)
        alt = f"Still image of the {self._description} of {count} image{'s' * (count != 1)}"
        about = {"image/png": {"alt": alt}}
        if _outputs_are_jupyters():
            publish_display_data(data, metadata)
            return still | {"text/plain": repr(self)}, about
        return data | still, metadata | about

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.session!r})"


def _outputs_are_jupyters() -> bool:
    """Return whether the host shows the outputs of a cell one below the other, as JupyterLab and Notebook do."""
    shell = get_ipython()
    return (
        shell is not None
        and hasattr(shell, "kernel")
        and "VSCODE_PID" not in os.environ
        and "google.colab" not in sys.modules
        and "marimo" not in sys.modules
    )
