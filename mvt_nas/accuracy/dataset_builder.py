"""``mvt-nas bench train``: many short trainings, each appended to one table as it ends.

The table is the only state. Started again, the same command trains what is not in it yet; a
training that was interrupted goes on from its last epoch.
"""

from __future__ import annotations

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
from typing import Any

from mvt_nas._threads_and_malloc import keep_freed_memory
from mvt_nas.accuracy.design import (
    CHOICES,
    PUBLISHED,
    PlannedNetwork,
    plan_networks,
    repeats,
    scaled_down,
)
from mvt_nas.accuracy.protocol import as_trained
from mvt_nas.accuracy.table import (
    COMPLETE,
    AccuracyTable,
    TrainedNetwork,
    append,
    read_table,
    start_table,
)
from mvt_nas.cost.counts import count
from mvt_nas.data.load import load_images
from mvt_nas.errors import AccuracyError
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.published import published_names, zoo
from mvt_nas.space.search_space import SearchSpace
from mvt_nas.training.short.protocol import ShortRecipe

SEEDS = 3
"""How often a network is trained whose accuracy shows the noise of training."""

Listener = Callable[[int, int, TrainedNetwork], None]
"""``(done, all, the training that ended)``."""


@dataclass(frozen=True, slots=True)
class TableTraining:
    """One training that is to be done.

    Attributes:
        planned: the network.
        seed: of the training.
    """

    planned: PlannedNetwork
    seed: int


