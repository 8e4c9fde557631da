"""Export with verification: the files are read back and compared with the network in PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from mvt_nas._optional import one_line_errors
from mvt_nas._threads_and_malloc import torch_threads
from mvt_nas.cost.reductions import total
from mvt_nas.errors import ExportError
from mvt_nas.export.base import TARGETS, ExportedFiles, ExportModel, ExportTarget
from mvt_nas.export.inference_module import inference_module, module_run
from mvt_nas.latency.timing.stopwatch import Timing, interleaved_timing
from mvt_nas.models.lowering import lower
from mvt_nas.models.random_images import random_images

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mvt_nas.export.base import Outputs, Run
    from mvt_nas.tasks.base import Task

PYTORCH = "PyTorch"
"""Key of the network itself among the timings of :func:`time_exports`."""

# A batch of one, and one that no exporter could take for a constant by accident.
_BATCH_SIZES = (1, 3)
_SEED = 0
# Keeps the relative difference finite for an output that is all zeros.
_TINY = 1e-30


@dataclass(frozen=True, slots=True)
class ExportResult:
    """Result of an export and its verification.

    Attributes:
        target: Name of the export target.
        files: Paths of the written files, the most important first.
        params: Number of parameters of the network.
        params_equal: Whether the network that was read back has as many parameters, or as many as
            remain after folding of batch norms; ``None`` if they cannot be counted here.
        max_abs_diff: Largest absolute difference between the outputs of the network and of the one
            that was read back, over all ``batches``; ``None`` if it cannot run here. Of several
            outputs, that with the largest relative difference.
        largest: Largest absolute value of the same output of the network on the same images.
        batches: Sizes of the compared batches.
        notes: Remarks for the user, one line each.
        run: Function that runs the network that was read back; ``None`` if it cannot run here.
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
        """Whether no check has failed; checks that are impossible here do not count."""
        close = (
            self.max_abs_diff is None
            or self.max_abs_diff <= TARGETS.get(self.target).tolerance * self.largest
        )
        return self.params_equal is not False and close


def usable_target(name: str, task: Task | None = None) -> ExportTarget:
    """Return the target called ``name``, if it is usable here and supports the task.

    Raises:
        PluginError: There is no such target.
        ExportError: The target is not usable here, or does not support the task.
    """
    target = TARGETS.get(name)
    trouble = target.trouble()
    if trouble:
        raise ExportError(f"target {name} cannot be written here: {trouble}")
    if task is not None and (reason := target.refusal(task)):
        raise ExportError(f"target {name} takes no networks for {task.kind}: {reason}")
    return target


def export_all(model: ExportModel, targets: Sequence[str], folder: Path) -> list[ExportResult]:
    """Export to several targets, each into its own folder below ``folder``.

    All targets are checked for usability before the first file is written.

    Raises:
        PluginError: There is no such target.
        ExportError: See :func:`export`.
    """
    names = list(dict.fromkeys(targets))
    for name in names:
        usable_target(name, model.task)
    return [export(model, name, folder / name) for name in names]


def export(model: ExportModel, target: str, folder: Path) -> ExportResult:
    """Export a network to one target, read it back, and compare.

    Args:
        model: The network.
        target: Name of the target.
        folder: Folder of the files; made if it is missing.

    Raises:
        PluginError: There is no such target.
        ExportError: The target is not usable here or cannot express the architecture or the task,
            the folder cannot be written, or the network's own outputs are not finite.
    """
    found = usable_target(target, model.task)
    _check_finite(model)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ExportError(f"{folder}: cannot be written ({error.strerror or error})") from None
    # Reading back initialises modules, which must not advance the caller's random numbers.
    with (
        one_line_errors(f"target {target}: {folder}", ExportError),
        torch.random.fork_rng(devices=[]),
    ):
        return _verified(model, found, found.write(model, folder))


def reference_run(model: ExportModel) -> Run:
    """Return a function that runs the network itself in PyTorch."""
    return module_run(inference_module(model))


