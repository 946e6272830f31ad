"""Loading of images, and extraction of patch features with backbones."""

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