@dataclass(frozen=True, slots=True)
class TableBuilder:
    """What to train.

    Attributes:
        space: from which the networks are taken.
        data: source of the pictures.
        protocol: how they are trained.
        spread: networks spread over sizes.
        matched: networks of one size.
        published: published designs, shrunk to the size of the matched subset.
        repeated: how many of all are trained with three seeds.
        seed: of the choice of networks.
        budget: MACs of the matched subset; the median of the space without.
        most_macs: of the largest network.
        limit: pictures per class that are read.
        draw: over what the networks are drawn uniformly (see ``sampling.py``).
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

    def jobs(self, num_classes: int) -> tuple[list[TableTraining], float]:
        """Return the trainings in the order in which they are done, and the MACs of the matched subset.

        Three quarters of the networks come first, then the further seeds of some of them, then the
            rest: an early end has of all.
        """
        found, budget = plan_networks(
            self.space,
            spread=self.spread,
            matched=self.matched,
            num_classes=num_classes,
            seed=self.seed,
            budget=self.budget,
            most_macs=self.most_macs,
            draw=self.draw,
        )
        trained = [
            PlannedNetwork(one.subset, one.title, as_trained(one.architecture, self.protocol))
            for one in found
        ]
        trained += self._published(budget, num_classes)
        networks = _alternating(_different(trained))
        first = networks[: -(-3 * len(networks) // 4)]
        again = [
            TableTraining(one, seed)
            for seed in range(1, SEEDS)
            for one in repeats(first, self.repeated)
        ]
        return [
            *(TableTraining(one, 0) for one in first),
            *again,
            *(TableTraining(one, 0) for one in networks[len(first) :]),
        ], budget

    def _published(self, budget: float, num_classes: int) -> list[PlannedNetwork]:
        names = published_names()
        chosen = [names[index * len(names) // self.published] for index in range(self.published)]
        return [
            PlannedNetwork(
                PUBLISHED,
                name,
                scaled_down(as_trained(zoo(name), self.protocol), budget, num_classes=num_classes),
            )
            for name in chosen
        ]


def build_table(
    benchmark: TableBuilder,
    path: Path,
    *,
    workers: int = 1,
    device: str = "auto",
    most: int | None = None,
    listener: Listener | None = None,
) -> AccuracyTable:
    """Return the table after training what is missing in it.

    Args:
        benchmark: what to train.
        path: of the table; made where there is none.
        workers: trainings at a time, each on one thread.
        device: ``auto``, ``cpu`` or ``cuda``.
        most: trainings to do now; all without.
        listener: is told each training that ends.

    Raises:
        AccuracyError: the table belongs to another benchmark.
        DataError: the pictures cannot be used.
    """
    images = load_images(
        benchmark.data,
        benchmark.protocol.pixels,
        limit=benchmark.limit,
        seed=benchmark.protocol.split_seed,
    )
    num_classes = len(images.class_names)
    jobs, budget = benchmark.jobs(num_classes)
    head = _head(benchmark, num_classes, images.fingerprint, budget)
    _prepare(path, head)
    done = {(one.key, one.seed) for one in read_table(path).trainings}
    missing = [job for job in jobs if (job.planned.architecture.key, job.seed) not in done][:most]
    finished = len(jobs) - len(
        [job for job in jobs if (job.planned.architecture.key, job.seed) not in done]
    )
    with closing(_run(benchmark, missing, path, workers, device)) as endings:
        for ended in endings:
            append(path, ended)
            finished += 1
            if listener:
                listener(finished, len(jobs), ended)
    return read_table(path)


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
    there = read_table(path).head
    different = [name for name in _DECISIVE if there.get(name) != head[name]]
    if different:
        name = different[0]
        raise AccuracyError(
            f"{path}: {name} is {there.get(name)} there, {head[name]} here; accuracies of both"
            " cannot be compared"
        )


def _different(planned: Sequence[PlannedNetwork]) -> list[PlannedNetwork]:
    """Return the networks without those that were made equal by the protocol or by shrinking."""
    found: dict[str, PlannedNetwork] = {}
    for one in planned:
        found.setdefault(one.architecture.key, one)
    return list(found.values())


def _alternating(planned: Sequence[PlannedNetwork]) -> list[PlannedNetwork]:
    """Return the networks with the subsets mixed in proportion, so that an early end leaves some of each."""
    places = []
    for subset in dict.fromkeys(one.subset for one in planned):
        members = [one for one in planned if one.subset == subset]
        places += [((place + 0.5) / len(members), one) for place, one in enumerate(members)]
    return [one for _, one in sorted(places, key=lambda entry: entry[0])]


def _run(
    benchmark: TableBuilder, jobs: Sequence[TableTraining], path: Path, workers: int, device: str
) -> Generator[TrainedNetwork, None, None]:
    """Yield the trainings as they end."""
    folder = path.with_name(f".{path.stem}.checkpoints")
    folder.mkdir(exist_ok=True)
    with _pool(max(1, min(workers, len(jobs))), str(path)) as pool:
        waiting = list(reversed(jobs))
        running: set[Future[TrainedNetwork]] = set()
        while waiting or running:
            while waiting and len(running) < workers:
                running.add(pool.submit(_train, benchmark, waiting.pop(), folder, device))
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            for future in ended:
                yield future.result()


@contextmanager
def _pool(workers: int, where: str) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool whose trainings are ended at once where its block is left by an error or Ctrl-C; their checkpoints stay."""
    others = set(multiprocessing.active_children())
    context = multiprocessing.get_context(
        "spawn"
    )  # a fork of a process that has used torch may hang
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
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C and ends the pool
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _train(
    benchmark: TableBuilder, job: TableTraining, folder: Path, device: str
) -> TrainedNetwork:
    from mvt_nas.training.short.train import train_short

    images = load_images(
        benchmark.data,
        benchmark.protocol.pixels,
        limit=benchmark.limit,
        seed=benchmark.protocol.split_seed,
    )
    planned = job.planned
    checkpoint = folder / f"{planned.architecture.key}-{job.seed}.pt"
    found = train_short(
        planned.architecture,
        images,
        benchmark.protocol,
        seed=job.seed,
        device=device,
        checkpoint=checkpoint,
    )
    checkpoint.unlink(missing_ok=True)
    return _row(planned, job.seed, found, len(images.class_names))


def _row(planned: PlannedNetwork, seed: int, found: Any, num_classes: int) -> TrainedNetwork:
    architecture: Architecture = found.architecture
    counts = count(architecture, num_classes=num_classes)
    complete = found.status == COMPLETE
    return TrainedNetwork(
        key=architecture.key,
        title=planned.title,
        subset=planned.subset,
        seed=seed,
        status=found.status,
        accuracy=round(100 * found.ema_accuracy, 4) if complete else float("nan"),
        validation_loss=round(found.curve[-1].validation_loss, 5) if complete else float("nan"),
        tse_ema=round(found.tse_ema, 5),
        params=int(counts.params),
        macs=int(counts.macs),
        seconds=round(found.seconds, 2),
        images_per_second=round(found.pictures_per_s, 1),
        hardware=", ".join(str(value) for value in found.hardware.values()),
        curve=tuple(round(100 * epoch.ema_accuracy, 3) for epoch in found.curve),
        architecture=architecture,
    )
