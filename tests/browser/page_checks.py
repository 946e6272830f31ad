"""What must not happen in a page while a test drives it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Error, Page, Route


@contextmanager
def no_uncaught_errors(page: Page) -> Iterator[None]:
    """Fail on an error of the page's scripts that nobody caught."""
    errors: list[str] = []

    def note(error: Error) -> None:
        # anywidget waits 2 s for the modules of all widgets, which a busy machine can exceed: they load all the same.
        if "[anywidget] Failed to initialize model." not in error.message:
            errors.append(error.stack or error.message)

    page.on("pageerror", note)
    yield
    page.remove_listener("pageerror", note)
    if errors:
        raise AssertionError("Nobody caught these errors in the page:\n" + "\n".join(errors))


@contextmanager
def standing_alone(page: Page) -> Iterator[None]:
    """Cut the network, and fail on any request but for the file that is opened, and on any console error."""
    forbidden: list[str] = []

    def only_the_file(route: Route) -> None:
        if route.request.is_navigation_request() and route.request.url.startswith("file:"):
            route.continue_()
        else:
            forbidden.append(route.request.url)
            route.abort()

    page.context.set_offline(True)
    page.context.route("**/*", only_the_file)
    page.on("websocket", lambda socket: forbidden.append(socket.url))
    # What the page's own policy blocks never becomes a request, but it is told on the console.
    page.on("console", lambda message: forbidden.append(message.text) if message.type == "error" else None)
    yield
    # What the last gesture set off may still be on its way.
    page.wait_for_load_state("networkidle")
    if forbidden:
        raise AssertionError("A page that must stand alone asked for or complained of:\n" + "\n".join(forbidden))
