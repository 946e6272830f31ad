"""Threads and random state of this process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def threads(name):
    """Return the running threads whose name starts with `name`."""
    return [thread for thread in threading.enumerate() if thread.name.startswith(name)]


@contextmanager
def torch_seed(seed: int = 0) -> Iterator[None]:
    """Seed torch's global generator, and restore its state afterward."""
    state = torch.get_rng_state()
    torch.manual_seed(seed)
    yield
    torch.set_rng_state(state)
