"""Completion of values in a shell: names of spaces, samplers, devices, models, runs and so on.

The values of a parameter depend on its name. Since the shell waits, no module that registers
something is imported; the names are read from the text of the files that register them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from copy import copy
from pathlib import Path

import click
from click.shell_completion import CompletionItem

import mvt_nas
from mvt_nas.metrics.names import (
    ACCURACY,
    ACCURACY_LOW,
    COST_NAMES,
    IMAGENET,
    LATENCY,
    TRAINED,
)
from mvt_nas.resources import shipped_names
from mvt_nas.space.published import published_names
from mvt_nas.tasks.base import task_names

NameSource = Callable[[], Iterable[str]]

# Either .register("name") or a function that is decorated by @proxy(...).
_REGISTERS = re.compile(r"""\.register\("([a-z0-9_]+)"\)|^@proxy\(.*?^\)\ndef (\w+)""", re.S | re.M)


def registered(package: str) -> list[str]:
    """Return the names that the files of a package register, in alphabetical order.

    Args:
        package: Path of the package within ``mvt_nas``, such as ``nas/samplers``.
    """
    files = (Path(mvt_nas.__file__).parent / package).glob("*.py")
    return sorted(
        match.group(1) or match.group(2)
        for file in files
        for match in _REGISTERS.finditer(file.read_text(encoding="utf-8"))
        if file.name != "__init__.py"
    )


def spaces() -> list[str]:
    """Return the names of the shipped spaces."""
    return shipped_names()


def samplers() -> list[str]:
    """Return the names of the samplers."""
    return registered("nas/samplers")


def devices() -> list[str]:
    """Return the names of the devices that have a profile."""
    # Loads NumPy.
    from mvt_nas.latency.profile_lookup import profile_files

    return list(profile_files())


def runtimes() -> list[str]:
    """Return the names of the runtimes."""
    return registered("latency/runtimes")


def targets() -> list[str]:
    """Return the names of the export targets, and the word that lists them."""
    return [*registered("export/targets"), "list"]


def objectives() -> list[str]:
    """Return the names of the metrics, with the latency on each device."""
    latencies = (f"{LATENCY}@{name}" for name in devices())
    return list(
        dict.fromkeys(
            [
                ACCURACY,
                ACCURACY_LOW,
                TRAINED,
                IMAGENET,
                *COST_NAMES,
                LATENCY,
                *latencies,
                *registered("proxies"),
            ]
        )
    )


def tasks() -> list[str]:
    """Return the names of the tasks."""
    return task_names()


def models() -> list[str]:
    """Return the names of the published models."""
    return published_names()


def runs() -> list[str]:
    """Return the folders of the runs below ``results``, the most recent first."""
    found = [path.parent for path in Path("results").glob("*/run.yaml")]
    return [str(path) for path in sorted(found, key=lambda path: (-path.stat().st_mtime, path))]


_COMPLETED: dict[str, tuple[NameSource, str]] = {
    "space": (spaces, "file"),
    "sampler": (samplers, "plain"),
    "device": (devices, "file"),
    "devices": (devices, "file"),
    "NAME|FILE.json": (devices, "file"),
    "base_profile": (devices, "file"),
    "runtime": (runtimes, "plain"),
    "runner": (lambda: registered("nas/runners"), "plain"),
    "objectives": (objectives, "plain"),
    "task": (tasks, "plain"),
    "tasks": (tasks, "plain"),
    # Of mvt-nas proxy score.
    "names": (lambda: registered("proxies"), "plain"),
    "architecture": (models, "file"),
    "architectures": (models, "file"),
    "networks": (models, "file"),
    "network": (models, "file"),
    "targets": (targets, "plain"),
    "recipe": (lambda: [*registered("training/recipes"), "list"], "plain"),
    "run": (runs, "dir"),
    "baselines": (list, "file"),
}
"""Names and kind of path to complete, by the name or the metavar of a parameter."""

_FREE = "TEXT"
"""Metavar of a value that may be anything."""


class CompletedName(click.ParamType):  # type: ignore[type-arg]  # older clicks have no type arguments
    """A parameter type for completion, which neither converts nor checks values.

    Args:
        known: Returns the names to complete.
        path_kind: Kind of path to complete as well: ``file``, ``dir``, or ``plain`` for none.
    """

    name = "known"

    def __init__(self, known: NameSource, path_kind: str) -> None:
        self._known = known
        self._path_kind = path_kind

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the names that begin with the incomplete text."""
        names = [CompletionItem(name) for name in self._known() if name.startswith(incomplete)]
        if self._path_kind == "plain":
            return names
        # The kind of path comes first: bash regards it only if no name follows.
        return [CompletionItem(incomplete, type=self._path_kind), *names]


def complete_names(command: click.Command) -> click.Command:
    """Return a copy of a command whose parameters, and those of its subcommands, complete names."""
    completing = copy(command)
    completing.params = [_completing(parameter) for parameter in command.params]
    if isinstance(completing, click.Group):
        completing.commands = {
            name: complete_names(subcommand) for name, subcommand in completing.commands.items()
        }
    return completing


def _completing(parameter: click.Parameter) -> click.Parameter:
    found = _COMPLETED.get(parameter.metavar or "") or _COMPLETED.get(parameter.name or "")
    if (
        not found
        or parameter.metavar == _FREE
        or isinstance(parameter.type, click.IntRange | click.Choice)
    ):
        return parameter
    completing = copy(parameter)
    completing.type = CompletedName(*found)
    return completing
