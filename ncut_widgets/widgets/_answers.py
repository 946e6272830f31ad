"""What a session answers its page: arrays at once, or from a thread where they take a while."""

from __future__ import annotations

from typing import Any

import numpy as np

from ncut_widgets.widgets._channels import SessionChannels
from ncut_widgets.widgets._colors import SessionColors
from ncut_widgets.widgets._exports import SessionExports
from ncut_widgets.widgets._jobs import Jobs, Progress
from ncut_widgets.widgets._loop import running_loop
from ncut_widgets.widgets._wire import reply_to

# What is computed beside the kernel's main thread.
_TAKES_A_WHILE = (
    *("labels/", "parents/", "cluster_colors/", "click_heat/", "refined", "export"),
    *("attribution/", "evidence/"),
)


class SessionAnswers(SessionColors, SessionExports, SessionChannels):
    """The answers of a session."""

    _jobs: Jobs

    def _answer(self, _: Any, content: Any, __: list[Any]) -> None:
        self._loop = running_loop()
        reply_to(
            content,
            lambda message, buffers: self.send(message, buffers),
            find=self._data.array,
            compute=self._array,
            takes_a_while=lambda name: str(name).startswith(_TAKES_A_WHILE),
            jobs=self._jobs,
        )

    def _array(self, name: str, params: Any, progress: Progress) -> np.ndarray:
        if name.startswith("click_heat/"):
            return self._click_heat(name, progress)
        if name == "refined":
            return self._refined(params, progress)
        if name == "export":
            return self._exported(params, progress)
        if name.startswith(("attribution/", "evidence/")):
            return self._channel_array(name, params, progress)
        return self._data.array(name)
