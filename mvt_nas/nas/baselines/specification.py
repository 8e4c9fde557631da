"""What people tell of a network of their own: ``today.onnx,resolution_px=224,imagenet_top1=69.8,name=today``.

The first part names the network; the others, in any order, are the side of its picture, what to
call it, and figures that its owner knows. It is opened and counted at once, so that what is wrong
is found before anything is searched.
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
    """What a text says.

    Attributes:
        source: the network.
        resolution_px: side of its picture.
        name: what to call it.
        given: metric to value.
        task: what it is for; ``None`` for classification.
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
        baseline: what is known of it.
        foreign: the network.
        task: what it is for; ``None`` for classification.
    """

    baseline: Baseline
    foreign: ExternalModel
    task: str | None = None


def load_baselines(
    texts: Sequence[str], resolve: Callable[[Metric], Metric] = unchanged
) -> list[LoadedBaseline]:
    """Return what each text tells of, counted; ``resolve`` gives latencies their device.

    Raises:
        BaselineError: a text cannot be read, a network cannot be opened or counted, or two have one
            name.
    """
    found: dict[str, LoadedBaseline] = {}
    for text in texts:
        told = _told(text, parse_baseline(text, resolve))
        if told.baseline.name in found:
            raise BaselineError(
                f"{text}: {told.baseline.name!r} is the name of two baselines; give one"
                " another by name=",
                parameter=_PARAMETER,
            )
        found[told.baseline.name] = told
    return list(found.values())


def parse_baseline(text: str, resolve: Callable[[Metric], Metric] = unchanged) -> BaselineSpec:
    """Return what ``SOURCE[,resolution_px=PX][,task=TASK][,name=NAME][,METRIC=VALUE]...`` says.

    Raises:
        BaselineError: it cannot be read, a value is not allowed, or there is no such metric.
    """
    source, *parts = (part.strip() for part in _PARTS.split(text))
    if not source:
        raise BaselineError(
            f"{text!r}: no network is named; write for example"
            " today.onnx,resolution_px=224,name=today",
            parameter=_PARAMETER,
        )
    side, name, task, given = None, None, None, dict[str, float]()
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


def _told(text: str, wanted: BaselineSpec) -> LoadedBaseline:
    try:
        foreign = load_external_model(wanted.source, wanted.resolution_px)
    except BaselineError as error:
        raise BaselineError(error.message, parameter=_PARAMETER) from error.__cause__
    costs = {
        Metric.parse(name).for_task(wanted.task).full_name: value
        for name, value in foreign.costs.items()
    }
    for metric in wanted.given:
        if metric in costs:
            raise BaselineError(
                f"{text}: {metric} is not allowed here; it was counted ({costs[metric]:.10g})",
                parameter=_PARAMETER,
            )
    name = wanted.name or foreign.name
    scores = {**costs, **wanted.given}
    baseline = Baseline(
        name, wanted.source, foreign.resolution_px, scores, tuple(wanted.given), foreign.notes
    )
    return LoadedBaseline(baseline, foreign, wanted.task)


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
    if metric.name in _PERCENT and not 0 <= number <= 100:
        raise BaselineError(
            f"{text}: {key}={value} is not allowed; percent, from 0 to 100", parameter=_PARAMETER
        )
    return number
