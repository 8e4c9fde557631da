"""``mvt-nas accuracy``: output as JSON and text, and one-line errors."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from mvt_nas.accuracy import evaluation, quality, surrogate
from mvt_nas.accuracy.imagenet.constants import read_constants, shipped_constants
from mvt_nas.accuracy.imagenet.estimator import imagenet_top1
from mvt_nas.accuracy.protocol import at_protocol
from mvt_nas.accuracy.quality import quality_file
from mvt_nas.accuracy.ranking_metrics import paired_bootstrap
from mvt_nas.accuracy.regressors import RECIPES
from mvt_nas.accuracy.surrogate import Surrogate
from mvt_nas.accuracy.table import append, read_table, start_table
from mvt_nas.resources import benchmark_file, default_table
from mvt_nas.space.published import zoo
from tests.support import cli
from tests.support.trained_networks import HEAD, architectures, networks, smooth, training

run = partial(cli.run, "accuracy")
error_line = partial(cli.error_line, "accuracy")
run_json = partial(cli.run_json, "accuracy")


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a table of twelve networks; two of the regressions and few resamples are quick."""
    monkeypatch.chdir(tmp_path)
    original = paired_bootstrap
    monkeypatch.setattr(surrogate, "RECIPES", RECIPES[:2])
    monkeypatch.setattr(
        evaluation,
        "paired_bootstrap",
        lambda figure, n, rng: original(figure, n, rng, resamples=100),
    )
    start_table(Path("t.csv"), HEAD)
    for number, accuracy in enumerate(smooth(12)):
        append(
            Path("t.csv"),
            training(number, float(accuracy), subset="matched" if number % 3 == 0 else "spread"),
        )
    append(Path("t.csv"), training(0, float(smooth(12)[0]) + 1, seed=1))
    return "t.csv"


def test_the_figures_for_scripts(table: str) -> None:
    found = run_json("evaluate", table, "--seed", "3")
    promised = [
        "n",
        "tau",
        "tau_matched",
        "tau_params",
        "tau_macs",
        "delta_low",
        "noise_ceiling",
        "noise_ceiling_matched",
        "coverage90",
        "coverage_n",
    ]
    assert [name for name in promised if name not in found] == []
    assert (found["table"], found["seed"], found["n"], found["n_matched"], found["coverage_n"]) == (
        "t.csv",
        3,
        12,
        4,
        12,
    )
    assert found["seed_sd"] == pytest.approx(1 / np.sqrt(2), abs=1e-4)
    expected = evaluation.evaluate(read_table(table).networks(), seed=3).figures
    assert {name: found[name] for name in expected} == expected
    assert run_json("evaluate", table, "--seed", "3") == found


def test_the_figures_for_people(table: str) -> None:
    figures = run_json("evaluate", table)
    code, out, _ = run("evaluate", table)
    assert code == 0
    assert out.startswith("t.csv: 12 networks, accuracy repeats to 0.71 points over seeds\n")
    for name in (
        "tau",
        "tau_params",
        "tau_macs",
        "noise_ceiling",
        "tau_matched",
        "noise_ceiling_matched",
    ):
        assert f"{figures[name]:.3f}" in out
    assert f"{100 * figures['coverage90']:.0f} % of 12 networks are in their 90 % intervals" in out


