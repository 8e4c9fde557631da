"""``mvt-nas doctor``: packages, runtimes and the machine, and whatever is broken."""

from __future__ import annotations

import json
import platform
import re
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from mvt_nas.latency.runtime import RUNTIMES, Runtime, RuntimeJob
from mvt_nas.nas.cache.store import OFF, cache_path
from mvt_nas.report.diagnostics import all_checks as checkup
from mvt_nas.report.diagnostics import hardware as machine
from mvt_nas.report.diagnostics import requirements
from mvt_nas.report.diagnostics import runtime_smoke_test as opening
from mvt_nas.report.diagnostics.check import Check
from mvt_nas.report.diagnostics.requirements import (
    Requirements,
    extra_parts,
    read_requirements,
    required_parts,
)
from tests.support import cli

run = partial(cli.run, "doctor")

ROOT = Path(__file__).parents[2]
SCHEMA = {
    "type": "object",
    "required": ["parts", "ok"],
    "additionalProperties": False,
    "properties": {
        "ok": {"type": "boolean"},
        "parts": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "kind", "ok", "detail", "remedy"],
                "additionalProperties": False,
                "properties": {
                    "name": {"type": "string"},
                    "kind": {
                        "enum": ["required", "extra", "runtime", "accelerator", "device", "cache"]
                    },
                    "ok": {"type": "boolean"},
                    "detail": {"type": "string", "pattern": "^[^\n]*$"},
                    "remedy": {"type": ["string", "null"]},
                },
            },
        },
    },
}


def by_name(parts: list[Check]) -> dict[str, Check]:
    return {part.name: part for part in parts}


def test_what_is_wanted_is_what_the_project_says() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = read_requirements()
    assert found is not None
    assert str(found.python) == project["requires-python"]
    assert {one.name for one in found.required} == {
        Requirement(text).name for text in project["dependencies"]
    }
    for name in ("ray", "dashboard", "onnx", "openvino", "parquet", "litert", "executorch"):
        assert {str(one.name) for one in found.extras[name]} == {
            Requirement(t).name for t in project["optional-dependencies"][name]
        }


