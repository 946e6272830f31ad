"""A session as files: a page that needs no kernel, and one that Python reads again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ncut_widgets._validation import check_positive_int, check_text
from ncut_widgets.widgets.session.files import load_session, save_session
from ncut_widgets.widgets.session.html import write_page
from ncut_widgets.widgets.session.resources import SessionAnswers

if TYPE_CHECKING:
    from ncut_widgets.widgets.session.session import Session


class SessionFiles(SessionAnswers):
    """What can be written of a session, and read."""

    def to_html(
        self,
        path: str | os.PathLike[str],
        *,
        title: str = "NCUT explorer",
        height: int = 640,
        tab: str = "explore",
        n_clusters: Sequence[int] | None = None,
        attributions: bool | Sequence[int] = False,
        channel_bytes: int = 8_000_000,
        progress: bool = True,
    ) -> Path:
        """Write the explorer of this session as one HTML file that needs no kernel and no network.

        Parameters
        ----------
        path : path
            Where to write; folders on the way are made.
        title : str
            The heading of the page.
        height : int, at least 160
            Of the views, in CSS pixels.
        tab : {"explore", "segment", "clusters", "channels"}
            Open at first. "channels" takes ``attributions``.
        n_clusters : sequence of int, optional
            The numbers of clusters that the file has, since nobody can be asked for others later; all by default.
        attributions : bool or sequence of int
            The numbers of clusters at which every cluster is traced to its channels; True for all that the file has. It
            takes a second and more for each number. Without any, the file has no tab for channels.
        channel_bytes : int
            How many bytes of maps the file may have of the channels that made most of any cluster, one byte per node
            and channel.
        progress : bool
            Show a bar. Colours that are on their way are waited for.

        Returns
        -------
        pathlib.Path
            The file written.

        Raises
        ------
        ValueError
            If a number of clusters is not to be had, there are no features to trace to, or the open tab would be one
            that the file does not have.
        """
        return write_page(
            self,
            Path(path),
            title=check_text(title, "title"),
            view={"height": check_positive_int(height, "height", minimum=160), "tab": tab},
            n_clusters=n_clusters,
            attributions=attributions,
            channel_bytes=channel_bytes,
            progress=progress,
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the whole session, images, features, clicks and camera included, as one file that `load` reads.

        Parameters
        ----------
        path : path
            By convention ``*.ncut``. Written whole or not at all.

        Returns
        -------
        pathlib.Path
            The file written: a zip of JSON, arrays and PNGs, without pickle.

        Examples
        --------
        >>> import tempfile, pathlib
        >>> import numpy as np, ncut_widgets as nw
        >>> grid = nw.PatchGrid([(40, 30)], [nw.PatchMap(0, 3, 4)])
        >>> session = nw.Session([np.zeros((30, 40, 3), np.uint8)], grid=grid, eigenvectors=np.eye(12)[:, :4])
        >>> session.clicks = [{"image": 0, "x": 12, "y": 7}]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     again = nw.Session.load(session.save(pathlib.Path(folder) / "mine.ncut"))
        >>> again.objects[0]["clicks"]
        [{'image': 0, 'x': 12.0, 'y': 7.0, 'positive': True}]
        """
        return save_session(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Session:
        """Return the session that `save` wrote.

        Parameters
        ----------
        path : path

        Returns
        -------
        Session
            With numpy features, where there were any. Hovering and colours on their way are not saved.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If it is none of `save`'s, is damaged, or was written by a newer version.
        """
        return load_session(cls, path)
