"""``mvt-nas proxy``: output as JSON and text."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from mvt_nas import zoo
from mvt_nas.models.network import build_model
from mvt_nas.proxies import PROXIES
from mvt_nas.proxies.batches import noise_batch
from tests.support import cli

run = partial(cli.run, "proxy")
error_line = partial(cli.error_line, "proxy")
run_json = partial(cli.run_json, "proxy")

SMALL = ("--resolution", "32", "--images", "4")


def test_all_scores_are_listed() -> None:
    entries = run_json("list")
    assert [entry["name"] for entry in entries] == PROXIES.names()
    assert all(
        set(entry) == {"name", "direction", "passes", "labelled", "worst", "source"}
        for entry in entries
    )
    snip = next(entry for entry in entries if entry["name"] == "snip")
    assert (snip["direction"], snip["labelled"], snip["worst"]) == ("max", True, 0.0)
    code, out, _ = run("list")
    assert code == 0
    assert len(out.splitlines()) == 2 + len(entries)


def test_scores_for_scripts(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text(zoo("mobilevitv2_050").to_json())
    options = ("--proxy", "snip", "--proxy", "depth", "--seed", "3", "--data", "noise", *SMALL)
    entries = run_json("score", "mobilevit_xxs", str(file), *options)
    assert [(entry["architecture"], entry["proxy"]) for entry in entries] == [
        (name, proxy) for name in ("mobilevit_xxs", str(file)) for proxy in ("snip", "depth")
    ]
    expected = PROXIES.get("snip").score(
        build_model(zoo("mobilevit_xxs"), num_classes=10, seed=3), noise_batch(4, 32, seed=3)
    )
    assert entries[0] == {
        "architecture": "mobilevit_xxs",
        "proxy": "snip",
        "value": expected,
        "status": "ok",
    }
    assert run_json("score", "mobilevit_xxs", str(file), *options) == entries


def test_all_scores_are_the_default() -> None:
    entries = run_json("score", "mobilevit_xxs", *SMALL)
    assert [entry["proxy"] for entry in entries] == PROXIES.names()


def test_a_score_without_value_is_null_and_has_a_reason() -> None:
    options = ("--proxy", "zico", "--images", "2", "--resolution", "32")
    (entry,) = run_json("score", "mobilevit_xxs", *options)
    assert entry["value"] is None
    assert entry["status"].startswith("batch of 1 for a network with BatchNorm")
    code, out, _ = run("score", "mobilevit_xxs", *options)
    assert code == 0
    assert "zico" in out.splitlines()[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["score", "mobilevit_xxs", "--proxy", "snib"],
            "unknown proxy 'snib'; did you mean 'snip'?",
        ),
        (
            ["score", "mobilevit_xss"],
            "'mobilevit_xss' is not a published model, file, training or candidate",
        ),
        (["score"], "Missing argument 'NAME|FILE|RUN:ID|FOLDER...'"),
        (["score", "mobilevit_xxs", "--images", "1"], "Invalid value for '--images'"),
        (
            ["score", "mobilevit_xxs", "--images", "1024", "--data", "dogs"],
            "Invalid value for '--data'",
        ),
    ],
)
def test_wrong_input_is_one_line(arguments: list[str], message: str) -> None:
    assert message in error_line(*arguments)
