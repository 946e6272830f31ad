"""Export of an explorer as one HTML file, which contains data and views and needs neither kernel nor network."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from ._files import replacing

# Makes the browser block all requests: only scripts, styles and images inside the file are allowed.
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src blob: data:"

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>
<div id="ncut-explorer"></div>
<noscript>This page needs JavaScript.</noscript>
</main>
<script type="application/json" id="ncut-manifest">{manifest}</script>
{arrays}
<script>{script}</script>
</body>
</html>
"""


def write_html(
    path: Path, state: Mapping[str, Any], arrays: Mapping[str, np.ndarray], *, title: str, view: Mapping[str, Any]
) -> Path:
    """Write an explorer as one HTML file and return its path.

    Parameters
    ----------
    path : pathlib.Path
        The file to write; missing folders are created.
    state : mapping
        The session's traits, as JSON values.
    arrays : mapping of str to array
        Arrays by the names that views request.
    title : str
        The heading of the page.
    view : mapping
        The explorer's traits: its height in CSS pixels and its open tab.
    """
    static = resources.files("ncut_widgets") / "static"
    blocks = [
        f'<script type="text/plain" data-ncut-array="{html.escape(name)}" data-dtype="{array.dtype.name}" '
        f'data-shape="{json.dumps(array.shape)}">{base64.b64encode(array.tobytes()).decode()}</script>'
        for name, array in arrays.items()
    ]
    page = _PAGE.format(
        policy=html.escape(_POLICY),
        title=html.escape(title),
        style=(static / "standalone.css").read_text("utf-8"),
        manifest=_json({"session": dict(state), "explorer": dict(view)}),
        arrays="\n".join(blocks),
        script=_javascript((static / "standalone.js").read_text("utf-8")),
    )
    with replacing(path) as file:
        # Names of images may contain characters that UTF-8 cannot encode, as in Latin-1 file names on Linux.
        file.write(page.encode("utf-8", errors="replace"))
    return path


def _json(value: Any) -> str:
    """Return JSON in which no text, such as a user-defined name, can open or close an HTML element."""
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c")


def _javascript(text: str) -> str:
    """Escape closing script tags (case-insensitive, as in HTML) and comments in strings of the script."""
    return re.sub("</(?=script)", r"<\\/", text, flags=re.IGNORECASE).replace("<!--", "<\\x21--")
