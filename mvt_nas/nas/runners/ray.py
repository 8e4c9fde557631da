"""Evaluation on a Ray cluster: one Ray task per candidate, on any node with room for it.

Only the driver has state: a task receives all of its input and returns an outcome, and the tasks of
a dead node run again elsewhere. Without an address, Ray is started on this machine and ends with
the runner.

Source: Moritz et al., "Ray: a distributed framework for emerging AI applications", arXiv
1712.05889.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from mvt_nas.errors import RunError
from mvt_nas.metrics.names import TRAINED
from mvt_nas.nas.runners.base import RUNNERS, Resources, RunnerKind
from mvt_nas.nas.runners.evaluation import DIED_TWICE, EvaluationTask, Outcome, evaluate
from mvt_nas.nas.runners.ray_cluster import RayCluster, check
from mvt_nas.nas.runners.software import check_software, software_versions

if TYPE_CHECKING:
    from mvt_nas.data.dataset import ImageDataset
    from mvt_nas.nas.runners.ray_tune import RayTuneTrainings

# Time without any suitable node after which the search is interrupted.
_PATIENCE_S = 60.0
_WAIT_S = 5.0


class RayRunner:
    """Evaluates by Ray tasks.

    Args:
        resources: Resources for evaluations.

    Raises:
        RunError: Ray is not installed, the cluster cannot be reached, or no node has room for an
            evaluation.
    """

    def __init__(self, resources: Resources) -> None:
        self._cluster = RayCluster(resources)
        self._ray = self._cluster.ray
        self._most = resources.workers
        self._function = self._ray.remote(
            num_cpus=resources.cpus, num_gpus=resources.gpus, max_retries=0
        )(_evaluated)
        self._image_references: dict[str, Any] = {}
        self._running: dict[Any, EvaluationTask] = {}
        self._resources = resources
        self._tune: RayTuneTrainings | None = None

    def run(self, tasks: Sequence[EvaluationTask]) -> Iterator[Outcome]:
        """Yield the outcomes as they finish.

        A task whose worker died is retried once after all others; one whose node died is retried
        without limit.

        Raises:
            RunError: No node had room for an evaluation for a minute, or nodes have other software
                than the driver.
        """
        with_rungs = [task for task in tasks if _has_rungs(task)]
        if with_rungs:
            yield from self._tuned().run(with_rungs)
        yield from self._run([task for task in tasks if not _has_rungs(task)])

    def _run(self, tasks: Sequence[EvaluationTask]) -> Iterator[Outcome]:
        waiting = deque(tasks)
        retries: deque[EvaluationTask] = deque()
        deaths = Counter[int]()
        missing_s = 0.0
        while waiting or retries or self._running:
            if not waiting and not self._running:
                waiting = retries
                retries = deque()
            self._submit(waiting)
            done, _ = self._ray.wait(list(self._running), timeout=_WAIT_S)
            missing_s = 0.0 if done or self._cluster.has_room() else missing_s + _WAIT_S
            if missing_s >= _PATIENCE_S:
                raise RunError(
                    f"{self._cluster}: {self._cluster.lacking()}; resume the run when there is one"
                )
            for reference in done:
                task = self._running.pop(reference)
                found = self._result(reference)
                if isinstance(found, Outcome):
                    yield found
                elif found == "node":
                    waiting.appendleft(task)
                else:
                    deaths[task.number] += 1
                    if deaths[task.number] > 1:
                        yield Outcome(task.number, {}, DIED_TWICE, 0.0)
                    else:
                        retries.append(task)

    def close(self) -> None:
        """Cancel running tasks, and leave the cluster."""
        if self._tune is not None:
            self._tune.close()
        for reference in self._running:
            self._ray.cancel(reference, force=True)
        self._running.clear()
        self._cluster.leave()

    def _tuned(self) -> RayTuneTrainings:
        """Return the runner of trainings with rungs."""
        from mvt_nas.nas.runners.ray_tune import RayTuneTrainings

        if self._tune is None:
            self._tune = RayTuneTrainings(self._resources, self._images, software_versions())
        return self._tune

    def _submit(self, waiting: deque[EvaluationTask]) -> None:
        while waiting and (self._most is None or len(self._running) < self._most):
            task = waiting.popleft()
            self._running[self._function.remote(task, self._images(task), software_versions())] = (
                task
            )

    def _images(self, task: EvaluationTask) -> Any:
        """Return a reference to the training images of a task; they are sent to each node once."""
        if task.training is None or task.folder is None:
            return None
        fingerprint = task.training.fingerprint
        if fingerprint not in self._image_references:
            self._image_references[fingerprint] = self._ray.put(task.training.images())
        return self._image_references[fingerprint]

    def _result(self, reference: Any) -> Outcome | Literal["worker", "node"]:
        """Return the outcome of a Ray task, or the part that died."""
        errors = self._ray.exceptions
        try:
            outcome: Outcome = self._ray.get(reference)
        except (errors.OutOfMemoryError, errors.WorkerCrashedError):
            return "worker"
        except errors.RayTaskError as error:
            raise RunError(str(error.cause)) from None
        except errors.RayError:
            return "node"
        return outcome


def _has_rungs(task: EvaluationTask) -> bool:
    return task.metrics == (TRAINED,) and task.training is not None and bool(task.training.rungs)


def _evaluated(
    task: EvaluationTask, images: ImageDataset | None, software: Mapping[str, str]
) -> Outcome:
    """Evaluate a task on the node where Ray runs it, if that node has the driver's software."""
    check_software(tuple(software.items()))
    if task.folder is not None and not task.folder.parent.is_dir():
        # This node does not share the run's folder: write no checkpoints.
        task = replace(task, folder=None)
    return evaluate(task, images)


RUNNERS.register("ray")(RunnerKind(RayRunner, check))
