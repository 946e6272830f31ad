"""What every view has in common: its front end, its session, its height."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import anywidget

from ncut_widgets._validation import brief
from ncut_widgets.widgets._lifetime import closes_on_failure
from ncut_widgets.widgets._synced import Synced
from ncut_widgets.widgets._traits import Integer, TraitTypeError

STATIC = Path(__file__).parent.parent / "static"


def bundle(name: str) -> str | Path:
    """Return what anywidget loads for a front-end file: text, or its path if `ANYWIDGET_HMR` asks for live reload.

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
    if os.environ.get("ANYWIDGET_HMR") == "1":
        return path
    text = path.read_text(encoding="utf-8")
    return _loaded_once(text) if path.suffix == ".js" else text


def _loaded_once(module: str) -> str:
    """Return a module that exports the default export of `module`, of which a page loads one copy.

    anywidget imports the module of every widget anew, and a browser never frees a module: each explorer would leave the
    compiled code of seven bundles behind.
    """
    key = json.dumps(hashlib.sha256(module.encode()).hexdigest())
    return f"""\
const modules = ((globalThis[Symbol.for("ncut-widgets@1")] ??= {{}}).modules ??= {{}});
const load = async () => {{
  const url = URL.createObjectURL(new Blob([{json.dumps(module)}], {{ type: "text/javascript" }}));
  try {{
    return (await import(url)).default;
  }} catch (error) {{
    delete modules[{key}];
    throw error;
  }} finally {{
    URL.revokeObjectURL(url);
  }}
}};
export default await (modules[{key}] ??= load());
"""


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