def test_metadata_of_an_installed_distribution_come_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mvt_nas_doctored-9.dist-info"
    folder.mkdir()
    lines = [
        "Metadata-Version: 2.4",
        "Name: mvt-nas-doctored",
        "Version: 9",
        "Requires-Python: >=3.9",
        "Provides-Extra: fast",
    ]
    lines += [
        "Requires-Dist: numpy>=2",
        "Requires-Dist: pip; python_version<'3'",
        "Requires-Dist: torch>=99; extra == 'fast'",
    ]
    (folder / "METADATA").write_text("\n".join(lines) + "\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(requirements, "DISTRIBUTION", "mvt-nas-doctored")
    found = read_requirements()
    assert found is not None
    assert [str(one) for one in found.required] == ["numpy>=2"]
    assert [part.name for part in required_parts(found)] == ["python", "numpy"]
    (extra,) = extra_parts(found)
    torch = f"torch {version('torch')}, not >=99"
    assert extra == Check("fast", "extra", False, torch, "pip install 'mvt-nas-doctored[fast]'")


def test_required_packages_that_are_fine_old_or_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ("click>=8", "numpy>=99", "surely-not-there[x]>=2", "torch>=2")
    parts = by_name(
        required_parts(Requirements(SpecifierSet(">=3.99"), tuple(map(Requirement, texts)), {}))
    )
    here = platform.python_version()
    assert parts["python"] == Check(
        "python", "required", False, f"{here}, not >=3.99", "Python >=3.99"
    )
    assert list(parts) == ["python", "torch", "numpy", "click", "surely-not-there"]
    assert parts["click"] == Check("click", "required", True, version("click"))
    assert parts["numpy"].remedy == "pip install 'numpy>=99'"
    assert parts["surely-not-there"].detail == "surely-not-there is not installed"
    assert parts["surely-not-there"].remedy == "pip install 'surely-not-there[x]>=2'"


def test_a_required_package_that_cannot_be_loaded_is_broken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(name: str) -> None:
        raise OSError(f"lib{name}.so:\n cannot open shared object file")

    monkeypatch.setattr(requirements, "import_module", broken)
    part = required_parts(Requirements(SpecifierSet(""), (Requirement("torch"),), {}))[1]
    assert (part.ok, part.detail) == (
        False,
        "cannot be loaded (OSError: libtorch.so: cannot open shared object file)",
    )


def test_the_extra_for_developers_is_no_part() -> None:
    found = read_requirements()
    assert found is not None
    assert "dev" in found.extras
    assert "dev" not in by_name(extra_parts(found))


def runtime(**changes: Any) -> Runtime:
    fields: dict[str, Any] = {
        "name": "fake",
        "summary": "a fake; slow",
        "takes": "module",
        "package": None,
        "trouble": lambda: None,
    }
    return Runtime(**({"session": session_of([])} | fields | changes))


def session_of(jobs: list[RuntimeJob]) -> Any:
    @contextmanager
    def open_session(job: RuntimeJob) -> Iterator[Any]:
        jobs.append(job)
        yield lambda: None

    return open_session


@pytest.mark.parametrize(
    ("trouble", "detail", "remedy"),
    [
        (
            "x is not installed; pip install 'mvt-nas[x]'",
            "x is not installed",
            "pip install 'mvt-nas[x]'",
        ),
        ("no compiler; install g++", "no compiler", "install g++"),
        ("no CUDA device; torch 2 finds none", "no CUDA device; torch 2 finds none", None),
        ("only on Linux", "only on Linux", None),
    ],
)
def test_a_runtime_says_what_it_lacks(trouble: str, detail: str, remedy: str | None) -> None:
    assert opening.runtime_part(runtime(trouble=lambda: trouble)) == Check(
        "fake", "runtime", False, detail, remedy
    )


def test_a_tiny_network_is_opened_and_run() -> None:
    import torch

    jobs: list[RuntimeJob] = []
    opening.open_tiny(runtime(session=session_of(jobs)))
    opening.open_tiny(runtime(session=session_of(jobs), takes="onnx"))
    assert jobs[0].module is not None
    assert not jobs[0].module.training
    assert jobs[0].module(torch.zeros(jobs[0].input_shape)).shape == (1, 3)
    assert jobs[1].model is not None
    assert jobs[1].command is not None
    assert not jobs[1].model.exists()  # gone with its folder


@pytest.mark.parametrize("name", ["command", "onnxruntime", "openvino", "torch"])
def test_runtimes_open_a_tiny_network(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    opening.main(name)
    assert capsys.readouterr().out.splitlines()[-1] == "opened"


def test_whatever_a_runtime_raises_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_runtime: Runtime) -> None:
        print("noise")
        raise ImportError("first line\n  second line")

    monkeypatch.setattr(opening, "open_tiny", broken)
    opening.main("torch")
    assert capsys.readouterr().out.splitlines()[-1] == "ImportError: first line second line"


@pytest.mark.parametrize(
    ("script", "detail"),
    [
        ("echo noise; echo 'OSError: no library'", "OSError: no library"),
        ("kill -SEGV $$", "its process has been ended by SIGSEGV while it opened a tiny network"),
        ("exit 3", "its process has ended with exit code 3 while it opened a tiny network"),
        ("exec sleep 100", "a tiny network was not open after 0.5 s"),
        ("exit 0", "its process printed nothing"),
    ],
)
def test_however_a_process_ends_it_is_told(
    script: str, detail: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "python"
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(fake))
    assert opening.runtime_part(runtime(), most_seconds=0.5) == Check(
        "fake", "runtime", False, detail
    )
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nothing"))
    assert (
        opening.runtime_part(runtime()).detail
        == "no process can be started (No such file or directory)"
    )


def test_a_runtime_that_opens_tells_version_and_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "_run_process", lambda name, seconds: "opened")
    assert opening.runtime_part(runtime(package="numpy")) == Check(
        "fake", "runtime", True, f"{version('numpy')}, a fake"
    )
    assert [part.name for part in opening.runtime_parts()] == list(RUNTIMES)


def test_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OFF, "1")
    assert machine.cache_part() == Check(
        "cache", "cache", False, "off: MVT_NAS_NO_CACHE is set", "unset MVT_NAS_NO_CACHE"
    )
    monkeypatch.delenv(OFF)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert machine.cache_part() == Check("cache", "cache", True, f"0 evaluations in {cache_path()}")
    assert not (tmp_path / "home").exists()
    cache_path().parent.mkdir(parents=True)
    cache_path().write_bytes(b"garbage" * 1000)
    damaged = machine.cache_part()
    assert (damaged.ok, damaged.remedy) == (False, "mvt-nas cache prune --all")
    assert damaged.detail == f"{cache_path()}: cannot be used (file is not a database)"
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc")
    assert re.fullmatch(r"/proc cannot be written \(.+\)", machine.cache_part().detail)
    assert machine.cache_part().remedy == "set XDG_CACHE_HOME to a folder that can be written"


