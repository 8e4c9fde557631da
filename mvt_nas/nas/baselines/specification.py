"""Specifications of baselines: ``today.onnx,resolution_px=224,imagenet_top1=69.8,name=today``.

The first part names the network. The others, in any order, are the side length of its input image,
its name, its task, and metrics that the user knows. The network is loaded and counted at once, so
that errors are found before a search begins.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from mvt_nas.errors import BaselineError, MvtNasError, listing, nearest
from mvt_nas.external_models.base import ExternalModel, load_external_model
from mvt_nas.metrics.metric import Metric
from mvt_nas.metrics.names import (
    ACCURACY,
    ACCURACY_HIGH,
    ACCURACY_LOW,
    IMAGENET,
    TRAINED,
)
from mvt_nas.nas.problem.metrics import parse_metric
from mvt_nas.nas.problem.objectives import unchanged
from mvt_nas.nas.runs.baseline import Baseline
from mvt_nas.tasks.base import CLASSIFICATION, task_names

_PARTS = re.compile(r",(?=\s*[A-Za-z_][\w.@/\\~-]*\s*=)")
_PERCENT = (ACCURACY, ACCURACY_LOW, ACCURACY_HIGH, IMAGENET, TRAINED)
_MOST_PX = 4096
_PARAMETER = "baseline"


@dataclass(frozen=True, slots=True)
class BaselineSpec:
    """A parsed specification.

    Attributes:
        source: ``FILE.onnx`` or ``MODULE:FUNCTION``.
        resolution_px: Side length of the input image, in pixels.
        name: Name of the baseline.
        given: Metric to value.
        task: Task of the network; None for classification.
    """

    source: str
    resolution_px: int | None = None
    name: str | None = None
    given: Mapping[str, float] = field(default_factory=dict)
    task: str | None = None


@dataclass(frozen=True, slots=True)
class LoadedBaseline:
    """A baseline together with its network, which can be measured.

    Attributes:
        baseline: Baseline with its known metrics.
        model: Network.
        task: Task of the network; None for classification.
    """

    baseline: Baseline
    model: ExternalModel
    task: str | None = None


def load_baselines(
    texts: Sequence[str], resolve: Callable[[Metric], Metric] = unchanged
) -> list[LoadedBaseline]:
    """Return the baselines of some specifications, loaded and counted.

    Args:
        texts: Specifications.
        resolve: Function that adds the device to latency metrics.

    Raises:
        BaselineError: A specification cannot be parsed, a network cannot be loaded or counted, or
            two baselines have the same name.
    """
    found: dict[str, LoadedBaseline] = {}
    for text in texts:
        loaded = _load(text, parse_baseline(text, resolve))
        name = loaded.baseline.name
        if name in found:
            raise BaselineError(
                f"{text}: {name!r} is the name of two baselines; give one another by name=",
                parameter=_PARAMETER,
            )
        found[name] = loaded
    return list(found.values())


def parse_baseline(text: str, resolve: Callable[[Metric], Metric] = unchanged) -> BaselineSpec:
    """Parse ``SOURCE[,resolution_px=PX][,task=TASK][,name=NAME][,METRIC=VALUE]...``.

    Raises:
        BaselineError: The text cannot be parsed, a value is not allowed, or a metric is unknown.
    """
    source, *parts = (part.strip() for part in _PARTS.split(text))
    if not source:
        raise BaselineError(
            f"{text!r}: no network is named; write for example"
            " today.onnx,resolution_px=224,name=today",
            parameter=_PARAMETER,
        )
    side: int | None = None
    name: str | None = None
    task: str | None = None
    given: dict[str, float] = {}
    for part in parts:
        key, value = (half.strip() for half in part.split("=", 1))
        if key == "resolution_px":
            side = _side(text, value)
        elif key == "name":
            name = _name(text, value)
        elif key == "task":
            task = _task(text, value)
        else:
            metric = _metric(text, key, resolve)
            given[metric.full_name] = _value(text, key, metric, value)
    return BaselineSpec(source, side, name, given, task)


def _load(text: str, spec: BaselineSpec) -> LoadedBaseline:
    """Load and count the network of a specification."""
    try:
        model = load_external_model(spec.source, spec.resolution_px)
    except BaselineError as error:
        raise BaselineError(error.message, parameter=_PARAMETER) from error.__cause__
    costs = {
        Metric.parse(name).for_task(spec.task).full_name: value
        for name, value in model.costs.items()
    }
    for metric in spec.given:
        if metric in costs:
            raise BaselineError(
                f"{text}: {metric} is not allowed here; it was counted ({costs[metric]:.10g})",
                parameter=_PARAMETER,
            )
    name = spec.name or model.name
    scores = {**costs, **spec.given}
    baseline = Baseline(
        name, spec.source, model.resolution_px, scores, tuple(spec.given), model.notes
    )
    return LoadedBaseline(baseline, model, spec.task)


def _side(text: str, value: str) -> int:
    if not value.isdecimal() or not 1 <= int(value) <= _MOST_PX:
        raise BaselineError(
            f"{text}: resolution_px={value} is not allowed; an integer from 1 to {_MOST_PX}",
            parameter=_PARAMETER,
        )
    return int(value)


def _task(text: str, value: str) -> str | None:
    if value not in task_names():
        raise BaselineError(
            f"{text}: task={value} is not allowed; one of"
            f" {listing(task_names())}{nearest(value, task_names())}",
            parameter=_PARAMETER,
        )
    return None if value == CLASSIFICATION else value


def _name(text: str, value: str) -> str:
    if not value or not value.isprintable():
        raise BaselineError(
            f"{text}: name={value!r} is not allowed; one line of text", parameter=_PARAMETER
        )
    return value


def _metric(text: str, key: str, resolve: Callable[[Metric], Metric]) -> Metric:
    try:
        return resolve(parse_metric(key))
    except MvtNasError as error:
        raise BaselineError(
            f"{text}: {error}; apart from metrics, resolution_px=, task= and name= are allowed",
            parameter=_PARAMETER,
        ) from None


def _value(text: str, key: str, metric: Metric, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        raise BaselineError(
            f"{text}: {key}={value} is not allowed; a number", parameter=_PARAMETER
        ) from None
    if not math.isfinite(number):
        raise BaselineError(
            f"{text}: {key}={value} is not allowed; a finite number", parameter=_PARAMETER
        )
    if metric.is_cost and number <= 0:
        raise BaselineError(
            f"{text}: {key}={value} is not allowed; a number above 0", parameter=_PARAMETER
        )
    if metric.name in _PERCENT:
        _check_percent(text, key, value, number)
    return number


def _check_percent(text: str, key: str, value: str, number: float) -> None:
    """Check that an accuracy is in percent; one below 1 % is taken for a share of 1.

    Raises:
        BaselineError: It is not.
    """
    if not 0 <= number <= 100:
        raise BaselineError(
            f"{text}: {key}={value} is not allowed; percent, from 0 to 100", parameter=_PARAMETER
        )
    if 0 < number < 1:
        raise BaselineError(
            f"{text}: {key}={value} is not allowed; accuracies are in percent: did you mean"
            f" {key}={100 * number:.6g}?",
            parameter=_PARAMETER,
        )
