"""``mvt-nas bench train``: many short trainings, each appended to one table when it ends.

The table is the only state. Started again, the same command trains the missing networks; an
interrupted training resumes from its last epoch.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mvt_nas._threads_and_malloc import keep_freed_memory
from mvt_nas.accuracy.design import (
    CHOICES,
    PUBLISHED,
    PlannedNetwork,
    plan_networks,
    repeats,
    scaled_down,
)
from mvt_nas.accuracy.table import (
    AccuracyTable,
    TrainedNetwork,
    append,
    read_table,
    start_table,
)
from mvt_nas.accuracy.training_plan import TableTraining
from mvt_nas.cost.counts import count
from mvt_nas.data.load import load_images
from mvt_nas.errors import AccuracyError
from mvt_nas.space.published import published_names, zoo
from mvt_nas.space.search_space import SearchSpace
from mvt_nas.training.protocol_size import check_size
from mvt_nas.training.short_recipe import ShortRecipe
from mvt_nas.training.small_images import as_trained

if TYPE_CHECKING:
    from mvt_nas.training.short_training import ShortTrainingResult

SEEDS = 3
"""Number of seeds of the networks that are trained repeatedly to measure the noise."""

Listener = Callable[[int, int, TrainedNetwork], None]
"""Called with the number of finished trainings, of all, and the training that has ended."""


@dataclass(frozen=True, slots=True)
class TableBuilder:
    """The settings of a table of trained networks.

    Attributes:
        space: Space of the networks.
        data: Source of the images.
        protocol: Recipe of the trainings.
        spread: Number of networks spread over sizes.
        matched: Number of networks of one size.
        published: Number of published designs, shrunk to the size of the matched subset.
        repeated: Number of networks that are trained with three seeds.
        seed: Seed of the choice of networks.
        budget: MACs of the matched subset; ``None`` for the median of the space.
        most_macs: Largest number of MACs; ``None`` for any.
        limit: Largest number of images per class; ``None`` for any.
        draw: Distribution of the networks (see ``design.py``).
        given: Trainings to do in place of drawn ones; the networks are adapted to the protocol.
    """

    space: SearchSpace
    data: str
    protocol: ShortRecipe
    spread: int = 36
    matched: int = 16
    published: int = 6
    repeated: int = 8
    seed: int = 0
    budget: float | None = None
    most_macs: float | None = None
    limit: int | None = None
    draw: str = CHOICES
    given: tuple[TableTraining, ...] = ()

    def jobs(self, num_classes: int) -> tuple[list[TableTraining], float]:
        """Return the trainings in order, and the MACs of the matched subset.

        Three quarters of the networks come first, then further seeds of some of them, then the
        rest, so that a table that is stopped early has some of each.
        """
        if self.given:
            return self._given(num_classes)
        planned, budget = plan_networks(
            self.space,
            spread=self.spread,
            matched=self.matched,
            num_classes=num_classes,
            seed=self.seed,
            budget=self.budget,
            most_macs=self.most_macs,
            draw=self.draw,
        )
        adapted = [
            dataclasses.replace(
                network, architecture=as_trained(network.architecture, self.protocol)
            )
            for network in planned
        ]
        adapted += self._published(budget, num_classes)
        networks = _alternate_subsets(_without_duplicates(adapted))
        first = networks[: -(-3 * len(networks) // 4)]
        trainings = [TableTraining(network, 0) for network in first]
        for seed in range(1, SEEDS):
            trainings += [TableTraining(network, seed) for network in repeats(first, self.repeated)]
        trainings += [TableTraining(network, 0) for network in networks[len(first) :]]
        return trainings, budget

    def _given(self, num_classes: int) -> tuple[list[TableTraining], float]:
        """Return the given trainings as trained, and the median of their MACs."""
        trainings = []
        macs = []
        for training in self.given:
            trained = as_trained(training.planned.architecture, self.protocol)
            planned = dataclasses.replace(training.planned, architecture=trained)
            trainings.append(TableTraining(planned, training.seed))
            macs.append(count(trained, num_classes=num_classes).macs)
        return trainings, float(np.median(macs))

    def _published(self, budget: float, num_classes: int) -> list[PlannedNetwork]:
        names = published_names()
        # Evenly spread over the list, which has the families one after the other.
        chosen = [names[index * len(names) // self.published] for index in range(self.published)]
        networks = []
        for name in chosen:
            adapted = as_trained(zoo(name), self.protocol)
            shrunk = scaled_down(adapted, budget, num_classes=num_classes)
            networks.append(PlannedNetwork(PUBLISHED, name, shrunk))
        return networks


def build_table(
    benchmark: TableBuilder,
    path: Path,
    *,
    workers: int = 1,
    device: str = "auto",
    most: int | None = None,
    listener: Listener | None = None,
) -> AccuracyTable:
    """Train the networks that are missing in a table; return the table.

    Args:
        benchmark: Settings of the table.
        path: File of the table; made if there is none.
        workers: Number of trainings at a time, each on one thread.
        device: ``auto``, ``cpu`` or ``cuda``.
        most: Number of trainings to do now; ``None`` for all.
        listener: Called after each training.

    Raises:
        AccuracyError: the table belongs to another benchmark, or its networks cannot be planned.
        DataError: the images cannot be used, or are fewer than the protocol needs.
        TrainingError: there is no such device.
    """
    images = load_images(
        benchmark.data,
        benchmark.protocol.pixels,
        limit=benchmark.limit,
        seed=benchmark.protocol.split_seed,
    )
    # All that may be refused is checked before anything is written.
    check_size(benchmark.protocol, images)
    _check_device(device)
    num_classes = len(images.class_names)
    jobs, budget = benchmark.jobs(num_classes)
    head = _head(benchmark, num_classes, images.fingerprint, budget)
    _prepare(path, head)
    done = {(training.key, training.seed) for training in read_table(path).trainings}
    missing = [job for job in jobs if (job.planned.architecture.key, job.seed) not in done]
    finished = len(jobs) - len(missing)
    with closing(_train_all(benchmark, missing[:most], path, workers, device)) as trainings:
        for training in trainings:
            append(path, training)
            finished += 1
            if listener:
                listener(finished, len(jobs), training)
    return read_table(path)


def _check_device(device: str) -> None:
    """Check that there is a device; the processor is always there.

    Raises:
        TrainingError: there is none.
    """
    if device == "cuda":
        _, device_for = _torch_functions()
        device_for(device)


def _torch_functions() -> tuple[Callable[..., ShortTrainingResult], Callable[[str], object]]:
    """Return what trains a network, and what finds a device; both load torch."""
    from mvt_nas.training import accelerator, short_training

    return short_training.train_short, accelerator.device_for


def _head(
    benchmark: TableBuilder, num_classes: int, fingerprint: str, budget: float
) -> dict[str, Any]:
    return {
        "format": 1,
        "space": benchmark.space.name,
        "space_hash": benchmark.space.hash,
        "data": Path(benchmark.data).name,
        "data_fingerprint": fingerprint,
        "num_classes": num_classes,
        "protocol_key": benchmark.protocol.key,
        "protocol": benchmark.protocol.to_dict(),
        "matched_macs": budget,
    }


_DECISIVE = ("data_fingerprint", "num_classes", "protocol_key")


def _prepare(path: Path, head: dict[str, Any]) -> None:
    if not path.exists():
        start_table(path, head)
        return
    existing = read_table(path).head
    for name in _DECISIVE:
        if existing.get(name) != head[name]:
            raise AccuracyError(
                f"{path}: {name} is {existing.get(name)} there, {head[name]} here; accuracies of"
                " both cannot be compared"
            )


def _without_duplicates(planned: Sequence[PlannedNetwork]) -> list[PlannedNetwork]:
    """Return the networks without those that the protocol or shrinking has made equal."""
    by_key: dict[str, PlannedNetwork] = {}
    for network in planned:
        by_key.setdefault(network.architecture.key, network)
    return list(by_key.values())


def _alternate_subsets(planned: Sequence[PlannedNetwork]) -> list[PlannedNetwork]:
    """Return the networks with the subsets mixed in proportion."""
    positions = []
    for subset in dict.fromkeys(network.subset for network in planned):
        members = [network for network in planned if network.subset == subset]
        # Each subset is spread evenly over 0 to 1.
        for index, network in enumerate(members):
            positions.append(((index + 0.5) / len(members), network))
    return [network for _, network in sorted(positions, key=lambda entry: entry[0])]


def _train_all(
    benchmark: TableBuilder, jobs: Sequence[TableTraining], path: Path, workers: int, device: str
) -> Generator[TrainedNetwork, None, None]:
    """Yield the trainings in the order in which they end."""
    folder = path.with_name(f".{path.stem}.checkpoints")
    folder.mkdir(exist_ok=True)
    with _pool(max(1, min(workers, len(jobs))), str(path)) as pool:
        waiting = list(reversed(jobs))
        running: set[Future[TrainedNetwork]] = set()
        while waiting or running:
            while waiting and len(running) < workers:
                running.add(pool.submit(_train, benchmark, waiting.pop(), folder, device))
            completed, running = wait(running, return_when=FIRST_COMPLETED)
            for future in completed:
                yield future.result()


@contextmanager
def _pool(workers: int, where: str) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of training processes.

    An error or Ctrl-C within the block ends them at once; their checkpoints stay.
    """
    others = set(multiprocessing.active_children())
    # A fork of a process that has used torch may hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_begin) as pool:
        try:
            yield pool
        except BrokenProcessPool:
            raise AccuracyError(
                f"{where}: a training process was killed (out of memory?); what is finished is kept"
            ) from None
        except BaseException:
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()
            raise


