"""Insights of a report: dominated models, common choices, importance, growth; and Markdown."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from markdown_it import MarkdownIt

from mvt_nas.nas.api import search
from mvt_nas.nas.runs.run import Run
from mvt_nas.report.insights import (
    DominatedModel,
    Recommendation,
    common_choices,
    dominated_models,
    failures,
    importances,
    recommendations,
)
from mvt_nas.report.markdown import report, text
from mvt_nas.report.random_comparison import random_curves
from tests.support import cli
from tests.support.candidates import run_of_points
from tests.support.searches import SCORING, small_space

SPACE = small_space()


def test_dominated_models_name_who_dominates_them_most_evenly() -> None:
    points = [(50.0, 50.0), (60.0, 50.0), (55.0, 30.0), (52.0, 49.0), (40.0, 99.0), (90.0, 98.0)]
    run = run_of_points(points, {0: "mobilevit_s", 5: "mobilevit_xs"})
    # candidate 1 gains 10 and 0, candidate 2 gains 5 and 20: the smaller of its gains is the larger
    # one
    assert dominated_models(run) == [
        DominatedModel("mobilevit_s", 2, {"trained_accuracy": 5.0, "macs": 20.0})
    ]


def test_choices_are_the_knee_and_the_best_of_each_objective() -> None:
    run = run_of_points([(10.0, 10.0), (80.0, 20.0), (90.0, 90.0), (5.0, 95.0)])
    assert [(one.number, one.why.partition(":")[0]) for one in recommendations(run)] == [
        (1, "the knee"),
        (2, "best trained_accuracy"),
        (0, "best macs"),
    ]
    assert recommendations(run_of_points([])) == []
    assert isinstance(recommendations(run)[0], Recommendation)


def test_habits_are_shares_on_the_front_and_beside_it() -> None:
    rows = SPACE.sample(200, 1)
    width = [dimension.name for dimension in SPACE.dimensions].index("stem.width")
    points = [
        (90.0 + n / 1e3, n / 1e3) if row[width] else (10.0, 90.0 + n) for n, row in enumerate(rows)
    ]
    found = {habit.dimension: habit for habit in common_choices(run_of_points(points, rows=rows))}
    assert (
        found["stem.width"].value,
        found["stem.width"].on_front,
        found["stem.width"].elsewhere,
    ) == (16, 1.0, 0.0)
    assert common_choices(run_of_points(points, rows=rows))[0].dimension == "stem.width"
    assert 0.2 < found["resolution_px"].on_front < 0.9


def test_importance_finds_the_dimension_that_decides() -> None:
    rows = SPACE.sample(300, 2)
    names = [dimension.name for dimension in SPACE.dimensions]
    accuracy, macs = rows[:, names.index("stem.width")], rows[:, names.index("stage1.width")]
    rng = np.random.default_rng(0)
    found = importances(
        run_of_points(
            [(a + 0.1 * rng.random(), 5.0 * m + 1) for a, m in zip(accuracy, macs, strict=True)],
            rows=rows,
        )
    )
    assert next(iter(found["trained_accuracy"])) == "stem.width"
    assert found["trained_accuracy"]["stem.width"] > 0.8
    assert found["macs"]["stage1.width"] > 0.95
    assert sum(found["trained_accuracy"].values()) == pytest.approx(1.0)
    assert importances(run_of_points([(1.0, 2.0)] * 5)) == {}


def test_the_curve_of_chance_is_that_of_a_draw_in_the_same_box(tmp_path: Path) -> None:
    run = search(SPACE, objectives=["macs:min", "params:min"], trials=40, out=tmp_path / "a").run
    own, chance = random_curves(run, range(1, 41))
    assert chance is not None
    assert len(own) == len(chance) == 40
    assert (np.diff(own) >= 0).all()
    assert (np.diff(chance) >= 0).all()
    assert own[-1] >= chance[-1] > 0
    assert own.sum() > chance.sum()
    proxies = search(
        SPACE, objectives=["log_synflow", "macs"], trials=6, scoring=SCORING, out=tmp_path / "b"
    ).run
    assert random_curves(proxies, [6])[1] is None


def test_failures_are_counted_by_reason() -> None:
    run = run_of_points([(1.0, 1.0)] * 4)
    for number, error in ((0, "a"), (1, "b"), (3, "b")):
        run.candidates[number] = dataclasses.replace(
            run.candidates[number], status="failed", error=error
        )  # type: ignore[index]
    assert failures(run) == [("b", 2), ("a", 1)]


EVIL = "<script>alert(1)</script> | `x` *b* [l](javascript:1)\n# head"


def test_names_and_errors_stay_text_in_the_page() -> None:
    run = run_of_points([(1.0, 1.0), (2.0, 3.0), (3.0, 2.0)], {0: EVIL})
    run.candidates[2] = dataclasses.replace(run.candidates[2], status="failed", error=EVIL)  # type: ignore[index]
    page = report(run)
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(page)
    assert "<script" not in html
    assert "<a href" not in html
    assert (
        html.count("&lt;script&gt;alert(1)&lt;/script&gt; | `x` *b* [l](javascript:1) # head") >= 2
    )
    assert text("a_b|c") == r"a\_b\|c"


def test_the_page_of_the_run_that_ships_has_all_parts() -> None:
    page = report(Run.load(Path(__file__).parents[2] / "results" / "example"))
    parts = [line.removeprefix("## ") for line in page.splitlines() if line.startswith("## ")]
    assert parts == [
        "What to choose",
        "The front",
        "Published models",
        "What the front agrees on",
        "What matters",
        "How the front grew",
        "Where it comes from",
    ]
    assert "| as many at random |" in page
    assert "\n\n\n" not in page


@pytest.mark.parametrize("suffix", ["html", "md", "csv", "parquet", "png", "svg"])
def test_each_format_is_written(suffix: str, tmp_path: Path) -> None:
    run = search(SPACE, objectives=["macs:min", "params:min"], trials=12, out=tmp_path / "a").run
    code, out, _ = cli.run("report", run.folder, "--out", tmp_path / "out" / f"r.{suffix}")
    assert (code, out) == (0, f"{tmp_path / 'out' / f'r.{suffix}'}\n")
    path = tmp_path / "out" / f"r.{suffix}"
    if suffix in ("csv", "parquet"):
        frame = pd.read_csv(path) if suffix == "csv" else pd.read_parquet(path)
        assert frame["macs"].tolist() == [run.candidates[n].scores["macs"] for n in range(12)]
        assert frame["stem.width"].astype(int).tolist() == [
            SPACE.decode(np.array(run.candidates[n].row)).stem_width for n in range(12)
        ]
    else:
        assert path.stat().st_size > 500


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--out", "r.doc"],
            "--out r.doc: no format has the suffix '.doc'; one of .html, .md, .csv, ",
        ),
        (
            ["--format", "doc"],
            "--format doc is not allowed; one of html, md, csv, parquet, png, svg, pdf",
        ),
        (["--out", "/proc/nothing/r.md"], "/proc/nothing/r.md: cannot be written ("),
    ],
)
def test_what_cannot_be_written_is_refused(
    arguments: list[str], message: str, tmp_path: Path
) -> None:
    run = search(SPACE, objectives=["macs:min", "params:min"], trials=4, out=tmp_path / "a").run
    code, _, err = cli.run("report", run.folder, *arguments)
    assert code == 2
    assert message in err
