"""What every view has in common: its front end, its session, its height."""

from __future__ import annotations

from typing import Any

import anywidget

from ncut_widgets._validation import brief
from ncut_widgets.widgets._lifetime import closes_on_failure
from ncut_widgets.widgets._synced import Synced
from ncut_widgets.widgets._trait_types import Integer, TraitTypeError


class Part(anywidget.WidgetTrait):
    """A widget that another one shows: set once, as that one is made."""

    read_only = True

    def __set__(self, obj: Any, value: Any) -> None:
        if value is not self.get(obj):
            raise TraitTypeError(
                f"`{self.name}` must stay what it was when the view was made; got {brief(value)}. "
                f"Make another {type(obj).__name__}."
            )


class View(Synced):
    """A view of a session. Any number of them, in any cells, show the same state.

    Parameters
    ----------
    session : Session
        What to show, as long as the view exists.
    height : int, at least 160
        In CSS pixels.
    **traits
        What every widget takes: ``layout``, ``tooltip``, ``tabbable``.
    """

    session = Part().tag(sync=True)
    height = Integer(480, minimum=160)

    @closes_on_failure
    def __init__(self, session: Any, **traits: Any) -> None:
        from ncut_widgets.widgets.session import Session

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
