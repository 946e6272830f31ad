"""The examples in the documentation print what the pages show."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(page for page in DOCS.glob("*.md") if ">>> " in page.read_text())
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def test_pages_have_examples():
    assert {"balanced_graphs.md", "from_ncut_pytorch.md"} <= {page.name for page in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_run(page):
    outcome = doctest.testfile(str(page), module_relative=False, optionflags=OPTIONS)
    assert outcome.attempted > 0
    assert outcome.failed == 0