def time_exports(
    model: ExportModel, results: Sequence[ExportResult], *, seconds: float
) -> dict[str, Timing]:
    """Measure the latency of one image on one thread, in turn with the network in PyTorch.

    Args:
        model: The network.
        results: Its exports, of which those that run in a runtime here are timed.
        seconds: Duration of the measurement for each.

    Returns:
        Timings by target, and that of the network as :data:`PYTORCH`; empty if no export runs in a
        runtime here.
    """
    images = random_images(model.input_shape)
    runs: dict[str, Callable[[], object]] = {PYTORCH: partial(reference_run(model), images)}
    for result in results:
        if result.run is not None and TARGETS.get(result.target).runtime:
            runs[result.target] = partial(result.run, images)
    if len(runs) == 1:
        return {}
    calls = [_without_result(run) for run in runs.values()]
    with torch_threads(1):
        timings = interleaved_timing(calls, None, seconds=seconds * len(runs), threads=1)
    return dict(zip(runs, timings, strict=True))


def _without_result(run: Callable[[], object]) -> Callable[[], None]:
    """Return the call without its result, which the stopwatch would take for milliseconds."""

    def call() -> None:
        run()

    return call


def _check_finite(model: ExportModel) -> None:
    outputs = _as_tuple(reference_run(model)(_random_batch(model, 1)))
    if not all(np.isfinite(output).all() for output in outputs):
        raise ExportError(
            f"{model.weights}: with these weights the network's outputs are no finite numbers"
        )


def _verified(model: ExportModel, target: ExportTarget, exported: ExportedFiles) -> ExportResult:
    """Compare the network that was read back with the original."""
    params = sum(weight.numel() for weight in model.module.parameters())
    expected = _params_after_folding(model) if exported.folded else params
    sizes = _BATCH_SIZES if exported.any_batch else _BATCH_SIZES[:1]
    differences = [_differences(model, exported.run, size) for size in sizes]
    difference, largest = _worst_output(differences)
    return ExportResult(
        target=target.name,
        files=exported.files,
        params=params,
        params_equal=None if exported.params is None else exported.params == expected,
        max_abs_diff=None if exported.run is None else difference,
        largest=largest,
        batches=sizes if exported.run else (),
        notes=exported.notes,
        run=exported.run,
    )


def _params_after_folding(model: ExportModel) -> int:
    """Return the number of weights that kernels read after folding of batch norms."""
    lowered = lower(model.architecture, num_classes=model.num_classes, task=model.task)
    weights: int = total(lowered.ops, "weights")
    return weights


def _differences(model: ExportModel, run: Run | None, batch: int) -> list[tuple[float, float]]:
    """Return, for each output, the largest absolute difference and the largest absolute value.

    Args:
        model: The network.
        run: Function that runs the network that was read back; ``None`` compares nothing.
        batch: Number of random images.

    Raises:
        ExportError: The outputs have other shapes.
    """
    images = _random_batch(model, batch)
    expected = _as_tuple(reference_run(model)(images))
    outputs = expected if run is None else _as_tuple(run(images))
    if [output.shape for output in outputs] != [output.shape for output in expected]:
        raise ExportError(
            f"what was read back gives {_shapes(outputs)} for {images.shape},"
            f" not {_shapes(expected)}"
        )
    return [
        (float(np.abs(output - own).max()), float(np.abs(own).max()))
        for output, own in zip(outputs, expected, strict=True)
    ]


def _worst_output(batches: Sequence[Sequence[tuple[float, float]]]) -> tuple[float, float]:
    """Return difference and size, over all batches, of the output with the largest ratio."""
    # (outputs, 2) after the maximum over batches. NaN survives max and argmax, so it is the worst.
    maxima = np.array(batches).max(axis=0)
    relative = maxima[:, 0] / np.maximum(maxima[:, 1], _TINY)
    difference, size = maxima[int(np.argmax(relative))]
    return float(difference), float(size)


def _as_tuple(outputs: Outputs) -> tuple[NDArray[np.float32], ...]:
    return outputs if isinstance(outputs, tuple) else (outputs,)


def _shapes(outputs: Sequence[NDArray[np.float32]]) -> str:
    return " and ".join(str(output.shape) for output in outputs)


def _random_batch(model: ExportModel, size: int) -> NDArray[np.float32]:
    shape = (size, *model.input_shape[1:])
    return np.random.default_rng([_SEED, size]).standard_normal(shape, dtype=np.float32)
