"""What every view has in common: its front end, its session, its height."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import traitlets

STATIC = Path(__file__).parent.parent / "static"


def bundle(name: str) -> Path:
    """Return the path of a built front-end file.

    Raises
    ------
    FileNotFoundError
        In a source checkout whose front end was not built.
    """
    path = STATIC / name
    if not path.is_file():
        raise FileNotFoundError(
            f"The front end of ncut_widgets must be built before its widgets are used; {path.name} is missing. "
            "Run `make build` in the checkout, or install the wheel, which carries it."
        )
    return path


class View(anywidget.AnyWidget):
    """A view of a session. Any number of them, in any cells, show the same state."""

    session = anywidget.WidgetTrait().tag(sync=True)
    height = traitlets.Int(480, min=160, help="in CSS pixels").tag(sync=True)

    def __init__(self, session: Any, **traits: Any) -> None:
        from ncut_widgets.widgets.session import Session

        if not isinstance(session, Session):
            raise TypeError(
                f"`session` must be a Session; got {type(session).__name__}. "
                "Make one with nw.Session(images, features=...), or take `explore(images).session`."
            )
        unknown = sorted(set(traits) - set(self.trait_names()))
        if unknown:
            raise TypeError(f"{type(self).__name__} has no option {unknown[0]!r}. It takes `height` in CSS pixels.")
        super().__init__(session=session, **traits)
