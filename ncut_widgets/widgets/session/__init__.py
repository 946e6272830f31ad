"""The session: images, their embedding, and the state that all views share."""

from ncut_widgets.widgets.session.session import Session

__all__ = ["Session"]
