"""Contents of the wheel and the sdist: both include the built front end, and widgets work from the wheel alone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WIDGETS = sorted(path.parent.name.replace("-", "_") for path in ROOT.glob("js/src/widgets/*/index.ts"))
BUNDLES = [f"ncut_widgets/static/{name}.js" for name in [*WIDGETS, "standalone"]]


def run(*command, **options):
    """Run a command and return its standard output; if it fails, the assertion message has its output."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def distributions(tmp_path_factory):
    """Return the folder with the sdist and the wheel built from it."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT))
    return folder


@pytest.fixture(scope="module")
def wheel(distributions):
    (path,) = distributions.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


@pytest.fixture(scope="module")
def sdist(distributions):
    (path,) = distributions.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        yield archive


@pytest.fixture(scope="module")
def installed(distributions, tmp_path_factory):
    """Return a folder into which only the wheel is installed."""
    (path,) = distributions.glob("*.whl")
    target = tmp_path_factory.mktemp("site")
    run(sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--target", str(target), str(path))
    return target


def sdist_names(sdist):
    return {name.split("/", 1)[1] for name in sdist.getnames() if "/" in name}


def test_wheel_contains_bundles_and_licenses(wheel):
    names = set(wheel.namelist())
    assert set(BUNDLES) <= names
    assert {"ncut_widgets/static/THIRD_PARTY_LICENSES.txt", "ncut_widgets/py.typed"} <= names
    assert any(re.fullmatch(r"ncut_widgets-.*\.dist-info/licenses/LICENSE", name) for name in names)


def test_wheel_contains_only_the_package(wheel):
    outside = {name for name in wheel.namelist() if not re.match(r"ncut_widgets(-[^/]+\.dist-info)?/", name)}
    assert outside == set()
    assert not [name for name in wheel.namelist() if "node_modules" in name or name.endswith((".map", ".ts", ".pyc"))]


def test_sdist_builds_without_node(sdist):
    # The wheel of the fixture is built from this sdist, which includes the bundles.
    names = sdist_names(sdist)
    assert set(BUNDLES) <= names
    assert {"LICENSE", "Makefile", "constraints.txt", "package-lock.json", "js/build.mjs", ".npmrc"} <= names
    assert not [name for name in names if "node_modules" in name or name.endswith((".map", ".pyc"))]


@pytest.mark.parametrize("bundle", BUNDLES)
def test_bundle_is_minified_without_build_paths(wheel, bundle):
    text = wheel.read(bundle).decode()
    assert "sourceMappingURL" not in text
    assert str(ROOT) not in text
    assert len(text.splitlines()) < len(text) / 100


def test_installed_widgets_work_without_node_or_sources(installed, tmp_path):
    script = f"""
import numpy, PIL.Image, ncut_widgets as nw
assert nw.__file__.startswith({str(installed)!r}), nw.__file__
grid = nw.PatchGrid([(40, 30)], [nw.PatchMap(0, 3, 4)])
session = nw.Session([PIL.Image.new("RGB", (40, 30))], grid=grid, eigenvectors=numpy.eye(12)[:, :4])
views = [nw.ImageGrid(session), nw.EmbeddingScatter(session), nw.Explorer(session)]
print(all(len(str(widget._esm)) > 1000 for widget in (session, *views)))
"""
    environment = {**os.environ, "PATH": str(tmp_path), "PYTHONPATH": str(installed)}
    assert run(sys.executable, "-c", script, cwd=tmp_path, env=environment).strip() == "True"


def test_pinned_versions_have_no_urls_or_cuda_packages():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert "torch==2.13.0" in pins
    assert [line for line in pins if not re.match(r"[a-z0-9._-]+==\S+( ; .*)?$", line)] == []
    assert [line for line in pins if line.startswith(("nvidia-", "cuda-", "triton"))] == []
    assert '"resolved"' not in (ROOT / "package-lock.json").read_text()
