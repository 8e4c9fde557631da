"""Neural architecture search for mobile vision transformers: the public Python interface.

Names are loaded when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mvt_nas._version import __version__ as __version__

if TYPE_CHECKING:
    from mvt_nas.accuracy.table import read_table
    from mvt_nas.checkpoints.load import load_checkpoint
    from mvt_nas.cost.counts import Counts, count
    from mvt_nas.cost.table import CostTable
    from mvt_nas.data.dataset import ImageDataset
    from mvt_nas.data.load import load_images
    from mvt_nas.errors import MvtNasError
    from mvt_nas.export.verification import export_all
    from mvt_nas.latency.latency_profile import LatencyProfile
    from mvt_nas.latency.profile_lookup import load_profile
    from mvt_nas.latency.timing.measure import measure
    from mvt_nas.latency.timing.settings import TimingSettings
    from mvt_nas.metrics.metric import Metric
    from mvt_nas.models.network import Network, build_model
    from mvt_nas.nas.api import search
    from mvt_nas.nas.mvt.sampler import MvtSampler
    from mvt_nas.nas.options import SearchResult
    from mvt_nas.nas.problem.objectives import Budget, Objective
    from mvt_nas.nas.runs.candidate import Candidate
    from mvt_nas.nas.runs.run import Run
    from mvt_nas.pareto import hypervolume, knee, pareto_front
    from mvt_nas.proxies.suite import score_all
    from mvt_nas.space.architecture import Architecture, Stage
    from mvt_nas.space.published import published, published_names, zoo
    from mvt_nas.space.search_space import SearchSpace, load_space
    from mvt_nas.training.api import train
    from mvt_nas.training.recipe import Recipe

_HOMES = {
    "Architecture": "space.architecture",
    "Budget": "nas.problem.objectives",
    "Candidate": "nas.runs.candidate",
    "CostTable": "cost.table",
    "Counts": "cost.counts",
    "LatencyProfile": "latency.latency_profile",
    "ImageDataset": "data.dataset",
    "Metric": "metrics.metric",
    "MvtNasError": "errors",
    "MvtSampler": "nas.mvt.sampler",
    "Network": "models.network",
    "Objective": "nas.problem.objectives",
    "Recipe": "training.recipe",
    "Run": "nas.runs.run",
    "SearchResult": "nas.options",
    "SearchSpace": "space.search_space",
    "Stage": "space.architecture",
    "TimingSettings": "latency.timing.settings",
    "build_model": "models.network",
    "count": "cost.counts",
    "export_all": "export.verification",
    "hypervolume": "pareto",
    "knee": "pareto",
    "load_checkpoint": "checkpoints.load",
    "load_images": "data.load",
    "load_profile": "latency.profile_lookup",
    "load_space": "space.search_space",
    "measure": "latency.timing.measure",
    "pareto_front": "pareto",
    "published": "space.published",
    "published_names": "space.published",
    "read_table": "accuracy.table",
    "score_all": "proxies.suite",
    "search": "nas.api",
    "train": "training.api",
    "zoo": "space.published",
}
"""Module of each public name."""

__all__ = [
    "Architecture",
    "Budget",
    "Candidate",
    "CostTable",
    "Counts",
    "ImageDataset",
    "LatencyProfile",
    "Metric",
    "MvtNasError",
    "MvtSampler",
    "Network",
    "Objective",
    "Recipe",
    "Run",
    "SearchResult",
    "SearchSpace",
    "Stage",
    "TimingSettings",
    "build_model",
    "count",
    "export_all",
    "hypervolume",
    "knee",
    "load_checkpoint",
    "load_images",
    "load_profile",
    "load_space",
    "measure",
    "pareto_front",
    "published",
    "published_names",
    "read_table",
    "score_all",
    "search",
    "train",
    "zoo",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mvt_nas' has no attribute {name!r}")
    return getattr(import_module(f"mvt_nas.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
