"""Drive a real JupyterLab: start a server, open notebooks in a page, run their cells, and ask their kernels."""

from __future__ import annotations

import ast
import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import nbformat
from jupyter_client import BlockingKernelClient
from playwright.sync_api import Locator, Page, expect

START_SECONDS = 60
KERNEL_SECONDS = 60
CELL_MILLISECONDS = 120_000

THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}

# Nothing that asks, announces or looks for updates: the page is to show the notebook and that alone.
SETTINGS = {
    "@jupyterlab/apputils-extension/notification": {"checkForUpdates": False, "fetchNews": "false"},
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
}


class JupyterLab:
    """A JupyterLab server of its own: free port, own token, and no file of the user's read or written."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "notebooks"
        self.token = secrets.token_hex(16)
        self._runtime = folder / "runtime"
        self._log: list[str] = []
        self._running = threading.Event()
        environment = self._prepare(folder)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        options = {
            "ServerApp.ip": "127.0.0.1",
            "ServerApp.port": port,
            "ServerApp.port_retries": 0,
            "ServerApp.root_dir": self.root,
            "ServerApp.open_browser": False,
            "ServerApp.allow_root": True,
            "ServerApp.terminals_enabled": False,
            "IdentityProvider.token": self.token,
            "LabApp.expose_app_in_browser": True,
            "LabApp.extension_manager": "readonly",
            "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *(f"--{name}={value}" for name, value in options.items())],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._running.wait(START_SECONDS) or self._process.poll() is not None:
            self.stop()
            raise RuntimeError("JupyterLab did not start:\n" + "".join(self._log))

    def _prepare(self, folder: Path) -> dict[str, str]:
        folders = {
            "JUPYTER_CONFIG_DIR": folder / "config",
            "JUPYTER_DATA_DIR": folder / "data",
            "JUPYTER_RUNTIME_DIR": self._runtime,
            "JUPYTERLAB_SETTINGS_DIR": folder / "settings",
            "JUPYTERLAB_WORKSPACES_DIR": folder / "workspaces",
            "IPYTHONDIR": folder / "ipython",
        }
        for path in (*folders.values(), self.root):
            path.mkdir(parents=True)
        for name, settings in SETTINGS.items():
            path = folder / "settings" / f"{name}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(settings))
        page_config = folder / "config" / "labconfig" / "page_config.json"
        page_config.parent.mkdir(parents=True)
        page_config.write_text(json.dumps({"buildCheck": False, "buildAvailable": False}))
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "IPYTHON"))}
        # Kernels share the cores with a browser that draws in software, and threads that wait for one another's turn
        # take many times as long as one thread does.
        return {**inherited, "OMP_NUM_THREADS": "1", **{name: str(path) for name, path in folders.items()}}

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._log.append(line)
            if "is running at" in line:
                self._running.set()
        self._running.set()

    def stop(self) -> None:
        """End the server, and with it its kernels."""
        self._process.terminate()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the server's REST interface, and return the answer's JSON."""
        headers = {"Authorization": f"token {self.token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/api/{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=KERNEL_SECONDS) as response:
            answer = response.read()
        return json.loads(answer) if answer else None

    def open(self, page: Page, cells: Sequence[str]) -> Notebook:
        """Write a notebook with these code cells, open it in the page, and wait for its kernel."""
        name = f"notebook-{secrets.token_hex(6)}"
        document = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
        document.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(document, self.root / f"{name}.ipynb")
        return Notebook(self, page, name)

    def connection_file(self, kernel: str) -> Path:
        """Return where the kernel of this id wrote how to reach it."""
        return self._runtime / f"kernel-{kernel}.json"


class Notebook:
    """A notebook that is open in a page, and its kernel."""

    def __init__(self, lab: JupyterLab, page: Page, name: str) -> None:
        self.lab = lab
        self.page = page
        self.path = lab.root / f"{name}.ipynb"
        # A workspace of its own: Lab would restore there what an earlier test had open.
        page.goto(f"{lab.url}/lab/workspaces/{name}/tree/{self.path.name}?token={lab.token}")
        page.wait_for_function("() => window.jupyterapp?.shell.currentWidget?.context?.isReady")
        self._in_lab("await app.shell.currentWidget.sessionContext.ready; app.shell.collapseLeft()")
        self._wait_for_no_splash()
        (session,) = (session for session in lab.request("GET", "sessions") if session["path"] == self.path.name)
        self._session = session["id"]
        self._client = BlockingKernelClient(connection_file=str(lab.connection_file(session["kernel"]["id"])))
        self._client.load_connection_file()
        self._client.start_channels(iopub=False, stdin=False, hb=False)

    def _in_lab(self, script: str, argument: Any = None) -> Any:
        return self.page.evaluate(f"async (argument) => {{ const app = window.jupyterapp; {script} }}", argument)

    @property
    def cells(self) -> Locator:
        """The code cells, in order."""
        return self.page.locator(".jp-Notebook .jp-CodeCell")

    def output(self, cell: int) -> Locator:
        """Return the output area of a cell."""
        return self.cells.nth(cell).locator(".jp-Cell-outputArea")

    def run_all(self) -> None:
        """Run all cells and wait until they have run; a cell that fails is an error here."""
        self._run("notebook:run-all-cells")

    def start_all(self) -> None:
        """Have all cells run, and do not wait for them."""
        self._in_lab("void app.commands.execute('notebook:run-all-cells')")

    def restart_kernel(self) -> None:
        """Restart the kernel, as the menu does once the user has confirmed it."""
        self._in_lab("await app.shell.currentWidget.sessionContext.session.kernel.restart()")

    def run(self, cell: int) -> None:
        """Run one cell and wait until it has run."""
        self._in_lab("app.shell.currentWidget.content.activeCellIndex = argument", cell)
        self._run("notebook:run-cell")

    def _run(self, command: str) -> None:
        self._in_lab("await app.commands.execute(argument)", command)
        errors = self._in_lab(
            "return app.shell.currentWidget.model.sharedModel.cells.flatMap((cell) => cell.getOutputs())"
            ".filter((output) => output.output_type === 'error').map((output) => output.traceback.join('\\n'))"
        )
        if errors:
            raise AssertionError("\n\n".join(errors))

    def use_theme(self, theme: Literal["light", "dark"]) -> None:
        """Switch JupyterLab to its light or dark theme, if it has the other, and wait until it shows."""
        is_light = str(theme == "light").lower()
        if self.page.evaluate("() => document.body.dataset.jpThemeLight") == is_light:
            return
        self._in_lab("await app.commands.execute('apputils:change-theme', { theme: argument })", THEMES[theme])
        self.page.wait_for_function(f"() => document.body.dataset.jpThemeLight === '{is_light}'")
        self._wait_for_no_splash()

    def _wait_for_no_splash(self) -> None:
        # Lab covers the page with a splash at its start and at a change of theme, and stumbles over a second one.
        self.page.wait_for_function("() => document.getElementById('jupyterlab-splash') === null")

    def save(self) -> nbformat.NotebookNode:
        """Save the notebook as a user would, and return what lies on disk."""
        self._in_lab("await app.commands.execute('docmanager:save')")
        return nbformat.read(self.path, as_version=4)

    def evaluate(self, expression: str) -> Any:
        """Return the value of a Python expression in the notebook's kernel, as JSON carries it."""
        wrapped = f"__import__('json').dumps({expression})"
        reply = self._client.execute(
            "", silent=True, user_expressions={"value": wrapped}, reply=True, timeout=KERNEL_SECONDS
        )
        value = reply["content"]["user_expressions"]["value"]
        if value["status"] != "ok":
            raise AssertionError(f"{expression}: {value['ename']}: {value['evalue']}")
        return json.loads(ast.literal_eval(value["data"]["text/plain"]))

    def execute(self, code: str) -> None:
        """Run Python statements in the notebook's kernel, beside the cells."""
        reply = self._client.execute(code, silent=True, reply=True, timeout=KERNEL_SECONDS)["content"]
        if reply["status"] != "ok":
            raise AssertionError("\n".join(reply["traceback"]))

    def wait_for(self, expression: str, *, seconds: float = 20) -> Any:
        """Wait until a Python expression is true in the kernel, and return its value."""
        deadline = time.monotonic() + seconds
        while not (value := self.evaluate(expression)):
            if time.monotonic() > deadline:
                raise AssertionError(f"{expression} did not become true within {seconds} s; it is {value!r}.")
            # One frame of the page: what Python waits for comes from there.
            self.page.evaluate("() => new Promise(requestAnimationFrame)")
        return value

    def show(self, cells: Sequence[str]) -> Notebook:
        """Put these code cells in the place of those there are, and return the notebook."""
        self._in_lab(
            """
            const { content, model: { sharedModel } } = app.shell.currentWidget;
            const cells = argument.map((source) => ({
              cell_type: "code", source, outputs: [], execution_count: null, metadata: {},
            }));
            sharedModel.transact(() => {
              sharedModel.deleteCellRange(0, sharedModel.cells.length);
              sharedModel.insertCells(0, cells);
            });
            content.activeCellIndex = 0;
            content.mode = "command";
            """,
            list(cells),
        )
        expect(self.cells).to_have_count(len(cells))
        return self

    def clear(self) -> None:
        """Close the kernel's widgets, wait until the page has let them go, and leave one empty cell.

        What the cells imported and named stays in the kernel.
        """
        # Asked by the page, which hears of each widget's end before it hears that this is done.
        status = self._in_lab(
            "const { kernel } = app.shell.currentWidget.sessionContext.session;"
            "return (await kernel.requestExecute({ code: argument, silent: true }).done).content.status",
            "__import__('ipywidgets').Widget.close_all()",
        )
        assert status == "ok"
        self.show([""])
        expect(self.page.locator("[data-ncut-view]")).to_have_count(0)

    def close(self) -> None:
        """Shut the kernel down, whatever it is doing."""
        self._client.stop_channels()
        self.lab.request("DELETE", f"sessions/{self._session}")
