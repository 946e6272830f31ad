"""The command line `python -m ncut_widgets`."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from ncut_widgets.__main__ import main


def test_demo_writes_explorer_and_prints_step_times(tmp_path):
    output = tmp_path / "new folder" / "explorer.html"
    command = [sys.executable, "-m", "ncut_widgets", "demo", "--output", str(output)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    arrays = set(re.findall(r'data-ncut-array="([^"]+)"', output.read_text()))
    assert {"eigenvectors", "labels/8", "attribution/gradient/clusters/8", "channel_ranges", "channel_map/0"} <= arrays
    steps = re.findall(r"^\S.* \.\.\.\n    (\d+\.\d) s$", done.stdout, re.MULTILINE)
    total = re.search(r"^Done in (\d+\.\d) s: (.*) \(", done.stdout, re.MULTILINE)
    assert len(steps) == 4
    assert total.group(2) == str(output)
    assert sum(map(float, steps)) <= float(total.group(1)) + 0.2


def test_unknown_command_exits_with_error(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["dmeo"])
    assert "invalid choice: 'dmeo'" in capsys.readouterr().err
