"""Neural architecture search for mobile vision transformers: the public Python interface.

Names are loaded when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mvt_nas._version import __version__ as __version__

if TYPE_CHECKING:
    from mvt_nas.checkpoints import load_checkpoint
    from mvt_nas.cost.counts import Counts, count
    from mvt_nas.cost.table import CostTable
    from mvt_nas.errors import MvtNasError
    from mvt_nas.models.network import Network, build_model
    from mvt_nas.nas.api import search
    from mvt_nas.nas.runs.run import Run
    from mvt_nas.pareto import hypervolume, knee, pareto_front
    from mvt_nas.space.architecture import Architecture, Stage
    from mvt_nas.space.published import published, published_names, zoo
    from mvt_nas.space.search_space import SearchSpace, load_space

_HOMES = {
    "Architecture": "space.architecture",
    "CostTable": "cost.table",
    "Counts": "cost.counts",
    "MvtNasError": "errors",
    "Network": "models.network",
    "Run": "nas.runs.run",
    "SearchSpace": "space.search_space",
    "Stage": "space.architecture",
    "build_model": "models.network",
    "count": "cost.counts",
    "hypervolume": "pareto",
    "knee": "pareto",
    "load_checkpoint": "checkpoints",
    "load_space": "space.search_space",
    "pareto_front": "pareto",
    "published": "space.published",
    "published_names": "space.published",
    "search": "nas.api",
    "zoo": "space.published",
}

__all__ = [
    "Architecture",
    "CostTable",
    "Counts",
    "MvtNasError",
    "Network",
    "Run",
    "SearchSpace",
    "Stage",
    "build_model",
    "count",
    "hypervolume",
    "knee",
    "load_checkpoint",
    "load_space",
    "pareto_front",
    "published",
    "published_names",
    "search",
    "zoo",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mvt_nas' has no attribute {name!r}")
    return getattr(import_module(f"mvt_nas.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
