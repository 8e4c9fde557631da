"""The forward of each block, by the block's name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from mvt_nas.plugins import Registry

MODULES: Registry[Callable[[int, Any, float], nn.Module]] = Registry("block module", "mvt_nas.blocks", suffix="module")
"""``(width, config, dropout) -> nn.Module`` that maps (B, width, H, W) to (B, width, H', W')."""
