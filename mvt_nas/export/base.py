"""Models to export, export targets, and readers of files that hold an architecture.

A target is one file in ``targets``, a reader one in ``readers``. Both import optional libraries
inside functions, so that they can be listed where these are not installed. Readers run nothing that
is in a file and do not import torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mvt_nas._optional import missing as missing  # targets import it from here
from mvt_nas.errors import ExportError
from mvt_nas.registry import Registry
from mvt_nas.space.architecture import Architecture
from mvt_nas.tasks.base import Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mvt_nas.models.network import Network, TaskNetwork

    Outputs = NDArray[np.float32] | tuple[NDArray[np.float32], ...]
    """The only output of a network, (B, classes) or (B, classes, H, W), or a tuple of all outputs
    in their order (see :mod:`mvt_nas.export.inference_module`)."""

    Run = Callable[[NDArray[np.float32]], Outputs]
    """A function from images, (B, 3, H, W), to the outputs of a network."""


@dataclass(frozen=True, slots=True, eq=False)
class ExportModel:
    """A network to export, with what files say about it.

    Attributes:
        name: Python identifier; the stem of file names and the name of classes and models in them.
        architecture: Architecture of the backbone.
        module: The network in evaluation mode, fp32, on the CPU.
        num_classes: Number of outputs of the classifier, or of classes of the task.
        weights: Origin of the weights, as printed and written to README files.
        nearest: Name of the most similar published model, whose training recipe is used.
        task: Task of the network; ``None`` for classification.
    """

    name: str
    architecture: Architecture
    module: Network | TaskNetwork
    num_classes: int
    weights: str
    nearest: str
    task: Task | None = None

    @property
    def resolution_px(self) -> int:
        """Side of the square images in pixels: that of the task, if there is one."""
        return self.architecture.resolution_px if self.task is None else self.task.resolution_px

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """Shape of one image, (1, 3, H, W)."""
        return 1, 3, self.resolution_px, self.resolution_px


@dataclass(frozen=True, slots=True, eq=False)
class ExportedFiles:
    """The files that a target has written, and the network that was read back from them.

    Attributes:
        files: Paths of the files, the most important first.
        params: Number of parameters of the network that was read back; ``None`` if this machine
            cannot count them.
        run: Function that runs the network that was read back; ``None`` if this machine cannot.
        any_batch: Whether the network takes batches of any size, or single images only.
        folded: Whether batch norms are folded into their convolutions, so that one bias remains of
            the two parameters of each channel.
        notes: Remarks for the user, one line each.
    """

    files: tuple[Path, ...]
    params: int | None
    run: Run | None
    any_batch: bool = True
    folded: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ExportTarget:
    """An entry of :data:`TARGETS`: a file format, or a trainer, to export to.

    Attributes:
        name: Name in the registry, which is also the name of the module.
        summary: Description in one line.
        write: Writes a network into a folder and reads it back. Raises ``ExportError``, with the
            reason, if the format cannot express the architecture.
        trouble: Returns the reason why the target is not usable on this machine, with a remedy;
            ``None`` if it is usable.
        refusal: Returns the reason why the target does not support a task; ``None`` if it does.
        runtime: Whether the network that is read back runs in a runtime for devices, so that its
            latency is measured.
        tolerance: Largest accepted difference between outputs of the same network, as a fraction of
            the largest absolute value of the output.
    """

    name: str
    summary: str
    write: Callable[[ExportModel, Path], ExportedFiles]
    trouble: Callable[[], str | None] = lambda: None
    refusal: Callable[[Task], str | None] = lambda _: None
    runtime: bool = False
    tolerance: float = 1e-4


TARGETS: Registry[ExportTarget] = Registry("export target", "mvt_nas.export.targets")
"""Export targets by name."""


@dataclass(frozen=True, slots=True)
class ImportedNetwork:
    """The architecture in a file.

    Attributes:
        architecture: Architecture of the network.
        format: Name of the file's format, as printed.
        settings: Other values in the file, such as the number of classes.
        task: Task of the network; ``None`` for classification, and if the file names none.
    """

    architecture: Architecture
    format: str
    settings: Mapping[str, object] = field(default_factory=dict)
    task: Task | None = None


@dataclass(frozen=True, slots=True)
class NetworkReader:
    """An entry of :data:`READERS`: a file format from which architectures are read.

    Attributes:
        name: Name in the registry, which is also the name of the module.
        summary: Description of the files in one line.
        read: Returns the network in a file, or ``None`` if the file has another format. Raises
            ``ExportError`` if the file has this format, but is damaged or describes a network that
            this package cannot express.
    """

    name: str
    summary: str
    read: Callable[[Path], ImportedNetwork | None]


READERS: Registry[NetworkReader] = Registry(
    "reader of architectures", "mvt_nas.export.architecture_readers"
)
"""Readers of architectures by name."""


def read_architecture(path: Path) -> ImportedNetwork:
    """Return the architecture in a file of any known format, or in a folder that holds one.

    Raises:
        ExportError: No reader knows the format, or the file is missing, unreadable or damaged, or
            describes a network that this package cannot express.
    """
    if not path.exists():
        raise ExportError(f"{path}: there is no such file")
    for name in READERS:
        try:
            network = READERS.get(name).read(path)
        except OSError as error:
            raise ExportError(f"{path}: cannot be read ({error.strerror or error})") from None
        if network is not None:
            return network
    known = "; ".join(READERS.get(name).summary for name in READERS)
    raise ExportError(f"{path}: of no known format; one of {known}")
