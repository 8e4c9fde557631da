"""A full training in one process, from its start or its last checkpoint to its last epoch."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from mvt_nas.errors import TrainingError
from mvt_nas.training import checkpoint
from mvt_nas.training.accelerator import AcceleratorConfig
from mvt_nas.training.callbacks import Callbacks
from mvt_nas.training.config import StartedTraining, TrainingConfig
from mvt_nas.training.dataset import most_unreadable
from mvt_nas.training.ema import EmaUpdater
from mvt_nas.training.evaluation import evaluate
from mvt_nas.training.folder import TrainingFolder
from mvt_nas.training.history import EpochRecord, best_epoch, scalars, write_history
from mvt_nas.training.initial_weights import load_initial_weights
from mvt_nas.training.loaders import DataLoaders
from mvt_nas.training.schedule import learning_rate_at_epoch
from mvt_nas.training.state import (
    TrainingState,
    build_optimiser,
    new_training_state,
    on_device,
)
from mvt_nas.training.task import TrainingTask
from mvt_nas.training.tensorboard import tensorboard_writer
from mvt_nas.training.train_epoch import DivergenceError, TrainingLoop, train_one_epoch

if TYPE_CHECKING:
    from lightning_fabric import Fabric

State = TrainingState[EpochRecord]


class Trainer:
    """A full training in progress in one process.

    Args:
        task: Task and images.
        folder: Files of the training.
        config: Hardware of the training.
        callbacks: Functions to call.
        fabric: Lightning Fabric, launched.
        loaders: Training and validation batches.
    """

    def __init__(
        self,
        task: TrainingTask,
        folder: TrainingFolder,
        config: AcceleratorConfig,
        callbacks: Callbacks,
        fabric: Fabric,
        loaders: DataLoaders,
    ) -> None:
        self.task = task
        self.job = task.job
        self.folder = folder
        self.fabric = fabric
        self.loaders = loaders
        self.identity = self.job.identity(
            task.split.hash, fabric.world_size, str(fabric.strategy.precision.precision)
        )
        self._config = config
        self._callbacks = callbacks if fabric.is_global_zero else Callbacks()

    def run(self) -> State:
        """Train to the end; return the last state."""
        state, description = self._start()
        loop = self._build_loop(state)
        self._callbacks.on_start(description)
        logs = []
        if self.fabric.is_global_zero:
            logs = tensorboard_writer(self.folder, self._config.tensorboard, len(state.history))
        try:
            while state.epoch < self.job.recipe.optimisation.epochs:
                self._run_epoch(state, loop)
                record = state.history[-1]
                for log in logs:
                    log.log_metrics(scalars(record), record.epoch)
        finally:
            for log in logs:
                log.finalize("success")
        return state

    def evaluate(self, *networks: nn.Module) -> tuple[list[Any], list[str]]:
        """Return each network's evaluation, and the images that could not be read."""
        accumulators = [self.task.new_accumulator(self.fabric.device) for _ in networks]
        return evaluate(networks, self.loaders.validation, accumulators, self.fabric)

    def restore(self, state: State, path: Path) -> bool:
        """Restore a checkpoint of this training; return True if there is one.

        Raises:
            TrainingError: it cannot be read, is damaged or of another training.
        """
        content = checkpoint.load(path, self.identity)
        if content is None:
            return False
        with checkpoint.reporting_damage(path):
            state.restore(content)
            if content["scaler"]:
                self.fabric.strategy.precision.load_state_dict(content["scaler"])
        return True

    def _start(self) -> tuple[State, str]:
        """Return the state to start from, and its description; write the folder's first files."""
        network = self.task.build_network()
        is_new = not self.folder.last.exists()
        description = load_initial_weights(network, self.job.start) if is_new else ""
        state = self._new_state(network)
        if not is_new and self.restore(state, self.folder.last):
            description = _describe_position(state, self.job.recipe.optimisation.epochs)
        self.fabric.barrier()
        if is_new and self.fabric.is_global_zero:
            self._write_first_files(state)
        return state, description

    def _new_state(self, network: nn.Module) -> State:
        optimisation = self.job.recipe.optimisation
        network = on_device(network, self.fabric.device)
        optimiser = build_optimiser(
            network,
            learning_rate=optimisation.largest_learning_rate,
            weight_decay=optimisation.weight_decay,
            decay_norms_and_biases=optimisation.decay_norms_and_biases,
            betas=(optimisation.beta1, optimisation.beta2),
            # Fabric cannot clip gradients that a fused optimiser unscales by itself.
            fused=self.identity["precision"] != "16-mixed",
        )
        read_record = partial(EpochRecord.from_values, names=tuple(self.task.metric_titles))
        return new_training_state(network, optimiser, self.fabric.device, read_record)

    def _write_first_files(self, state: State) -> None:
        """Write configuration, network and first checkpoint, before the first step.

        The checkpoint holds the initial weights: their file is no longer needed.
        """
        job = self.job
        initial = None if job.start.path is None else str(job.start.path)
        training = StartedTraining(
            data=job.data,
            validation_share=job.validation_share,
            seed=job.seed,
            threads=torch.get_num_threads(),
            weights=initial if job.start.same else None,
            warm_start=None if job.start.same else initial,
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
        self._save(state, self.folder.last)

    def _build_loop(self, state: State) -> TrainingLoop:
        recipe, train_images = self.job.recipe, len(self.task.split.train)
        forward, optimiser = self.fabric.setup(state.network, state.optimiser)

        def learning_rate(state: State) -> float:
            # The last step may be filled up with images of the epoch's start.
            epochs_done = state.epoch + min(1.0, state.images / train_images)
            return learning_rate_at_epoch(epochs_done, recipe.optimisation)

        return TrainingLoop(
            accelerator=self.fabric,
            forward=forward,
            optimiser=optimiser,
            ema=EmaUpdater(state.network, state.average, 1 - recipe.regularisation.ema_momentum),
            loader=self.loaders,
            objective=self.task,
            learning_rate=learning_rate,
            clip_norm=recipe.optimisation.clip_norm,
            seed=self.job.seed,
            max_unreadable=most_unreadable(train_images),
            weigh_by_images=True,
            has_dropout=True,
        )

    def _run_epoch(self, state: State, loop: TrainingLoop) -> None:
        """Finish an epoch, evaluate, record and save."""
        rate = self._train_one_epoch(state, loop)
        self._share_statistics(state)
        (plain, average), unreadable = self.evaluate(state.network, state.average)
        state.unreadable.update(dict.fromkeys(unreadable))
        record = EpochRecord(
            epoch=state.epoch + 1,
            steps=state.step,
            learning_rate=rate,
            train_loss=self._train_loss(state),
            plain=plain.metrics,
            average=average.metrics,
            seconds=state.train_seconds,
        )
        state.next_epoch(record)
        if self.fabric.is_global_zero:
            # The best checkpoint comes first: if the process is killed between the two, the epoch
            # is repeated, with the same result.
            if best_epoch(state.history) is record:
                self._save(state, self.folder.best)
            self._save(state, self.folder.last)
            write_history(self.folder.metrics, state.history)
        self._callbacks.on_epoch_end(record)

    def _train_one_epoch(self, state: State, loop: TrainingLoop) -> float:
        """Make the remaining steps of an epoch; return the last learning rate.

        Raises:
            TrainingError: the loss is not a finite number.
        """
        try:
            return train_one_epoch(
                state,
                loop,
                checkpoint_steps=self._config.checkpoint_steps,
                save_checkpoint=lambda: self._save(state, self.folder.last),
                on_step=partial(self._callbacks.on_step, state),
            )
        except DivergenceError as error:
            raise TrainingError(
                f"{error} in epoch {state.epoch + 1}, by step {state.step}; a smaller"
                " optimisation.largest_learning_rate or an optimisation.clip_norm of 1 may help"
            ) from None

    def _share_statistics(self, state: State) -> None:
        """Give all devices the first one's batch norm statistics, which are the saved ones."""
        if self.fabric.world_size > 1:
            for buffer in (*state.network.buffers(), *state.average.buffers()):
                torch.distributed.broadcast(buffer, 0)

    def _train_loss(self, state: State) -> float:
        mean = state.loss_sum / state.images
        if self.fabric.world_size > 1:
            mean = self.fabric.all_reduce(mean, reduce_op="mean")  # type: ignore[assignment]  # a tensor for a tensor
        return float(mean)

    def _save(self, state: State, path: Path) -> None:
        if self.fabric.is_global_zero:
            scaler = self.fabric.strategy.precision.state_dict()
            checkpoint.save(path, self.identity, state.to_content() | {"scaler": scaler})


def _describe_position(state: State, epochs: int) -> str:
    if state.epoch >= epochs:
        return "all epochs are done"
    return f"resumes in epoch {state.epoch + 1}, step {state.step + 1}"
