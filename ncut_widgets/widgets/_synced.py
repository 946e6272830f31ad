"""Base class of the widgets: validates what the page sets, and keeps the page and Python in the same state."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ncut_widgets._validation import brief, check_text
from ncut_widgets.widgets._lifetime import ManagedWidget
from ncut_widgets.widgets._trait_types import (
    LARGEST_INTEGER,
    Flag,
    Integer,
    Text,
    TraitTypeError,
    TraitValueError,
    state_lock,
    trait_errors,
)

_MAX_DEPTH = 32
# The only trait declared by ipywidgets that its front end sets.
_SET_BY_FRONT_END = ("_view_count",)


class Synced(ManagedWidget):
    """A widget that accepts valid values from its page, and answers invalid ones with its own state."""

    # As in ipywidgets, but strict: True is not a number, and text must be valid Unicode.
    _view_count = Integer(None)
    tabbable = Flag(None)
    tooltip = Text(None)

    # With the lock held: otherwise a change by another thread would be held back, and undone, together with this one.
    @contextmanager
    def hold_trait_notifications(self) -> Iterator[None]:
        with state_lock, super().hold_trait_notifications():
            yield

    @contextmanager
    def hold_sync(self) -> Iterator[None]:
        with state_lock, super().hold_sync():
            yield

    def set_state(self, sync_data: Any) -> None:
        """Apply a message from the page, or nothing if a value is invalid; then send back every value that differs.

        Raises
        ------
        traitlets.TraitError
            If a value has the wrong type, is out of range, or is not JSON, or a trait is read-only.
        """
        if not isinstance(sync_data, Mapping):
            raise TraitTypeError(f"The page must send a dict of traits; got {brief(sync_data)}.")
        told = {name: value for name, value in sync_data.items() if name in self.keys}
        with state_lock:
            try:
                super().set_state({name: value for name, value in told.items() if self._may_come(name, value)})
            finally:
                state = self.get_state(told)
                self.send_state([name for name, value in told.items() if not _equal(state[name], value)])

    def _may_come(self, name: str, value: Any) -> bool:
        """Return whether to set the trait; False if the page must not set it but sends its current value."""
        with trait_errors():
            check_json(value, name)
        trait = self.traits()[name]
        if name in _SET_BY_FRONT_END or (name[0] != "_" and not trait.read_only and name != "layout"):
            return True
        if not _equal(self.get_state(name)[name], value):
            raise TraitTypeError(f"`{name}` must not be set by the page; got {brief(value)}.")
        return False


def check_json(value: Any, name: str) -> None:
    """Raise TypeError or ValueError unless `value` is what `json.loads` returns for valid JSON."""
    level = [value]
    for _ in range(_MAX_DEPTH):
        deeper: list[Any] = []
        for item in level:
            if isinstance(item, str):
                check_text(item, name)
            elif isinstance(item, Mapping):
                deeper += [*item, *item.values()]
            elif isinstance(item, list | tuple):
                deeper += item
            elif isinstance(item, float):
                if not math.isfinite(item):
                    raise TraitValueError(f"`{name}` must be finite; got {item}.")
            elif isinstance(item, int):
                if abs(item) > LARGEST_INTEGER:
                    raise TraitValueError(f"`{name}` must hold integers up to 2**53; got {brief(item)}.")
            elif item is not None:
                raise TraitTypeError(f"`{name}` must be JSON; got {type(item).__name__}.")
        if not deeper:
            return
        level = deeper
    raise TraitValueError(f"`{name}` must be nested at most {_MAX_DEPTH} deep; got more.")


def _equal(mine: Any, theirs: Any) -> bool:
    """Return whether two JSON values are equal in JavaScript: 1 and 1.0 are, 1 and True are not."""
    if isinstance(mine, Mapping) and isinstance(theirs, Mapping):
        return mine.keys() == theirs.keys() and all(_equal(mine[key], theirs[key]) for key in mine)
    if isinstance(mine, list | tuple) and isinstance(theirs, list | tuple):
        return len(mine) == len(theirs) and all(map(_equal, mine, theirs))
    plain = isinstance(theirs, str | int | float) or theirs is None
    return plain and isinstance(mine, bool) == isinstance(theirs, bool) and bool(mine == theirs)
