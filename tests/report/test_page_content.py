"""Content of a page: every column agrees with the run, and nothing in it is markup."""

from __future__ import annotations

import base64
import gzip
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mvt_nas.errors import RunError
from mvt_nas.nas.api import search
from mvt_nas.nas.runs.run import Run
from mvt_nas.report.html import columns
from mvt_nas.report.html.content import content
from mvt_nas.report.html.page import page
from mvt_nas.report.random_comparison import joint_curves, random_curves
from mvt_nas.space.codec import flattened
from tests.support.report_runs import EVIL, LATENCY, evil_run, large_run
from tests.support.searches import small_space

EXAMPLE = Path(__file__).parents[2] / "results" / "example"


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return large_run(tmp_path_factory.mktemp("run") / "large", 2000)


@pytest.fixture(scope="module")
def shown(large: Run) -> dict[str, Any]:
    """The content of the page of the large run, which tests leave as it is."""
    return content([large])


def values(column: dict[str, Any]) -> list[Any]:
    codes = np.frombuffer(
        base64.b64decode(column["codes"]), "u1" if column["bytes"] == 1 else "<u2"
    )
    return [column["values"][code] for code in codes]


def test_columns_say_what_the_candidates_are(large: Run, shown: dict[str, Any]) -> None:
    assert shown["ids"] == list(range(2000))
    parts = {name: values(column) for name, column in shown["parts"].items()}
    for place in (0, 7, 20, 1234, 1999):
        candidate, whole = large.candidates[place], flattened(large.architecture(place))
        assert {
            name: column[place]
            for name, column in parts.items()
            if column[place] is not None or name in whole
        } == whole
        for name, value in candidate.scores.items():
            assert shown["numbers"][name][place] == pytest.approx(value, rel=1e-6)
        dimension = next(d for d in large.space.dimensions if d.name in shown["choices"])
        code = candidate.row[large.space.dimensions.index(dimension)]
        assert values(shown["choices"][dimension.name])[place] == dimension.values[code]
    assert [shown["ids"][place] for place in shown["front"]] == sorted(
        candidate.number for candidate in large.front()
    )
    assert shown["numbers"]["measured " + LATENCY][0] == pytest.approx(
        1.1 * large.candidates[0].scores[LATENCY], rel=1e-6
    )
    assert shown["numbers"]["measured " + LATENCY][30] is None


def test_metrics_have_words_directions_and_scales(shown: dict[str, Any]) -> None:
    metrics = {metric["name"]: metric for metric in shown["metrics"]}
    assert list(metrics)[:3] == ["accuracy", LATENCY, "params"]
    words = {"name": "accuracy", "label": "predicted accuracy (%)", "short": "accuracy (%)"}
    assert metrics["accuracy"] == words | {"direction": "max", "log": False, "objective": True}
    assert metrics["macs"]["objective"] is False
    assert metrics["measured " + LATENCY]["label"] == "measured latency on x86-onnxruntime-1t (ms)"
    assert metrics["measured " + LATENCY]["direction"] == "min"


def test_more_values_than_a_byte_holds_take_two() -> None:
    several = [f"{number:03}" for number in range(300)]
    assert columns.coded(several)["bytes"] == 2
    assert values(columns.coded([*reversed(several)])) == [*reversed(several)]
    assert columns.coded([True, None, False, True]) == {
        "values": [False, True, None],
        "bytes": 1,
        "codes": "AQIAAQ==",
    }


def test_thinning_keeps_the_front_and_the_published_models(large: Run) -> None:
    front = {candidate.number for candidate in large.front()}
    shown = columns.shown([large], 100)
    kept = {one.candidate.number for one in shown}
    assert front | set(range(19)) <= kept
    assert len(kept - front - set(range(19))) == 100
    assert shown == columns.shown([large], 100)
    assert max(kept - front) > 1800


def test_curves_are_those_of_the_run(large: Run, shown: dict[str, Any]) -> None:
    own, chance = random_curves(large, [1000, 2000])
    growth = shown["runs"][0]["growth"]
    assert growth["after"][0] == 1
    assert growth["after"][-1] == 2000
    assert growth["own"][-1] == pytest.approx(own[-1], abs=1e-5)
    assert chance is not None
    assert growth["random"][-1] == pytest.approx(chance[-1], abs=1e-5)


def test_runs_beside_each_other_share_one_box(tmp_path: Path) -> None:
    runs = [
        search(
            small_space(),
            objectives=["macs", "params"],
            sampler="random",
            seed=seed,
            trials=trials,
            out=tmp_path / str(seed),
        ).run
        for seed, trials in ((1, 12), (2, 30))
    ]
    shown = content(runs)
    assert shown["run"] == [0] * 12 + [1] * 30
    assert [one["candidates"] for one in shown["compared"]] == [12, 30]
    first, second = joint_curves(runs, [[6, 12], [30]])
    assert len(first) == 2
    assert len(second) == 1
    alone = random_curves(runs[0], [12])[0]
    assert first[-1] <= alone[-1] + 1e-12
    assert shown["runs"][1]["export"].endswith("2:ID --to trainer")
    assert shown["choices"] == {}


@pytest.mark.slow
def test_the_file_fetches_nothing_and_is_the_same_each_time(
    large: Run, shown: dict[str, Any]
) -> None:
    text = page(shown)
    assert text == page(content([large]))
    own = re.sub(r'id="packed-\w+">[^<]*<', "", text)
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|src=|<link|@import|url\(", own)
    assert "default-src 'none'" in own
    packed = re.search(r'id="packed-content">([^<]*)<', text)
    assert packed is not None
    assert json.loads(gzip.decompress(base64.b64decode(packed[1]))) == json.loads(json.dumps(shown))


@pytest.mark.slow
def test_names_and_errors_are_no_markup(large: Run) -> None:
    text = page(content([evil_run(large)]))
    assert EVIL not in text
    assert "alert(1)" not in text
    odd = replace(
        evil_run(large), config=replace(large.config, space={**large.config.space, "name": EVIL})
    )
    assert odd.config.name == EVIL
    assert "alert(1)" not in page({**content([odd]), "title": "x"})
    assert (
        "&lt;script&gt;alert(1)&lt;/script&gt;"
        in page({**content([odd]), "title": EVIL}).split("</title>")[0]
    )


def test_the_run_that_ships_is_a_page() -> None:
    shown = content([Run.load(EXAMPLE)])
    why = [one["why"] for one in shown["runs"][0]["chosen"]]
    assert why[0].startswith("best within your budgets:")
    assert why[1].startswith("the knee:")
    assert len(shown["named"]) == 19
    assert page(shown).startswith("<!DOCTYPE html>")


def test_a_run_without_a_complete_candidate_is_refused(large: Run) -> None:
    with pytest.raises(RunError, match="nothing to show; no candidate is complete"):
        content([replace(large, candidates={})])


@pytest.mark.slow
def test_published_models_beyond_the_budgets_stand_beside(
    large: Run, shown: dict[str, Any]
) -> None:
    assert "mobilevit_s" in {one["name"] for one in shown["named"]}
    own = next(one for one in large.candidates.values() if one.origin == "mobilevit_s")
    without = replace(
        large, candidates=large.candidates | {own.number: replace(own, origin="sampler")}
    )
    (reference,) = content([without])["references"]
    assert reference["name"] == "mobilevit_s"
    assert reference["scores"] == pytest.approx(dict(own.scores), rel=1e-9)
