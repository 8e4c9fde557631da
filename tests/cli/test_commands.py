"""The command line as people and scripts meet it: output, exit codes, one line for wrong input."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from mvt_nas import published_names
from mvt_nas.cli.main import _VERBS, cli
from tests.support.cli import run, run_json

SPACE = {
    "name": "small",
    "resolution_px": 64,
    "stem": {"width": 16},
    "defaults": {"expansion": 2},
    "stages": [
        {"block": "conv", "stride": 1, "width": [16, 24]},
        {
            "block": ["conv", "mobilevit"],
            "width": [32, 48],
            "dim": [32, 48],
            "attention": ["multi_head", "separable"],
            "patch": [1, 2],
        },
    ],
}


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(yaml.safe_dump(SPACE))
    return "small.yaml"


def test_zoo_lists_all_published_models() -> None:
    entries = run_json("zoo")
    assert [entry["name"] for entry in entries] == published_names()
    assert entries[2]["params"] == 5578632
    assert entries[2]["macs"] == 2000831488
    code, out, _ = run("zoo")
    assert code == 0
    assert all(name in out for name in published_names())


def test_show_names_files_and_candidates_agree(space: str) -> None:
    shown = run_json("show", "mobilevit_xxs")
    assert sum(part["macs"] for part in shown["parts"]) == shown["macs"] == 407364096
    assert sum(part["params"] for part in shown["parts"]) == shown["params"] == 1272024
    Path("net.json").write_text(run("show", "mobilevit_xxs", "--arch-json")[1])
    assert run_json("show", "net.json")["key"] == shown["key"]
    run(
        "search",
        space,
        "--objective",
        "macs",
        "--objective",
        "params",
        "--trials",
        "4",
        "--out",
        "r",
    )
    front = run_json("pareto", "r")["front"][0]
    assert run_json("show", f"r:{front['id']}")["key"] == front["key"]


def test_show_at_another_resolution_and_batch() -> None:
    one = run_json("show", "mobilevit_xxs", "--resolution", "128")
    four = run_json("show", "mobilevit_xxs", "--resolution", "128", "--batch-size", "4")
    assert four["macs"] == 4 * one["macs"]
    assert four["params"] == one["params"]


def test_search_prints_front_and_writes_files(space: str) -> None:
    code, out, _ = run(
        "search",
        space,
        "--objective",
        "macs",
        "--objective",
        "params",
        "--trials",
        "10",
        "--out",
        "r",
    )
    assert code == 0
    for name in ("front.png", "front.svg", "front.csv", "candidates.csv"):
        assert f"r/{name}" in out
        assert (Path("r") / name).stat().st_size > 0
    document = run_json("pareto", "r")
    assert {"id", "key", "scores"} <= set(document["front"][0])
    assert document["hypervolume"] > 0
    assert document["knee"] in {entry["id"] for entry in document["front"]}
    assert set(document["front"][0]["scores"]) >= {"macs", "params", "memory_mb"}
    assert run_json("runs", ".")[0]["candidates"] == 10


def test_resume_of_a_finished_run_prints_its_front(space: str) -> None:
    arguments = (
        "search",
        space,
        "--objective",
        "macs",
        "--objective",
        "params",
        "--trials",
        "6",
        "--out",
        "r",
    )
    first = run_json(*arguments)
    assert run_json("search", "--resume", "--out", "r") == first
    assert run_json(*arguments, "--resume") == first
    more = run_json("search", "--resume", "--out", "r", "--trials", "9")
    assert more["candidates"] == 9


def test_space_check_tells_size_costs_and_tightest_budgets(space: str) -> None:
    report = run_json("space", "check", space, "--budget", "macs<=1", "--samples", "100")
    assert report["size"] == 2 * 2 * (1 + 2 * 2 * 2)
    assert report["satisfiable"] is False
    assert report["budgets"][0]["tightest"] == report["costs"]["macs"]["min"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["search", "nowhere.yaml"], r"nowhere\.yaml: cannot be read"),
        (["search", "mobilevitt"], r"no shipped space of that name; did you mean 'mobilevit'"),
        (
            ["search", "small.yaml", "--objective", "mac"],
            r"unknown metric 'mac'; did you mean 'macs'",
        ),
        (
            ["search", "small.yaml", "--objective", "macs:up"],
            r"error: --objective: macs:up: the direction 'up' is not allowed; min or max",
        ),
        (
            ["search", "small.yaml", "--budget", "macs=3"],
            r"error: --budget: 'macs=3' cannot be read; write for example 'macs<=1\.2G'",
        ),
        (
            ["search", "small.yaml", "--budget", "macs<=1"],
            r"no architecture of small meets all budgets .*tightest <=\d+ alone",
        ),
        (
            ["search", "small.yaml", "--sampler", "nsga"],
            r"unknown sampler 'nsga'; did you mean 'nsga[23]'",
        ),
        (["search", "small.yaml", "--trials", "0"], r"0 is not in the range x>=1"),
        (
            ["search", "small.yaml", "--fix", "patch"],
            r"--fix: 'patch' cannot be read; write for example",
        ),
        (
            ["search", "small.yaml", "--fix", "patch=7"],
            r"stage2\.patch = 7 is not one of its values \(1, 2\)",
        ),
        (["search", "small.yaml", "--fix", "path=1"], r"'path' is not a dimension; did you mean"),
        (["search", "--resume"], r"--resume needs --out"),
        (["search", "--resume", "--out", "nowhere"], r"nowhere: no run here"),
        (["search"], r"SPACE is missing"),
        (["serch"], r"No such command 'serch'"),
        (
            ["show", "mobilevit_m"],
            r"not a published model, file, training or candidate RUN:ID; did you mean 'mobilevit",
        ),
        (["show", "small.yaml"], r"small\.yaml: not JSON"),
        (["show", "nowhere:3"], r"nowhere: no run here"),
        (["show", "nowhere:knee"], r"nowhere: no run here"),
        (["show", "."], r"\.: not the folder of a training \(config\.yaml is missing\)"),
        (["pareto", "."], r"no run here \(run\.yaml is missing\)"),
        (["plot", "."], r"no run here"),
        (["dashboard", "nowhere"], r"no run here"),
        (
            ["space", "check", "small.yaml", "--budget", "snip<=3"],
            r"error: --budget: snip<=3: only what is counted or predicted is known before a search",
        ),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(
    arguments: list[str], message: str, space: str
) -> None:
    code, out, err = run(*arguments)
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert re.search(message, err), err
    assert sorted(path.name for path in Path().iterdir()) == ["small.yaml"]


def test_existing_run_is_not_overwritten(space: str) -> None:
    arguments = ("search", space, "--objective", "macs", "--trials", "3", "--out", "r")
    run(*arguments)
    before = Path("r/candidates.jsonl").read_bytes()
    code, _, err = run(*arguments)
    assert code == 2
    assert "mvt-nas: error: --out: r: there is a run already; resume it" in err
    code, _, err = run(*arguments, "--resume", "--seed", "5")
    assert code == 2
    assert "seed is 0 there, 5 here" in err
    assert Path("r/candidates.jsonl").read_bytes() == before


def _commands(group: click.Group, prefix: str = "") -> dict[str, click.Command]:
    """Return every command below a group by its full name."""
    context = click.Context(group)
    found: dict[str, click.Command] = {}
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        found |= {prefix + name: command} | (
            _commands(command, f"{prefix}{name} ") if isinstance(command, click.Group) else {}
        )
    return found


def test_every_verb_and_option_has_help() -> None:
    commands = _commands(cli)
    assert {"search", "space check", "latency measure"} <= set(commands)
    for name, command in commands.items():
        assert command.help, name
        for parameter in command.params:
            if parameter.param_type_name == "option":
                assert parameter.help, f"{name} {parameter.name}"  # type: ignore[attr-defined]


def test_short_helps_are_those_of_the_commands() -> None:
    context = click.Context(cli)
    for name, (_, text) in _VERBS.items():
        command = cli.get_command(context, name)
        assert command.get_short_help_str(limit=1000) == text


def test_python_m_mvt_nas_is_the_same_command() -> None:
    text = subprocess.run(
        [sys.executable, "-m", "mvt_nas", "--version"], capture_output=True, text=True, check=True
    ).stdout
    assert text.startswith("mvt-nas, version ")


def test_output_into_a_closed_pipe_is_no_traceback() -> None:
    process = subprocess.run(
        f"{sys.executable} -m mvt_nas show mobilevit_s --json | head -n 1",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.stdout == "{\n"
    assert "Traceback" not in process.stderr


@pytest.mark.slow
def test_ctrl_c_keeps_everything_and_says_how_to_go_on(space: str) -> None:
    arguments = [
        sys.executable,
        "-m",
        "mvt_nas",
        "search",
        "tiny",
        "--objective",
        "channel_entropy",
        "--objective",
        "macs",
        "--trials",
        "400",
    ]
    process = subprocess.Popen(
        [*arguments, "--workers", "2", "--out", "r"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    _wait_for(
        lambda: (
            Path("r/candidates.jsonl").exists()
            and len(Path("r/candidates.jsonl").read_bytes().splitlines()) > 20
        )
    )
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "--resume --out r" in out
    assert "Traceback" not in err
    assert Path("r/front.csv").exists()


def _wait_for(condition: Any, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.1)


def test_a_bare_command_shows_what_to_type_next() -> None:
    code, out, err = run()
    assert code == 0
    assert "mvt-nas search tiny" in out
    assert err == ""


def test_a_search_that_finds_nothing_feasible_still_answers(space: str) -> None:
    budget = (
        "--objective",
        "macs",
        "--budget",
        "channel_entropy>=1e9",
        "--score-px",
        "32",
        "--score-images",
        "4",
    )
    document = run_json("search", space, *budget, "--trials", "2", "--out", "r")
    assert document["front"] == []
    assert document["knee"] is None
    assert Path("r/candidates.csv").read_text().count("infeasible") == 2
    code, out, _ = run("search", "--resume", "--out", "r")
    assert code == 0
    assert "No candidate is complete" in out


def test_resume_takes_what_it_was_started_with(space: str) -> None:
    run(
        "search",
        space,
        "--objective",
        "macs",
        "--seed",
        "3",
        "--trials",
        "4",
        "--no-warm-start",
        "--out",
        "r",
    )
    for options in (
        ["--seed", "3"],
        ["--trials", "6"],
        [space],
        [space, "--seed", "3", "--objective", "macs"],
    ):
        code, _, err = run("search", "--resume", "--out", "r", *options)
        assert code == 0, err
    code, _, err = run("search", "--resume", "--out", "r", "--seed", "4")
    assert code == 2
    assert "seed is 3 there, 4 here" in err


def test_a_space_cannot_name_a_folder_elsewhere(space: str) -> None:
    Path("bad.yaml").write_text(yaml.safe_dump(SPACE | {"name": "../../x/y"}))
    code, _, err = run("search", "bad.yaml", "--objective", "macs")
    assert code == 2
    assert "name = '../../x/y' is not allowed" in err


def test_output_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    limited = (
        "import resource, runpy; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0));"
        " runpy.run_module('mvt_nas', run_name='__main__')"
    )
    with (tmp_path / "out").open("w") as out:
        process = subprocess.run(
            [sys.executable, "-c", limited, "zoo"],
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert process.returncode == 2
    assert process.stderr.startswith("mvt-nas: error: cannot write")
    assert process.stderr.count("\n") == 1