def test_the_latency_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mvt_nas.latency.profile_lookup import load_profile

    default = "x86-onnxruntime-1t"
    monkeypatch.setenv("MVT_NAS_DEVICES", str(tmp_path))  # no profile that another test has made
    monkeypatch.setattr(
        "mvt_nas.latency.latency_profile.this_device", lambda: dict(load_profile(default).device)
    )
    assert machine.device_part() == Check(
        "latency model", "device", True, f"of this machine: {default} (default)"
    )
    monkeypatch.setattr(
        "mvt_nas.latency.latency_profile.this_device", lambda: {"cpu": "another", "flags": []}
    )
    part = machine.device_part()
    assert (part.ok, part.remedy) == (False, "mvt-nas latency profile --name this-machine")
    assert part.detail == f"none is of this machine; latency_ms without @NAME is that of {default}"


def test_accelerators(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: f"card {index}")
    assert machine.accelerator_part().detail.startswith("card 0, card 1")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1 // 0)
    assert machine.accelerator_part().detail.startswith("torch cannot look for them (")
    assert not machine.accelerator_part().ok


def test_the_exit_code_says_whether_what_is_required_works(monkeypatch: pytest.MonkeyPatch) -> None:
    required = [
        Check(name, "required", True, "1.0")
        for name in ("python", "torch", "numpy", "optuna", "moocore", "scipy", "yaml")
    ]
    optional = [Check("ray", "extra", False, "ray is not installed", "pip install 'mvt-nas[ray]'")]
    monkeypatch.setattr(checkup, "run_checks", lambda: required + optional)
    code, out, err = run()
    assert (code, err) == (0, "")
    assert re.search(r"ray +no +ray is not installed *\n +pip install 'mvt-nas\[ray\]'", out)
    assert re.search(r"2 more +yes", out)
    assert "scipy" not in out
    assert out.endswith("All required parts work.\n")
    broken = [
        *required[:-1],
        Check("yaml", "required", False, "yaml is not installed", "pip install yaml"),
    ]
    monkeypatch.setattr(checkup, "run_checks", lambda: broken + optional)
    code, out, err = run()
    assert (code, err) == (1, "")
    assert re.search(r"yaml +broken +yaml is not installed", out)
    assert out.endswith("mvt-nas does not work here: yaml.\n")
    code, out, _ = run("--json")
    assert (code, json.loads(out)["ok"]) == (1, False)


def test_without_metadata_that_is_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkup, "read_requirements", lambda: None)
    monkeypatch.setattr(checkup, "runtime_parts", list)
    parts = checkup.run_checks()
    assert not checkup.works(parts)
    assert (parts[0].name, parts[0].remedy) == ("mvt-nas", "pip install .")


_IN_ALL = ("torch", "onnxruntime", "openvino", "command", "torch_compile")
"""Runtimes that every machine for development has."""


@pytest.mark.slow
@pytest.mark.parametrize(
    "opened", [("onnxruntime",), pytest.param(_IN_ALL, marks=pytest.mark.soak)]
)
def test_the_doctor_says_all_of_this_machine(
    opened: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All runtimes are opened in a minute, one in seconds; others are said to be open."""
    run_process = opening._run_process
    monkeypatch.setattr(
        opening,
        "_run_process",
        lambda name, seconds: run_process(name, seconds) if name in opened else "opened",
    )
    code, out, err = run("--json")
    document = json.loads(out)
    jsonschema.validate(document, SCHEMA)
    assert (code, err, document["ok"]) == (0, "", True)
    found = {(part["kind"], part["name"]): part for part in document["parts"]}
    assert len(found) == len(document["parts"])
    for name in ("torch", "numpy", "optuna", "moocore"):
        assert found["required", name]["detail"] == version(name)
    assert {name for kind, name in found if kind == "runtime"} == set(RUNTIMES)
    for name in _IN_ALL:
        assert found["runtime", name]["ok"], found["runtime", name]
    missing = [part for part in document["parts"] if part["kind"] == "extra" and not part["ok"]]
    assert all(part["remedy"] == f"pip install 'mvt-nas[{part['name']}]'" for part in missing)
