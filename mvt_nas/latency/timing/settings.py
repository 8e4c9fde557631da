"""Settings of a latency measurement."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mvt_nas.errors import LatencyError
from mvt_nas.space.architecture import Architecture
from mvt_nas.tasks.base import Task, at_resolution

DTYPES = ("fp32", "int8")
"""Data types of inference; each runtime supports some of them."""

_ABOVE_ZERO = ("threads", "seconds", "timeout_s", "batch_size", "resolution_px", "num_classes")


@dataclass(frozen=True, slots=True)
class TimingSettings:
    """Settings of a latency measurement.

    Attributes:
        runtime: Name of the runtime.
        threads: Threads of one inference.
        batch_size: Images per inference; by default 1, or the size that an ONNX file fixes.
        resolution_px: Side of the images; by default the architecture's own, or the one that an
            ONNX file fixes.
        seconds: Duration of the timing per network, in seconds; opening them takes extra time.
        command: Shell command of the runtime ``command``.
        timeout_s: Longest duration of one call of the command, in seconds.
        num_classes: Outputs of an architecture's classifier.
        task: Downstream task of an architecture, with its own classes and resolution; ``None`` for
            classification.
        seed: Seed of the weights and of the order of calls.
        dtype: One of :data:`DTYPES`; with ``int8``, networks are quantised first.

    Raises:
        LatencyError: a number is not above 0, the data type is unknown, or a command is given for
            another runtime.
    """

    runtime: str = "onnxruntime"
    threads: int = 1
    batch_size: int | None = None
    resolution_px: int | None = None
    seconds: float = 5.0
    command: str | None = None
    timeout_s: float = 60.0
    num_classes: int = 1000
    task: Task | None = None
    seed: int = 0
    dtype: str = "fp32"

    def __post_init__(self) -> None:
        for name in _ABOVE_ZERO:
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise LatencyError(f"{name} = {value} is not allowed; a number above 0")
        if self.dtype not in DTYPES:
            raise LatencyError(f"dtype = {self.dtype!r} is not allowed; {' or '.join(DTYPES)}")
        if self.command is not None and self.runtime != "command":
            raise LatencyError(
                f"a command was given with the runtime {self.runtime}; only the runtime command"
                " takes one"
            )

    @property
    def sized_task(self) -> Task | None:
        """The task at the measured resolution; ``None`` for classification."""
        if self.task is None or self.resolution_px is None:
            return self.task
        return at_resolution(self.task, self.resolution_px)

    def sized(self, architecture: Architecture) -> Architecture:
        """Return an architecture for images of the settings' side; unchanged without one."""
        if self.resolution_px is None:
            return architecture
        return replace(architecture, resolution_px=self.resolution_px)
