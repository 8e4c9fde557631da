"""Where a run comes from, in words."""

from __future__ import annotations

from mvt_nas.nas.runs.run import Run


def provenance(run: Run) -> dict[str, str]:
    """Return by heading what decided on the run's results."""
    config = run.config
    return {
        "space": f"{config.name}, hash {config.space_hash}, {run.space.size:.4g} architectures",
        "sampler": f"{config.sampler}, seed {config.seed}, batches of {config.batch}",
        "devices": (
            ", ".join(f"{name} ({value})" for name, value in config.devices.items()) or "none"
        ),
        "accuracy": ", ".join(config.accuracy.values()) or "not predicted",
        "pictures": (
            f"{config.training.data}, hash {config.training.fingerprint}"
            if config.training
            else "none"
        ),
        "versions": ", ".join(f"{name} {version}" for name, version in config.versions.items()),
    }


def again(run: Run) -> str:
    """Return the command that does the run again."""
    return f"mvt-nas reproduce {_shell(run)}"


def measured(run: Run) -> str:
    """Return the command that measures the front of the run."""
    return f"mvt-nas pareto {_shell(run)} --measure"


def taken(run: Run, number: int | str) -> str:
    """Return the command that takes a candidate out of the run, to the trainer; for its task, where the run is for one."""
    tasks = [str(task) for task in run.inputs.tasks.values()]
    purpose = f" --task {tasks[0]}" if len(tasks) == 1 else ""
    return f"mvt-nas export {_shell(run, f':{number}')}{purpose} --to trainer"


def _shell(run: Run, suffix: str = "") -> str:
    import shlex

    return shlex.quote(f"{run.folder}{suffix}")
