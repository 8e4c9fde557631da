"""Quality of the surrogate of a table, measured once per table and printed by every search.

Nested cross-validation takes about ten seconds. Its figures are stored next to a table that ships
(``NAME.quality.json``), and for any other table in ``~/.cache/mvt-nas/quality``. They are valid
only for exactly the table that they were measured on.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mvt_nas._io import cache_home, content_hash, write_text
from mvt_nas.accuracy.imagenet.estimator import default_estimator
from mvt_nas.accuracy.own_data import LEAST_TRAININGS, OwnDataModel
from mvt_nas.accuracy.protocol import protocol_of
from mvt_nas.accuracy.ranking_metrics import kendall
from mvt_nas.accuracy.regressors import RECIPES, RegressorSpec
from mvt_nas.accuracy.surrogate import Surrogate
from mvt_nas.accuracy.table import AccuracyTable, read_table
from mvt_nas.errors import AccuracyError

if TYPE_CHECKING:
    from mvt_nas.accuracy.trained_networks import DistinctNetworks

BY_LAW = "published networks"
"""Name of the prediction by published networks in place of a regressor."""

_FEW = 12
"""Trainings below which a regression on them alone is no better (``docs/accuracy.md``)."""

_PUBLISHED_PX = 128
"""Resolution of the trainings from which published networks help to predict them."""

# Version of the surrogate: a change makes older figures useless.
_VERSION = 1


@dataclass(frozen=True, slots=True)
class SurrogateQuality:
    """Quality of the surrogate of a table.

    Attributes:
        recipe: Name of the regressor that cross-validation over the whole table selects.
        figures: Figures by name, see :func:`mvt_nas.accuracy.evaluation.evaluate`.
        stretch: Factor of the regressor's intervals; ``None`` in files of an earlier version.
    """

    recipe: str
    figures: dict[str, Any]
    stretch: float | None = None

    @property
    def by_law(self) -> bool:
        """Whether published networks and the table's predict together, instead of a regressor."""
        return self.recipe == BY_LAW

    def regression(self) -> RegressorSpec:
        """Return the selected regressor."""
        return next(recipe for recipe in RECIPES if recipe.name == self.recipe)

    def surrogate(self, table: AccuracyTable) -> Surrogate:
        """Return the surrogate of the table, without selecting and stretching again."""
        return Surrogate(table.networks(), self.regression(), self.stretch)

    def describe(self) -> str:
        """Return the figures as one sentence."""
        figures = self.figures
        if self.by_law:
            return (
                f"{figures['n']} networks of these trainings correct what published networks say:"
                f" each left out, mean error {figures['mae']:.1f} points (their mean alone"
                f" {figures['mae_mean']:.1f}), Kendall's tau {figures['tau']:.2f},"
                f" {figures['inside']} of {figures['n']} in their intervals"
            )
        matched = (
            f", {figures['tau_matched']:.2f} among networks of one size"
            if figures["n_matched"]
            else ""
        )
        ceiling = (
            f", a perfect prediction {figures['noise_ceiling']:.2f}"
            if figures["noise_ceiling"]
            else ""
        )
        return (
            f"out of sample, over {figures['n']} trained networks: Kendall's tau"
            f" {figures['tau']:.2f}{matched} (parameters alone"
            f" {figures['tau_params']:.2f}{ceiling}), mean error {figures['mae']:.1f} points"
        )


def table_hash(path: Path) -> str:
    """Return the content hash of a table, 16 hexadecimal digits.

    Raises:
        AccuracyError: it cannot be read.
    """
    try:
        return content_hash(path.read_bytes())
    except OSError as error:
        raise AccuracyError(f"{path}: cannot be read ({error.strerror})") from None


