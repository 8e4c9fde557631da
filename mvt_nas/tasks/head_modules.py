"""Registry of the modules of the tasks' heads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from mvt_nas.registry import Registry

HEAD_MODULES: Registry[Callable[[Any, Sequence[int], float], nn.Module]] = Registry(
    "task head module", "mvt_nas.tasks", suffix="module"
)
"""Constructor of each task's head, by the task's name: ``(task, widths of the maps, dropout) ->
nn.Module``, which takes images (B, 3, H, W) and the maps, each (B, C, h, w)."""
