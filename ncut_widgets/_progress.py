"""Progress bars that need their library only where they are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

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

    with tqdm(total=total, desc=what, unit=unit, leave=False) as bar:
        yield bar.update
