"""Runtimes: the interface of plug-ins that run networks, and their registry.

Runtimes import their libraries inside functions, so that they can be listed without loading any.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from mvt_nas._optional import package_version
from mvt_nas.errors import LatencyError, listing
from mvt_nas.registry import Registry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from mvt_nas.latency.model.kernels import Signature


@dataclass(frozen=True, slots=True, eq=False)
class RuntimeJob:
    """A network to open in a runtime, and the settings of its inference.

    Attributes:
        input_shape: Shape of the images, (B, C, H, W).
        threads: Threads of one inference.
        model: The ONNX file, for runtimes that take one.
        module: The network in evaluation mode, for runtimes that take one.
        command: Shell command of the runtime ``command``.
        timeout_s: Longest duration of one call of the command, in seconds.
        dtype: Data type of the inference. Model and module are always fp32; the runtime converts
            them.
    """

    input_shape: tuple[int, int, int, int]
    threads: int
    model: Path | None = None
    module: nn.Module | None = None
    command: str | None = None
    timeout_s: float = 60.0
    dtype: str = "fp32"


class Session(Protocol):
    """A network that is ready to run."""

    def __call__(self) -> float | None:
        """Run one inference; return its milliseconds if the runtime has timed it by itself."""
        ...

    def logits(self, images: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Return the logits, (B, classes), of images (B, C, H, W); ``None`` if unavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Runtime:
    """A library or a command that runs networks.

    Attributes:
        name: Name in the registry, which is the name of the module too.
        summary: Description in one line.
        takes: Whether a job needs a ``model`` (``"onnx"``) or a ``module``.
        package: Distribution whose version is the runtime's; ``None`` if there is none.
        trouble: Returns why the runtime cannot be used here and how to fix that; ``None`` if it
            can be used.
        session: Opens a job; settings of the process are restored on exit.
        own_clock: Whether sessions return their own milliseconds.
        reference_model: Whether opening one more network, the reference model, is quick enough.
        kernel_times: ``(job, runs) -> milliseconds by kernel``, from the runtime's own profile;
            ``None`` if it has no readable profile.
        dtypes: Data types in which sessions can compute.
        accelerator: Returns the name of the device that sessions run on; ``None`` if that is the
            processor.
    """

    name: str
    summary: str
    takes: Literal["onnx", "module"]
    package: str | None
    trouble: Callable[[], str | None]
    session: Callable[[RuntimeJob], AbstractContextManager[Session]]
    own_clock: bool = False
    reference_model: bool = True
    kernel_times: Callable[[RuntimeJob, int], Mapping[Signature, float]] | None = None
    dtypes: tuple[str, ...] = ("fp32",)
    accelerator: Callable[[], str] | None = None

    def version(self) -> str | None:
        """Return the version of the package; ``None`` if there is none or it is not installed."""
        return package_version(self.package) if self.package else None


RUNTIMES: Registry[Runtime] = Registry("runtime", "mvt_nas.latency.runtimes")
"""Runtimes by name."""


def usable_runtime(name: str, dtype: str = "fp32") -> Runtime:
    """Return the runtime called ``name`` if it can be used here and computes in ``dtype``.

    Raises:
        PluginError: there is no such runtime.
        LatencyError: it cannot be used here, or not in this data type.
    """
    runtime = RUNTIMES.get(name)
    if dtype not in runtime.dtypes:
        alternatives = [other for other in RUNTIMES if dtype in RUNTIMES.get(other).dtypes]
        raise LatencyError(
            f"runtime {name} runs {' and '.join(runtime.dtypes)} only, not {dtype}; for {dtype} use"
            f" {listing(alternatives)}"
        )
    trouble = runtime.trouble()
    if trouble:
        raise LatencyError(f"runtime {name} cannot be used here: {trouble}")
    return runtime


class ArraySession:
    """A function from images (B, C, H, W) to logits (B, classes), and the images that are timed.

    The result of the function may be memory of its library that the next call overwrites.
    """

    def __init__(
        self, run: Callable[[NDArray[np.float32]], NDArray[np.float32]], images: NDArray[np.float32]
    ) -> None:
        self._run = run
        self._images = images

    def __call__(self) -> None:
        """Run one inference."""
        self._run(self._images)

    def logits(self, images: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Return the logits, (B, classes), of images (B, C, H, W)."""
        return self._run(images).copy()
