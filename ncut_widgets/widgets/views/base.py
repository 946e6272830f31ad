"""Base class of the views."""

from __future__ import annotations

from typing import Any

import anywidget

from ncut_widgets._validation import brief
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