def quality(path: Path) -> SurrogateQuality:
    """Return the quality of a table's surrogate, stored or measured by nested cross-validation.

    Raises:
        AccuracyError: the table cannot be read, or is too small.
    """
    digest = table_hash(path)
    for file in (quality_file(path), _cache_file(digest)):
        found = _read(file, digest)
        if found is not None:
            return found
    found = measure_quality(read_table(path))
    # Without a cache it is measured again the next time.
    with suppress(AccuracyError):
        write_quality(found, digest, _cache_file(digest))
    return found


def measure_quality(table: AccuracyTable) -> SurrogateQuality:
    """Return the quality of a table's surrogate by nested cross-validation."""
    from mvt_nas.accuracy.evaluation import evaluate

    if predicted_by_law(table):
        return _quality_of_law(table)
    networks = table.networks()
    return surrogate_quality(networks, evaluate(networks).figures)


def predicted_by_law(table: AccuracyTable) -> bool:
    """Return True if published networks help to predict a table's accuracies.

    They do at the resolutions of published networks, and where there are too few trainings for
    anything else.
    """
    return len(table) < _FEW or protocol_of(table).pixels >= _PUBLISHED_PX


def own_data_model(table: AccuracyTable) -> OwnDataModel:
    """Return the model of a table's data, made from its trainings and published networks.

    Raises:
        AccuracyError: the table has fewer than three trained networks.
    """
    return OwnDataModel(
        table.networks(LEAST_TRAININGS),
        default_estimator(),
        protocol_of(table).validation_images,
    )


def _quality_of_law(table: AccuracyTable) -> SurrogateQuality:
    networks = table.networks(LEAST_TRAININGS)
    found = own_data_model(table).leave_one_out()
    accuracy = networks.accuracy
    n = len(networks)
    # The mean of the others, which a prediction has to be better than.
    mean_of_others = (accuracy.sum() - accuracy) / (n - 1)
    figures = {
        "n": n,
        "tau": round(kendall(found.percent, accuracy), 5),
        "mae": round(float(np.abs(found.percent - accuracy).mean()), 5),
        "mae_mean": round(float(np.abs(mean_of_others - accuracy).mean()), 5),
        "inside": found.inside,
        "seed_sd": networks.seed_sd,
    }
    return SurrogateQuality(BY_LAW, figures)


def surrogate_quality(networks: DistinctNetworks, figures: dict[str, Any]) -> SurrogateQuality:
    """Return the quality of the surrogate of networks, given its figures."""
    surrogate = Surrogate(networks)
    return SurrogateQuality(surrogate.recipe.name, figures, surrogate.stretch)


def cache_quality(found: SurrogateQuality, path: Path) -> None:
    """Write the quality of a table's surrogate next to the table.

    Raises:
        AccuracyError: it cannot be written.
    """
    write_quality(found, table_hash(path), quality_file(path))


def write_quality(found: SurrogateQuality, digest: str, path: Path) -> None:
    """Write the quality of the surrogate of the table with a content hash.

    Raises:
        AccuracyError: the file cannot be written.
    """
    content = {
        "version": _VERSION,
        "table": digest,
        "recipe": found.recipe,
        "stretch": found.stretch,
        "figures": found.figures,
    }
    write_text(path, json.dumps(content, indent=1) + "\n", error=AccuracyError)


def quality_file(path: Path) -> Path:
    """Return the path of the figures next to a table."""
    return path.with_name(f"{path.stem}.quality.json")


def _cache_file(digest: str) -> Path:
    return cache_home("quality") / f"{digest}.json"


def _read(path: Path, digest: str) -> SurrogateQuality | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if (content["version"], content["table"]) != (_VERSION, digest):
            return None
        stretch = content.get("stretch")
        found = SurrogateQuality(
            content["recipe"], dict(content["figures"]), None if stretch is None else float(stretch)
        )
        # Both raise for a file with missing or invalid entries.
        if not found.by_law:
            found.regression()
        found.describe()
    except (OSError, ValueError, KeyError, TypeError, StopIteration):  # measured again
        return None
    return found
