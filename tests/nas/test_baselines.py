"""Baselines: kept in the run's folder, no part of the search, shown by plot, pareto and report."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from mvt_nas.cli.main import main
from mvt_nas.errors import RunError
from mvt_nas.nas.api import search
from mvt_nas.nas.options import ExecutionOptions
from mvt_nas.nas.reproduce import reproduce
from mvt_nas.nas.runs.baseline import NAME, Baseline, merged, read_baselines, write_baselines
from mvt_nas.nas.runs.run import Run
from mvt_nas.report.baseline_comparison import compare_baseline
from mvt_nas.report.front_plot import front_plot
from mvt_nas.report.markdown import report
from mvt_nas.report.plots import draw_plot
from tests.support.candidates import run_of_points
from tests.support.searches import facts, small_space

OWN = """
from torch import nn

def network():
    stem = nn.Conv2d(3, 8, 3, 2, 1)
    return nn.Sequential(stem, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))

def large():
    return nn.Sequential(nn.Conv2d(3, 512, 9), nn.ReLU(), nn.Conv2d(512, 512, 3))
"""
TIMING = {
    "low_ms": 9.5,
    "high_ms": 10.5,
    "probe_ms": 4.0,
    "warnings": ["a doubt"],
    "fingerprint": {"runtime": {"name": "torch"}},
}
SCORES = {"macs": 5.0, "latency_ms@here": 10.0, "accuracy": 61.2}
FULL = Baseline(
    "mine",
    "own:network",
    64,
    SCORES | {"imagenet_top1": 70.0},
    ("accuracy",),
    ("a note",),
    {"latency_ms@here": TIMING},
    ("imagenet_top1",),
)
PLAIN = Baseline("other", "x.onnx", 224, {"params": 3.0})
SCHEMA = {
    "type": "object",
    "required": ["format", "baselines"],
    "additionalProperties": False,
    "properties": {
        "format": {"const": 1},
        "baselines": {
            "type": "array",
            "items": {
                "type": "object",
                "required": [
                    "name",
                    "source",
                    "resolution_px",
                    "scores",
                    "given",
                    "notes",
                    "measured",
                ],
                "additionalProperties": False,
                "properties": {
                    "name": {"type": "string", "minLength": 1},
                    "source": {"type": "string"},
                    "resolution_px": {"type": "integer", "minimum": 1},
                    "scores": {"type": "object", "additionalProperties": {"type": "number"}},
                    "given": {"type": "array", "items": {"type": "string"}},
                    "notes": {"type": "array", "items": {"type": "string"}},
                    "measured": {
                        "type": "object",
                        "additionalProperties": {
                            "type": "object",
                            "required": [
                                "low_ms",
                                "high_ms",
                                "probe_ms",
                                "warnings",
                                "fingerprint",
                            ],
                        },
                    },
                    "predicted": {"type": "array", "items": {"type": "string"}},
                },
            },
        },
    },
}


def command(*arguments: str, code: int = 0) -> None:
    with pytest.raises(SystemExit, match=f"^{code}$"):
        main(list(arguments))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "own_networks.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "own_networks", raising=False)
    return tmp_path


def test_the_file_holds_what_was_told_and_has_its_schema(tmp_path: Path) -> None:
    assert read_baselines(tmp_path) == ()
    write_baselines(tmp_path, [FULL, PLAIN])
    jsonschema.validate(json.loads((tmp_path / NAME).read_text()), SCHEMA)
    assert read_baselines(tmp_path) == (FULL, PLAIN)
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    newer = replace(FULL, resolution_px=96)
    assert merged([FULL, PLAIN], [newer]) == (newer, PLAIN)


def test_a_file_of_an_earlier_version_holds_no_predictions(tmp_path: Path) -> None:
    write_baselines(tmp_path, [FULL, PLAIN])
    document = json.loads((tmp_path / NAME).read_text())
    for one in document["baselines"]:
        del one["predicted"]
    (tmp_path / NAME).write_text(json.dumps(document))
    assert read_baselines(tmp_path) == (replace(FULL, predicted=()), PLAIN)


def without(key: str) -> Callable[[dict[str, Any]], Any]:
    return lambda one: one.pop(key)


def with_(**values: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda one: one.update(values)


@pytest.mark.parametrize(
    "change",
    [
        *map(without, SCHEMA["properties"]["baselines"]["items"]["required"]),  # type: ignore[index]  # nested data
        with_(name=""),
        with_(name=3),
        with_(resolution_px=0),
        with_(resolution_px=True),
        with_(scores={"macs": "many"}),
        with_(scores={"macs": float("nan")}),
        with_(scores=[1]),
        with_(given=["params"]),
        with_(given="macs"),
        with_(predicted=["params"]),
        with_(measured={"latency_ms@here": TIMING | {"low_ms": 0}}),
        with_(measured={"latency_ms@here": {}}),
        with_(name="other"),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(
    change: Callable[[dict[str, Any]], Any], tmp_path: Path
) -> None:
    write_baselines(tmp_path, [FULL, PLAIN])
    document = json.loads((tmp_path / NAME).read_text())
    change(document["baselines"][0])
    (tmp_path / NAME).write_text(json.dumps(document))
    mend = r"remove the file \(baselines\.json\) and add the baselines again$"
    with pytest.raises(RunError, match=rf"^.*baselines\.json: damaged \([^\n]*\); {mend}"):
        read_baselines(tmp_path)
    for text in ("", "[]", "{", '{"format": 1}', "\x00"):
        (tmp_path / NAME).write_text(text)
        with pytest.raises(RunError, match=rf"damaged \(.*\); {mend}"):
            read_baselines(tmp_path)
    (tmp_path / NAME).write_text('{"format": 2}')
    with pytest.raises(RunError, match=r"format = 2, but this version of mvt-nas reads 1"):
        read_baselines(tmp_path)


def test_a_search_is_the_same_with_a_baseline(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = [
        "search",
        "tiny",
        "--objective",
        "macs",
        "--objective",
        "params",
        "--trials",
        "8",
        "--json",
    ]
    command(*common, "--out", "without")
    command(
        *common,
        "--out",
        "with",
        "--baseline",
        "own_networks:network,resolution_px=64",
        "--baseline",
        "own_networks:large,resolution_px=64",
    )
    for name in ("run.yaml", "front.csv"):
        assert Path("without", name).read_bytes() == Path("with", name).read_bytes()
    plain, run = Run.load("without"), Run.load("with")
    assert facts(plain) == facts(run)
    assert (plain.baselines, [one.name for one in run.baselines]) == ((), ["network", "large"])
    assert not Path("without", NAME).exists()
    assert reproduce(Path("with"), ExecutionOptions()).identical
    document = json.loads(capsys.readouterr().out.split("\n}\n")[1] + "}")
    small, large = document["baselines"]
    assert (small["name"], small["compared"], small["dominated_by"]) == (
        "network",
        ["macs", "params"],
        [],
    )
    assert set(small["dominates"]) == {candidate.number for candidate in run.front()}
    assert set(large["dominated_by"]) == {candidate.number for candidate in run.front()}
    assert small["scores"]["params"] == 8 * 27 + 8 + 80 + 10


@pytest.mark.parametrize(
    "text",
    [
        "gone.onnx",
        "own_networks:gone",
        "own_networks:network,acuracy=3",
        "own_networks:network,imagenet_top1=0.719",
    ],
)
def test_what_is_wrong_is_found_before_there_is_a_folder(
    text: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command(
        "search",
        "tiny",
        "--objective",
        "macs",
        "--trials",
        "4",
        "--out",
        "r",
        "--baseline",
        text,
        code=2,
    )
    error = capsys.readouterr().err
    assert error.startswith(f"mvt-nas: error: --baseline: {text}: ")
    assert error.count("\n") == 1
    assert not Path("r").exists()


def test_later_commands_show_what_was_told_once(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = search(small_space(), objectives=["macs", "params"], trials=12, out="r").run
    command(
        "plot",
        "r",
        "--baseline",
        "own_networks:large,resolution_px=64,name=today,imagenet_top1=61.2",
    )
    command("plot", "r", "--baseline", "own_networks:network,resolution_px=16")
    capsys.readouterr()
    command("pareto", "r")
    today, network = capsys.readouterr().out.splitlines()[-2:]
    front, params = len(run.front()), 512 * 243 + 512 + 512 * 512 * 9 + 512
    assert today.startswith(
        f"today (own_networks:large, 64 px): params {params / 1e6:.2f} M, macs 7.27 G, memory_mb "
    )
    assert f"imagenet_top1 61.2 (given); {front} of the {front} on the front dominate" in today
    assert network.endswith(
        f"none of the {front} on the front dominates it: it would be on the front, and dominates"
        f" {front} of them. Should you switch? not known: the search has no accuracy among its"
        " objectives."
    )
    resumed = search(
        small_space(), objectives=["macs", "params"], trials=14, out="r", resume=True
    ).run
    loaded = Run.load("r")
    assert resumed.baselines == loaded.baselines
    panel = front_plot(loaded).panels[0]
    scores = [one.scores for one in loaded.baselines]
    assert panel.baselines == (
        ("today", scores[0]["params"], scores[0]["macs"]),
        ("network", scores[1]["params"], scores[1]["macs"]),
    )
    command(
        "report",
        "r",
        "--out",
        "r.md",
        "--baseline",
        "own_networks:network,resolution_px=24,name=told to report",
    )
    assert [one.name for one in Run.load("r").baselines] == ["today", "network", "told to report"]
    assert "- **told to report** (own\\_networks:network, 24 px): " in Path("r.md").read_text()
    page = report(loaded)
    assert (
        "## Your baseline\n\n| baseline | params | macs | memory\\_mb | imagenet\\_top1 |\n" in page
    )
    assert "| 61.2 (given) |" in page
    assert "- **today** (own\\_networks:large, 64 px): " in page
    assert (
        f"  - candidate {compare_baseline(loaded, loaded.baselines[0]).beaten.by}: macs -" in page
    )  # type: ignore[union-attr]  # it is beaten


def test_points_are_drawn_where_both_values_are_known(tmp_path: Path) -> None:
    run = run_of_points([(50.0, 50.0), (60.0, 60.0)])
    both = Baseline("$both_1$", "x", 64, {"trained_accuracy": 55.0, "macs": 40.0})
    shown = replace(run, baselines=(both, replace(both, name="half", scores={"macs": 40.0})))
    assert [panel.baselines for panel in front_plot(shown).panels] == [(("$both_1$", 40.0, 55.0),)]
    draw_plot(shown, tmp_path / "with.svg")
    draw_plot(run, tmp_path / "without.svg")
    texts = [
        "your baseline" in (tmp_path / name).read_text() for name in ("with.svg", "without.svg")
    ]
    assert texts == [True, False]
