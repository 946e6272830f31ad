"""Images -> features: loading pictures, and the backbones that describe their patches."""

from .extractor import FeatureMaps, concat, extract_features
from .images import load_images, sample_images
from .multiscale import Multiscale

__all__ = ["FeatureMaps", "Multiscale", "concat", "extract_features", "load_images", "sample_images"]
