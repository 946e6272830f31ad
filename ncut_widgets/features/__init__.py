"""Images -> features: loading pictures, and the backbones that describe their patches."""

from .combine import concat
from .extractor import extract_features
from .images import load_images, sample_images
from .maps import FeatureMaps
from .multiscale import Multiscale
from .relative import AnchorAlignment

__all__ = [
    "AnchorAlignment",
    "FeatureMaps",
    "Multiscale",
    "concat",
    "extract_features",
    "load_images",
    "sample_images",
]
