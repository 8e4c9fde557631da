"""Exporting with proof: what was written is read back, and has to be the same network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from mvt_nas._optional import one_line_errors
from mvt_nas.cost.reductions import total
from mvt_nas.errors import ExportError
from mvt_nas.export.base import TARGETS, ExportedFiles, ExportModel, ExportTarget
from mvt_nas.export.inference_module import inference_module, module_run
from mvt_nas.models.lowering import lower

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mvt_nas.export.base import Outputs, Run
    from mvt_nas.tasks.base import Task

_BATCHES = (1, 3)
_SEED = 0
_TINY = 1e-30


@dataclass(frozen=True, slots=True)
class ExportResult:
    """What came of an export.

    Attributes:
        target: name of the form.
        files: that were written.
        params: of the network.
        params_equal: whether what was read back has as many, or as many as are left of them where
            batch norms are folded into convolutions; ``None`` where they cannot be counted here.
        max_abs_diff: largest difference of outputs between the network and what was read back, over
            batches of the sizes in ``batches``; ``None`` where it cannot run here. Of several
            outputs, that of the one which differs most for its size.
        largest: the largest absolute value of the same output of the network on the same images.
        batches: sizes of the batches that were compared.
        notes: what people have to know.
        run: gives its outputs; ``None`` where it cannot run here.
    """

    target: str
    files: tuple[Path, ...]
    params: int
    params_equal: bool | None
    max_abs_diff: float | None
    largest: float
    batches: tuple[int, ...]
    notes: tuple[str, ...]
    run: Run | None = field(default=None, repr=False, compare=False)

    @property
    def same(self) -> bool:
        """Whether nothing speaks against it being the same network."""
        close = (
            self.max_abs_diff is None
            or self.max_abs_diff <= TARGETS.get(self.target).tolerance * self.largest
        )
        return self.params_equal is not False and close


def usable_target(name: str, task: Task | None = None) -> ExportTarget:
    """Return the target called ``name``, if it can be written here, and takes networks of the task.

    Raises:
        PluginError: there is none.
        ExportError: it cannot be written here, or takes no such networks.
    """
    target = TARGETS.get(name)
    trouble = target.trouble()
    if trouble:
        raise ExportError(f"target {name} cannot be written here: {trouble}")
    refused = None if task is None else target.refusal(task)
    if task is not None and refused:
        raise ExportError(f"target {name} takes no networks for {task.kind}: {refused}")
    return target


def export_all(subject: ExportModel, targets: Sequence[str], folder: Path) -> list[ExportResult]:
    """Export to several targets, each into its own folder below ``folder``; nothing is written before all of them are known to work here.

    Raises:
        PluginError: there is no such target.
        ExportError: see :func:`export`.
    """
    names = list(dict.fromkeys(targets))
    for name in names:
        usable_target(name, subject.task)
    return [export(subject, name, folder / name) for name in names]


def export(subject: ExportModel, target: str, folder: Path) -> ExportResult:
    """Write a network in one form, read it back and compare.

    Args:
        subject: the network.
        target: name of the form.
        folder: where its files go; made where it is missing.

    Raises:
        PluginError: there is no such target.
        ExportError: it cannot be written here, cannot express the architecture or the task, the
            folder cannot be written, or the network's own outputs are no numbers.
    """
    found = usable_target(target, subject.task)
    _check_finite(subject)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ExportError(f"{folder}: cannot be written ({error.strerror or error})") from None
    with (
        one_line_errors(f"target {target}: {folder}", ExportError),
        torch.random.fork_rng(devices=[]),
    ):  # what is read back draws first weights
        return _compared(subject, found, found.write(subject, folder))


def reference(subject: ExportModel) -> Run:
    """Return what gives the outputs of the network itself."""
    return module_run(inference_module(subject))


def _check_finite(subject: ExportModel) -> None:
    if not all(
        np.isfinite(output).all() for output in _each(reference(subject)(_images(subject, 1)))
    ):
        raise ExportError(
            f"{subject.weights}: with these weights the network's outputs are no finite numbers"
        )


def _compared(subject: ExportModel, target: ExportTarget, written: ExportedFiles) -> ExportResult:
    params = sum(weight.numel() for weight in subject.module.parameters())
    expected = _after_folding(subject) if written.folded else params
    equal = None if written.params is None else written.params == expected
    batches = _BATCHES if written.any_batch else _BATCHES[:1]
    difference, largest = _furthest([_differences(subject, written.run, size) for size in batches])
    worst = None if written.run is None else difference
    return ExportResult(
        target.name,
        written.files,
        params,
        equal,
        worst,
        largest,
        batches if written.run else (),
        written.notes,
        written.run,
    )


def _after_folding(subject: ExportModel) -> int:
    """Return the number of weights that kernels read where batch norms are folded into convolutions."""
    weights: int = total(
        lower(subject.architecture, num_classes=subject.num_classes, task=subject.task).ops,
        "weights",
    )
    return weights


def _differences(subject: ExportModel, run: Run | None, batch: int) -> list[tuple[float, float]]:
    """Return of each output the largest difference on random images, and its largest absolute value."""
    images = _images(subject, batch)
    outputs = _each(reference(subject)(images))
    there = outputs if run is None else _each(run(images))
    if [output.shape for output in there] != [output.shape for output in outputs]:
        raise ExportError(
            f"what was read back gives {_shapes(there)} for {images.shape}, not {_shapes(outputs)}"
        )
    pairs = zip(there, outputs, strict=True)
    return [
        (float(np.abs(found - output).max()), float(np.abs(output).max()))
        for found, output in pairs
    ]


def _furthest(batches: Sequence[Sequence[tuple[float, float]]]) -> tuple[float, float]:
    """Return difference and size over all batches of the output that differs most for its size."""
    worst = np.array(batches).max(axis=0)  # (outputs, 2); what is no number stays the worst
    difference, size = worst[int(np.argmax(worst[:, 0] / np.maximum(worst[:, 1], _TINY)))]
    return float(difference), float(size)


def _each(outputs: Outputs) -> tuple[NDArray[np.float32], ...]:
    return outputs if isinstance(outputs, tuple) else (outputs,)


def _shapes(outputs: Sequence[NDArray[np.float32]]) -> str:
    return " and ".join(str(output.shape) for output in outputs)


def _images(subject: ExportModel, batch: int) -> NDArray[np.float32]:
    shape = (batch, *subject.input_shape[1:])
    return np.random.default_rng([_SEED, batch]).standard_normal(shape, dtype=np.float32)
