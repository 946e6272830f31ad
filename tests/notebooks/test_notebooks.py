"""Every notebook runs from top to bottom in a fresh kernel, and is stored without outputs."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
CELL_SECONDS = 300

pytestmark = pytest.mark.notebook


def named(path: Path) -> str:
    return path.name


def test_there_are_notebooks():
    assert [path.name for path in NOTEBOOKS if path.name.startswith("01_")]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=named)
def test_a_notebook_runs(path, tmp_path, monkeypatch):
    # What it writes goes where it runs, and no kernel or profile of the user's is taken for the project's own.
    for variable in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(variable, str(tmp_path / variable.lower()))
    work = tmp_path / "work"
    work.mkdir()
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook, kernel_name="python3", timeout=CELL_SECONDS, resources={"metadata": {"path": str(work)}}
    ).execute()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=named)
def test_a_notebook_is_valid_and_stored_without_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert "widgets" not in notebook.metadata
    ran = [cell.source for cell in notebook.cells if cell.get("outputs") or cell.get("execution_count")]
    assert ran == [], "clear the outputs: .venv/bin/jupyter nbconvert --clear-output --inplace " + path.name
