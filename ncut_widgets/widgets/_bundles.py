"""The bundled front-end files that anywidget loads."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

__all__ = ["bundle"]

_STATIC = Path(__file__).parent.parent / "static"


def bundle(name: str) -> str | Path:
    """Return the front-end file for anywidget: its text, or its path if `ANYWIDGET_HMR` enables live reload.

    anywidget watches paths, and keeps every widget created from one alive to notify it of changes
    (manzt/anywidget issue 929). Text is not watched, so closed widgets are freed.

    Raises
    ------
    FileNotFoundError
        In a source checkout whose front end has not been built.
    """
    path = _STATIC / name
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
    """Return a module that re-exports the default export of `module` and loads it once per page.

    anywidget imports the module again for every widget, and a browser never frees a module, so each explorer would
    leave the compiled code of seven bundles behind.
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
