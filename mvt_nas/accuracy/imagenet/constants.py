"""The constants of the ImageNet estimate: made from the published tables, kept in one JSON file.

A search reads the file instead of fitting the law and lowering sixty networks again. ``mvt-nas
accuracy fit-imagenet`` makes it; a test holds file and tables together.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from mvt_nas._io import write_text
from mvt_nas._typing import FloatArray
from mvt_nas.accuracy.imagenet.domain import Envelope
from mvt_nas.accuracy.imagenet.law import COLUMNS, ScalingLaw, fit_law
from mvt_nas.accuracy.imagenet.model import ImageNetModel, NetworkSet, Prior
from mvt_nas.accuracy.imagenet.observations import MODEL, PublishedObservations, observations
from mvt_nas.accuracy.imagenet.published_results import PublishedResult, published_results
from mvt_nas.accuracy.imagenet.shape import DESIGN, SHAPE
from mvt_nas.errors import AccuracyError
from mvt_nas.resources import benchmark_file

CONSTANTS_FILE = "imagenet_constants.json"

OBSERVED_FAMILY = "mobilenetv2"
"""Family whose networks are architectures of this package: observations, not part of the law."""

_FORMAT = 1
# Stands for the networks while the rest is written.
_PLACE = "the networks"


@dataclass(frozen=True, slots=True)
class ImageNetConstants:
    """Everything that the estimate depends on.

    Attributes:
        law: Law of the other families.
        prior: Standard deviations of the terms.
        networks: Architectures with published results.
        top1: Their accuracies in percent, (n,).
        models: Index of each of the 19 published models among the networks, by name.
        envelope: Best accuracy of real networks by cost.
        figures: Figures of the evaluation on results that were held out.
    """

    law: ScalingLaw
    prior: Prior
    networks: NetworkSet
    top1: FloatArray
    models: dict[str, int]
    envelope: Envelope
    figures: Mapping[str, Any] = field(default_factory=dict)

    def model(self) -> ImageNetModel:
        """Return the model fitted to the networks."""
        return ImageNetModel(self.law, self.networks, self.top1, self.prior)

    def to_dict(self) -> dict[str, Any]:
        """Return the constants as plain data."""
        return {
            "format": _FORMAT,
            "law": {
                "columns": list(COLUMNS),
                "mean": self.law.mean.tolist(),
                "covariance": self.law.covariance.tolist(),
            },
            "prior": asdict(self.prior),
            "columns": [*DESIGN, *SHAPE],
            "networks": [
                {
                    "line": self.networks.line[index],
                    "network": self.networks.network[index],
                    "table": self.networks.table[index],
                    "top1": float(self.top1[index]),
                    "law": self.networks.law[index].tolist(),
                    "shape": self.networks.shape[index].tolist(),
                }
                for index in range(len(self.networks))
            ],
            "models": self.models,
            "envelope": [list(step) for step in self.envelope.steps],
            "figures": dict(self.figures),
        }

    @staticmethod
    def from_dict(data: Any, where: str) -> ImageNetConstants:
        """Return the constants of :meth:`to_dict`.

        Raises:
            AccuracyError: The data are damaged or of another version.
        """
        try:
            if (data["format"], data["law"]["columns"]) != (_FORMAT, list(COLUMNS)):
                raise ValueError("made by another version")
            networks = data["networks"]
            return ImageNetConstants(
                law=ScalingLaw(np.array(data["law"]["mean"]), np.array(data["law"]["covariance"])),
                prior=Prior(**data["prior"]),
                networks=NetworkSet(
                    np.array([one["law"] for one in networks]),
                    np.array([one["shape"] for one in networks]),
                    tuple(one["line"] for one in networks),
                    tuple(one["network"] for one in networks),
                    tuple(one["table"] for one in networks),
                ),
                top1=np.array([one["top1"] for one in networks]),
                models=dict(data["models"]),
                envelope=Envelope([(step[0], step[1], step[2]) for step in data["envelope"]]),
                figures=dict(data["figures"]),
            )
        except (KeyError, TypeError, ValueError, IndexError) as error:
            reason = " ".join(str(error).split())[:100]
            raise AccuracyError(
                f"{where}: not the constants of the ImageNet estimate ({reason}); make them with"
                " mvt-nas accuracy fit-imagenet"
            ) from None


def fit_constants(
    results: tuple[PublishedResult, ...] | None = None,
    found: PublishedObservations | None = None,
    prior: Prior | None = None,
) -> ImageNetConstants:
    """Return the constants made from published results, by default from the shipped tables.

    Args:
        results: Published results of all families.
        found: Published results of architectures of this package.
        prior: Standard deviations of the terms.

    Raises:
        AccuracyError: A shipped table is missing or damaged.
    """
    results = published_results() if results is None else results
    found = observations() if found is None else found
    others = [result for result in results if result.family != OBSERVED_FAMILY]
    return ImageNetConstants(
        law=fit_law(others),
        prior=prior or Prior(),
        networks=found.networks,
        top1=found.top1,
        models={found.names[index]: index for index in found.of_kind(MODEL)},
        envelope=Envelope.of(results, found),
    )


def read_constants(path: Path) -> ImageNetConstants:
    """Return the constants in a file.

    Raises:
        AccuracyError: It cannot be read, or is damaged.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not JSON"
        raise AccuracyError(f"{path}: cannot be read ({reason})") from None
    return ImageNetConstants.from_dict(data, str(path))


def write_constants(path: Path, constants: ImageNetConstants) -> None:
    """Write the constants to a file.

    Raises:
        AccuracyError: It cannot be written.
    """
    data = constants.to_dict()
    # One line per network, which keeps the file readable and its changes small.
    networks = ",\n  ".join(json.dumps(one) for one in data["networks"])
    text = json.dumps(data | {"networks": _PLACE}, indent=1)
    text = text.replace(json.dumps(_PLACE), f"[\n  {networks}\n ]")
    write_text(path, f"{text}\n", error=AccuracyError)


@cache
def shipped_constants() -> ImageNetConstants:
    """Return the constants that ship with the package.

    Raises:
        AccuracyError: The file is missing or damaged.
    """
    return read_constants(benchmark_file(CONSTANTS_FILE))
