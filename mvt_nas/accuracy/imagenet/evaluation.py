"""HeldOutEvaluation of the ImageNet estimate on published results that it was not fitted to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from mvt_nas._typing import FloatArray
from mvt_nas.accuracy.imagenet.constants import ImageNetConstants
from mvt_nas.accuracy.imagenet.law import hold_out_families, link, link_slope, unlink
from mvt_nas.accuracy.imagenet.model import ImageNetModel, interval
from mvt_nas.accuracy.imagenet.observations import (
    ABLATION,
    CONVOLUTIONAL,
    FINETUNED,
    MODEL,
    REFERENCE,
    PublishedObservations,
    family_of,
)
from mvt_nas.accuracy.imagenet.published_results import PublishedResult
from mvt_nas.metrics.binomial import Z_90

SIZE_GROUPS = 5
"""Groups of equal number into which the published models are split by size."""

_GOOD = 70.0
_LEAST_STEP_PX = 160
_DIGITS = 4


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Predictions of results that the model was not fitted to.

    Attributes:
        top1: Published accuracies in percent, (n,).
        percent: Predictions in percent, (n,).
        low: Lower ends of the 90 % intervals, (n,).
        high: Upper ends of the 90 % intervals, (n,).
    """

    top1: FloatArray
    percent: FloatArray
    low: FloatArray
    high: FloatArray

    @property
    def mae(self) -> float:
        """Mean absolute error in percentage points."""
        return float(np.abs(self.percent - self.top1).mean())

    @property
    def inside(self) -> int:
        """Number of results in their intervals."""
        return int(np.sum((self.low <= self.top1) & (self.top1 <= self.high)))

    def __len__(self) -> int:
        return len(self.top1)


@dataclass(frozen=True, slots=True)
class _Difference:
    """The difference of two networks, published and predicted, in percentage points."""

    published: float
    predicted: float
    inside: bool = False


class HeldOutEvaluation:
    """Predictions of published results by models fitted to the others.

    Intervals are those of one laboratory, without the term that all candidates share.

    Args:
        constants: Law and prior; the law knows no MobileViT and no MobileNetV2.
        found: Results of architectures of this package.
    """

    def __init__(self, constants: ImageNetConstants, found: PublishedObservations) -> None:
        self._constants = constants
        self._found = found
        self._models = found.of_kind(MODEL)

    def leave_one_out(self) -> HeldOut:
        """Return the predictions of each of the 19 models by all others."""
        return _joined([self._models_out([index]) for index in self._models])

    def families_out(self, *, ablations: bool) -> dict[str, HeldOut]:
        """Return the predictions of the models of each paper by the others.

        Args:
            ablations: Whether the ablations of the same paper stay.
        """
        result = {}
        for family in ("v1", "v2", "v3"):
            members = [i for i in self._models if family_of(self._found.names[i]) == family]
            own = [] if ablations else self._tables_of(family)
            result[family] = self._models_out(members, own)
        return result

    def sizes_out(self) -> HeldOut:
        """Return the predictions of each group of equal size by the others."""
        order = np.argsort(self._found.networks.law[self._models, 1], kind="stable")
        parts = np.array_split(np.array(self._models)[order], SIZE_GROUPS)
        return _joined([self._models_out(part.tolist()) for part in parts])

    def finetuned_out(self) -> HeldOut:
        """Return the predictions of the models at 384 px by everything at other resolutions."""
        members = self._found.of_kind(FINETUNED)
        return self._predicted(members, self._fit(self._found.without(members)))

    def convolutional_out(self) -> HeldOut:
        """Return the predictions of MobileNetV2, with none of its results in the fit."""
        members = self._found.of_kind(CONVOLUTIONAL)
        model = self._fit(self._found.without(members))
        # Those with a level of their own only teach the effect of the resolution.
        return self._predicted([i for i in members if not self._found.tables[i]], model)

    def resolution_steps_out(self) -> list[_Difference]:
        """Return the steps of MobileNetV2 from one resolution to the next lower one.

        Steps are those from 160 px up, of which the model has seen no result.
        """
        found = self._found
        members = [i for i in found.of_kind(CONVOLUTIONAL) if found.tables[i]]
        predicted = self._predicted(members, self._fit(found.without(members)))
        by_network: dict[str, list[tuple[int, int]]] = {}
        for place, index in enumerate(members):
            pixels = found.architectures[index].resolution_px
            if pixels >= _LEAST_STEP_PX:
                by_network.setdefault(found.tables[index], []).append((pixels, place))
        return [
            _Difference(
                published=float(predicted.top1[upper] - predicted.top1[lower]),
                predicted=float(predicted.percent[upper] - predicted.percent[lower]),
            )
            for steps in by_network.values()
            for (_, upper), (_, lower) in pairwise(sorted(steps, reverse=True))
        ]

    def ablation_rows_out(self) -> list[_Difference]:
        """Return each ablation's difference from its reference, by all other results."""
        return [self._difference(i, [i]) for i in self._found.of_kind(ABLATION)]

    def ablation_tables_out(self) -> list[_Difference]:
        """Return each ablation's difference, with its table left out.

        The two tables of patch sizes are left out together: they vary the same.
        """
        result = []
        for index in self._found.of_kind(ABLATION):
            table = self._found.tables[index]
            same = table.rsplit(" ", 1)[0] if "patches" in table else table
            result.append(self._difference(index, self._tables_of(same)))
        return result

    def _tables_of(self, start: str) -> list[int]:
        """Return the indices of the results in the tables whose names have a start."""
        tables = self._found.tables
        return [index for index, table in enumerate(tables) if table.startswith(start)]

    def _fit(self, members: Sequence[int]) -> ImageNetModel:
        found = self._found
        return ImageNetModel(
            self._constants.law,
            found.networks.subset(members),
            found.top1[list(members)],
            self._constants.prior,
        )

    def _models_out(self, members: Sequence[int], others: Sequence[int] = ()) -> HeldOut:
        """Return the predictions of published models, with their versions at 384 px left out."""
        found = self._found
        names = {found.names[index] for index in members}
        finetuned = [i for i in found.of_kind(FINETUNED) if found.bases[i] in names]
        return self._predicted(members, self._fit(found.without([*members, *finetuned, *others])))

    def _predicted(self, members: Sequence[int], model: ImageNetModel) -> HeldOut:
        posterior = model.predict(self._found.networks.subset(members))
        return HeldOut(
            self._found.top1[list(members)],
            *interval(posterior, model.prior),
        )

    def _difference(self, index: int, left_out: Sequence[int]) -> _Difference:
        found = self._found
        table = found.tables[index]
        reference = next(i for i in found.of_kind(REFERENCE) if found.tables[i] == table)
        model = self._fit(found.without(left_out))
        posterior = model.predict(found.networks.subset([index, reference]))
        change = posterior.mean[0] - posterior.mean[1]
        base = found.top1[reference]
        # Both trainings have a run of their own.
        covariance = posterior.covariance
        run = float(model.prior.run * link_slope(base))
        variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1] + 2 * run**2
        published = link(found.top1[index]) - link(base)
        return _Difference(
            published=float(found.top1[index] - base),
            predicted=float(unlink(link(base) + change) - base),
            inside=bool(np.abs(published - change) <= Z_90 * np.sqrt(variance)),
        )