def test_predictions_for_scripts(table: str) -> None:
    Path("mine.json").write_text(architectures(12)[4].to_json())
    entries = run_json("predict", "mine.json", "mobilevit_s", "--table", table)
    assert [entry["network"] for entry in entries] == ["mine.json", "mobilevit_s"]
    found = read_table(table)
    fitted = Surrogate(found.networks()).predict(
        [at_protocol(one, found) for one in (architectures(12)[4], zoo("mobilevit_s"))]
    )
    for place, (entry, architecture) in enumerate(
        zip(entries, (architectures(12)[4], zoo("mobilevit_s")), strict=True)
    ):
        assert entry["key"] == architecture.key
        assert (entry["accuracy"], entry["low"], entry["high"]) == pytest.approx(
            (fitted.percent[place], fitted.low[place], fitted.high[place]), abs=1e-3
        )
        assert entry["low"] <= entry["accuracy"] <= entry["high"]
        top1 = imagenet_top1([architecture])
        assert entry["resolution_px"] == architecture.resolution_px
        assert entry["imagenet_top1"] == pytest.approx(top1.percent[0], abs=1e-3)
        assert entry["imagenet_top1_low"] == pytest.approx(top1.low[0], abs=1e-3)
        assert entry["imagenet_top1_high"] == pytest.approx(top1.high[0], abs=1e-3)
    assert [entry["outside"] for entry in entries] == [False, True]
    assert [entry["in_domain"] for entry in entries] == [False, True]


def test_predictions_for_people_mark_what_lies_outside(table: str) -> None:
    code, out, _ = run("predict", "mobilevit_s", "--table", table)
    assert code == 0
    entry = run_json("predict", "mobilevit_s", "--table", table)[0]
    line = next(line for line in out.splitlines() if line.startswith("mobilevit_s"))
    assert f"{entry['accuracy']:.1f}*" in line
    assert f"{entry['low']:.1f} to {entry['high']:.1f}" in line
    top1 = f"{entry['imagenet_top1_low']:.1f} to {entry['imagenet_top1_high']:.1f}"
    assert top1 in line
    assert f"{entry['imagenet_top1']:.1f} " in line
    assert "an extrapolation" in out
    assert "epochs at" in out


def test_the_imagenet_estimate_is_evaluated() -> None:
    figures = run_json("evaluate", "--imagenet")
    assert figures == dict(shipped_constants().figures)
    code, out, _ = run("evaluate", "--imagenet")
    assert code == 0
    assert f"{figures['loo_mae']:.2f}" in out
    assert f"{figures['size_out_inside']} of 19" in out
    assert f"v3 {figures['family_out_strict']['v3']:.2f}" in out


def test_the_constants_are_made_again(tmp_path: Path) -> None:
    code, out, _ = run("fit-imagenet")
    assert code == 0
    assert float(out.rsplit(":", 1)[1]) < 1e-6
    few = tmp_path / "few.csv"
    lines = benchmark_file("imagenet_published.csv").read_text().splitlines(keepends=True)
    few.write_text("".join(lines[:200]))
    code, out, _ = run("fit-imagenet", "--published", str(few), "--out", str(tmp_path / "own.json"))
    assert (code, out) == (0, f"{tmp_path / 'own.json'}: written\n")
    own = read_constants(tmp_path / "own.json")
    assert own.law.mean != pytest.approx(shipped_constants().law.mean, abs=1e-3)
    assert own.networks.network == shipped_constants().networks.network


def test_a_few_trainings_are_evaluated_with_published_networks(table: str) -> None:
    text = Path(table).read_text()
    start = text.index("\nkey,") + 1
    lines = text[start:].splitlines(keepends=True)
    Path("six.csv").write_text(text[:start] + "".join(lines[:7]))
    figures = run_json("evaluate", "six.csv")
    assert figures["n"] == 6
    assert figures["mae"] > 0
    code, out, _ = run("evaluate", "six.csv", "--save")
    assert code == 0
    assert "6 networks of these trainings correct what published networks say" in out
    assert f"mean error {figures['mae']:.1f} points" in out
    assert json.loads(Path("six.quality.json").read_text())["figures"]["n"] == 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "none.csv", "--imagenet"], "--imagenet: takes no TABLE"),
        (["fit-imagenet", "--published", "none.csv"], "none.csv: cannot be read"),
        (["evaluate", "none.csv"], "none.csv: cannot be read (No such file or directory)"),
        (["evaluate", "external.csv"], "external.csv: no table of trained networks"),
        (["evaluate", "few.csv"], "few.csv: 2 trained networks are too few; at least 3"),
        (["evaluate", "damaged.csv"], "damaged.csv: training 8 is damaged"),
        (["predict", "mobilevit_s", "--table", "none.csv"], "none.csv: cannot be read"),
        (["predict", "mobilevit_s", "--table", "bare.csv"], "bare.csv: protocol: a mapping"),
        (["predict", "mobilevit_t", "--table", "t.csv"], "did you mean 'mobilevit_s'"),
        (["predict", "--table", "t.csv"], "Missing argument"),
        (["evaluate", "t.csv", "--seed", "-1"], "-1 is not in the range"),
    ],
)
def test_wrong_input_is_told_in_one_line(table: str, arguments: list[str], message: str) -> None:
    Path("external.csv").write_text("a,b\n1,2\n")
    whole = Path(table).read_text()
    start = whole.index("\nkey,") + 1
    lines = whole[start:].splitlines(keepends=True)
    Path("few.csv").write_text(whole[:start] + "".join(lines[:3]))
    Path("damaged.csv").write_text(whole[:start] + "".join([*lines[:8], "1,2\n", *lines[8:]]))
    Path("bare.csv").write_text('# {"num_classes": 10}\n' + "".join(lines))
    assert message in error_line(*arguments)


