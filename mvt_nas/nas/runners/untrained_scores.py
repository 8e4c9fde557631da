"""Training-free scores of a candidate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

from mvt_nas.errors import MetricError
from mvt_nas.models.network import build_model
from mvt_nas.nas.problem.config import Scoring
from mvt_nas.proxies.batches import digits_batch
from mvt_nas.proxies.suite import score_all
from mvt_nas.proxies.types import Batch
from mvt_nas.space.architecture import Architecture


def add_untrained_scores(
    architecture: Architecture,
    scoring: Scoring,
    seed: int,
    names: Sequence[str],
    scores: dict[str, float],
) -> None:
    """Add the training-free scores of an architecture, computed in shared passes.

    Args:
        architecture: The architecture.
        scoring: Images and classes of the scores.
        seed: Seed of the initial weights and the images.
        names: Names of the scores.
        scores: The scores so far, by name.

    Raises:
        MetricError: A score has no finite value; the finite ones are added before.
    """
    model = build_model(architecture, num_classes=scoring.num_classes, seed=seed)
    found = score_all(model, _batch(scoring, seed), names)
    scores |= {
        name: float(score.value) for name, score in found.items() if math.isfinite(score.value)
    }
    missing = [f"{name}: {score.status}" for name, score in found.items() if name not in scores]
    if missing:
        raise MetricError("; ".join(missing))


@lru_cache(maxsize=1)
def _batch(scoring: Scoring, seed: int) -> Batch:
    return digits_batch(scoring.images, scoring.resolution_px, seed)
