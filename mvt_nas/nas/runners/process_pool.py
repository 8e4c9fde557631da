"""Worker processes with a pipe to each.

Each worker holds one task at most, so that it is known whose evaluation it was when one dies.
Workers leave Ctrl-C to the driver and end with it, however it ends. They are spawned, which is safe
whatever threads the driver has, and on every system.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from multiprocessing.connection import Connection, wait

from mvt_nas._threads_and_malloc import keep_freed_memory
from mvt_nas.errors import RunError
from mvt_nas.nas.runners.evaluation import DIED_TWICE, EvaluationTask, Outcome, evaluate

_GUARD = 'in a script, search() has to be called under: if __name__ == "__main__":'


def check_import() -> None:
    """Check that no worker process is just importing the script that started it, and with it starts another search.

    Raises:
        RunError: one is.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise RunError(
            "a worker process came upon a search while it imported the script that had started it;"
            f" {_GUARD}"
        )


class WorkerPool:
    """Evaluates in worker processes; a worker that dies takes only its own candidate with it.

    Args:
        workers: number of processes.
        function: what they do with a task; has to be found by name in their modules.

    Raises:
        RunError: no process can be started.
    """

    def __init__(
        self, workers: int, function: Callable[[EvaluationTask], Outcome] = evaluate
    ) -> None:
        self._function = function
        self._workers = [_Worker(function) for _ in range(workers)]

    def run(self, tasks: Sequence[EvaluationTask]) -> Iterator[Outcome]:
        """Yield the outcomes as they finish.

        A task whose worker died is tried once more when all others are done, so that it has the
        machine's memory to itself.

        Raises:
            RunError: a worker dies before it can take a task.
        """
        for task in (yield from self._run(tasks)):
            for again in (yield from self._run([task])):
                yield Outcome(again.number, {}, DIED_TWICE, 0.0)

    def close(self) -> None:
        """End the workers, whatever they compute."""
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.join()
            worker.pipe.close()

    def _run(
        self, tasks: Sequence[EvaluationTask]
    ) -> Generator[Outcome, None, list[EvaluationTask]]:
        """Yield outcomes; return the tasks whose workers died."""
        waiting = deque(tasks)
        lost: list[EvaluationTask] = []
        while True:
            for worker in self._workers:
                if worker.task is None and waiting:
                    worker.give(waiting.popleft())
            busy = {worker.pipe: worker for worker in self._workers if worker.task is not None}
            if not busy:
                return sorted(lost, key=lambda task: task.number)
            for pipe in wait(list(busy)):
                worker = busy[pipe]  # type: ignore[index]  # wait() returns what it was given
                try:
                    outcome = worker.take()
                except (EOFError, OSError):
                    lost.append(self._replace(worker))
                else:
                    if outcome is not None:
                        yield outcome

    def _replace(self, dead: _Worker) -> EvaluationTask:
        """Put a new worker in the place of a dead one; return the task that died with it."""
        dead.process.kill()
        dead.process.join()
        dead.pipe.close()
        if not dead.ready:
            raise RunError(
                f"a worker process ended while it started (exit code {dead.process.exitcode});"
                f" {_GUARD}"
            )
        assert dead.task is not None
        self._workers[self._workers.index(dead)] = _Worker(self._function)
        return dead.task


class _Worker:
    """The driver's end of a worker process."""

    def __init__(self, function: Callable[[EvaluationTask], Outcome]) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, other_end = context.Pipe()
        self.process = context.Process(target=_work, args=(other_end, function), daemon=True)
        self.task: EvaluationTask | None = None
        self.ready = False
        try:
            with _interrupts_held():
                self.process.start()
        except OSError as error:
            raise RunError(
                f"no worker process could be started ({error.strerror or error}); try fewer",
                parameter="workers",
            ) from None
        other_end.close()

    def give(self, task: EvaluationTask) -> None:
        self.task = task
        with contextlib.suppress(OSError):  # a dead worker is found when its answer is waited for
            self.pipe.send(task)

    def take(self) -> Outcome | None:
        """Return the outcome that the worker has sent, ``None`` where it was the word that it is ready."""
        outcome: Outcome | None = self.pipe.recv()
        self.ready = True
        if outcome is not None:
            self.task = None
        return outcome


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back while a process is started, which so never gets it, not even while it imports."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    # which would let Ctrl-C through if the first process had to start it
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(
    pipe: Connection[Outcome | None, EvaluationTask], function: Callable[[EvaluationTask], Outcome]
) -> None:
    """Evaluate tasks as they come, until the driver is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep_freed_memory()
    threading.Thread(target=_end_with_driver, daemon=True).start()
    with contextlib.suppress(EOFError, OSError):
        pipe.send(None)
        while True:
            pipe.send(function(pipe.recv()))


def _end_with_driver() -> None:
    driver = multiprocessing.parent_process()
    if driver is not None:
        driver.join()
        os._exit(1)
