"""Provenance of a run, and the commands that reproduce, measure and export it."""

from __future__ import annotations

import shlex

from mvt_nas.nas.runs.run import Run


def provenance(run: Run) -> dict[str, str]:
    """Return everything that determines the results of a run, by heading."""
    config = run.config
    devices = ", ".join(f"{name} ({value})" for name, value in config.devices.items())
    images = "none"
    if config.training:
        images = f"{config.training.data}, hash {config.training.fingerprint}"
    return {
        "space": f"{config.name}, hash {config.space_hash}, {run.space.size:.4g} architectures",
        "sampler": f"{config.sampler}, seed {config.seed}, batches of {config.batch}",
        "devices": devices or "none",
        "accuracy": ", ".join(config.accuracy.values()) or "not predicted",
        "images": images,
        "versions": ", ".join(f"{name} {version}" for name, version in config.versions.items()),
    }


def reproduce_command(run: Run) -> str:
    """Return the command that repeats the run and compares the results."""
    return f"mvt-nas reproduce {_quoted(run)}"


def measure_command(run: Run) -> str:
    """Return the command that measures the front of the run."""
    return f"mvt-nas pareto {_quoted(run)} --measure"


def export_command(run: Run, number: int | str) -> str:
    """Return the command that exports a candidate to the trainer, for the task of the run."""
    tasks = [str(task) for task in run.inputs.tasks.values()]
    task = f" --task {tasks[0]}" if len(tasks) == 1 else ""
    return f"mvt-nas export {_quoted(run, f':{number}')}{task} --to trainer"


def _quoted(run: Run, suffix: str = "") -> str:
    return shlex.quote(f"{run.folder}{suffix}")
