"""``mvt-nas latency suite``: networks to carry to a device that has no Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from mvt_nas.errors import LatencyError
from mvt_nas.latency.calibration.latency_csv import template
from mvt_nas.latency.calibration.reference_networks import choose_reference_networks
from mvt_nas.latency.onnx_export import export_onnx
from mvt_nas.latency.runtime import refusal, usable_runtime
from mvt_nas.latency.timing.jobs import job_for
from mvt_nas.latency.timing.settings import TimingSettings
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.published import published_names, zoo
from mvt_nas.space.search_space import SearchSpace

CSV = "measurements.csv"
_PUBLISHED_SHARE = 4  # one in so many

Listener = Callable[[str], None]


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
    """Write networks, their architectures and a CSV file to fill in; return the path of the latter.

    Args:
        space: from which they are chosen.
        folder: where everything goes.
        networks: how many.
        batch_size: images per inference.
        seed: of the choice and of the weights.
        formats: ``onnx`` and ``litert``.
        listener: is told the name of each network that is written.

    Raises:
        LatencyError: the folder holds a suite already or cannot be written, or a number is not
            allowed.
    """
    if networks < 4 or batch_size < 1:
        raise LatencyError(
            f"{networks} networks with {batch_size} images are not allowed; at least 4 with 1"
        )
    if (folder / CSV).exists():
        raise LatencyError(f"{folder / CSV} is there already; choose another folder, or delete it")
    chosen = _networks(space, networks, seed)
    with refusal(f"{folder} cannot be written"):
        folder.mkdir(parents=True, exist_ok=True)
        for name, architecture in chosen:
            _write(name, architecture, folder, formats, batch_size, seed)
            if listener:
                listener(name)
        lines = [
            (name if name in published_names() else f"{name}.json", a.resolution_px)
            for name, a in chosen
        ]
        (folder / CSV).write_text(template(lines))
    return folder / CSV


def _networks(space: SearchSpace, n: int, seed: int) -> list[tuple[str, Architecture]]:
    """Return published networks, as far as the space has any, and others spread over it."""
    names = [name for name in published_names() if space.contains(zoo(name))]
    step = max(1, len(names) // max(1, n // _PUBLISHED_SHARE))
    published = [(name, zoo(name)) for name in names[::step]][: n // _PUBLISHED_SHARE]
    spread = choose_reference_networks(
        space, to_fit=n - len(published), to_judge=0, seed=seed
    ).to_fit
    return [*published, *spread]


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
        from mvt_nas.latency.runtimes.litert import flatbuffer

        settings = TimingSettings(runtime="litert", batch_size=batch_size, seed=seed)
        job = job_for(architecture, settings, usable_runtime("litert"), folder / f"{name}.onnx")
        assert job.module is not None
        (folder / f"{name}.tflite").write_bytes(flatbuffer(job.module, job.input_shape))
