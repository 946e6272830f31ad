"""Every notebook runs from top to bottom in a fresh kernel, and is stored without outputs."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
CELL_SECONDS = 300

pytestmark = pytest.mark.notebook


def file_name(path: Path) -> str:
    return path.name


def test_notebooks_exist():
    assert [path.name for path in NOTEBOOKS if path.name.startswith("01_")]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=file_name)
def test_notebook_runs(path, tmp_path, monkeypatch):
    # Write files to a temporary folder, and ignore the user's kernels and profiles.
    for variable in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(variable, str(tmp_path / variable.lower()))
    work = tmp_path / "work"
    work.mkdir()
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook, kernel_name="python3", timeout=CELL_SECONDS, resources={"metadata": {"path": str(work)}}
    ).execute()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=file_name)
def test_notebook_is_valid_and_has_no_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert "widgets" not in notebook.metadata
    with_outputs = [cell.source for cell in notebook.cells if cell.get("outputs") or cell.get("execution_count")]
    assert with_outputs == [], "clear the outputs: .venv/bin/jupyter nbconvert --clear-output --inplace " + path.name
