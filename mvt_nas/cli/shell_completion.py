"""What the shell completes beside commands and options: names of spaces, samplers, devices, models, and runs below results.

It is looked up by what a parameter is called, while the shell waits: so nothing that registers is
imported, but the names are read from the text of the files that register them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from copy import copy
from pathlib import Path

import click
from click.shell_completion import CompletionItem

import mvt_nas

NameSource = Callable[[], Iterable[str]]

# Either .register("name") or a function that is decorated by @proxy(...).
_REGISTERS = re.compile(r"""\.register\("([a-z0-9_]+)"\)|^@proxy\(.*?^\)\ndef (\w+)""", re.S | re.M)


def registered(package: str) -> list[str]:
    """Return the names that the files of a package register, such as ``nas/samplers``, in alphabetical order."""
    files = (Path(mvt_nas.__file__).parent / package).glob("*.py")
    return sorted(
        match.group(1) or match.group(2)
        for file in files
        for match in _REGISTERS.finditer(file.read_text(encoding="utf-8"))
        if file.name != "__init__.py"
    )


def spaces() -> list[str]:
    """Return the names of the spaces that ship."""
    from mvt_nas.resources import shipped_names

    return shipped_names()


def samplers() -> list[str]:
    """Return the names of the samplers."""
    return registered("nas/samplers")


def devices() -> list[str]:
    """Return the names of the devices that have a profile."""
    from mvt_nas.latency.profile_lookup import profile_files

    return list(profile_files())


def runtimes() -> list[str]:
    """Return the names of the runtimes."""
    return registered("latency/runtimes")


def targets() -> list[str]:
    """Return the names of the forms to export to, and the word that lists them."""
    return [*registered("export/targets"), "list"]


def objectives() -> list[str]:
    """Return the names of what can be optimised, each device's latency among them."""
    from mvt_nas.metrics.names import ACCURACY, ACCURACY_LOW, COST_NAMES, IMAGENET, LATENCY, TRAINED

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
    from mvt_nas.tasks.base import task_names

    return task_names()


def models() -> list[str]:
    """Return the names of the published models."""
    from mvt_nas.space.published import published_names

    return published_names()


def runs() -> list[str]:
    """Return the folders of the runs below ``results``, those last worked on first."""
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
    "names": (lambda: registered("proxies"), "plain"),  # of mvt-nas proxy score
    "architecture": (models, "file"),
    "architectures": (models, "file"),
    "networks": (models, "file"),
    "network": (models, "file"),
    "targets": (targets, "plain"),
    "recipe": (lambda: [*registered("training/recipes"), "list"], "plain"),
    "run": (runs, "dir"),
    "baselines": (list, "file"),
}
"""By name of the parameter or what stands for its value: what it may be, and which kind of path
where it is none of these."""

_FREE = "TEXT"
"""What stands for a value that may be anything."""


class CompletedName(click.ParamType):  # type: ignore[type-arg]  # older clicks have no type arguments
    """What is completed in place of a type, while the shell waits; nothing is converted or checked then.

    Args:
        known: returns the names.
        otherwise: ``file``, ``dir``, or ``plain`` for neither.
    """

    name = "known"

    def __init__(self, known: NameSource, otherwise: str) -> None:
        self._known = known
        self._otherwise = otherwise

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the names that begin so, after the kind of path (bash heeds it only where no name follows)."""
        paths = (
            [CompletionItem(incomplete, type=self._otherwise)] if self._otherwise != "plain" else []
        )
        return [
            *paths,
            *(CompletionItem(name) for name in self._known() if name.startswith(incomplete)),
        ]


def complete_names(command: click.Command) -> click.Command:
    """Return a copy of a command, whose parameters and those of the commands below it complete names."""
    completing = copy(command)
    completing.params = [_completing(parameter) for parameter in command.params]
    if isinstance(completing, click.Group):
        completing.commands = {
            name: complete_names(below) for name, below in completing.commands.items()
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
