"""What is exported, what a target makes of it, and what a reader finds again.

A target is one file in ``targets``, a reader one in ``readers``. Both import their libraries inside
functions, so that they can be listed without loading any.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mvt_nas._optional import missing as missing
from mvt_nas.registry import Registry
from mvt_nas.space.architecture import Architecture
from mvt_nas.tasks.base import Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mvt_nas.models.network import Network, TaskNetwork

    Outputs = NDArray[np.float32] | tuple[NDArray[np.float32], ...]
    """Logits, (B, classes) or (B, classes, H, W), or a tuple of all outputs in their order (see
    :mod:`mvt_nas.export.inference_module`)."""

    Run = Callable[[NDArray[np.float32]], Outputs]
    """What a network makes of images, (B, 3, H, W)."""


@dataclass(frozen=True, slots=True, eq=False)
class ExportModel:
    """The network that is exported.

    Attributes:
        name: a Python identifier; the stem of files and the name of classes and models.
        architecture: what it is.
        module: itself, in evaluation mode, fp32, on the processor.
        num_classes: outputs of its classifier; those of its task, where it has one.
        weights: in words, where its weights come from.
        nearest: the published model that it is most like, whose recipe it is trained by.
        task: what it is for; ``None`` for classification.
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
        """Side of the images: that of the task, where it has one."""
        return self.architecture.resolution_px if self.task is None else self.task.resolution_px

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """The shape of one image, (1, 3, H, W)."""
        return 1, 3, self.resolution_px, self.resolution_px


@dataclass(frozen=True, slots=True, eq=False)
class ExportedFiles:
    """What a target has written, read back from its files.

    Attributes:
        files: in the order in which people need them.
        params: of what was read back; ``None`` where it cannot be read back here.
        run: gives its outputs; ``None`` where it cannot run here.
        any_batch: whether it takes batches of any size; else single images.
        folded: whether batch norms are folded into their convolutions, so that each leaves one bias
            of its two parameters a channel.
        notes: what people have to know, a line each.
    """

    files: tuple[Path, ...]
    params: int | None
    run: Run | None
    any_batch: bool = True
    folded: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ExportTarget:
    """A form to export to.

    Attributes:
        name: in the registry, which is the name of the module too.
        summary: what it is, in one line.
        write: writes into an empty folder. Raises ``ExportError`` where the form cannot express the
            architecture, saying what of it.
        trouble: returns why it cannot be written here and how to mend that; ``None`` if it can.
        refusal: returns why it cannot take networks of a task; ``None`` if it can.
        runtime: whether what is read back runs in a runtime for devices, so that its latency is
            worth measuring again.
        tolerance: largest difference of outputs that is still the same network, as a share of the
            output's largest absolute value.
    """

    name: str
    summary: str
    write: Callable[[ExportModel, Path], ExportedFiles]
    trouble: Callable[[], str | None] = lambda: None
    refusal: Callable[[Task], str | None] = lambda _: None
    runtime: bool = False
    tolerance: float = 1e-4


TARGETS: Registry[ExportTarget] = Registry("export target", "mvt_nas.export.targets")
"""Forms to export to, by name."""


@dataclass(frozen=True, slots=True)
class ImportedNetwork:
    """What a reader has found in a file.

    Attributes:
        architecture: of the network.
        form: what the file is, in words.
        settings: what the file says beside, such as the number of classes.
        task: what the network in it is for; ``None`` for classification, and where the file does
            not say.
    """

    architecture: Architecture
    form: str
    settings: Mapping[str, object] = field(default_factory=dict)
    task: Task | None = None


@dataclass(frozen=True, slots=True)
class NetworkReader:
    """Something that finds an architecture in a file.

    Attributes:
        name: in the registry, which is the name of the module too.
        summary: what it reads, in one line.
        read: returns what it found; ``None`` where the file is of another form. Raises
            ``ExportError`` where the form is its own, but the file is damaged or says what this
            package cannot express.
    """

    name: str
    summary: str
    read: Callable[[Path], ImportedNetwork | None]


READERS: Registry[NetworkReader] = Registry("reader of architectures", "mvt_nas.export.readers")
"""What ``mvt-nas import`` reads, by name."""
