"""Short trainings of candidates: their settings in a run's configuration, and their execution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mvt_nas._fields import FieldSpec
from mvt_nas._settings import Codec, Option, read_settings, setting, write_settings
from mvt_nas.errors import RunError, TrainingError, listing
from mvt_nas.training.short_recipe import ShortRecipe

if TYPE_CHECKING:
    from mvt_nas.data.dataset import ImageDataset
    from mvt_nas.space.architecture import Architecture
    from mvt_nas.training.short_training import ShortTrainingResult

FOLDER = "training"
"""Folder in a run for the checkpoints of unfinished trainings."""

KEEP = 1 / 3
"""Default share of trainings that are promoted at each rung.

Rank correlations of short trainings leave no room for a much smaller share.
"""

DEFAULT_DATA = "digits"

_RECIPE_CODEC = Codec(lambda data, where: ShortRecipe.from_dict(data), ShortRecipe.to_dict)


@dataclass(frozen=True, slots=True)
class CandidateTraining:
    """How the candidates of a run are trained."""

    # The same images may be somewhere else when a run is resumed, so their hash decides.
    data: str = setting(
        FieldSpec(
            str, "Images for trained_accuracy: a folder with one folder per class, .npz or Parquet."
        ),
        option=Option("--data", "SOURCE", default=DEFAULT_DATA),
        affects_result=False,
    )
    limit: int | None = setting(
        FieldSpec(int, "Maximum number of images per class to read.", low=1),
        option=Option("--data-limit", "N", default="all"),
        optional=True,
    )
    fingerprint: str = setting(FieldSpec(str, "Content hash of the images."))
    num_classes: int = setting(FieldSpec(int, "Number of classes of the images.", low=1))
    protocol: ShortRecipe = setting(
        FieldSpec(ShortRecipe, "YAML file with the training recipe for trained_accuracy."),
        codec=_RECIPE_CODEC,
        option=Option(
            "--protocol", "FILE", default="32 px, scaled to the number of images", is_file=True
        ),
    )
    device: str = setting(
        FieldSpec(str, "Device to train on: auto, cpu or cuda."), default="auto", if_missing="auto"
    )
    rungs: tuple[int, ...] = setting(
        FieldSpec(int, "Pause trainings after this many epochs, and resume the best only.", low=1),
        default=(),
        option=Option("--rung", "EPOCHS", default="all candidates are fully trained"),
        if_missing=(),
        many=True,
    )
    keep: float = setting(
        FieldSpec(
            float, "Share of trainings to resume at each rung.", low=0, high=1, exclusive=True
        ),
        default=KEEP,
        option=Option("--keep", "SHARE"),
        if_missing=KEEP,
    )

    @property
    def first(self) -> int:
        """Number of epochs after which every training pauses or ends."""
        return self.rungs[0] if self.rungs else self.protocol.epochs

    @staticmethod
    def of(
        data: str,
        *,
        protocol: ShortRecipe | None = None,
        limit: int | None = None,
        device: str = "auto",
        rungs: Sequence[int] = (),
        keep: float | None = None,
    ) -> CandidateTraining:
        """Return how to train on some images, which are read to find their number and hash.

        Args:
            data: Source of the images.
            protocol: Training recipe; by default 32 px, scaled to the number of images.
            limit: Maximum number of images per class to read.
            device: ``auto``, ``cpu`` or ``cuda``.
            rungs: Epochs after which trainings pause, and only the best are resumed.
            keep: Share of trainings that are resumed at each rung; by default :data:`KEEP`.

        Raises:
            DataError: The images cannot be used, or are fewer than the recipe needs.
            TrainingError: The rungs do not rise towards the last epoch, or the share is invalid.
        """
        from mvt_nas.accuracy.protocol import default_protocol

        source = str(Path(data).resolve()) if Path(data).exists() else data
        if protocol is None:
            default = ShortRecipe()
            available = len(_images(source, default.pixels, limit, default.split_seed))
            protocol = default_protocol(available)
        _check_rungs(rungs, keep, protocol.epochs)
        images = _images(source, protocol.pixels, limit, protocol.split_seed)
        # Splitting now finds out whether there are enough images.
        images.split(
            train=protocol.train_images,
            validation=protocol.validation_images,
            seed=protocol.split_seed,
        )
        return CandidateTraining(
            source,
            limit,
            images.fingerprint,
            len(images.class_names),
            protocol,
            device,
            tuple(rungs),
            KEEP if keep is None else keep,
        )

    def check(self) -> None:
        """Check that the images are still those with which the run was started.

        Raises:
            DataError: The images cannot be read.
            RunError: The images have changed.
        """
        _images.cache_clear()  # they may have changed since this process read them
        found = self.images().fingerprint
        if found != self.fingerprint:
            raise RunError(
                f"{self.data}: these are not the images that the run was started with (hash"
                f" {found}, not {self.fingerprint})"
            )

    def images(self) -> ImageDataset:
        """Return the images."""
        return _images(self.data, self.protocol.pixels, self.limit, self.protocol.split_seed)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data from which :meth:`from_dict` reads it."""
        return write_settings(self)

    @staticmethod
    def from_dict(data: Mapping[str, Any], where: str = "") -> CandidateTraining:
        """Return the training that plain data describe.

        Args:
            data: The settings by name.
            where: Prefix of names in error messages.

        Raises:
            MetricError: A setting is unknown, missing or not allowed.
            TrainingError: The recipe is invalid.
        """
        return CandidateTraining(**read_settings(CandidateTraining, data, where))


