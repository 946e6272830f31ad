"""Distribution of the tests over processes."""

from __future__ import annotations

from pathlib import Path

import pytest

_BROWSER = Path(__file__).parent / "browser"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run each file in one process, and all browser tests in the same one.

    A browser without a GPU uses more than one CPU: two browsers at once take longer than one after the other.
    """
    for item in items:
        group = "browser" if item.path.is_relative_to(_BROWSER) else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
