"""Evaluation on this machine: in this process for one worker, else in processes with one thread each."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

from mvt_nas.engine.evaluate import Outcome, Task, evaluate
from mvt_nas.engine.runners.contract import RUNNERS, Runner


class InProcess:
    """Evaluates one task after another where the search itself runs."""

    def run(self, tasks: Sequence[Task]) -> Iterator[Outcome]:
        """Yield the outcomes in order."""
        for task in tasks:
            yield evaluate(task)

    def close(self) -> None:
        """Nothing to let go."""


class Processes:
    """Evaluates in worker processes; a worker that dies takes only its own candidate with it.

    Args:
        workers: number of processes.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._pool = self._new_pool()

    def run(self, tasks: Sequence[Task]) -> Iterator[Outcome]:
        """Yield the outcomes as they finish.

        When a worker dies, all tasks in flight are tried once more, each alone, so that only the one that kills its worker fails.
        """
        lost = yield from self._run_together(tasks)
        for task in lost:
            yield self._run_alone(task)

    def close(self) -> None:
        """Stop the workers, without waiting for what they compute."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in list((getattr(self._pool, "_processes", None) or {}).values()):
            process.terminate()

    def _run_together(self, tasks: Sequence[Task]) -> Generator[Outcome, None, list[Task]]:
        pending: dict[Future[Outcome], Task] = {}
        lost: list[Task] = []
        for task in tasks:
            try:
                pending[self._pool.submit(evaluate, task)] = task
            except BrokenProcessPool:
                lost.append(task)
        while pending:
            done, _ = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                task = pending.pop(future)
                try:
                    yield future.result()
                except BrokenProcessPool:
                    lost.append(task)
        if lost:
            self._renew()
        return sorted(lost, key=lambda task: task.number)

    def _run_alone(self, task: Task) -> Outcome:
        try:
            return self._pool.submit(evaluate, task).result()
        except BrokenProcessPool:
            self._renew()
            return Outcome(task.number, {}, "the worker process died (out of memory, or killed)", 0.0)

    def _renew(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._pool = self._new_pool()

    def _new_pool(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(self._workers, multiprocessing.get_context("spawn"), initializer=_prepare, initargs=(os.getpid(),))


def _prepare(driver: int) -> None:
    """Prepare a worker: leave Ctrl-C to the driver, and end when the driver is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with(driver)


def _die_with(driver: int) -> None:
    """Ask the system to end this process with its parent, where it can (Linux)."""
    import ctypes

    try:
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
    except (AttributeError, OSError):
        return
    if os.getppid() != driver:
        os._exit(1)


@RUNNERS.register("local")
def local(workers: int) -> Runner:
    """Return a runner with that many workers on this machine."""
    return InProcess() if workers == 1 else Processes(workers)
