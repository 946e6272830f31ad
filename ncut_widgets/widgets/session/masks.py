"""The objects of a session: named masks with their clicks."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import traitlets
from PIL import Image

from ncut_widgets._validation import brief, check_in, check_number, check_positive_int, to_numpy
from ncut_widgets.export import check_objects
from ncut_widgets.features import FeatureMaps
from ncut_widgets.readouts import ClickMask, ClickNcut, refine_mask
from ncut_widgets.readouts.masks import box_nodes, drop_specks
from ncut_widgets.widgets._trait_types import Checked, check_indices
from ncut_widgets.widgets.session.recent import Recent
from ncut_widgets.widgets.session.traits import REFINE, SessionState
from ncut_widgets.widgets.transport.jobs import Progress

# As long as the pictures that views get: refined masks on the page are drawn over these.
_LONGEST_SIDE = 1024
RESOLUTIONS = ("patch", "pixel")
MOST_MASKS_KEPT = 64
_NODES = r"(?:[0-9]{1,9}(?:,[0-9]{1,9})*)?"
_HEAT_NAME = re.compile(rf"click_heat/({_NODES})/({_NODES})/([0-9]\.[0-9]{{3}})")
_OPTIONS = ("threshold", "gamma", "negative_threshold", "denoise", "n_eig")


def quiet(_: float) -> None:
    """Nobody is told how far it is."""


class SessionMasks(SessionState):
    """What a session can do with its objects; `Session` explains the traits."""

    _heats: Recent[np.ndarray]
    _node_masks: Recent[np.ndarray]

    # A part of `objects`, which is what views see.
    clicks = Checked([], lambda session, value, _: _check_clicks(session._data.scene, value)).tag(sync=False)

    def masks(
        self, names: Sequence[str] | None = None, *, resolution: str = "patch", refine: str | None = None
    ) -> dict[str, list[np.ndarray]]:
        """Return the mask of each object in each image.

        Parameters
        ----------
        names : sequence of str, optional
            Of the objects; all by default.
        resolution : "patch" or "pixel"
            Of the present source's patches, or of the images.
        refine : "none", "guided" or "crf", optional
            How patches become pixels: as squares, or along the edges of the image, see `refine_mask`. As the views
            show it by default. Without effect on patches.

        Returns
        -------
        dict of str to list of bool array of shape (rows, columns) or (height, width)
            By the object's name, one for each image. Of an image that the source doesn't show: all False, and at
            "patch" of shape (0, 0).

        Raises
        ------
        ValueError
            If there is no such object.

        Examples
        --------
        >>> import numpy as np, ncut_widgets as nw
        >>> grid = nw.PatchGrid([(40, 30)], [nw.PatchMap(0, 3, 4)])
        >>> session = nw.Session([np.zeros((30, 40, 3), np.uint8)], grid=grid, eigenvectors=np.eye(12)[:, :4])
        >>> session.objects = [{"name": "corner", "clicks": [{"image": 0, "x": 2, "y": 2}], "denoise": 0}]
        >>> session.masks()["corner"][0].astype(int)
        array([[1, 0, 0, 0],
               [0, 0, 0, 0],
               [0, 0, 0, 0]])
        """
        check_in(resolution, "resolution", RESOLUTIONS)
        refine = self.refine if refine is None else check_in(refine, "refine", REFINE)
        chosen = self.objects if names is None else [self._object(name) for name in names]
        return self._masks_of(chosen, resolution, refine, self.source, quiet)

    def segmenter(self, name: str) -> ClickMask | ClickNcut:
        """Return the object's clicks as a fitted estimator, which finds it in new images.

        Parameters
        ----------
        name : str
            Of the object.

        Returns
        -------
        ClickMask or ClickNcut
            By the object's method. `ClickMask.predict` takes the eigenvectors of new images, as the `transform` of
            ``session.ncut`` returns them; `ClickNcut.transform` takes their features and returns a heatmap.

        Raises
        ------
        ValueError
            If there is no such object, or features are needed and the session has none.

        Examples
        --------
        >>> import ncut_widgets as nw
        >>> left, right, other = nw.sample_images()[-3:]
        >>> session = nw.explore([left, right], backbone="multiscale", progress=False).session
        >>> session.clicks = [{"image": 0, "x": 220, "y": 100}]
        >>> new = nw.extract_features([other], backbone="multiscale", progress=False)
        >>> masks = session.segmenter("object 1").predict(session.ncut.transform(new), grid=new.grid)
        >>> new.grid.split(masks)[0].ndim
        2
        """
        return self._segmenter(self._object(name), self.source)

    # -- clicks are those of the active object ---------------------------------------------------------------

    @traitlets.observe("objects", "active")
    def _mirror_clicks(self, change: Any) -> None:
        if change["name"] == "objects" and not change["old"] and self.objects and self.active is None:
            # Whoever clicks next goes on with the first of those that were given.
            self.active = 0
        if self.active is not None and self.active >= len(self.objects):
            self.active = len(self.objects) - 1 if self.objects else None
        self.clicks = [] if self.active is None else self.objects[self.active]["clicks"]

    @traitlets.observe("clicks")
    def _place_clicks(self, change: Any) -> None:
        clicks, objects = change["new"], list(self.objects)
        if self.active is None:
            if not clicks:
                return
            # Together, or whoever observes the clicks would see those of no object in between.
            with self.hold_trait_notifications():
                self.objects = [*objects, {"clicks": clicks}]
                self.active = len(objects)
        elif objects[self.active]["clicks"] != clicks:
            objects[self.active] = objects[self.active] | {"clicks": clicks}
            self.objects = objects

    # -- from clicks to masks ----------------------------------------------------------------------------------

    def _object(self, name: str) -> dict[str, Any]:
        found = [item for item in self.objects if item["name"] == name]
        if not found:
            names = [item["name"] for item in self.objects]
            raise ValueError(f"`name` must be the name of an object, one of {brief(names)}; got {brief(name)}.")
        return dict(found[0])

    def _segmenter(self, item: dict[str, Any], source: str) -> ClickMask | ClickNcut:
        if item["method"] == "ncut":
            ncut = ClickNcut(click_weight=item["click_weight"])
            return ncut.fit(self._needed_features(), *self._graph_prompts(item, source))
        data, boxes = self._data, self._boxes(item, source)
        return ClickMask(**{key: item[key] for key in _OPTIONS}).fit(
            data.eigenvectors,
            *self._prompts(item, source),
            positive_boxes=boxes[True],
            negative_boxes=boxes[False],
            grid=data.grid,
            source=source,
        )

    def _shows(self, image: int, source: str) -> bool:
        return any(m.image == image and m.source == source for m in self._data.grid.maps)

    def _prompts(self, item: dict[str, Any], source: str) -> tuple[list[int], list[int]]:
        """The nodes of the positive and of the negative clicks, in images that the source shows."""
        signs: dict[bool, list[int]] = {True: [], False: []}
        for click in item["clicks"]:
            if self._shows(click["image"], source):
                node = self._data.grid.node_at(click["image"], click["x"], click["y"], source)
                signs[click["positive"]].append(node)
        return signs[True], signs[False]

    def _boxes(self, item: dict[str, Any], source: str) -> dict[bool, list[tuple[float, ...]]]:
        """(image, x0, y0, x1, y1) of the positive and of the negative boxes, in images that the source shows."""
        signs: dict[bool, list[tuple[float, ...]]] = {True: [], False: []}
        for box in item["boxes"]:
            if self._shows(box["image"], source):
                signs[box["positive"]].append(tuple(box[key] for key in ("image", "x0", "y0", "x1", "y1")))
        return signs

    def _graph_prompts(
        self, item: dict[str, Any], source: str, eigenvectors: Any = None
    ) -> tuple[list[int], list[int]]:
        """The nodes that take part in a cut: those of the clicks, and one for each box, by these eigenvectors."""
        rows = torch.from_numpy((self._data.eigenvectors if eigenvectors is None else eigenvectors)[:, : item["n_eig"]])
        boxes = self._boxes(item, source)
        positive, negative = (
            nodes + box_nodes(rows, boxes[sign], "boxes", self._data.grid, source)
            for nodes, sign in zip(self._prompts(item, source), (True, False), strict=True)
        )
        return positive, negative

    def _needed_features(self, what: str = "masks of the method 'ncut'") -> FeatureMaps:
        if self._features is None:
            raise ValueError(
                f"`features` are needed for {what}, and this session has none. Pass `features` to Session."
            )
        return self._features

    def _node_mask(self, item: dict[str, Any], source: str) -> np.ndarray:
        """(n,) bool; kept for a while, since each image is refined by a request of its own."""
        recipe = {key: value for key, value in item.items() if key not in ("name", "color", "visible")}
        key = json.dumps([recipe, source, self._embedding], sort_keys=True)
        return self._node_masks.get(key, lambda: self._compute_mask(item, source))

    def _compute_mask(self, item: dict[str, Any], source: str) -> np.ndarray:
        n = self._data.grid.n_nodes
        if item["method"] == "ncut":
            prompts = self._graph_prompts(item, source)
            if not prompts[0]:
                return np.zeros(n, bool)
            heat = self._click_heat(heat_name(prompts, item["click_weight"]), quiet)
            mask: np.ndarray = heat > item["threshold"]
            return drop_specks(mask, self._data.grid, item["denoise"]) if item["denoise"] > 1 else mask
        if not self._prompts(item, source)[0] and not self._boxes(item, source)[True]:
            return np.zeros(n, bool)
        found: np.ndarray = self._segmenter(item, source).predict(self._data.eigenvectors, grid=self._data.grid)
        return found

    def _masks_of(
        self, objects: Sequence[dict[str, Any]], resolution: str, refine: str, source: str, progress: Progress
    ) -> dict[str, list[np.ndarray]]:
        grid, done = self._data.grid, 0
        masks: dict[str, list[np.ndarray]] = {}
        total = max(1, len(objects) * grid.n_images)
        for item in objects:
            nodes = grid.split(self._node_mask(item, source))
            maps = {m.image: mask for m, mask in zip(grid.maps, nodes, strict=True) if m.source == source}
            of_images = masks[item["name"]] = []
            for index, image in enumerate(self._data.images):
                patches = maps.get(index, np.zeros((0, 0), bool))
                of_images.append(patches.copy() if resolution == "patch" else _to_pixels(patches, image, refine))
                done += 1
                progress(done / total)
        return masks

    # -- what views ask for ------------------------------------------------------------------------------------

    def _click_heat(self, name: str, progress: Progress) -> np.ndarray:
        """(n,) float32: the heat of clicks cut with the graph; `name` is `heat_name`'s."""
        return self._heats.get(name, lambda: self._compute_heat(name, progress))

    def _compute_heat(self, name: str, progress: Progress) -> np.ndarray:
        positive, negative, weight = parse_heat_name(name, self._data.grid.n_nodes)
        # At the sigma that `Ncut` finds. With one as sharp as suits clusters, masks of a click overlapped what people
        # outline by 0.28 instead of 0.53.
        ncut = ClickNcut(click_weight=weight).fit(self._needed_features(), positive, negative)
        progress(0.9)
        return to_numpy(ncut.heatmap_).astype(np.float32, copy=False)

    def _refined(self, params: dict[str, Any], progress: Progress) -> np.ndarray:
        """(k, h, w) uint8: the masks of objects in one image, of the size that views show."""
        index = check_positive_int(params.get("image"), "image", minimum=0, maximum=len(self._data.images) - 1)
        method = check_in(params.get("method"), "method", REFINE)
        source, objects = params["source"], params["objects"]
        image = self._data.images[index].copy()
        image.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE), Image.Resampling.LANCZOS)
        grid, masks = self._data.grid, np.zeros((len(objects), image.height, image.width), np.uint8)
        for done, item in enumerate(objects):
            progress(done / len(objects))
            if self._shows(index, source):
                patches = grid.split(self._node_mask(item, source))[grid.find(index, source)]
                masks[done] = _to_pixels(patches, image, method)
        return masks


