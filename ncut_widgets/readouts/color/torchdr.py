"""t-SNE and UMAP of a sample on its CUDA device, with the optional library TorchDR.

TorchDR's `random_state` would seed the global generators of Python, numpy and torch, so it is not passed. The remaining
random numbers come from torch, and are drawn from a local generator instead.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Callable
from importlib import metadata
from typing import Any

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from ncut_widgets._threads import one_thread

__all__ = ["TORCHDR_METHODS", "import_torchdr", "torchdr_layout", "torchdr_steps", "uses_torchdr"]

TORCHDR_METHODS = ("tsne", "umap")
_MIN_VERSION = (0, 5)
_TSNE_STEPS = 500
_EXAGGERATED_STEPS = 125
_UMAP_STEPS = 200
# Similar to the size to which umap-learn scales its initial layout.
_UMAP_INITIAL_SPREAD = 3.0


def uses_torchdr(method: str, device: torch.device) -> bool:
    """Return whether to lay out rows on `device` with TorchDR: t-SNE and UMAP on CUDA, if 0.5 or newer is installed.

    On a CPU, TorchDR takes several times as long as the other implementations.
    """
    return method in TORCHDR_METHODS and device.type == "cuda" and _version() >= _MIN_VERSION


def torchdr_steps(method: str) -> int:
    """Return the number of steps of a layout."""
    return _TSNE_STEPS if method == "tsne" else _UMAP_STEPS


@one_thread
def torchdr_layout(
    rows: torch.Tensor,
    start: np.ndarray,
    *,
    method: str,
    n_neighbors: int,
    seed: int,
    on_step: Callable[[], object],
) -> torch.Tensor:
    """Return coordinates (m, 3) of `rows` (m, k) by TorchDR's t-SNE or UMAP, on the device of the rows.

    The initial layout is `start` (m, 3). The perplexity of t-SNE is `n_neighbors`, at most a third of the rows.
    `on_step` is called before each step.

    t-SNE takes 500 steps of O(m^2) time and memory, UMAP 200 steps of O(m n_neighbors). Deterministic for a given
    `seed`. Global generators, settings and environment variables do not change.

    References
    ----------
    Van Assel et al. TorchDR. https://torchdr.github.io
    """
    torchdr = import_torchdr()
    generator = torch.Generator(rows.device).manual_seed(seed)
    # t-SNE needs autograd, which the caller may have disabled.
    with torch.inference_mode(False), torch.enable_grad(), _DrawFrom(generator):
        options: dict[str, Any] = {
            "n_components": 3,
            "init": torch.from_numpy(start).to(rows.device),
            "backend": None,
            # If equal rows were merged, `init` would have too many rows.
            "process_duplicates": False,
            # In a distributed job, it would wait for the other processes, which do not compute this layout.
            "distributed": False,
        }
        if method == "tsne":
            options["perplexity"] = min(n_neighbors, (len(rows) - 1) // 3)
            options |= {"max_iter": _TSNE_STEPS, "early_exaggeration_iter": _EXAGGERATED_STEPS, "sparsity": False}
            reducer = _observed(torchdr.TSNE, on_step)(**options)
        else:
            options["n_neighbors"] = min(n_neighbors, len(rows) - 2)
            options |= {"max_iter": _UMAP_STEPS, "min_dist": 0.3, "init_scaling": _UMAP_INITIAL_SPREAD}
            reducer = _observed(torchdr.UMAP, on_step)(**options)
        return reducer.fit_transform(_standardized(rows.detach())).detach()


def _standardized(rows: torch.Tensor) -> torch.Tensor:
    """Return rows with zero mean and a root mean square length of 1, in float32.

    TorchDR's tolerances are absolute, and float32 distances far from the origin are inaccurate.
    """
    rows = (rows - rows.mean(0)).float()
    size = rows.square().sum(1).mean().sqrt()
    return rows / torch.where(size > 0, size, torch.ones_like(size))


class _DrawFrom(TorchFunctionMode):
    """Context manager that draws random tensors from `generator`, in the current thread only."""

    _RANDOM_FUNCTIONS = (torch.rand, torch.randint, torch.randn, torch.randperm)

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self._generator = generator

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func in self._RANDOM_FUNCTIONS:
            kwargs.setdefault("generator", self._generator)
        return func(*args, **kwargs)


def _observed(reducer: Any, on_step: Callable[[], object]) -> Any:
    class Observed(reducer):
        def on_training_step_start(self) -> None:
            on_step()
            super().on_training_step_start()

    return Observed


def _version() -> tuple[int, int]:
    """Return the major and minor version of TorchDR, or (0, 0) if it is not installed."""
    try:
        version = metadata.version("torchdr")
    except metadata.PackageNotFoundError:
        return 0, 0
    numbers = re.match(r"(\d+)\.(\d+)", version)
    return (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)


def import_torchdr() -> Any:
    """Import and return TorchDR, only on use because the first import takes one or two seconds."""
    if "torchdr" not in sys.modules:
        with warnings.catch_warnings():
            # The import warns if FAISS, which is useful only for much larger samples, is not installed.
            warnings.filterwarnings("ignore", message=r"\s*=+\s*FAISS", category=ImportWarning)
            import torchdr  # noqa: F401
    return sys.modules["torchdr"]
