"""How to measure."""

from __future__ import annotations

from dataclasses import dataclass

from mvt_nas.errors import LatencyError
from mvt_nas.tasks.base import Task, at_resolution

DTYPES = ("fp32", "int8")
"""Data types that networks can be run in; which of them a runtime offers is its own matter."""

_ABOVE_ZERO = ("threads", "seconds", "timeout_s", "batch_size", "resolution_px", "num_classes")


@dataclass(frozen=True, slots=True)
class TimingSettings:
    """How to measure.

    Attributes:
        runtime: its name.
        threads: that one inference may use.
        batch_size: images per inference; without one, 1 or what an ONNX file fixes.
        resolution_px: side of the images; without one, the architecture's own or what an ONNX file
            fixes.
        seconds: of timing per network; opening them comes on top.
        command: for the runtime ``command``.
        timeout_s: for the runtime ``command``, seconds that a call may take.
        num_classes: outputs of an architecture's classifier.
        task: what an architecture is used for, with its own classes and resolution; ``None`` for
            classification.
        seed: of weights and of the order of calls.
        dtype: one of :data:`DTYPES`; with ``int8``, a network is quantised before it is measured.

    Raises:
        LatencyError: a number is not above 0, there is no such data type, or a command is meant for
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
        """The task, for images of the side that is measured."""
        return (
            self.task
            if self.task is None or self.resolution_px is None
            else at_resolution(self.task, self.resolution_px)
        )
