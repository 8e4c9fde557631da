"""Short trainings inside a search: what a run says of them, and how a worker does one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mvt_nas.errors import RunError, TrainingError, listing
from mvt_nas.training.short_recipe import ShortRecipe

if TYPE_CHECKING:
    from mvt_nas.data.dataset import ImageDataset
    from mvt_nas.space.architecture import Architecture
    from mvt_nas.training.short_training import ShortTrainingResult

FOLDER = "training"
"""Of a run, where a training that goes on keeps its checkpoint."""

KEEP = 1 / 3
"""The share that goes on from rung to rung; rank correlations of short trainings leave no room for
much less."""


@dataclass(frozen=True, slots=True)
class CandidateTraining:
    """How the candidates of a run are trained.

    Attributes:
        data: source of the pictures; a path is absolute.
        limit: pictures per class that are read.
        fingerprint: of the pictures.
        num_classes: of the pictures.
        protocol: the recipe.
        device: ``auto``, ``cpu`` or ``cuda``.
        rungs: epochs after which trainings pause, and only the more promising ones go on; none
            where all are trained to the end.
        keep: share of the networks of each rung that go on to the next.
    """

    data: str
    limit: int | None
    fingerprint: str
    num_classes: int
    protocol: ShortRecipe
    device: str = "auto"
    rungs: tuple[int, ...] = ()
    keep: float = KEEP

    @property
    def first(self) -> int:
        """The epochs after which every training pauses, or ends."""
        return self.rungs[0] if self.rungs else self.protocol.epochs

    @staticmethod
    def of(
        data: str,
        *,
        protocol: ShortRecipe | None = None,
        limit: int | None = None,
        device: str = "auto",
        rungs: Sequence[int] = (),
        keep: float = KEEP,
    ) -> CandidateTraining:
        """Return how to train on some pictures, which are read for it.

        Raises:
            DataError: the pictures cannot be used, or are fewer than the protocol asks for.
            TrainingError: rungs that do not rise towards the last epoch, or a share that is none.
        """
        from mvt_nas.accuracy.protocol import default_protocol

        place = str(Path(data).resolve()) if Path(data).exists() else data
        if protocol is None:
            protocol = default_protocol(
                len(_images(place, ShortRecipe().pixels, limit, ShortRecipe().split_seed))
            )
        _check_rungs(rungs, keep, protocol.epochs)
        images = _images(place, protocol.pixels, limit, protocol.split_seed)
        images.split(
            train=protocol.train_images,
            validation=protocol.validation_images,
            seed=protocol.split_seed,
        )
        return CandidateTraining(
            place,
            limit,
            images.fingerprint,
            len(images.class_names),
            protocol,
            device,
            tuple(rungs),
            keep,
        )

    def check(self) -> None:
        """Check that the pictures are still those that the run was started with.

        Raises:
            DataError: they cannot be read.
            RunError: they are others.
        """
        _images.cache_clear()  # they may have changed since this process read them
        found = self.images().fingerprint
        if found != self.fingerprint:
            raise RunError(
                f"{self.data}: these are not the pictures that the run was started with (hash"
                f" {found}, not {self.fingerprint})"
            )

    def images(self) -> ImageDataset:
        """Return the pictures."""
        return _images(self.data, self.protocol.pixels, self.limit, self.protocol.split_seed)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self) | {"rungs": list(self.rungs)}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> CandidateTraining:
        """Return what plain data describe.

        Raises:
            TypeError: something misses, or is too much.
            TrainingError: the protocol is damaged.
        """
        protocol, rungs = ShortRecipe.from_dict(data["protocol"]), tuple(data.get("rungs", ()))
        _check_rungs(rungs, data.get("keep", KEEP), protocol.epochs)
        return CandidateTraining(**(dict(data) | {"protocol": protocol, "rungs": rungs}))


def _check_rungs(rungs: Sequence[int], keep: float, epochs: int) -> None:
    if (
        any(type(rung) is not int for rung in rungs)
        or list(rungs) != sorted({*rungs})
        or any(not 1 <= rung < epochs for rung in rungs)
    ):
        raise TrainingError(
            f"--rung {listing(rungs)} is not allowed; rising numbers of epochs from 1 to"
            f" {epochs - 1} ({epochs} is the last)"
        )
    if isinstance(keep, bool) or not isinstance(keep, int | float) or not 0 < keep < 1:
        raise TrainingError(f"--keep {keep} is not allowed; a share above 0 and below 1")
    if not rungs and keep != KEEP:
        raise TrainingError(f"--keep {keep} is of no use without --rung")


def train_candidate(
    training: CandidateTraining,
    architecture: Architecture,
    seed: int,
    folder: Path | None,
    images: ImageDataset | None = None,
    epochs: int | None = None,
) -> float:
    """Return the validation accuracy in percent that an architecture reaches; a training that was broken off goes on from its last epoch.

    Args:
        training: how to train.
        architecture: what to train.
        seed: of weights, order and augmentation.
        folder: where the checkpoint lies until the training is done; ``None`` for none.
        images: the pictures, where they need not be read.
        epochs: after which it pauses; ``None`` for all.

    Raises:
        TrainingError: the training diverged.
    """
    from mvt_nas.training.state import COMPLETE

    checkpoint = _checkpoint(folder, architecture)
    pictures = training.images() if images is None else images
    result = _trained(training, architecture, pictures, seed % 2**31, checkpoint, epochs)
    if checkpoint is not None and (
        epochs in (None, training.protocol.epochs) or not result.complete
    ):
        with suppress(OSError):
            checkpoint.unlink()
    if result.status != COMPLETE:
        raise TrainingError(result.status)
    return 100 * result.accuracy


def _checkpoint(folder: Path | None, architecture: Architecture) -> Path | None:
    """Return where the checkpoint is to lie; ``None`` where there is no place for any."""
    if folder is None:
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder / f"{architecture.key}.pt"


def _trained(
    training: CandidateTraining,
    architecture: Architecture,
    images: ImageDataset,
    seed: int,
    checkpoint: Path | None,
    epochs: int | None,
) -> ShortTrainingResult:
    """Return a training. A checkpoint is a help only: one that cannot be used or written makes no failed candidate.

    Raises:
        TrainingError: it cannot be trained without one either.
    """
    from mvt_nas.training.short_training import train_short

    for place in (checkpoint, checkpoint, None) if checkpoint is not None else (None,):
        try:
            return train_short(
                architecture,
                images,
                training.protocol,
                seed=seed,
                device=training.device,
                checkpoint=place,
                until=epochs,
            )
        except TrainingError:
            if place is None:
                raise
            with suppress(OSError):
                place.unlink()
    raise AssertionError("the last attempt returns or raises")


@lru_cache(maxsize=1)
def _images(data: str, pixels: int, limit: int | None, seed: int) -> ImageDataset:
    from mvt_nas.data.load import load_images

    return load_images(data, pixels, limit=limit, seed=seed)
