"""The benchmark runner, on a benchmark of its own; the real ones take too long for a test."""

from __future__ import annotations

import importlib
import json
import statistics
import sys
from pathlib import Path
from types import ModuleType

import pytest

# The benchmarks are no part of the package; the tests may run from anywhere.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
runner = importlib.import_module("benchmarks.__main__")
figures = importlib.import_module("benchmarks._figures")


def test_benchmarks_are_found_by_their_file() -> None:
    files = {path.stem for path in Path(str(runner.__file__)).parent.glob("[!_]*.py")}
    assert set(runner.names()) == files >= {"cost_table", "space"}


def test_an_unknown_benchmark_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert runner.main(["nothing"]) == 2
    assert capsys.readouterr().err.startswith(
        "unknown benchmark 'nothing' (known: code_style, cost_table, "
    )


def test_figures_are_medians_over_repeats() -> None:
    calls: list[int] = []
    samples = figures.seconds(lambda: calls.append(1), 5)
    assert len(samples) == 5
    assert len(calls) == 6
    found = figures.figure("x", [3.0, 1.0, 10.0], "s")
    assert (found.value, found.low, found.high, found.repeats) == (
        statistics.median([3, 1, 10]),
        1.0,
        10.0,
        3,
    )


def test_a_benchmark_prints_a_table_and_writes_its_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = ModuleType("benchmarks.made_up")
    module.run = lambda: [figures.figure("speed", [2.0, 4.0, 9.0], "1/s", "downhill")]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "benchmarks.made_up", module)
    monkeypatch.setattr(runner, "names", lambda: ["made_up"])
    monkeypatch.setattr(runner, "FOLDER", tmp_path / "benchmarks")
    assert runner.main([]) == 0
    assert (
        "  speed             4 1/s              (2 to 9, 3 repeats)  downhill"
        in capsys.readouterr().out
    )
    written = json.loads((tmp_path / "benchmarks" / "made_up.json").read_text())
    assert written["figures"] == [
        {
            "name": "speed",
            "value": 4.0,
            "unit": "1/s",
            "low": 2.0,
            "high": 9.0,
            "repeats": 3,
            "note": "downhill",
        }
    ]
    assert {"python", "numpy", "torch", "processor", "cores", "system"} <= set(
        written["environment"]
    )


def test_a_part_takes_the_place_of_its_own_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = ModuleType("benchmarks.made_up")
    module.run = lambda: [
        figures.figure(f"{part}, speed", [1.0], "1/s") for part in ("a", "b", "ab")
    ]  # type: ignore[attr-defined]
    module.run_part = lambda part: [figures.figure(f"{part}, speed", [2.0], "1/s")]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "benchmarks.made_up", module)
    monkeypatch.setattr(runner, "names", lambda: ["made_up"])
    monkeypatch.setattr(runner, "FOLDER", tmp_path)
    assert runner.main(["made_up"]) == runner.main(["made_up:a"]) == runner.main(["made_up:c"]) == 0
    written = json.loads((tmp_path / "made_up.json").read_text())
    values = {one["name"]: one["value"] for one in written["figures"]}
    assert values == {"b, speed": 1.0, "ab, speed": 1.0, "a, speed": 2.0, "c, speed": 2.0}
    assert set(written["parts"]) == {"a", "c"}
    assert written["parts"]["a"]["environment"] == written["environment"]
    del module.run_part
    assert runner.main(["made_up:a"]) == 2
    assert "made_up has no parts" in capsys.readouterr().err


def test_a_sampler_of_large_runs_is_measured_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    large = importlib.import_module("benchmarks.large_run")

    def measured(sampler: str, size: int, folder: Path) -> object:
        took = large.Took(1.0, float(size), 3.0)
        return large.Size(
            size, took, 1.0, dict.fromkeys(("resume", "pareto", "plot", "report"), took)
        )

    monkeypatch.setattr(large, "measure", measured)
    found = [one.name for one in large.run_part("mvt")]
    assert all(name.startswith("mvt, ") for name in found)
    assert [name for name in found if name.endswith("report")] == [
        f"mvt, {size} candidates, report" for size in ("1,000", "10,000", "100,000")
    ]
    with pytest.raises(ValueError, match="unknown sampler 'none'"):
        large.run_part("none")
