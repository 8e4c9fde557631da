"""What the surrogate of a table is worth, found out once per table: a search that uses it says so every time.

Nested cross-validation takes some ten seconds. Its figures lie beside a table that ships
(``NAME.quality.json``), and for any other in ``~/.cache/mvt-nas/quality``; they count only for
exactly the table that they were found on.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mvt_nas._io import cache_home
from mvt_nas.accuracy.regressors import RECIPES, RegressorSpec
from mvt_nas.accuracy.table import AccuracyTable, read_table
from mvt_nas.errors import AccuracyError

if TYPE_CHECKING:
    from mvt_nas.accuracy.surrogate import Surrogate
    from mvt_nas.accuracy.trained_networks import DistinctNetworks

_VERSION = 1  # of the surrogate: a change makes older figures useless


@dataclass(frozen=True, slots=True)
class SurrogateQuality:
    """What is known of the surrogate of a table.

    Attributes:
        recipe: name of the regression that cross-validation over the whole table chooses.
        figures: see :func:`mvt_nas.accuracy.evaluation.evaluate`.
        stretch: of the regression's intervals; ``None`` where an earlier version has found out the
            rest.
    """

    recipe: str
    figures: dict[str, Any]
    stretch: float | None = None

    def regression(self) -> RegressorSpec:
        """Return the regression of that name."""
        return next(recipe for recipe in RECIPES if recipe.name == self.recipe)

    def surrogate(self, table: AccuracyTable) -> Surrogate:
        """Return the surrogate of the table that this was found out about; choosing and stretching need not be done again."""
        from mvt_nas.accuracy.surrogate import Surrogate

        return Surrogate(table.networks(), self.regression(), self.stretch)

    def in_words(self) -> str:
        """Return the figures as one sentence."""
        figures = self.figures
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
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise AccuracyError(f"{path}: cannot be read ({error.strerror})") from None


def quality(path: Path) -> SurrogateQuality:
    """Return what the surrogate of a table is worth: as it was found out before, else by nested cross-validation.

    Raises:
        AccuracyError: the table cannot be read, or is too small.
    """
    digest = table_hash(path)
    for place in (quality_file(path), _kept(digest)):
        found = _read(place, digest)
        if found is not None:
            return found
    found = measure_quality(read_table(path))
    with suppress(OSError):
        write_quality(found, digest, _kept(digest))
    return found


def measure_quality(table: AccuracyTable) -> SurrogateQuality:
    """Return what the surrogate of a table is worth by nested cross-validation."""
    from mvt_nas.accuracy.evaluation import evaluate

    networks = table.networks()
    return surrogate_quality(networks, evaluate(networks).figures)


def surrogate_quality(networks: DistinctNetworks, figures: dict[str, Any]) -> SurrogateQuality:
    """Return what is known of the surrogate of networks whose figures are these."""
    from mvt_nas.accuracy.surrogate import Surrogate

    found = Surrogate(networks)
    return SurrogateQuality(found.recipe.name, figures, found.stretch)


def cache_quality(found: SurrogateQuality, path: Path) -> None:
    """Write what was found out about a table beside it.

    Raises:
        AccuracyError: it cannot be written.
    """
    try:
        write_quality(found, table_hash(path), quality_file(path))
    except OSError as error:
        raise AccuracyError(f"{quality_file(path)}: cannot be written ({error.strerror})") from None


def write_quality(found: SurrogateQuality, digest: str, path: Path) -> None:
    """Write what was found out about the table with this content hash."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "version": _VERSION,
        "table": digest,
        "recipe": found.recipe,
        "stretch": found.stretch,
        "figures": found.figures,
    }
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)


def quality_file(path: Path) -> Path:
    """Return where the figures of a table that ships lie."""
    return path.with_name(f"{path.stem}.quality.json")


def _kept(digest: str) -> Path:
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
        found.regression(), found.in_words()
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        StopIteration,
    ):  # whatever is wrong with it, it is found out again
        return None
    return found
