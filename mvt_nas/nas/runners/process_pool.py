"""Pool of worker processes, each with its own pipe.

Each worker holds at most one task, so when it dies its task is known (a ``ProcessPoolExecutor``
would break as a whole). Workers ignore Ctrl-C and end with the driver, however it ends. They are
spawned: that works on every system, and with any threads in the driver.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait

from mvt_nas._threads_and_malloc import keep_freed_memory
from mvt_nas.errors import RunError
from mvt_nas.nas.runners.evaluation import DIED_TWICE, EvaluationTask, Outcome, evaluate

_GUARD = 'in a script, search() has to be called under: if __name__ == "__main__":'


def check_import() -> None:
    """Check that this is not a worker process that imports the script which started it.

    A script without the usual guard would start another search in each worker.

    Raises:
        RunError: It is one.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise RunError(
            "a worker process came upon a search while it imported the script that had started it;"
            f" {_GUARD}"
        )


class WorkerPool:
    """Evaluates in worker processes; the death of a worker affects only its own candidate.

    Args:
        workers: Number of processes.
        function: Evaluation of a task; must be importable by name.

    Raises:
        RunError: No process can be started.
    """

    def __init__(
        self, workers: int, function: Callable[[EvaluationTask], Outcome] = evaluate
    ) -> None:
        self._function = function
        self._workers = [_Worker(function) for _ in range(workers)]

    def run(self, tasks: Sequence[EvaluationTask]) -> Iterator[Outcome]:
        """Yield the outcomes as they finish.

        A task whose worker died is retried once after all others, when it has the machine's memory
        to itself.

        Raises:
            RunError: A worker dies before it can take a task.
        """
        lost_tasks = yield from self._run(tasks)
        for task in lost_tasks:
            lost_again = yield from self._run([task])
            for lost in lost_again:
                yield Outcome(lost.number, {}, DIED_TWICE, 0.0)

    def close(self) -> None:
        """Kill the workers."""
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.join()
            worker.pipe.close()

    def _run(
        self, tasks: Sequence[EvaluationTask]
    ) -> Generator[Outcome, None, list[EvaluationTask]]:
        """Yield the outcomes, and return the tasks whose workers died."""
        waiting = deque(tasks)
        lost: list[EvaluationTask] = []
        while True:
            for worker in self._workers:
                if worker.task is None and waiting:
                    worker.send(waiting.popleft())
            busy = {worker.pipe: worker for worker in self._workers if worker.task is not None}
            if not busy:
                return sorted(lost, key=lambda task: task.number)
            for pipe in wait(list(busy)):
                worker = busy[pipe]  # type: ignore[index]  # wait() returns what it was given
                try:
                    outcome = worker.receive()
                except (EOFError, OSError):
                    lost.append(self._replace(worker))
                else:
                    if outcome is not None:
                        yield outcome

    def _replace(self, dead: _Worker) -> EvaluationTask:
        """Replace a dead worker, and return the task that it held."""
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
            with _block_interrupts():
                self.process.start()
        except OSError as error:
            raise RunError(
                f"no worker process could be started ({error.strerror or error}); try fewer",
                parameter="workers",
            ) from None
        other_end.close()

    def send(self, task: EvaluationTask) -> None:
        """Send a task to the worker."""
        self.task = task
        # A dead worker is noticed when its outcome is received.
        with contextlib.suppress(OSError):
            self.pipe.send(task)

    def receive(self) -> Outcome | None:
        """Return the outcome that the worker has sent; None for its message that it is ready."""
        outcome: Outcome | None = self.pipe.recv()
        self.ready = True
        if outcome is not None:
            self.task = None
        return outcome


@contextlib.contextmanager
def _block_interrupts() -> Iterator[None]:
    """Block Ctrl-C while a process is started, which inherits the mask while it imports."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # Started by the first process, the tracker would unblock Ctrl-C.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(
    pipe: Connection[Outcome | None, EvaluationTask], function: Callable[[EvaluationTask], Outcome]
) -> None:
    """Evaluate tasks until the driver is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep_freed_memory()
    threading.Thread(target=_exit_with_driver, daemon=True).start()
    with contextlib.suppress(EOFError, OSError):
        pipe.send(None)
        while True:
            pipe.send(function(pipe.recv()))


def _exit_with_driver() -> None:
    """Wait for the driver to end, then exit whatever the worker computes."""
    driver = multiprocessing.parent_process()
    if driver is not None:
        driver.join()
        os._exit(1)