def _read_training(data: Any, where: str) -> CandidateTraining | None:
    return None if data == {} else CandidateTraining.from_dict(data, f"{where}.")


def _write_training(training: CandidateTraining | None) -> dict[str, Any]:
    return {} if training is None else training.to_dict()


TRAINING_CODEC = Codec(_read_training, _write_training)
"""Reads and writes the training of a run; runs without one store an empty mapping."""


def _check_rungs(rungs: Sequence[int], keep: float | None, epochs: int) -> None:
    """Check the rungs of successive halving.

    Raises:
        TrainingError: The rungs do not rise towards the last epoch, or the share is invalid.
    """
    are_integers = all(type(rung) is int for rung in rungs)
    # The last epoch is not a rung: nothing is left to resume there.
    if (
        not are_integers
        or list(rungs) != sorted(set(rungs))
        or any(not 1 <= rung < epochs for rung in rungs)
    ):
        raise TrainingError(
            f"{listing(rungs)} is not allowed; rising numbers of epochs from 1 to"
            f" {epochs - 1} ({epochs} is the last)",
            parameter="rungs",
        )
    if keep is None:
        return
    if isinstance(keep, bool) or not isinstance(keep, int | float) or not 0 < keep < 1:
        raise TrainingError(f"{keep} is not allowed; a share above 0 and below 1", parameter="keep")
    if not rungs:
        raise TrainingError(f"{keep} is of no use without rungs", parameter="keep")


def train_candidate(
    training: CandidateTraining,
    architecture: Architecture,
    seed: int,
    folder: Path | None,
    images: ImageDataset | None = None,
    epochs: int | None = None,
) -> float:
    """Return the validation accuracy that an architecture reaches, in percent.

    An interrupted training is resumed from its last epoch.

    Args:
        training: How to train.
        architecture: The network to train.
        seed: Seed of weights, order and augmentation.
        folder: Folder of the checkpoint until the training is done; ``None`` for no checkpoint.
        images: The images, if they have already been read.
        epochs: Number of epochs after which to pause; ``None`` for all.

    Raises:
        TrainingError: The training diverged.
    """
    checkpoint = _checkpoint(folder, architecture)
    images = training.images() if images is None else images
    result = _train(training, architecture, images, seed % 2**31, checkpoint, epochs)
    is_last = epochs in (None, training.protocol.epochs)
    if checkpoint is not None and (is_last or not result.complete):
        with suppress(OSError):
            checkpoint.unlink()
    if not result.complete:
        raise TrainingError(result.status)
    return 100 * result.accuracy


def _checkpoint(folder: Path | None, architecture: Architecture) -> Path | None:
    """Return the path of the checkpoint; ``None`` if there is no folder for any."""
    if folder is None:
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder / f"{architecture.key}.pt"


def _train(
    training: CandidateTraining,
    architecture: Architecture,
    images: ImageDataset,
    seed: int,
    checkpoint: Path | None,
    epochs: int | None,
) -> ShortTrainingResult:
    """Return the result of a training, with a checkpoint if possible.

    A checkpoint that cannot be used or written does not make a candidate fail: it is deleted, then
    left out.

    Raises:
        TrainingError: The training fails without a checkpoint, too.
    """
    from mvt_nas.training.short_training import train_short

    # With an old checkpoint, then with a new one, at last without any.
    attempts = (checkpoint, checkpoint, None) if checkpoint is not None else (None,)
    for path in attempts:
        try:
            return train_short(
                architecture,
                images,
                training.protocol,
                seed=seed,
                device=training.device,
                checkpoint=path,
                until=epochs,
            )
        except TrainingError:
            if path is None:
                raise
            with suppress(OSError):
                path.unlink()
    raise AssertionError("the last attempt returns or raises")


# A worker process trains one candidate after the other on the same images.
@lru_cache(maxsize=1)
def _images(data: str, pixels: int, limit: int | None, seed: int) -> ImageDataset:
    from mvt_nas.data.load import load_images

    return load_images(data, pixels, limit=limit, seed=seed)
