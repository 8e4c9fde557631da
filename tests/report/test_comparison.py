"""Runs beside each other, against closed forms and a brute-force count."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mvt_nas.cli.main import main
from mvt_nas.errors import RunError
from mvt_nas.nas.api import search
from mvt_nas.report.comparison import compare_runs
from tests.support.candidates import run_of_points
from tests.support.searches import small_space


def test_fronts_are_compared_in_one_box() -> None:
    # accuracy up, macs down; all fronts together span 20 to 80 and 10 to 50, the box ends a tenth
    # further: 14 and 54
    first, second = compare_runs(
        [
            run_of_points([(80.0, 50.0), (20.0, 10.0), (20.0, 40.0)]),
            run_of_points([(70.0, 50.0), (50.0, 30.0)]),
        ]
    )
    areas = {
        "first": 66 * 4 + 6 * 40,
        "second": 56 * 4 + 36 * 20,
        "joint": 66 * 4 + 36 * 20 + 6 * 20,
    }
    assert first.share == pytest.approx(areas["first"] / areas["joint"])
    assert second.share == pytest.approx(areas["second"] / areas["joint"])
    assert (first.candidates, first.front, first.joint, first.covered) == (3, 2, 2, 0.0)
    assert (second.candidates, second.front, second.joint, second.covered) == (2, 2, 1, 0.5)


def test_equal_runs_share_all() -> None:
    for one in compare_runs(
        [run_of_points([(80.0, 50.0), (20.0, 10.0)]), run_of_points([(80.0, 50.0), (20.0, 10.0)])]
    ):
        assert (one.share, one.joint, one.covered) == (1.0, 2, 0.0)


def test_runs_that_all_found_the_one_best_are_equal() -> None:
    for one in compare_runs(
        [run_of_points([(80.0, 10.0), (20.0, 10.0)]), run_of_points([(80.0, 10.0)])]
    ):
        assert (one.share, one.front, one.covered) == (1.0, 1, 0.0)


def test_runs_with_other_settings_are_refused(tmp_path: Path) -> None:
    runs = [
        search(
            small_space(), objectives=["params"], trials=4, num_classes=n, out=tmp_path / str(n)
        ).run
        for n in (10, 1000)
    ]
    with pytest.raises(
        RunError, match=r"num_classes is 1000, but 10 in .*; only the same can be compared"
    ):
        compare_runs(runs)


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    run = run_of_points([(1.0, 1.0)])
    with pytest.raises(RunError, match="a comparison needs two runs or more"):
        compare_runs([run])
    with pytest.raises(RunError, match="no candidate is complete"):
        compare_runs([run, run_of_points([])])
    other = search(small_space(), objectives=["macs", "params"], trials=2, out=tmp_path / "a").run
    with pytest.raises(
        RunError,
        match=(
            "objectives macs:min, params:min, but somewhere has trained_accuracy:max, macs:min;"
            " only the same"
        ),
    ):
        compare_runs([run, other])


def test_the_command_prints_a_table_or_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for sampler in ("mvt", "random"):
        search(
            small_space(),
            objectives=["macs", "imagenet_top1"],
            sampler=sampler,
            trials=20,
            out=tmp_path / sampler,
        )
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["compare", str(tmp_path / "mvt"), str(tmp_path / "random")])
    header, _, first, second = capsys.readouterr().out.splitlines()
    assert header.split() == [
        "run",
        "sampler",
        "seed",
        "candidates",
        "front",
        "hypervolume",
        "joint",
        "covered",
    ]
    assert first.split()[1:5] == ["mvt", "0", "20", "20"]
    assert second.split()[1] == "random"
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["compare", str(tmp_path / "mvt"), str(tmp_path / "random"), "--json"])
    document = json.loads(capsys.readouterr().out)
    assert document[0]["share"] > document[1]["share"] > 0.3
    assert document[1]["covered"] > 0
    with pytest.raises(SystemExit, match=r"^0$"):
        main(
            [
                "compare",
                str(tmp_path / "mvt"),
                str(tmp_path / "random"),
                "--out",
                str(tmp_path / "page" / "both.html"),
            ]
        )
    assert (tmp_path / "page" / "both.html").read_text().startswith("<!DOCTYPE html>")
    with pytest.raises(SystemExit, match=r"^2$"):
        main(
            [
                "compare",
                str(tmp_path / "mvt"),
                str(tmp_path / "random"),
                "--out",
                "/proc/nothing/both.html",
            ]
        )
    assert "/proc/nothing/both.html: cannot be written (" in capsys.readouterr().err
