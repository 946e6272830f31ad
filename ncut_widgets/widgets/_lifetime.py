"""Lifetime of widgets: they close on `close`, when the call that creates them fails, or when no longer used.

ipywidgets keeps every open widget in a registry for messages from the page. By itself it would keep the widgets of each
earlier run of a cell open for the rest of the process.
"""

from __future__ import annotations

import gc
import re
import threading
import weakref
from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple, ParamSpec, TypeVar

import anywidget
import ipywidgets
from IPython import get_ipython
from ipywidgets.widgets.widget import _instances

from ncut_widgets._process import restores_process_state

__all__ = ["ManagedWidget", "closes_on_failure"]

P = ParamSpec("P")
R = TypeVar("R")

# Open widgets that the garbage collector has found unreachable.
_unreachable: list[ManagedWidget] = []

_open: weakref.WeakSet[ManagedWidget] = weakref.WeakSet()
# Widgets are created in other threads as well: JupyterLab handles messages of buttons while cells run.
_open_lock = threading.Lock()
# Only one thread at a time removes widgets from the registries.
_free_lock = threading.Lock()
_OUTPUT_NAME = re.compile(r"_{1,3}|_\d+")


class _Local(threading.local):
    # Widgets created in this thread by calls that have not returned yet.
    made: list[ManagedWidget] | None = None


_local = _Local()


class ManagedWidget(anywidget.AnyWidget):
    """A widget that is freed on `close`, with its layout, or when no cell shows it and nothing refers to it."""

    # The cells that show this widget, each with the run that showed it. None stands for outputs without a cell id.
    _shown_in: dict[str | None, str | None]
    _made_layout: ipywidgets.Layout | None = None
    _may_have_made_layout = False

    def __init__(self, **traits: Any) -> None:
        self._shown_in = {}
        makes_layout = not isinstance(traits.get("layout"), ipywidgets.Layout)
        # Until the layout is known: if this is interrupted, `close` closes the layout created so far.
        self._may_have_made_layout = makes_layout
        if _local.made is not None:
            _local.made.append(self)
        super().__init__(**traits)
        if makes_layout:
            self._made_layout = self._trait_values.get("layout")
        self._may_have_made_layout = False
        _notebook.watch(self)

    def open(self) -> None:
        super().open()
        if self.comm is not None:
            # Weakly, because the kernel keeps the comm, and the widget must be collectable.
            handle = weakref.WeakMethod(self._handle_msg)
            self.comm.on_msg(lambda message: _hand_on(handle, message))

    def close(self) -> None:
        """Close the widget on the page and in Python. Its results can still be read."""
        super().close()
        layout = self._trait_values.get("layout") if self._may_have_made_layout else self._made_layout
        if layout is not None:
            layout.close()

    def _close_alone(self) -> None:
        """Close the widget, but not the widgets that it refers to."""
        self.close()

    def __del__(self) -> None:
        # The collector may run in any thread, at any allocation: while another thread holds a lock and waits for this
        # one to start, closing would wait for the lock. So the widget is kept until `free_unreachable` closes it.
        # When the process ends, the names of the module may be gone.
        if self.comm is not None and _unreachable is not None:
            _unreachable.append(self)

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict, dict] | None:
        shown = super()._repr_mimebundle_(**options)
        if shown is not None:
            run = _current_run()
            self._shown_in[run.cell] = run.message
        return shown


def _hand_on(handle: weakref.WeakMethod[Any], message: Any) -> None:
    method = handle()
    if method is not None:
        method(message)


def closes_on_failure(function: Callable[P, R]) -> Callable[P, R]:
    """Decorator: close the widgets that a call created if it raises or is interrupted."""

    @wraps(function)
    @restores_process_state
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        outer = _local.made
        made: list[ManagedWidget] = [] if outer is None else outer
        first = len(made)
        try:
            try:
                _local.made = made
                return function(*args, **kwargs)
            finally:
                _local.made = outer
        except BaseException:
            # Views before their session, which was created first.
            for widget in reversed(made[first:]):
                widget.close()
            raise

    return call


