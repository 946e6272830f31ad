"""t-SNE and UMAP of a sample on the GPU where it is, by TorchDR, where that is installed.

TorchDR's own `random_state` seeds the generators of Python, numpy and torch for the whole process. It is never passed:
the only draws left are torch's, and those are made from a generator of our own.
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

__all__ = ["TORCHDR_METHODS", "import_torchdr", "lays_out", "torchdr_layout"]

TORCHDR_METHODS = ("tsne", "umap")
_OLDEST = (0, 5)
_TSNE_STEPS = 500
_EXAGGERATED_STEPS = 125
_UMAP_STEPS = 200
# About what umap-learn, too, stretches a start to.
_UMAP_SPREAD = 3.0


def lays_out(method: str, device: torch.device) -> bool:
    """Tell whether TorchDR is to lay out rows on `device`: t-SNE and UMAP on CUDA, where 0.5 or newer is installed.

    On a CPU it takes several times as long as the layouts that are there without it.
    """
    return method in TORCHDR_METHODS and device.type == "cuda" and _version() >= _OLDEST


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
    """Return coordinates (m, 3) on the device of `rows` (m, k), from `start` (m, 3), by TorchDR's t-SNE or UMAP.

    The perplexity of t-SNE is `n_neighbors`, at most a third of the rows. `on_step` is called before each step.

    O(m^2) time and memory for each of 500 steps of t-SNE, O(m n_neighbors) for each of 200 of UMAP; deterministic
    for a given `seed`. Global generators, settings and environment stay as they are.

    References
    ----------
    Van Assel et al. TorchDR. https://torchdr.github.io
    """
    torchdr = import_torchdr()
    generator = torch.Generator(rows.device).manual_seed(seed)
    # t-SNE descends by autograd, whether or not the caller has it switched on.
    with torch.inference_mode(False), torch.enable_grad(), _DrawFrom(generator):
        options: dict[str, Any] = {
            "n_components": 3,
            "init": torch.from_numpy(start).to(rows.device),
            "backend": None,
            # Merged, equal rows would leave fewer than there are places in the start.
            "process_duplicates": False,
            # Other processes of a distributed job know nothing of this layout, and would be waited for.
            "distributed": False,
        }
        if method == "tsne":
            options["perplexity"] = min(n_neighbors, (len(rows) - 1) // 3)
            options |= {"max_iter": _TSNE_STEPS, "early_exaggeration_iter": _EXAGGERATED_STEPS, "sparsity": False}
            reducer = _observed(torchdr.TSNE, on_step)(**options)
        else:
            options["n_neighbors"] = min(n_neighbors, len(rows) - 2)
            options |= {"max_iter": _UMAP_STEPS, "min_dist": 0.3, "init_scaling": _UMAP_SPREAD}
            reducer = _observed(torchdr.UMAP, on_step)(**options)
        return reducer.fit_transform(_centred_and_scaled(rows.detach())).detach()


def _centred_and_scaled(rows: torch.Tensor) -> torch.Tensor:
    """TorchDR's tolerances are absolute, and far from the origin float32 cannot tell distances."""
    rows = (rows - rows.mean(0)).float()
    size = rows.square().sum(1).mean().sqrt()
    return rows / torch.where(size > 0, size, torch.ones_like(size))


class _DrawFrom(TorchFunctionMode):
    """Within it, this thread's random tensors come from `generator`; other threads draw as ever."""

    _DRAWS = (torch.rand, torch.randint, torch.randn, torch.randperm)

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self._generator = generator

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func in self._DRAWS:
            kwargs.setdefault("generator", self._generator)
        return func(*args, **kwargs)


def _observed(reducer: Any, on_step: Callable[[], object]) -> Any:
    class Observed(reducer):
        def on_training_step_start(self) -> None:
            on_step()
            super().on_training_step_start()

    return Observed


def _version() -> tuple[int, int]:
    """Major and minor version of the installed TorchDR, (0, 0) where there is none."""
    try:
        version = metadata.version("torchdr")
    except metadata.PackageNotFoundError:
        return 0, 0
    numbers = re.match(r"(\d+)\.(\d+)", version)
    return (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)


def import_torchdr() -> Any:
    """Import it: a second or two, that nobody without a GPU should pay."""
    if "torchdr" not in sys.modules:
        with warnings.catch_warnings():
            # It warns that FAISS, which is for far larger samples, is not installed.
            warnings.filterwarnings("ignore", message=r"\s*=+\s*FAISS", category=ImportWarning)
            import torchdr  # noqa: F401
    return sys.modules["torchdr"]