def test_the_helpers_of_these_tests_are_what_they_say() -> None:
    assert len({one.key for one in architectures(48)}) == 48
    assert len(networks(smooth(48)).in_subset("matched")) == 16


def test_figures_are_kept_next_to_the_table(table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = run_json("evaluate", table, "--save")
    monkeypatch.setattr(quality, "measure_quality", lambda _: pytest.fail("found out again"))
    kept = quality.quality(Path(table))
    assert kept.figures == {
        name: value for name, value in figures.items() if name not in ("table", "seed")
    }
    assert kept.recipe in [recipe.name for recipe in RECIPES[:2]]


def test_the_surrogate_is_evaluated_on_networks_of_another_table(
    table: str, tmp_path: Path
) -> None:
    code, _, err = run("evaluate", table, "--on", table)
    assert (code, err) == (
        2,
        (
            "mvt-nas: error: 0 networks are not in the table that the surrogate is fitted to; at"
            " least 3 are needed\n"
        ),
    )
    start_table(Path("six.csv"), HEAD)
    for number, accuracy in enumerate(smooth(12)[:8]):
        append(Path("six.csv"), training(number, float(accuracy)))
    found = run_json("evaluate", "six.csv", "--on", table)
    assert found["n"] == 4
    fitted = Surrogate(read_table("six.csv").networks())
    estimates = fitted.predict(architectures(12)[8:])
    truth = smooth(12)[8:]
    assert found["mae"] == pytest.approx(np.abs(estimates.percent - truth).mean(), abs=1e-4)
    assert found["coverage90"] == pytest.approx(
        ((truth >= estimates.low) & (truth <= estimates.high)).mean()
    )
    assert run("evaluate", "six.csv", "--on", table)[0] == 0


def test_tables_are_compared(table: str) -> None:
    found = run_json("agree", table, table)
    assert (found["n"], found["tau"], found["spearman"]) == (
        12,
        pytest.approx(1.0),
        pytest.approx(1.0),
    )
    code, out, _ = run("agree", table, table)
    assert (code, out.splitlines()[0]) == (
        0,
        "12 networks in both: Kendall's tau 1.000, Spearman 1.000",
    )


@pytest.mark.slow
def test_the_figures_that_ship_are_those_of_the_table_that_ships() -> None:
    table = default_table()
    kept = quality.quality(table)
    assert json.loads(quality_file(table).read_text())["table"] == quality.table_hash(table)
    found = quality.measure_quality(read_table(table))
    assert found.recipe == kept.recipe
    for name, value in kept.figures.items():
        assert found.figures[name] == (
            value if isinstance(value, str) else pytest.approx(value, abs=0.02)
        )
    assert kept.figures["tau"] >= 0.85 * kept.figures["noise_ceiling"]
    assert kept.figures["tau_matched"] >= 0.85 * kept.figures["noise_ceiling_matched"]
    assert kept.figures["delta_low"] > 0
