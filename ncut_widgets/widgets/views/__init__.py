"""Views of a session: one file per view, named like its front end in `js/src/widgets`."""

from ncut_widgets.widgets.views.channel_bars import ChannelBars
from ncut_widgets.widgets.views.click_segmenter import ClickSegmenter
from ncut_widgets.widgets.views.cluster_panel import ClusterPanel
from ncut_widgets.widgets.views.embedding_scatter import EmbeddingScatter
from ncut_widgets.widgets.views.image_grid import ImageGrid

__all__ = ["ChannelBars", "ClickSegmenter", "ClusterPanel", "EmbeddingScatter", "ImageGrid"]
