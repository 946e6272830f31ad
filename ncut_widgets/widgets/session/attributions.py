"""The channels of a session's features: their maps, and which of them made a target."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from typing import Any
from urllib.parse import unquote

import numpy as np
import traitlets

from ncut_widgets._validation import brief, check_in
from ncut_widgets.ncut import Ncut
from ncut_widgets.readouts import ChannelAttribution, channel_attribution
from ncut_widgets.readouts.attribution import METHODS
from ncut_widgets.widgets._trait_types import check_indices, lock_unless, state_lock
from ncut_widgets.widgets.session.masks import SessionMasks
from ncut_widgets.widgets.session.recent import Recent
from ncut_widgets.widgets.transport.event_loop import call_in
from ncut_widgets.widgets.transport.jobs import Progress

_NAME = re.compile(
    r"(?P<what>attribution|evidence)/(?P<method>[a-z_]{1,40})/"
    r"(?:clusters/(?P<count>[1-9][0-9]{0,8})(?:/(?P<row>0|[1-9][0-9]{0,8}))?|mask/(?P<mask>[^/]*)|nodes)"
)
MOST_ATTRIBUTIONS_KEPT = 8
_MOST_DELETED = 20
# What a session keeps of the `Ncut` that made its eigenvectors.
GRAPH_OPTIONS = ("affinity", "sigma", "n_sample", "solver")


class SessionChannels(SessionMasks):
    """What a session can tell of channels; `Session` explains the traits."""

    # How the graph was made that the eigenvectors come from.
    _graph: dict[str, Any]
    _attributions: Recent[ChannelAttribution]
    # In which the page asks, and observers expect to be called.
    _loop: asyncio.AbstractEventLoop | None = None

    attribution = traitlets.Instance(ChannelAttribution, allow_none=True, read_only=True)

    def attribute(
        self, *, method: str = "gradient", n_clusters: int | None = None, **options: Any
    ) -> ChannelAttribution:
        """Return which channels made each cluster, as views of channels show it; it is then in ``attribution``.

        Parameters
        ----------
        method : "gradient", "abs_gradient", "gradient_x_input" or "ablation"
        n_clusters : int, optional
            The session's own number if None.
        **options
            As in `channel_attribution`, such as ``region`` and ``n_maps``.

        Raises
        ------
        ValueError
            If the session has no features.
        """
        n_clusters = self.n_clusters if n_clusters is None else n_clusters
        found = self._attribute({"clusters": n_clusters}, method, False, **options)
        with state_lock:
            self.set_trait("attribution", found)
        return found

    def _attribute(
        self, target: dict[str, Any], method: str, progress: bool | Progress, **options: Any
    ) -> ChannelAttribution:
        features = self._needed_features("attributions")
        check_in(method, "method", METHODS)
        # In this order: `update` in another thread replaces the graph first.
        embedding = self._embedding
        graph = self._graph
        wanted: Any = target.get("nodes")
        if "clusters" in target:
            wanted = self._data.labels(target["clusters"]).astype(np.int64)
            options["n_eig"] = target["clusters"]
        elif "mask" in target:
            wanted = self._node_mask(target["mask"], target["source"])
        elif not wanted:
            raise ValueError("`selection` must hold the patches to attribute; it is empty. Select some.")
        key = json.dumps([method, embedding, str(sorted(options.items())), _digest(wanted)])
        options = {"n_maps": 0, "progress": progress} | options
        return self._attributions.get(
            key, lambda: channel_attribution(features, wanted, method=method, **graph, **options)
        )

    # -- what views ask for ------------------------------------------------------------------------------------

    def _channel_array(self, name: str, params: dict[str, Any], progress: Progress) -> np.ndarray:
        """`attribution/METHOD/TARGET`: (t, c) float32; `evidence/METHOD/TARGET`: (4, steps) float32."""
        found = _NAME.fullmatch(name)
        if not found or (found["row"] and found["what"] == "attribution"):
            raise ValueError(f"The session has no array named {brief(name)}.")
        what, method, kind = found["what"], found["method"], "clusters"
        row = int(found["row"] or 0)
        if found["count"]:
            target: dict[str, Any] = {"clusters": self._data.check_level(int(found["count"]))}
        elif found["mask"] is not None:
            kind, target = "mask", {"mask": self._object_in(unquote(found["mask"]), params), "source": params["source"]}
        else:
            n = self._data.grid.n_nodes
            kind = "nodes"
            target = {"nodes": check_indices(params.get("nodes", ()), "nodes", n, f"hold nodes from 0 to {n - 1}")}
        embedding = self._embedding
        part = 0.9 if what == "attribution" else 0.5
        made = self._attribute(target, method, lambda share: progress(part * share))
        if what == "attribution":
            call_in(self._loop, self._show_attribution, made, embedding)
            scores = made.scores
            if kind == "clusters":
                # A cluster that is empty has no row.
                table = np.zeros((target["clusters"], scores.shape[1]), np.float32)
                table[[_number(name) for name in made.target_names]] = scores
                return table
            return scores
        if kind == "clusters":
            there = [_number(name) for name in made.target_names]
            if row not in there:
                raise ValueError(f"Cluster {row} must have patches to be traced; got none. Choose another.")
            row = there.index(row)
        k = min(_MOST_DELETED, max(1, len(made.channel_names) // 2))
        curves = made.faithfulness(k, target=row, progress=lambda share: progress(part + 0.5 * share))
        random = curves.random[0].mean(0)
        return np.stack([curves.counts, curves.top[0], curves.bottom[0], random]).astype(np.float32)

    def _object_in(self, name: str, params: dict[str, Any]) -> dict[str, Any]:
        for item in params["objects"]:
            if item["name"] == name:
                return dict(item)
        raise ValueError(f"There is no object named {brief(name)}. Pass the name of one of `objects`.")

    def _show_attribution(self, found: ChannelAttribution, embedding: int) -> None:
        with lock_unless(lambda: self._jobs.closed) as locked:
            if locked and embedding == self._embedding:
                self.set_trait("attribution", found)


def graph_of(ncut: Ncut) -> dict[str, Any]:
    """Return the options of `channel_attribution` by which it makes the graph of a fitted cut anew."""
    values = (ncut.affinity, ncut.sigma_, ncut.n_sample, ncut.solver)
    return dict(zip(GRAPH_OPTIONS, values, strict=True))


def _number(name: str) -> int:
    """Of the cluster that a target is."""
    return int(name.removeprefix("cluster "))


def _digest(wanted: Any) -> str:
    return hashlib.sha1(np.ascontiguousarray(np.asarray(wanted)).tobytes(), usedforsecurity=False).hexdigest()
