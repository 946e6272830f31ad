"""Find a Chromium for the browser tests, or install one.

Run as a script, as `make test` does, it prints the path of the browser on standard output and everything else on
standard error, and leaves with an error that says what to install when there is none to be had.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

VARIABLE = "NCUT_CHROMIUM"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MAC_APP = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
DOWNLOAD_SECONDS = 300
CONNECTION_MILLISECONDS = 10_000

ARGUMENTS = (
    "--no-sandbox",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
)
"""What makes Chromium draw WebGL2 without a graphics card, and keeps it from calling home."""


class ChromiumNotFoundError(RuntimeError):
    """There is no Chromium and none could be installed."""


def find_chromium() -> Path | None:
    """Return the path of a Chromium that starts: `$NCUT_CHROMIUM`, playwright's own, or one on the PATH."""
    chosen = os.environ.get(VARIABLE)
    if chosen:
        if not _starts(Path(chosen)):
            raise ChromiumNotFoundError(f"`${VARIABLE}` must be the path of a Chromium that starts; got {chosen!r}.")
        return Path(chosen)
    on_path = (shutil.which(name) for name in NAMES)
    candidates = [_playwrights_own(), *(Path(path) for path in on_path if path), MAC_APP]
    return next((path for path in candidates if _starts(path)), None)


def install_chromium() -> Path:
    """Install a Chromium, by playwright's own download or else from Debian's archive, and return its path."""
    for install in (_install_from_playwright, _install_from_apt):
        if install() and (found := find_chromium()) is not None:
            return found
    raise ChromiumNotFoundError(
        "The browser tests need Chromium, and none could be installed. Install one by any of\n"
        f"  {sys.executable} -m playwright install --with-deps chromium\n"
        "  sudo apt-get install chromium        (Debian)\n"
        f"or set {VARIABLE} to the path of a Chromium or Google Chrome you have."
    )


def _starts(path: Path) -> bool:
    """Whether the browser runs at all: one that was downloaded may lack libraries of the system."""
    if not path.is_file():
        return False
    return _succeeds([str(path), "--version"], seconds=60, quiet=True)


def _playwrights_own() -> Path:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        return Path(playwright.chromium.executable_path)


def _install_from_playwright() -> bool:
    _say("No Chromium was found. Downloading playwright's own ...")
    environment = {"PLAYWRIGHT_DOWNLOAD_CONNECTION_TIMEOUT": str(CONNECTION_MILLISECONDS)}
    playwright = [sys.executable, "-m", "playwright"]
    if not _succeeds([*playwright, "install", "chromium"], seconds=DOWNLOAD_SECONDS, environment=environment):
        return False
    if not _starts(_playwrights_own()) and (root := _as_root()) is not None:
        _say("It lacks libraries of the system. Installing them ...")
        return _succeeds([*root, *playwright, "install-deps", "chromium"], seconds=DOWNLOAD_SECONDS)
    return True


def _install_from_apt() -> bool:
    root = _as_root()
    if root is None or shutil.which("apt-get") is None:
        return False
    _say("Installing the package `chromium` with apt-get ...")
    apt = [*root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet", "--yes"]
    # A mirror that cannot be reached is no reason to stop: the lists at hand may still do.
    _succeeds([*apt, "update"], seconds=DOWNLOAD_SECONDS)
    return _succeeds([*apt, "install", "--no-install-recommends", "chromium"], seconds=2 * DOWNLOAD_SECONDS)


def _as_root() -> list[str] | None:
    """Return the prefix that runs a command as root without asking for a password, or None."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") is not None and _succeeds(["sudo", "--non-interactive", "true"], seconds=10, quiet=True):
        return ["sudo", "--non-interactive"]
    return None


def _succeeds(
    command: list[str], *, seconds: float, environment: dict[str, str] | None = None, quiet: bool = False
) -> bool:
    """Run a command with its output on standard error; whether it ended well and in time."""
    output = subprocess.DEVNULL if quiet else sys.stderr
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            timeout=seconds,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        _say(str(error))
        return False
    return done.returncode == 0


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        print(find_chromium() or install_chromium())
    except ChromiumNotFoundError as error:
        sys.exit(str(error))