def _begin() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    keep_freed_memory()
    # The parent handles Ctrl-C and ends the pool.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _train(
    benchmark: TableBuilder, job: TableTraining, folder: Path, device: str
) -> TrainedNetwork:
    train_short, _ = _torch_functions()
    images = load_images(
        benchmark.data,
        benchmark.protocol.pixels,
        limit=benchmark.limit,
        seed=benchmark.protocol.split_seed,
    )
    planned = job.planned
    checkpoint = folder / f"{planned.architecture.key}-{job.seed}.pt"
    result = train_short(
        planned.architecture,
        images,
        benchmark.protocol,
        seed=job.seed,
        device=device,
        checkpoint=checkpoint,
    )
    checkpoint.unlink(missing_ok=True)
    return _row(planned, job.seed, result, len(images.class_names))


def _row(
    planned: PlannedNetwork, seed: int, result: ShortTrainingResult, num_classes: int
) -> TrainedNetwork:
    architecture = result.architecture
    counts = count(architecture, num_classes=num_classes)
    complete = result.complete
    return TrainedNetwork(
        key=architecture.key,
        title=planned.title,
        subset=planned.subset,
        seed=seed,
        status=result.status,
        accuracy=round(100 * result.ema_accuracy, 4) if complete else float("nan"),
        validation_loss=round(result.curve[-1].validation_loss, 5) if complete else float("nan"),
        tse_ema=round(result.tse_ema, 5),
        params=int(counts.params),
        macs=int(counts.macs),
        seconds=round(result.seconds, 2),
        images_per_second=round(result.images_per_s, 1),
        hardware=", ".join(str(value) for value in result.hardware.values()),
        curve=tuple(round(100 * record.ema_accuracy, 3) for record in result.curve),
        architecture=architecture,
    )
