"""The explorer that tests look at: four photographs, eight eigenvectors."""

from __future__ import annotations

# The first explorer of a kernel computes; those after it show the same data anew.
DATA = """
import ncut_widgets as nw
if 'data' not in globals():
    names = ('images', 'features', 'eigenvectors', 'eigenvalues', 'rgb', 'coords')
    first = nw.explore(nw.sample_images()[:4], n_eig=8, progress=False).session
    data = {name: getattr(first, name) for name in names}
"""


def explorer_cells(*settings: str) -> list[str]:
    """Return two cells: the data, and the explorer that these statements are about, shown."""
    return [DATA, "\n".join(["explorer = nw.Explorer(nw.Session(**data))", *settings, "explorer"])]
