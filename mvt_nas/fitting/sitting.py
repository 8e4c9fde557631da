"""A training in one process from its start, or from its last checkpoint, to its last epoch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from mvt_nas.errors import TrainingError
from mvt_nas.fitting import checkpoint
from mvt_nas.fitting.config import Config, Training
from mvt_nas.fitting.folder import Folder
from mvt_nas.fitting.heard import Heard
from mvt_nas.fitting.judging import judge
from mvt_nas.fitting.learning import Learner, learn
from mvt_nas.fitting.loaders import Loaders
from mvt_nas.fitting.log import curves
from mvt_nas.fitting.machine import Machine
from mvt_nas.fitting.rows import Row, scalars, write
from mvt_nas.fitting.start import load_start
from mvt_nas.fitting.state import State, begin
from mvt_nas.fitting.tasks.contract import TaskFit

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class Sitting:
    """A training under way in one process.

    Args:
        task: what is trained, and its pictures.
        folder: its files.
        machine: what it runs on.
        heard: who is told.
        fabric: the machine, launched.
        loaders: what hands the pictures to the network.
    """

    def __init__(self, task: TaskFit, folder: Folder, machine: Machine, heard: Heard, fabric: Fabric, loaders: Loaders) -> None:
        self.task, self.job, self.folder, self.fabric, self.loaders = task, task.job, folder, fabric, loaders
        self.identity = self.job.identity(task.parts.mark, fabric.world_size, str(fabric.strategy.precision.precision))
        self._machine, self._heard = machine, heard if fabric.is_global_zero else Heard()

    def run(self) -> State:
        """Train to the end; return the last state."""
        now, words = self._begin()
        learner = self._learner(now)
        self._heard.begun(words)
        logs = curves(self.folder, self._machine.tensorboard, len(now.rows)) if self.fabric.is_global_zero else []
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
        return judge(networks, self.loaders.judged, tallies, self.fabric)

    def restore(self, now: State, path: Path) -> bool:
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
            raise TrainingError(f"{path}: damaged ({' '.join(str(error).split())[:120]}); delete it to begin anew") from None
        return True

    def _begin(self) -> tuple[State, str]:
        """Return the state to go on from, and in words what it is; what the folder begins with is written."""
        job, network = self.job, self.task.network()
        anew = not self.folder.last.exists()
        words = load_start(network, job.start) if anew else ""
        fused = self.identity["precision"] != "16-mixed"  # Fabric cannot clip what a fused optimiser unscales by itself
        now = begin(network, job.recipe.optimisation, self.fabric.device, tuple(self.task.shares), fused=fused)
        if not anew and self.restore(now, self.folder.last):
            words = _where(now, job.recipe.optimisation.epochs)
        self.fabric.barrier()
        if anew and self.fabric.is_global_zero:
            self._write_beginning(now)
        return now, words

    def _write_beginning(self, now: State) -> None:
        """Write what is known before the first step: with it, the weights to begin with are needed no more."""
        job, begins = self.job, None if self.job.start.path is None else str(self.job.start.path)
        training = Training(
            data=job.data,
            validation_share=job.validation_share,
            seed=job.seed,
            threads=torch.get_num_threads(),
            weights=begins if job.start.same else None,
            warm_start=None if job.start.same else begins,
            class_names=self.task.class_names,
        )
        config = Config(
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

    def _learner(self, now: State) -> Learner:
        forward, optimiser = self.fabric.setup(now.network, now.optimiser)
        return Learner(
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

    def _epoch(self, now: State, learner: Learner) -> None:
        """Bring an epoch to its end, judge by the validation pictures, and keep all that."""
        rate = learn(now, learner, lambda: self._keep(now), lambda steps, loss, rate: self._heard.step(now, steps, loss, rate))
        self._share_statistics(now)
        (plain, average), unreadable = self.judged(now.network, now.average)
        now.unreadable.update(dict.fromkeys(unreadable))
        row = Row(
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
            if now.best is row:  # before the last one: killed between the two, the epoch is done again, to the same end
                checkpoint.save(self.folder.best, self.identity, self._content(now))
            self._keep(now)
            write(self.folder.metrics, now.rows)
        self._heard.epoch(row)

    def _share_statistics(self, now: State) -> None:
        """Give all devices the first one's statistics of batch norms, which are those that are kept."""
        if self.fabric.world_size > 1:
            for buffer in (*now.network.buffers(), *now.average.buffers()):
                torch.distributed.broadcast(buffer, 0)

    def _train_loss(self, now: State) -> float:
        mean = now.loss_sum / now.pictures
        if self.fabric.world_size > 1:
            mean = self.fabric.all_reduce(mean, reduce_op="mean")  # type: ignore[assignment]  # a tensor for a tensor
        return float(mean)

    def _keep(self, now: State) -> None:
        if self.fabric.is_global_zero:
            checkpoint.save(self.folder.last, self.identity, self._content(now))

    def _content(self, now: State) -> dict[str, Any]:
        return now.to_content() | {"scaler": self.fabric.strategy.precision.state_dict()}


def _where(now: State, epochs: int) -> str:
    return f"goes on in epoch {now.epoch + 1}, step {now.step + 1}" if now.epoch < epochs else "all epochs are done"
