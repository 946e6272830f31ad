"""Progress bars that need their library only if they are shown, and leave nothing behind."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["progress"]


@contextmanager
def progress(total: int, what: str, *, unit: str, show: bool) -> Iterator[Callable[[int], object]]:
    """Yield what to call with the number of units just done.

    Examples
    --------
    >>> with progress(3, "nothing", unit="step", show=False) as done:
    ...     done(1)
    """
    if not show:
        yield lambda n: None  # noqa: ARG005
        return
    from tqdm.auto import tqdm

    before = set(_registry())
    bar: Any = None
    try:
        bar = tqdm(total=total, desc=what, unit=unit, leave=False)
        yield bar.update
    finally:
        if bar is not None:
            bar.close()
            widgets = _widgets_of(bar)
        else:
            # Interrupted while tqdm made the bar: no other reference to its widgets exists.
            widgets = [widget for key, widget in list(_registry().items()) if key not in before]
        # tqdm closes the box in which a notebook shows the bar, and leaves its contents open for good.
        for widget in widgets:
            widget.close()


def _widgets_of(bar: Any) -> list[Any]:
    """Return the widgets that tqdm has made for a bar in a notebook."""
    box = getattr(bar, "container", None)
    if box is None:
        return []
    parts = [box, *box.children]
    return [getattr(part, name) for part in parts for name in ("layout", "style") if hasattr(part, name)] + parts


def _registry() -> dict[str, Any]:
    """Return the open widgets, if ipywidgets is in use."""
    module = sys.modules.get("ipywidgets.widgets.widget")
    return {} if module is None else module._instances
