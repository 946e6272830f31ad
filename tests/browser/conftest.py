"""A real Chromium, a real JupyterLab, and the pages that tests drive in them.

- `page`: a page of its own for each test; an error that nobody caught fails the test.
- `offline_page`: the same without a network; any request but for the opened file, and any console error, fails it.
- `lab`: the JupyterLab server, one for all tests.
- `shared_notebook`: `shared_notebook([cell, ...])` shows these cells in a notebook that is open already and returns it
  as a `Notebook`. Its kernel has the imports and names of the tests before, and none of their widgets.
- `open_notebook`: `open_notebook([cell, ...])` opens a new notebook with a kernel of its own in `page`, for tests that
  cannot share one. It takes seconds longer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from chromium import ARGUMENTS, ChromiumNotFoundError, find_chromium
from jupyter_driver import JupyterLab, Notebook
from page_checks import no_uncaught_errors, standing_alone
from workbench import Workbench

HERE = Path(__file__).parent
RESULTS = HERE.parents[1] / "test-results"
VIEWPORT = {"width": 1400, "height": 1000}
# Generous, because software rendering on a busy machine is slow; a passing test never waits this long.
TIMEOUT_MILLISECONDS = 30_000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    report = yield
    item.stash[_FAILED] = _failed(item) or report.failed
    return report


_FAILED = pytest.StashKey[bool]()


def _failed(item: pytest.Item) -> bool:
    return item.stash.get(_FAILED, False)


def _keep_picture(page: Page, item: pytest.Item) -> None:
    RESULTS.mkdir(exist_ok=True)
    page.screenshot(path=RESULTS / f"{re.sub(r'[^A-Za-z0-9_-]+', '-', item.name)}.png")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = find_chromium()
    if path is None:
        raise ChromiumNotFoundError("No Chromium was found. `make test` installs one; NCUT_CHROMIUM names another.")
    expect.set_options(timeout=TIMEOUT_MILLISECONDS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def new_context(browser: Browser) -> Callable[[], BrowserContext]:
    def new_context() -> BrowserContext:
        context = browser.new_context(viewport=VIEWPORT)
        context.set_default_timeout(TIMEOUT_MILLISECONDS)
        return context

    return new_context


@pytest.fixture
def context(new_context: Callable[[], BrowserContext]) -> Iterator[BrowserContext]:
    context = new_context()
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, request: pytest.FixtureRequest) -> Iterator[Page]:
    page = context.new_page()
    with no_uncaught_errors(page):
        yield page
        if _failed(request.node):
            _keep_picture(page, request.node)


@pytest.fixture
def offline_page(page: Page) -> Iterator[Page]:
    with standing_alone(page):
        yield page


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterLab]:
    lab = JupyterLab(tmp_path_factory.mktemp("lab"))
    yield lab
    lab.stop()


@pytest.fixture
def open_notebook(lab: JupyterLab, page: Page) -> Iterator[Callable[[Sequence[str]], Notebook]]:
    notebooks: list[Notebook] = []

    def open_notebook(cells: Sequence[str]) -> Notebook:
        notebooks.append(lab.open(page, cells))
        return notebooks[-1]

    yield open_notebook
    for notebook in notebooks:
        notebook.close()


@pytest.fixture(scope="session")
def workbench(lab: JupyterLab, new_context: Callable[[], BrowserContext]) -> Iterator[Workbench]:
    workbench = Workbench(lab, new_context)
    yield workbench
    workbench.close()


@pytest.fixture
def shared_notebook(
    workbench: Workbench, request: pytest.FixtureRequest
) -> Iterator[Callable[[Sequence[str]], Notebook]]:
    notebook = workbench.take()
    with no_uncaught_errors(notebook.page):
        yield notebook.show
        if _failed(request.node):
            _keep_picture(notebook.page, request.node)
        else:
            notebook.clear()
    if not _failed(request.node):
        workbench.give_back()
