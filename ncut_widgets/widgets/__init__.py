"""Linked views of a session, in Jupyter and in an HTML file without a kernel."""

from ncut_widgets.widgets.explorer import Explorer, explore
from ncut_widgets.widgets.session import Session
from ncut_widgets.widgets.views.channel_bars import ChannelBars
from ncut_widgets.widgets.views.click_segmenter import ClickSegmenter
from ncut_widgets.widgets.views.cluster_panel import ClusterPanel
from ncut_widgets.widgets.views.embedding_scatter import EmbeddingScatter
from ncut_widgets.widgets.views.image_grid import ImageGrid

__all__ = [
    "ChannelBars",
    "ClickSegmenter",
    "ClusterPanel",
    "EmbeddingScatter",
    "Explorer",
    "ImageGrid",
    "Session",
    "explore",
]
