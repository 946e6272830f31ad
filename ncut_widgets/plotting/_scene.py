"""What the plots need, from a session or from plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from PIL import Image

from ncut_widgets._validation import to_tensor
from ncut_widgets.grid import PatchGrid
from ncut_widgets.readouts import similarity_heatmap

__all__ = ["PAINTED", "Scene", "SessionLike", "gather", "needed", "node_table", "of_layer", "session_of"]


# The layers whose colors are the session's own business.
PAINTED = ("clusters", "masks", "channels")


@runtime_checkable
class SessionLike(Protocol):
    """What the plots need of a session, so that they can take one in place of arrays."""

    @property
    def images(self) -> Sequence[Image.Image]: ...
    @property
    def grid(self) -> PatchGrid: ...
    @property
    def eigenvectors(self) -> np.ndarray: ...
    @property
    def rgb(self) -> np.ndarray: ...
    @property
    def coords(self) -> np.ndarray: ...


def session_of(images: Any) -> Any:
    """A view stands for its session; anything else for itself."""
    session = getattr(images, "session", None)
    return session if isinstance(session, SessionLike) else images


def of_layer(session: SessionLike, layer: str) -> dict[str, Any]:
    """What a session has to be asked for to show a layer, by the names of `plot_images`."""
    if layer in PAINTED and hasattr(session, "layer_colors"):
        return {"painted": session.layer_colors(layer)}
    if layer == "heatmap" and hasattr(session, "selection"):
        if not session.selection:
            raise ValueError(
                "The layer 'heatmap' needs a selected patch; `session.selection` is empty. Select one, or pass "
                "`heatmap`."
            )
        vectors = session.eigenvectors
        heats = [similarity_heatmap(vectors, vectors[node]) for node in session.selection]
        return {"heatmap": np.max(heats, axis=0)}
    return {}


class Scene(NamedTuple):
    """What was passed, a session's own arrays standing in for those that were not."""

    images: Sequence[Image.Image]
    grid: PatchGrid
    rgb: np.ndarray | None
    eigenvectors: np.ndarray | None
    labels: np.ndarray | None
    heatmap: np.ndarray | None
    # (n, 4): of a layer that the session paints itself.
    painted: np.ndarray | None = None


def gather(images: SessionLike | Sequence[Image.Image], grid: PatchGrid | None, **arrays: Any) -> Scene:
    pictures: Sequence[Image.Image]
    if isinstance(images, SessionLike):
        pictures, grid = images.images, grid or images.grid
        own = {"rgb": images.rgb, "eigenvectors": images.eigenvectors}
        arrays = {**arrays, **{name: array for name, array in own.items() if arrays.get(name) is None}}
    else:
        pictures = images
    if grid is None:
        raise ValueError("`grid` is needed with a sequence of images. Pass `features.grid`, or a session.")
    if len(pictures) != grid.n_images:
        raise ValueError(
            f"`images` must be the {grid.n_images} images of `grid`; got {len(pictures)}. Pass all of them."
        )
    n = grid.n_nodes
    given = {name: array for name, array in arrays.items() if array is not None}
    return Scene(
        pictures,
        grid,
        rgb=node_table(given["rgb"], "rgb", n, columns=3) if "rgb" in given else None,
        eigenvectors=node_table(given["eigenvectors"], "eigenvectors", n) if "eigenvectors" in given else None,
        labels=node_table(given["labels"], "labels", n, flat=True).astype(np.int64) if "labels" in given else None,
        heatmap=node_table(given["heatmap"], "heatmap", n, flat=True) if "heatmap" in given else None,
        painted=given.get("painted"),
    )


def node_table(values: Any, name: str, n: int, *, columns: int | None = None, flat: bool = False) -> np.ndarray:
    array = to_tensor(values, name)[0].detach().cpu().float().numpy()
    fits = (
        array.shape == (n,) if flat else array.ndim == 2 and array.shape[0] == n and columns in (None, array.shape[1])
    )
    if not fits:
        wanted = f"({n},)" if flat else f"({n}, {columns or 'n_eig'})"
        raise ValueError(f"`{name}` must be of shape {wanted}, one row per node; got {array.shape}. Pass all nodes.")
    return array


def needed(array: np.ndarray | None, name: str, what: str) -> np.ndarray:
    if array is None:
        raise ValueError(f"`{name}` is needed for {what}. Pass one value or row per node.")
    return array