def _check_clicks(scene: Any, clicks: Any) -> list[dict[str, Any]]:
    try:
        return list(check_objects([{"clicks": clicks}], scene)[0]["clicks"])
    except (TypeError, ValueError) as error:
        raise type(error)(str(error).replace("objects[0].", "")) from error


def heat_name(prompts: tuple[Sequence[int], Sequence[int]], click_weight: float) -> str:
    """Return the name by which views ask for the heat of clicks, as in js/.../kernel.ts: all that it depends on."""
    positive, negative = (",".join(map(str, nodes)) for nodes in prompts)
    return f"click_heat/{positive}/{negative}/{click_weight:.3f}"


def parse_heat_name(name: str, n_nodes: int) -> tuple[list[int], list[int], float]:
    """Return the nodes and the weight in a name that `heat_name` made, or raise an error if it made no such name."""
    found = _HEAT_NAME.fullmatch(name)
    if not found:
        raise ValueError(f"`name` must be click_heat/NODES/NODES/WEIGHT; got {brief(name)}.")
    positive, negative = (
        check_indices([int(node) for node in part.split(",") if node], "name", n_nodes, f"have nodes below {n_nodes}")
        for part in found.groups()[:2]
    )
    return positive, negative, check_number(float(found[3]), "click_weight", low=0, high=1)


def _to_pixels(patches: np.ndarray, image: Image.Image, refine: str) -> np.ndarray:
    if not patches.any():
        return np.zeros((image.height, image.width), bool)
    if refine != "none":
        return np.asarray(refine_mask(patches, image, method=refine))
    # As the grid has it: a pixel belongs to the patch that covers its top left corner.
    rows = np.arange(image.height) * patches.shape[0] // image.height
    columns = np.arange(image.width) * patches.shape[1] // image.width
    squares: np.ndarray = patches[rows[:, None], columns]
    return squares
