"""Checks of the requirements in the metadata of the distribution.

In a clone that was never installed, they come from ``pyproject.toml``.
"""

from __future__ import annotations

import platform
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, metadata, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import mvt_nas
from mvt_nas.report.diagnostics.check import Check

DISTRIBUTION = "mvt-nas"
LOADED = ("torch", "numpy", "optuna", "moocore")
"""Required packages that are also imported, because their C extensions may fail to load."""

_FOR_DEVELOPERS = ("dev", "docs")


@dataclass(frozen=True, slots=True)
class Requirements:
    """The requirements of a distribution.

    Attributes:
        python: Supported versions of Python.
        required: Required packages.
        extras: Packages by the extra that needs them.
    """

    python: SpecifierSet
    required: tuple[Requirement, ...]
    extras: Mapping[str, tuple[Requirement, ...]]


def read_requirements() -> Requirements | None:
    """Return the requirements; ``None`` if neither metadata nor ``pyproject.toml`` is found."""
    try:
        found = metadata(DISTRIBUTION)
    except PackageNotFoundError:
        return _from_project(Path(mvt_nas.__file__).parents[1] / "pyproject.toml")
    (python,) = found.get_all("Requires-Python") or [""]
    return _wanted(
        python, found.get_all("Requires-Dist") or [], found.get_all("Provides-Extra") or []
    )


def required_parts(wanted: Requirements) -> list[Check]:
    """Return the checks of Python and the required packages, the imported ones first."""
    here = platform.python_version()
    fits = wanted.python.contains(here, prereleases=True)
    python = Check(
        "python",
        "required",
        fits,
        here if fits else f"{here}, not {wanted.python}",
        _unless(fits, f"Python {wanted.python}"),
    )
    first = {name: place for place, name in enumerate(LOADED)}
    ordered = sorted(wanted.required, key=lambda one: first.get(one.name, len(first)))
    return [python, *(_required(requirement) for requirement in ordered)]


def extra_parts(wanted: Requirements) -> list[Check]:
    """Return the checks of the extras, except those for developers."""
    return [
        _extra(name, wanted.extras[name]) for name in wanted.extras if name not in _FOR_DEVELOPERS
    ]


def trouble(requirement: Requirement) -> str | None:
    """Return the problem with a package: missing, or a wrong version; ``None`` if it is fine."""
    try:
        found = version(requirement.name)
    except PackageNotFoundError:
        return f"{requirement.name} is not installed"
    if requirement.specifier.contains(found, prereleases=True):
        return None
    return f"{requirement.name} {found}, not {requirement.specifier}"


def _required(requirement: Requirement) -> Check:
    wrong = trouble(requirement) or (
        _load_trouble(requirement.name) if requirement.name in LOADED else None
    )
    detail = wrong or version(requirement.name)
    return Check(
        requirement.name,
        "required",
        wrong is None,
        detail,
        _unless(wrong is None, f"pip install '{_text(requirement)}'"),
    )


def _extra(name: str, requirements: Sequence[Requirement]) -> Check:
    wrong = [found for requirement in requirements if (found := trouble(requirement))]
    there = [
        f"{requirement.name} {version(requirement.name)}"
        for requirement in requirements
        if not trouble(requirement)
    ]
    return Check(
        name,
        "extra",
        not wrong,
        ", ".join(wrong or there),
        _unless(not wrong, f"pip install '{DISTRIBUTION}[{name}]'"),
    )


def _load_trouble(module: str) -> str | None:
    try:
        import_module(module)
    # A broken library may raise anything.
    except Exception as error:
        return f"cannot be loaded ({type(error).__name__}: {' '.join(str(error).split())[:200]})"
    return None


def _from_project(path: Path) -> Requirements | None:
    try:
        project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
    except (OSError, ValueError, KeyError):
        return None
    extras = project["optional-dependencies"]
    texts = [
        *project["dependencies"],
        *(f"{text} ; extra == '{name}'" for name, group in extras.items() for text in group),
    ]
    return _wanted(project["requires-python"], texts, list(extras))


def _wanted(python: str, texts: Sequence[str], extras: Sequence[str]) -> Requirements:
    """Return the requirements in lines as in ``Requires-Dist`` that apply to this machine."""
    requirements = [Requirement(text) for text in texts]
    required = tuple(
        one for one in requirements if one.marker is None or one.marker.evaluate({"extra": ""})
    )
    optional = [one for one in requirements if one not in required]
    return Requirements(
        SpecifierSet(python), required, {name: tuple(_of_extra(name, optional)) for name in extras}
    )


def _of_extra(name: str, optional: Sequence[Requirement]) -> list[Requirement]:
    return [
        one
        for one in optional
        if one.marker is not None and one.marker.evaluate({"extra": canonicalize_name(name)})
    ]


def _text(requirement: Requirement) -> str:
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    return f"{requirement.name}{extras}{requirement.specifier}"


def _unless(fine: bool, remedy: str) -> str | None:
    return None if fine else remedy
