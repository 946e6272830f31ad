"""Attribute clusters and masks to feature channels, and check the attributions by ablation."""

from __future__ import annotations

from .backbone import backbone_attribution
from .channels import channel_attribution
from .faithfulness import Faithfulness, PermutedTargets
from .methods import METHODS
from .result import ChannelAttribution, RankedChannel

__all__ = [
    "METHODS",
    "ChannelAttribution",
    "Faithfulness",
    "PermutedTargets",
    "RankedChannel",
    "backbone_attribution",
    "channel_attribution",
]
