"""The segmenter in JupyterLab and in an exported file, with a real mouse and real keys.

What Python would have for the same clicks says whether a mask is right: the kernel's session in JupyterLab, one with
the same data here for the exported file.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import ncut_widgets as nw
from hosts import LabHost, PageHost
from samples import explorer_cells
from segmenter import Segmenter


@pytest.fixture(scope="session")
def explored(tmp_path_factory) -> tuple[nw.Session, Path]:
    """A session for tests to give clicks, and the file that was written before it had any."""
    session = nw.explore(nw.sample_images()[:4], n_eig=8, progress=False).session
    path = tmp_path_factory.mktemp("segmenter") / "explorer.html"
    return session, session.to_html(path, tab="segment", progress=False)


@pytest.fixture
def lab_segmenter(shared_notebook, explored) -> Segmenter:
    notebook = shared_notebook(explorer_cells("explorer.tab = 'segment'"))
    notebook.run_all()
    return Segmenter(LabHost(notebook, 1), explored[0])


@pytest.fixture
def page_segmenter(offline_page, explored) -> Segmenter:
    return Segmenter(PageHost(offline_page, explored[1]), explored[0])


@pytest.fixture(params=["lab", "page"])
def segmenter(request) -> Segmenter:
    return request.getfixturevalue(f"{request.param}_segmenter")
