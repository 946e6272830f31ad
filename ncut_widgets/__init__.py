"""Explore vision models in Jupyter: Normalized Cut embeddings of image features in linked widgets.

The names in `__init__.pyi` load on first use (PEP 562). Importing the package is therefore cheap, and the engine,
`ncut_widgets.ncut`, never imports a widget or plotting library.
"""

import sys as _sys
from functools import cache as _cache

from ._migration import OldModuleFinder as _OldModuleFinder
from ._migration import hint_for_name as _hint_for_name

__version__ = "0.1.0"


@_cache
def _stub():  # type: ignore[no-untyped-def]
    # Imported here so that the engine can be imported without lazy_loader.
    import lazy_loader

    return lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> object:
    load, _, names = _stub()
    if name == "__all__":
        return names
    hint = _hint_for_name(name)
    if hint is not None and name not in names:
        raise AttributeError(hint, name=name, obj=_sys.modules[__name__])
    return load(name)


_sys.meta_path.append(_OldModuleFinder)


def __dir__() -> list[str]:
    return list(_stub()[1]())
