"""A training in one process from its start, or from its last checkpoint, to its last epoch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from mvt_nas.errors import TrainingError
from mvt_nas.training import checkpoint
from mvt_nas.training.accelerator import AcceleratorConfig
from mvt_nas.training.callbacks import Callbacks
from mvt_nas.training.config import StartedTraining, TrainingConfig
from mvt_nas.training.evaluation import evaluate
from mvt_nas.training.folder import TrainingFolder
from mvt_nas.training.history import EpochRecord, scalars, write_history
from mvt_nas.training.initial_weights import load_initial_weights
from mvt_nas.training.loaders import DataLoaders
from mvt_nas.training.state import TrainingState, new_training_state
from mvt_nas.training.task import TrainingTask
from mvt_nas.training.tensorboard import tensorboard_writer
from mvt_nas.training.train_epoch import TrainStep, train_one_epoch

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class Trainer:
    """A training under way in one process.

    Args:
        task: what is trained, and its pictures.
        folder: its files.
        machine: what it runs on.
        heard: who is told.
        fabric: the machine, launched.
        loaders: what hands the pictures to the network.
    """

    def __init__(
        self,
        task: TrainingTask,
        folder: TrainingFolder,
        machine: AcceleratorConfig,
        heard: Callbacks,
        fabric: Fabric,
        loaders: DataLoaders,
    ) -> None:
        self.task, self.job, self.folder, self.fabric, self.loaders = (
            task,
            task.job,
            folder,
            fabric,
            loaders,
        )
        self.identity = self.job.identity(
            task.parts.mark, fabric.world_size, str(fabric.strategy.precision.precision)
        )
        self._machine, self._heard = machine, heard if fabric.is_global_zero else Callbacks()

    def run(self) -> TrainingState:
        """Train to the end; return the last state."""
        now, words = self._begin()
        learner = self._learner(now)
        self._heard.begun(words)
        logs = (
            tensorboard_writer(self.folder, self._machine.tensorboard, len(now.rows))
            if self.fabric.is_global_zero
            else []
        )
        try:
            while now.epoch < self.job.recipe.optimisation.epochs:
                self._epoch(now, learner)
                for log in logs:
                    log.log_metrics(scalars(now.rows[-1]), now.rows[-1].epoch)
        finally:
            for log in logs:
                log.finalize("success")
        return now

    def judged(self, *networks: nn.Module) -> tuple[list[Any], list[str]]:
        """Return what each network makes of the validation pictures, and those that could not be read."""
        tallies = [self.task.tally(self.fabric.device) for _ in networks]
        return evaluate(networks, self.loaders.judged, tallies, self.fabric)

    def restore(self, now: TrainingState, path: Path) -> bool:
        """Go back to a checkpoint of this training; return whether there is one.

        Raises:
            TrainingError: it cannot be read, is damaged or of another training.
        """
        content = checkpoint.load(path, self.identity)
        if content is None:
            return False
        try:
            now.restore(content)
            if content["scaler"]:
                self.fabric.strategy.precision.load_state_dict(content["scaler"])
        except (KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:
            raise TrainingError(
                f"{path}: damaged ({' '.join(str(error).split())[:120]}); delete it to begin anew"
            ) from None
        return True

    def _begin(self) -> tuple[TrainingState, str]:
        """Return the state to go on from, and in words what it is; what the folder begins with is written."""
        job, network = self.job, self.task.network()
        anew = not self.folder.last.exists()
        words = load_initial_weights(network, job.start) if anew else ""
        fused = (
            self.identity["precision"] != "16-mixed"
        )  # Fabric cannot clip what a fused optimiser unscales by itself
        now = new_training_state(
            network,
            job.recipe.optimisation,
            self.fabric.device,
            tuple(self.task.shares),
            fused=fused,
        )
        if not anew and self.restore(now, self.folder.last):
            words = _where(now, job.recipe.optimisation.epochs)
        self.fabric.barrier()
        if anew and self.fabric.is_global_zero:
            self._write_beginning(now)
        return now, words

    def _write_beginning(self, now: TrainingState) -> None:
        """Write what is known before the first step: with it, the weights to begin with are needed no more."""
        job, begins = self.job, None if self.job.start.path is None else str(self.job.start.path)
        training = StartedTraining(
            data=job.data,
            validation_share=job.validation_share,
            seed=job.seed,
            threads=torch.get_num_threads(),
            weights=begins if job.start.same else None,
            warm_start=None if job.start.same else begins,
            class_names=self.task.class_names,
        )
        config = TrainingConfig(
            name=job.name,
            nearest=job.nearest,
            num_classes=len(self.task.class_names),
            weights=None,
            recipe=job.recipe,
            architecture=job.architecture,
            task=job.task,
            training=training,
        )
        self.folder.write(self.folder.config, config.to_yaml(self.folder.config))
        self.folder.write(self.folder.network, job.architecture.to_json() + "\n")
        self._keep(now)

    def _learner(self, now: TrainingState) -> TrainStep:
        forward, optimiser = self.fabric.setup(now.network, now.optimiser)
        return TrainStep(
            fabric=self.fabric,
            forward=forward,
            optimiser=optimiser,
            sampler=self.loaders.sampler,
            batches=self.loaders.learnt,
            recipe=self.job.recipe,
            seed=self.job.seed,
            task=self.task,
            learnt=len(self.task.parts.learnt),
            checkpoint_steps=self._machine.checkpoint_steps,
        )

    def _epoch(self, now: TrainingState, learner: TrainStep) -> None:
        """Bring an epoch to its end, judge by the validation pictures, and keep all that."""
        rate = train_one_epoch(
            now,
            learner,
            lambda: self._keep(now),
            lambda steps, loss, rate: self._heard.step(now, steps, loss, rate),
        )
        self._share_statistics(now)
        (plain, average), unreadable = self.judged(now.network, now.average)
        now.unreadable.update(dict.fromkeys(unreadable))
        row = EpochRecord(
            epoch=now.epoch + 1,
            steps=now.step,
            learning_rate=rate,
            train_loss=self._train_loss(now),
            plain=plain.scores,
            average=average.scores,
            seconds=now.seconds,
        )
        now.rows.append(row)
        now.epoch, now.step, now.pictures = now.epoch + 1, 0, 0
        now.loss_sum.zero_()
        if self.fabric.is_global_zero:
            if (
                now.best is row
                # before the last one: killed between the two, the epoch is done again, to the same end
            ):
                checkpoint.save(self.folder.best, self.identity, self._content(now))
            self._keep(now)
            write_history(self.folder.metrics, now.rows)
        self._heard.epoch(row)

    def _share_statistics(self, now: TrainingState) -> None:
        """Give all devices the first one's statistics of batch norms, which are those that are kept."""
        if self.fabric.world_size > 1:
            for buffer in (*now.network.buffers(), *now.average.buffers()):
                torch.distributed.broadcast(buffer, 0)

    def _train_loss(self, now: TrainingState) -> float:
        mean = now.loss_sum / now.pictures
        if self.fabric.world_size > 1:
            mean = self.fabric.all_reduce(mean, reduce_op="mean")  # type: ignore[assignment]  # a tensor for a tensor
        return float(mean)

    def _keep(self, now: TrainingState) -> None:
        if self.fabric.is_global_zero:
            checkpoint.save(self.folder.last, self.identity, self._content(now))

    def _content(self, now: TrainingState) -> dict[str, Any]:
        return now.to_content() | {"scaler": self.fabric.strategy.precision.state_dict()}


def _where(now: TrainingState, epochs: int) -> str:
    return (
        f"goes on in epoch {now.epoch + 1}, step {now.step + 1}"
        if now.epoch < epochs
        else "all epochs are done"
    )
