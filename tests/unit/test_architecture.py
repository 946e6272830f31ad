"""Import rules that import-linter cannot check: the root package is lazy, and no module imports it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

import ncut_widgets

HEAVY = ("matplotlib", "plotly", "torchdr", "transformers", "umap", "anywidget", "ipywidgets")


def modules_loaded_by(statement: str) -> set[str]:
    """Return the top-level modules loaded in a fresh interpreter after `statement`."""
    script = f"{statement}\nimport json, sys\nprint(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("statement", ["import ncut_widgets", "import ncut_widgets.ncut"])
def test_import_loads_no_widget_or_plotting_library(statement):
    assert modules_loaded_by(statement).isdisjoint(HEAVY)


def test_explore_loads_no_library_that_it_does_not_use():
    explore = "nw.explore(nw.sample_images()[:1], n_eig=4, resolution=96, progress=False)"
    unused = {"matplotlib", "plotly", "skimage", "torchdr", "transformers", "umap"}
    assert modules_loaded_by(f"import ncut_widgets as nw\n{explore}").isdisjoint(unused)


def test_every_public_name_resolves():
    missing = [name for name in ncut_widgets.__all__ if not hasattr(ncut_widgets, name)]
    assert missing == []
    assert set(ncut_widgets.__all__) <= set(dir(ncut_widgets))


def test_unknown_name_raises():
    with pytest.raises(AttributeError, match="kway_nct"):
        _ = ncut_widgets.kway_nct


def test_only_command_line_imports_root():
    # The root exports every name, so an import from it could bypass the layers unnoticed.
    graph = grimp.build_graph("ncut_widgets", exclude_type_checking_imports=True)
    importers = graph.find_modules_that_directly_import("ncut_widgets")
    assert importers <= {"ncut_widgets.__main__", "ncut_widgets.cli"}


def test_no_module_hides_an_import_from_the_linter():
    package = Path(ncut_widgets.__file__).parent
    hiding = re.compile(r"\bimport_module\(|\b__import__\(")
    assert [str(path) for path in package.rglob("*.py") if hiding.search(path.read_text())] == []
