"""Linked views of one session, for Jupyter and for one HTML file without a kernel."""

from ncut_widgets.widgets.channel_bars import ChannelBars
from ncut_widgets.widgets.click_segmenter import ClickSegmenter
from ncut_widgets.widgets.cluster_panel import ClusterPanel
from ncut_widgets.widgets.embedding_scatter import EmbeddingScatter
from ncut_widgets.widgets.explorer import Explorer, explore
from ncut_widgets.widgets.image_grid import ImageGrid
from ncut_widgets.widgets.session import Session

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
