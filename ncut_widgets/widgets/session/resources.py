"""What a session answers its page: arrays at once, or from a thread if they take a while."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ncut_widgets._validation import brief
from ncut_widgets.export import check_objects
from ncut_widgets.widgets.session.attributions import SessionChannels
from ncut_widgets.widgets.session.colors import SessionColors
from ncut_widgets.widgets.session.exports import SessionExports
from ncut_widgets.widgets.session.traits import clip_n_eig
from ncut_widgets.widgets.transport.event_loop import running_loop
from ncut_widgets.widgets.transport.jobs import Jobs, Progress
from ncut_widgets.widgets.transport.messages import Outdated, reply_to

# What is computed beside the kernel's main thread.
_TAKES_A_WHILE = (
    *("labels/", "parents/", "cluster_colors/", "click_heat/", "refined", "export"),
    *("attribution/", "evidence/"),
)
# What depends on the eigenvectors; the version of the data counts other colors, too.
_OF_EMBEDDING = ("eigenvectors", "labels/", "parents/", "refined", "export", "attribution/", "evidence/")
_OF_VERSION = ("rgb", "coords", "cluster_colors/")


class SessionAnswers(SessionColors, SessionExports, SessionChannels):
    """The answers of a session.

    A request says all that its answer depends on: the `version` and the `embedding` of the data as the page knows them,
    and in its `params` the objects, their source, and how masks are refined and painted. What it leaves out is taken
    from the session as it is when the request comes, so that no answer depends on when it is computed.
    """

    _jobs: Jobs

    def _answer(self, _: Any, content: Any, __: list[Any]) -> None:
        self._loop = running_loop()
        known = {"embedding": self._embedding, "version": self._version}
        now = self._now()
        if isinstance(content, Mapping):
            known |= {key: content[key] for key in known if key in content}

        def find(name: str) -> np.ndarray:
            return self._unless_outdated(name, known, lambda: self._data.array(name))

        def compute(name: str, params: Any, progress: Progress) -> np.ndarray:
            return self._unless_outdated(name, known, lambda: self._array(name, self._stated(params, now), progress))

        reply_to(
            content,
            lambda message, buffers: self.send(message, buffers),
            find=find,
            compute=compute,
            takes_a_while=lambda name: name.startswith(_TAKES_A_WHILE),
            jobs=self._jobs,
        )

    def _now(self) -> dict[str, Any]:
        """What requests may leave out."""
        return {"objects": self.objects, "source": self.source, "refine": self.refine, "opacity": self.blend}

    def _stated(self, params: Any, now: dict[str, Any]) -> dict[str, Any]:
        """Return complete params, with objects in place of their names."""
        if params is not None and not isinstance(params, Mapping):
            raise TypeError(f"`params` must be a dict; got {brief(params)}.")
        stated = now | dict(params or {})
        sources = self._data.grid.sources
        if not isinstance(stated["source"], str) or stated["source"] not in sources:
            raise ValueError(f"`source` must be one of {brief(list(sources))}; got {brief(stated['source'])}.")
        named = {item["name"]: item for item in now["objects"]}
        objects = stated["objects"]
        if isinstance(objects, list):
            objects = [named.get(item, item) if isinstance(item, str) else item for item in objects]
        checked = check_objects(objects, self._data.scene, n_eig=self._data.click_eig)
        return stated | {"objects": [clip_n_eig(item, self._data.n_eig) for item in checked]}

    def _unless_outdated(self, name: str, known: dict[str, Any], find: Callable[[], np.ndarray]) -> np.ndarray:
        """Return what `find` finds, unless the data were or became others than the page asked about."""

        def check() -> None:
            if (name.startswith(_OF_EMBEDDING) and known["embedding"] != self._embedding) or (
                name.startswith(_OF_VERSION) and known["version"] != self._version
            ):
                raise Outdated("The data were replaced after this was asked for. Ask again.")

        check()
        array = find()
        check()
        return array

    def _array(self, name: str, params: dict[str, Any], progress: Progress) -> np.ndarray:
        if name.startswith("click_heat/"):
            return self._click_heat(name, progress)
        if name == "refined":
            return self._refined(params, progress)
        if name == "export":
            return self._exported(params, progress)
        if name.startswith(("attribution/", "evidence/")):
            return self._channel_array(name, params, progress)
        return self._data.array(name)
