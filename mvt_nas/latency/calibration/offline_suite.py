"""Networks to measure on a device without Python (``mvt-nas latency suite``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from mvt_nas._optional import one_line_errors
from mvt_nas.errors import LatencyError
from mvt_nas.latency.calibration.latency_csv import template
from mvt_nas.latency.calibration.reference_networks import choose_reference_networks
from mvt_nas.latency.runtime import usable_runtime
from mvt_nas.latency.runtimes.litert import flatbuffer
from mvt_nas.latency.timing.jobs import job_for
from mvt_nas.latency.timing.settings import TimingSettings
from mvt_nas.onnx.export import export_onnx
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.published import published_names, zoo
from mvt_nas.space.search_space import SearchSpace

CSV = "measurements.csv"
# One network in four is a published one.
_PUBLISHED_EVERY = 4

Listener = Callable[[str], None]
"""Called with the name of each network."""


def write_suite(
    space: SearchSpace,
    folder: Path,
    *,
    networks: int = 12,
    batch_size: int = 1,
    seed: int = 0,
    formats: Sequence[str] = ("onnx",),
    listener: Listener | None = None,
) -> Path:
    """Write networks, their architectures and a CSV file to fill in.

    Args:
        space: space from which networks are chosen.
        folder: folder to write to.
        networks: number of networks.
        batch_size: images per inference.
        seed: seed of the choice and of the weights.
        formats: ``onnx`` and ``litert``.
        listener: called with the name of each network after it is written.

    Returns:
        The path of the CSV file.

    Raises:
        LatencyError: the folder contains a suite already or cannot be written, or a number is not
            allowed.
    """
    if networks < 4 or batch_size < 1:
        raise LatencyError(
            f"{networks} networks with {batch_size} images are not allowed; at least 4 with 1"
        )
    if (folder / CSV).exists():
        raise LatencyError(f"{folder / CSV} is there already; choose another folder, or delete it")
    chosen = _networks(space, networks, seed)
    with one_line_errors(f"{folder} cannot be written", LatencyError):
        folder.mkdir(parents=True, exist_ok=True)
        for name, architecture in chosen:
            _write(name, architecture, folder, formats, batch_size, seed)
            if listener:
                listener(name)
        lines = [
            (name if name in published_names() else f"{name}.json", architecture.resolution_px)
            for name, architecture in chosen
        ]
        (folder / CSV).write_text(template(lines))
    return folder / CSV


def _networks(space: SearchSpace, n: int, seed: int) -> list[tuple[str, Architecture]]:
    """Return published networks, as far as the space contains any, and others spread over it."""
    names = [name for name in published_names() if space.contains(zoo(name))]
    wanted = n // _PUBLISHED_EVERY
    step = max(1, len(names) // max(1, wanted))
    published = [(name, zoo(name)) for name in names[::step]][:wanted]
    rest = choose_reference_networks(space, to_fit=n - len(published), to_test=0, seed=seed)
    return [*published, *rest.to_fit]


def _write(
    name: str,
    architecture: Architecture,
    folder: Path,
    formats: Sequence[str],
    batch_size: int,
    seed: int,
) -> None:
    if name not in published_names():
        (folder / f"{name}.json").write_text(architecture.to_json() + "\n")
    if "onnx" in formats:
        export_onnx(architecture, folder / f"{name}.onnx", batch_size=batch_size, seed=seed)
    if "litert" in formats:
        settings = TimingSettings(runtime="litert", batch_size=batch_size, seed=seed)
        job = job_for(architecture, settings, usable_runtime("litert"), folder / f"{name}.onnx")
        assert job.module is not None
        (folder / f"{name}.tflite").write_bytes(flatbuffer(job.module, job.input_shape))
