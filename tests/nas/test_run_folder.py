"""Run folders: what is refused, and that only one process has them."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from mvt_nas.errors import MetricError, MvtNasError, PluginError, RunError
from mvt_nas.nas.api import SearchResult, resume_folder, search
from mvt_nas.nas.problem.config import Scoring
from mvt_nas.nas.runs.folder import CONFIG, list_runs, locked, make_folder, write_config
from mvt_nas.nas.runs.run import Run
from mvt_nas.nas.runs.store import NAME
from tests.support.searches import COSTS, facts, rows, small_space


def run_small(out: Path, **changes: Any) -> SearchResult:
    settings: dict[str, Any] = {"objectives": COSTS, "trials": 12, "batch": 4, "out": out}
    return search(small_space(), **(settings | changes))


def test_a_copy_of_the_space_that_was_changed_is_refused(tmp_path: Path) -> None:
    space = run_small(tmp_path).run.config.space
    data = yaml.safe_load((tmp_path / CONFIG).read_text())
    (tmp_path / CONFIG).write_text(
        yaml.safe_dump(data | {"space": {**space, "resolution_px": [32, 96]}})
    )
    with pytest.raises(
        RunError,
        match=(
            r"the run's copy of the space small was changed \(hash .*, not .*\); restore run.yaml"
        ),
    ):
        Run.load(tmp_path)
    with pytest.raises(RunError, match="the run's copy of the space small was changed"):
        resume_folder(tmp_path, trials=20, workers=1)


def test_where_there_is_no_run_nothing_is_resumed(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing", Path(__file__)):
        with pytest.raises(RunError, match=r"no run here \(run.yaml is missing\)"):
            resume_folder(folder, trials=None, workers=1)
    assert list(tmp_path.iterdir()) == []


def test_a_store_without_a_configuration_is_no_run(tmp_path: Path) -> None:
    run_small(tmp_path)
    (tmp_path / CONFIG).unlink()
    with pytest.raises(RunError, match="no run here"):
        run_small(tmp_path, resume=True)
    with pytest.raises(RunError, match="there is a run already"):
        run_small(tmp_path)


def test_a_run_that_lost_its_store_starts_again(tmp_path: Path) -> None:
    expected = facts(run_small(tmp_path).run)
    (tmp_path / NAME).unlink()
    assert Run.load(tmp_path).candidates == {}
    assert facts(run_small(tmp_path, resume=True).run) == expected


def test_a_folder_with_a_run_is_left_alone_unless_it_is_resumed(tmp_path: Path) -> None:
    expected = facts(run_small(tmp_path).run)
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(
        RunError,
        match=r"out: .*: there is a run already; resume it, or choose another folder",
    ):
        run_small(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files
    assert facts(Run.load(tmp_path)) == expected


def test_other_settings_are_named_when_a_run_is_resumed(tmp_path: Path) -> None:
    run_small(tmp_path, budgets=["macs<=1G"])
    changed = {"sampler": "random", "seed": 5, "batch": 8, "warm_start": False, "num_classes": 7}
    changed |= {"scoring": Scoring(images=9), "objectives": ["macs"], "budgets": []}
    with pytest.raises(RunError, match="was started with other settings") as refused:
        run_small(tmp_path, resume=True, **changed)
    for text in (
        "sampler is mvt there, random here",
        "seed is 0 there, 5 here",
        "batch is 4 there, 8 here",
        "images 9",
    ):
        assert text in str(refused.value)
    for text in (
        "objectives is macs:min, params:min there, macs:min here",
        "budgets is macs<=1000000000 there, none here",
    ):
        assert text in str(refused.value)
    with pytest.raises(RunError, match=r"\(seed is 0 there, 3 here\); leave them out to resume"):
        run_small(tmp_path, resume=True, seed=3, budgets=["macs<=1G"])


def test_a_run_of_another_space_is_not_resumed(tmp_path: Path) -> None:
    run_small(tmp_path)
    with pytest.raises(
        RunError, match=r"belongs to another space \(small, hash .*; asked for small, hash .*\)"
    ):
        run_small(tmp_path, resume=True, fix={"resolution_px": 32})


def test_a_store_of_another_run_is_refused(tmp_path: Path) -> None:
    for name, fixed in (
        ("a", {}),
        ("b", {"resolution_px": 32}),
        ("c", {"stem.width": 8, "resolution_px": 32, "stage1.width": 8}),
    ):
        run_small(tmp_path / name, fix=fixed)
    (tmp_path / "b" / NAME).write_bytes((tmp_path / "a" / NAME).read_bytes())
    with pytest.raises(RunError, match=r"candidates\.jsonl: does not belong to run\.yaml"):
        Run.load(tmp_path / "b")
    with pytest.raises(RunError, match=r"candidates\.jsonl: does not belong to run\.yaml"):
        resume_folder(tmp_path / "b", trials=40, workers=1)


def test_a_store_of_another_seed_is_noticed(tmp_path: Path) -> None:
    for seed in (0, 1):
        run_small(tmp_path / str(seed), seed=seed, trials=14, sampler="random")
    (tmp_path / "0" / NAME).write_bytes((tmp_path / "1" / NAME).read_bytes())
    with pytest.raises(
        RunError, match="candidate 12 in the store is not what this search proposes"
    ):
        resume_folder(tmp_path / "0", trials=40, workers=1)


def test_a_store_that_lacks_a_candidate_is_refused(tmp_path: Path) -> None:
    run_small(tmp_path)
    lines = (tmp_path / NAME).read_bytes().splitlines(keepends=True)
    (tmp_path / NAME).write_bytes(b"".join(lines[:2] + lines[3:]))
    with pytest.raises(RunError, match="the store lacks candidate 2 of a finished batch"):
        resume_folder(tmp_path, trials=40, workers=1)


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    run_small(tmp_path)
    lines = [
        "from pathlib import Path",
        "from mvt_nas.nas.runs.folder import locked",
        f"with locked(Path({str(tmp_path)!r})):",
    ]
    code = "\n".join([*lines, "    print(flush=True)", "    input()"])
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(
            RunError, match="in use by another search; wait for it, or choose another folder"
        ):
            run_small(tmp_path, resume=True, trials=20)
        holder.kill()
    assert len(rows(run_small(tmp_path, resume=True, trials=20).run)) == 20


def test_a_run_that_appears_while_another_is_prepared_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"

    def slow(folder: Path) -> None:
        monkeypatch.undo()
        run_small(folder, seed=1)
        make_folder(folder)

    monkeypatch.setattr("mvt_nas.nas.execution.make_folder", slow)
    with pytest.raises(RunError, match="there is a run already"):
        run_small(out, seed=2)
    assert Run.load(out).config.seed == 1


def test_a_folder_that_cannot_be_made_or_written_is_a_run_error(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(RunError, match=r"cannot be made \(Not a directory\)"):
        run_small(file / "run")
    with pytest.raises(RunError, match=r"cannot be made \(File exists\)"):
        run_small(file)
    (tmp_path / "run" / CONFIG).mkdir(parents=True)
    with pytest.raises(RunError, match=r"run.yaml: damaged"):
        run_small(tmp_path / "run", resume=True)
    config = replace(run_small(tmp_path / "good").run.config, trials=3)
    with pytest.raises(RunError, match=r"run.yaml: cannot be written \(.+\)"):
        write_config(tmp_path / "run", config)
    with pytest.raises(RunError, match="cannot be written"), locked(file):
        raise AssertionError("not reached")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trials": 0}, "trials: 0 is not allowed; an integer from 1"),
        ({"trials": 2.5}, "trials: 2.5 is not allowed"),
        ({"batch": 0}, "batch: 0 is not allowed"),
        ({"workers": 0}, "workers: 0 is not allowed"),
        ({"seed": -1}, "seed: -1 is not allowed; an integer from 0 to 4294967295"),
        ({"num_classes": True}, "num_classes: True is not allowed"),
        (
            {"sampler": "nsga"},
            (
                "unknown sampler 'nsga'; did you mean 'nsga3|unknown sampler 'nsga'; did you mean"
                " 'nsga2"
            ),
        ),
        ({"objectives": []}, "objectives: at least one is needed"),
        ({"budgets": ["macs"]}, "cannot be read"),
        (
            {"sampler": "exhaustive", "space": "mobilevit"},
            r"sampler: exhaustive: \d+ architectures are too many; at most 200000",
        ),
    ],
)
def test_what_is_wrong_is_found_before_there_is_a_folder(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    settings: dict[str, Any] = {"space": small_space(), "objectives": COSTS, "out": out}
    with pytest.raises((MetricError, PluginError), match=message) as refused:
        search(**(settings | changes))
    assert isinstance(refused.value, MvtNasError)
    assert not out.exists()


def test_runs_are_listed_by_name(tmp_path: Path) -> None:
    assert list_runs(tmp_path / "missing") == []
    for name in ("b", "a"):
        run_small(tmp_path / name)
    (tmp_path / "c").mkdir()
    assert list_runs(tmp_path) == [tmp_path / "a", tmp_path / "b"]
