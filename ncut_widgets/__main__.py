"""Command line: `python -m ncut_widgets demo` writes an explorer of the sample photographs to one HTML file."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

# Cluster counts for which the demo computes channel attributions. The page opens with 8; each takes a few seconds.
_ATTRIBUTED_CLUSTER_COUNTS = (4, 8)
_started = time.perf_counter()


@contextmanager
def _step(title: str) -> Iterator[None]:
    started = time.perf_counter()
    print(f"{title} ...", flush=True)
    yield
    print(f"    {time.perf_counter() - started:.1f} s", flush=True)


def demo(output: Path) -> None:
    """Write an explorer of the sample photographs to `output`; print each step and its duration."""
    with _step("Importing ncut_widgets"):
        from ncut_widgets import explore, sample_images
    with _step("Loading the sample photographs"):
        images = sample_images()
    with _step(f"explore(): features, Normalized Cut and colors of {len(images)} images"):
        explorer = explore(images)
    with _step(f"Writing {output}"):
        output.parent.mkdir(parents=True, exist_ok=True)
        explorer.to_html(output, attributions=_ATTRIBUTED_CLUSTER_COUNTS)
    print(f"Done in {time.perf_counter() - _started:.1f} s: {output} ({output.stat().st_size / 1e6:.1f} MB)")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command given by `arguments` (default: the command line)."""
    parser = argparse.ArgumentParser(prog="python -m ncut_widgets", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("demo", help="write an explorer of the sample photographs to one HTML file")
    command.add_argument("--output", type=Path, default=Path("demo/explorer.html"), help="default: %(default)s")
    demo(parser.parse_args(arguments).output)


if __name__ == "__main__":
    main()