def evaluate_imagenet(
    constants: ImageNetConstants, found: PublishedObservations, results: Sequence[PublishedResult]
) -> dict[str, Any]:
    """Return the figures of the estimate on results that it was not fitted to.

    Errors are mean absolute errors in percentage points of top-1. The figures are:

    - ``loo_mae``, ``loo_tau``: one of the 19 published models left out at a time;
    - ``family_out``: all models of a paper left out; ``family_out_strict``: with its ablations;
    - ``size_out``: all models of about one size left out;
    - ``px384``: MobileViTv2 at 384 px, from everything at other resolutions;
    - ``mobilenetv2_out``: MobileNetV2, of which nothing was seen;
    - ``resolution_steps``: steps of TensorFlow's MobileNetV2 from 160 px up, with all of these
      results left out;
    - ``ablation_rows``, ``ablation_tables``: differences of the papers' ablations, with the row or
      the table left out; ``ablation_signs``: number of right signs;
    - ``families_mae``, ``families_coverage``: 44 other families, each left out of the law; the
      error is of networks above 70 %;
    - ``*_inside`` and ``*_n``: how many published figures lie in their 90 % interval.
    """
    evaluation = HeldOutEvaluation(constants, found)
    alone = evaluation.leave_one_out()
    families = evaluation.families_out(ablations=True)
    strict = evaluation.families_out(ablations=False)
    sizes = evaluation.sizes_out()
    finetuned = evaluation.finetuned_out()
    convolutional = evaluation.convolutional_out()
    steps = evaluation.resolution_steps_out()
    rows = evaluation.ablation_rows_out()
    tables = evaluation.ablation_tables_out()
    others = hold_out_families(results, Z_90)
    good = others.top1 > _GOOD
    return _rounded(
        {
            "loo_mae": alone.mae,
            "loo_tau": _tau(alone),
            **_coverage("loo", [alone]),
            "family_out": {name: one.mae for name, one in families.items()},
            **_coverage("family_out", list(families.values())),
            "family_out_strict": {name: one.mae for name, one in strict.items()},
            **_coverage("family_out_strict", list(strict.values())),
            "size_out": sizes.mae,
            **_coverage("size_out", [sizes]),
            "px384": finetuned.mae,
            **_coverage("px384", [finetuned]),
            "mobilenetv2_out": convolutional.mae,
            **_coverage("mobilenetv2_out", [convolutional]),
            "resolution_steps": _error(steps),
            "ablation_rows": _error(rows),
            "ablation_tables": _error(tables),
            "ablation_signs": sum(np.sign(d.predicted) == np.sign(d.published) for d in tables),
            "ablation_inside": sum(d.inside for d in tables),
            "ablation_n": len(tables),
            "families": others.families,
            "families_mae": float(np.abs(others.predicted - others.top1)[good].mean()),
            "families_coverage": float(others.inside.mean()),
        }
    )


def _tau(held_out: HeldOut) -> float:
    """Return Kendall's tau of predicted and published accuracies."""
    # Loaded only here: scipy.stats takes long to import.
    from scipy.stats import kendalltau

    return float(kendalltau(held_out.percent, held_out.top1).statistic)


def _coverage(name: str, parts: Sequence[HeldOut]) -> dict[str, int]:
    return {
        f"{name}_inside": sum(part.inside for part in parts),
        f"{name}_n": sum(len(part) for part in parts),
    }


def _error(differences: Sequence[_Difference]) -> float:
    return float(np.mean([abs(d.predicted - d.published) for d in differences]))


def _joined(parts: Sequence[HeldOut]) -> HeldOut:
    return HeldOut(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("top1", "percent", "low", "high")
        )
    )


def _rounded(figures: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, value in figures.items():
        if isinstance(value, dict):
            result[name] = _rounded(value)
        elif isinstance(value, float):
            result[name] = round(value, _DIGITS)
        else:
            result[name] = int(value)
    return result
