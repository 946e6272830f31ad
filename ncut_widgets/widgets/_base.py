"""What every view has in common: its front end, its session, its height."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from ncut_widgets.widgets._lifetime import ManagedWidget, closes_on_failure

STATIC = Path(__file__).parent.parent / "static"


def bundle(name: str) -> str | Path:
    """Return the text of a built front-end file, or its path when `ANYWIDGET_HMR` asks for live reload.

    anywidget watches a path, and keeps every widget that was ever made from one alive to tell it of changes
    (manzt/anywidget issue 929). Text is not watched, so closed widgets are freed.

    Raises
    ------
    FileNotFoundError
        In a source checkout whose front end has not been built.
    """
    path = STATIC / name
    if not path.is_file():
        raise FileNotFoundError(
            f"The front end of ncut_widgets has not been built: {path.name} is missing. "
            "Run `make build` in the checkout, or install the wheel, which contains it."
        )
    return path if os.environ.get("ANYWIDGET_HMR") == "1" else path.read_text(encoding="utf-8")


class View(ManagedWidget):
    """A view of a session. Any number of them, in any cells, show the same state."""

    session = anywidget.WidgetTrait().tag(sync=True)
    height = traitlets.Int(480, min=160, help="in CSS pixels").tag(sync=True)

    @closes_on_failure
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
