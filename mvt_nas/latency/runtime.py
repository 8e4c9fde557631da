"""What a runtime takes, gives, and says about itself.

Runtimes import their libraries inside functions, so that they can be listed without loading any.

A session of anything that is a function of arrays.

Libraries that convert networks talk while they do: progress on the standard output, warnings about
themselves.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from mvt_nas.errors import LatencyError, MvtNasError, listing
from mvt_nas.registry import Registry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from mvt_nas.latency.model.kernels import Signature
if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class RuntimeJob:
    """What a session is opened for.

    Attributes:
        input_shape: of the images, (B, C, H, W).
        threads: that one inference may use.
        model: the ONNX file, for runtimes that take one.
        module: the network in evaluation mode, for runtimes that take one.
        command: for the runtime ``command``, the shell command.
        timeout_s: for the runtime ``command``, seconds that a call may take.
        dtype: to run in; the model and the module are always fp32, the runtime makes something else
            of them where asked to.
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
        """Return the logits, (B, classes), of images (B, C, H, W); ``None`` if they cannot be had."""
        ...


@dataclass(frozen=True, slots=True)
class Runtime:
    """Something that runs networks.

    Attributes:
        name: the name in the registry, which is the name of the module too.
        summary: what it is, in one line.
        takes: whether a job needs a ``model`` (``"onnx"``) or a ``module``.
        package: the distribution whose version is the runtime's; ``None`` if there is none.
        trouble: returns why it cannot be used here and how to mend that; ``None`` if it can.
        session: opens a job; what it has set for the process is put back on leaving.
        own_clock: whether sessions return milliseconds of their own.
        probe: whether opening one more network, the probe, is quick enough.
        kernel_times: ``(job, runs) -> milliseconds by kernel``, from the runtime's own profile;
            ``None`` if it has none that can be read.
        dtypes: what sessions can compute in.
        accelerator: returns the name of the device that sessions run on; ``None`` if that is the
            processor.
    """

    name: str
    summary: str
    takes: Literal["onnx", "module"]
    package: str | None
    trouble: Callable[[], str | None]
    session: Callable[[RuntimeJob], AbstractContextManager[Session]]
    own_clock: bool = False
    probe: bool = True
    kernel_times: Callable[[RuntimeJob, int], Mapping[Signature, float]] | None = None
    dtypes: tuple[str, ...] = ("fp32",)
    accelerator: Callable[[], str] | None = None

    def version(self) -> str | None:
        """Return the version of the package; ``None`` where it is not installed or there is none."""
        return package_version(self.package) if self.package else None


RUNTIMES: Registry[Runtime] = Registry("runtime", "mvt_nas.latency.runtimes")
"""Runtimes by name."""


def usable_runtime(name: str, dtype: str = "fp32") -> Runtime:
    """Return the runtime called ``name``, if it can be used here and computes in ``dtype``.

    Raises:
        PluginError: there is none.
        LatencyError: it cannot be used here, or not in this data type.
    """
    runtime = RUNTIMES.get(name)
    if dtype not in runtime.dtypes:
        offering = [other for other in RUNTIMES if dtype in RUNTIMES.get(other).dtypes]
        raise LatencyError(
            f"runtime {name} runs {' and '.join(runtime.dtypes)} only, not {dtype}; for {dtype} use"
            f" {listing(offering)}"
        )
    trouble = runtime.trouble()
    if trouble:
        raise LatencyError(f"runtime {name} cannot be used here: {trouble}")
    return runtime


def package_version(package: str) -> str | None:
    """Return the version of an installed distribution, or ``None``."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def missing(modules: tuple[str, ...], extra: str) -> str | None:
    """Return which of the modules is not installed and how to install it, or ``None``."""
    for module in modules:
        if find_spec(module) is None:
            return f"{module} is not installed; pip install 'mvt-nas[{extra}]'"
    return None


@contextmanager
def refusal(what: str, kind: type[MvtNasError] = LatencyError) -> Iterator[None]:
    """Turn whatever a library raises inside the block into one line that begins with ``what``.

    Raises:
        MvtNasError: the block raised something; it is of this kind, unless the block raised one
            itself.
    """
    try:
        yield
    except MvtNasError:
        raise
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [
            type(error).__name__
        ]
        raise kind(f"{what}: {lines[0][:300]}") from error


class ArraySession:
    """A function from images (B, C, H, W) to logits (B, classes), with the images that are timed.

    What the function returns may be memory of its library that the next call writes to.
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


@contextmanager
def silence_output() -> Iterator[None]:
    """Drop, inside the block, what Python code prints and warns of, and what it logs below errors."""
    disabled = logging.root.manager.disable
    logging.disable(max(disabled, logging.WARNING))
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
