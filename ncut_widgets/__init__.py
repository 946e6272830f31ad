"""Look inside vision models from Jupyter: Normalized Cut embeddings of image features in linked, live widgets.

The names in `__init__.pyi` load when they are first used (PEP 562), so that importing the package costs
little and the engine, `ncut_widgets.ncut`, never pulls in a widget or plotting library.
"""

import lazy_loader as _lazy

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