# -- notebooks -----------------------------------------------------------------------------------------------------


class _Run(NamedTuple):
    """A run of a cell: the id of the cell, and of the message that requested the run."""

    cell: str | None
    message: str | None


def _current_run() -> _Run:
    """Return the current run. JupyterLab, Notebook 7 and VS Code send the id of the cell to the kernel."""
    shell = get_ipython()
    if not hasattr(shell, "kernel"):
        return _Run(None, None)
    parent = shell.get_parent() or {}
    cell = (parent.get("metadata") or {}).get("cellId")
    return _Run(cell, parent["header"]["msg_id"]) if cell else _Run(None, None)


class _Notebook:
    """Frees unused widgets after each run of a cell that created or replaced any."""

    def __init__(self) -> None:
        self._shells: weakref.WeakSet[Any] = weakref.WeakSet()
        self._made = False

    def watch(self, widget: ManagedWidget) -> None:
        shell = get_ipython()
        with _open_lock:
            _open.add(widget)
            self._made = True
            if hasattr(shell, "kernel") and shell not in self._shells:
                shell.events.register("post_run_cell", self._after_run)
                self._shells.add(shell)

    def _after_run(self, _: Any) -> None:
        run = _current_run()
        if run.cell is None:
            return
        if _outputs_replaced(run) or self._made:
            self._made = False
            free_unreachable()


def _outputs_replaced(run: _Run) -> bool:
    """Forget the outputs of earlier runs of this cell; return whether there were any."""
    replaced = [widget._shown_in for widget in _opened() if widget._shown_in.get(run.cell, run.message) != run.message]
    for shown_in in replaced:
        shown_in.pop(run.cell, None)
    return bool(replaced)


def _opened() -> list[ManagedWidget]:
    with _open_lock:
        return list(_open)


_notebook = _Notebook()


class _Held(NamedTuple):
    """A widget, and the registries that refer to it."""

    widget: weakref.ref[ManagedWidget]
    model_id: str
    # Entries of IPython's output history: `Out`, and the names `_`, `__`, `___`, `_1`, `_2` and so on.
    outputs: list[tuple[dict, Any]]


def free_unreachable() -> None:
    """Close the widgets that no cell shows and that nothing but ipywidgets and IPython's output history refers to."""
    held: list[_Held] = []
    with _free_lock:
        try:
            _let_go(held)
            # An explorer without other references ends here, and must not keep its views until the collection.
            _close_unreachable()
            gc.collect()
        finally:
            for entry in held:
                _hold_again(entry)
    _close_unreachable()


def _close_unreachable() -> None:
    while _unreachable:
        _unreachable.pop()._close_alone()


def _let_go(held: list[_Held]) -> None:
    outputs = _outputs()
    for widget in _opened():
        if widget.comm is None or widget._shown_in:
            continue
        places = [(names, name) for names, name, value in outputs if value is widget]
        held.append(_Held(weakref.ref(widget), widget.model_id, places))
        _instances.pop(widget.model_id, None)
        for names, name in places:
            names[name] = None


def _hold_again(held: _Held) -> None:
    widget = held.widget()
    if widget is None or widget.comm is None:
        return
    _instances[held.model_id] = widget
    for names, name in held.outputs:
        names[name] = widget


def _outputs() -> list[tuple[dict, Any, Any]]:
    shell = get_ipython()
    if shell is None:
        return []
    history = shell.history_manager.output_hist
    found = [(history, number, value) for number, value in history.copy().items()]
    for names in (shell.user_ns, shell.user_ns_hidden, vars(shell.displayhook)):
        # A copy, since other threads may set names meanwhile.
        found += [(names, name, value) for name, value in names.copy().items() if _OUTPUT_NAME.fullmatch(name)]
    return found
