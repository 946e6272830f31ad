"""Trait types that accept Python, numpy and torch values and hold plain JSON values, and the lock of all traits."""

from __future__ import annotations

import ast
import copy
import inspect
import textwrap
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import torch
import traitlets

from ncut_widgets._validation import brief, check_flag, check_in, check_number, check_positive_int, check_text

C = TypeVar("C")

# JavaScript holds integers exactly up to here.
LARGEST_INTEGER = 2**53 - 1
# Held while the state of a widget changes: cells run in the main thread, and JupyterLab's messages are handled in
# another. All widgets share one lock, because observers link them: two threads could take two locks in either order.
state_lock = threading.RLock()
_RETRY_SECONDS = 0.05


@contextmanager
def lock_unless(ended: Callable[[], bool]) -> Iterator[bool]:
    """Acquire `state_lock` in a worker thread; yield whether it was acquired.

    Gives up once `ended` returns True, because the thread that holds the lock may be waiting for the worker to end.
    """
    while not state_lock.acquire(timeout=_RETRY_SECONDS):
        if ended():
            yield False
            return
    try:
        yield True
    finally:
        state_lock.release()


class TraitTypeError(traitlets.TraitError, TypeError):
    """A trait was set to a value of the wrong type."""


class TraitValueError(traitlets.TraitError, ValueError):
    """A trait was set to an invalid value."""


@contextmanager
def trait_errors() -> Iterator[None]:
    """Turn TypeError and ValueError into TraitErrors, for which traitlets restores the old values."""
    try:
        yield
    except traitlets.TraitError:
        raise
    except TypeError as error:
        raise TraitTypeError(str(error)) from error
    except ValueError as error:
        raise TraitValueError(str(error)) from error


def document_traits(cls: type[C]) -> type[C]:
    """Class decorator: the string below the declaration of a trait becomes its `help` and its docstring."""
    try:
        source = inspect.getsource(cls)
    except OSError:
        # Installed without source files.
        return cls
    body = ast.parse(textwrap.dedent(source)).body[0].body  # type: ignore[attr-defined]
    for declaration, text in pairwise(body):
        if isinstance(declaration, ast.Assign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            trait = vars(cls)[declaration.targets[0].id]  # type: ignore[attr-defined]
            trait.help = trait.__doc__ = inspect.cleandoc(str(text.value.value))
    return cls


def list_traits(cls: type[traitlets.HasTraits]) -> str:
    """Return the documented traits of a class as the section "Attributes" of a numpy docstring."""
    lines = ["Attributes", "----------"]
    for name, trait in vars(cls).items():
        if isinstance(trait, traitlets.TraitType) and trait.help:
            kind, _, text = trait.help.partition(": ")
            lines += [f"{name} : {kind}", textwrap.indent(text, "    ")]
    return "\n".join(lines)


class Checked(traitlets.TraitType):
    """A synced trait that holds the JSON value returned by ``check(owner, value, name)``.

    None is valid if it is the default. Reading returns copies of lists and dicts: to change one, set it again.
    """

    def __init__(
        self, default_value: Any, check: Callable[[Any, Any, str], Any], typescript: str, **options: Any
    ) -> None:
        super().__init__(default_value, allow_none=default_value is None, **options)
        self.tag(sync=True)
        self._check = check
        # The type of the trait in the page.
        self.typescript = typescript if default_value is not None else f"{typescript} | null"

    def set(self, obj: Any, value: Any) -> None:
        with state_lock:
            super().set(obj, value)

    def validate(self, obj: Any, value: Any) -> Any:
        with trait_errors():
            return self._check(obj, value, str(self.name))

    def get(self, obj: Any, cls: Any = None) -> Any:
        value = super().get(obj, cls)
        return copy.deepcopy(value) if isinstance(value, list | dict) else value


class Number(Checked):
    """A finite float in [low, high], from any real number, 0-d array or 0-d tensor."""

    def __init__(self, default_value: float, *, low: float, high: float) -> None:
        super().__init__(default_value, lambda _, value, name: check_number(value, name, low=low, high=high), "number")


class Integer(Checked):
    """An int of at least `minimum`, from any integer, 0-d array or 0-d tensor."""

    def __init__(self, default_value: int | None, *, minimum: int = 0) -> None:
        limits = {"minimum": minimum, "maximum": LARGEST_INTEGER}
        super().__init__(default_value, lambda _, value, name: check_positive_int(value, name, **limits), "number")


class Flag(Checked):
    """A bool of Python, numpy or torch."""

    def __init__(self, default_value: bool | None) -> None:
        super().__init__(default_value, lambda _, value, name: check_flag(value, name), "boolean")


class Choice(Checked):
    """One of `words`, or None if it is the default."""

    def __init__(self, default_value: str | None, words: tuple[str, ...]) -> None:
        typescript = " | ".join(f'"{word}"' for word in words)
        super().__init__(default_value, lambda _, value, name: check_in(value, name, words), typescript)


class Text(Checked):
    """Any valid Unicode."""

    def __init__(self, default_value: str | None) -> None:
        super().__init__(default_value, lambda _, value, name: check_text(value, name), "string")


class Fixed(Checked):
    """A read-only trait, which the package sets by `set_trait`. `hint` says what a user should do instead."""

    def __init__(self, default_value: Any, hint: str, typescript: str) -> None:
        super().__init__(default_value, lambda _, value, __: value, typescript, read_only=True)
        self._hint = hint

    def __set__(self, obj: Any, value: Any) -> None:
        raise TraitTypeError(f"`{self.name}` is read-only; got {brief(value)}. {self._hint}")


def check_index(value: Any, name: str, count: int, rule: str) -> int:
    """Return `value` as an int in 0 to ``count - 1``; the error says that `name` must `rule`."""
    index = check_positive_int(value, name, minimum=-LARGEST_INTEGER, maximum=LARGEST_INTEGER)
    if not 0 <= index < count:
        raise ValueError(f"`{name}` must {rule}; got {index}.")
    return index


def check_indices(value: Any, name: str, count: int, rule: str) -> list[int]:
    """Return the distinct integers in `value`, each in 0 to ``count - 1``, in the order in which they came.

    Parameters
    ----------
    value : list, tuple, range, set, 1D array or tensor of integers, or boolean array of shape (count,)
        A set is sorted; a boolean array stands for the indices where it is True.
    name, rule : str
        The error says that `name` must `rule`, such as "hold nodes from 0 to 19".

    Examples
    --------
    >>> check_indices(np.array([False, True, True]), "selection", 3, "hold nodes from 0 to 2")
    [1, 2]
    """
    if isinstance(value, Mapping | str | bytes | bytearray | memoryview) or not isinstance(value, Collection):
        raise TypeError(
            f"`{name}` must be a list, set or array of integers; got {brief(value)} ({type(value).__name__}). "
            "Pass a list, [] for none."
        )
    items = _items(value, name, count) if hasattr(value, "__array__") else list(value)
    if not all(type(item) is int and 0 <= item < count for item in items):
        items = [check_index(item, name, count, rule) for item in items]
    return sorted(set(items)) if isinstance(value, set | frozenset) else list(dict.fromkeys(items))


def _items(value: Any, name: str, count: int) -> list[Any]:
    """The entries of an integer array, or the indices where a boolean one is True."""
    array = value.detach().cpu() if isinstance(value, torch.Tensor) else np.asanyarray(value)
    shape = tuple(array.shape)
    if np.ma.is_masked(array):
        raise ValueError(f"`{name}` must not have masked entries; got a masked array. Pass `array.compressed()`.")
    if array.dtype == (torch.bool if isinstance(array, torch.Tensor) else bool):
        if shape != (count,):
            raise ValueError(
                f"`{name}` must have shape ({count},) if it is a boolean array; got shape {shape}. Pass one entry for "
                "each index that can be chosen, or the indices."
            )
        return [int(index) for index in np.flatnonzero(np.asarray(array))]
    if len(shape) != 1:
        raise ValueError(f"`{name}` must be one-dimensional; got shape {shape}. Pass `array.ravel()`.")
    return list(array.tolist())


def check_camera(_: Any, value: Any, name: str) -> dict[str, Any]:
    """Return a camera with plain floats."""
    wrong = (
        f"`{name}` must be None or {{'position': [x, y, z], 'target': [x, y, z], 'zoom': positive number}}; "
        f"got {brief(value)}. Set it to None to frame all points."
    )
    if not isinstance(value, Mapping):
        raise TypeError(wrong)
    if set(value) != {"position", "target", "zoom"}:
        raise ValueError(wrong)
    points = {}
    for key in ("position", "target"):
        point = value[key].tolist() if isinstance(value[key], np.ndarray | torch.Tensor) else value[key]
        if not isinstance(point, list | tuple) or len(point) != 3:
            raise ValueError(wrong)
        points[key] = point
    try:
        return {key: [check_number(number, key) for number in point] for key, point in points.items()} | {
            "zoom": check_number(value["zoom"], "zoom", low=0, low_open=True)
        }
    except (TypeError, ValueError) as error:
        raise type(error)(wrong) from error
