"""Scores of a table's networks: direction, seeds, and ``mvt-nas proxy validate``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from mvt_nas.accuracy.protocol import default_protocol
from mvt_nas.accuracy.proxy_validation import score_networks
from mvt_nas.accuracy.table import append, start_table
from mvt_nas.cli.main import cli
from mvt_nas.cost.counts import count
from mvt_nas.models.network import build_model
from mvt_nas.proxies.batches import digits_batch
from mvt_nas.proxies.suite import score_one
from tests.support.trained_networks import HEAD, networks, smooth, training

pytestmark = pytest.mark.slow


def test_scores_are_those_of_the_networks_alone_at_each_seed() -> None:
    few = networks(smooth(3))
    done: list[tuple[int, int]] = []
    found = score_networks(
        few,
        ["params", "snip"],
        seeds=2,
        images=8,
        listener=lambda now, total: done.append((now, total)),
    )
    assert done == [(1, 3), (2, 3), (3, 3)]
    for place, architecture in enumerate(few.architectures):
        assert found["params"][:, place] == pytest.approx(
            count(architecture, num_classes=10).params
        )
        for seed in (0, 1):
            alone = score_one(
                "snip",
                build_model(architecture, num_classes=10, seed=seed),
                digits_batch(8, 32, seed),
            )
            assert found["snip"][seed, place] == pytest.approx(alone.value, rel=1e-9)


def test_validate_evaluates_proxies_on_a_table(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    start_table(table, HEAD)
    for number in range(12):
        append(
            table,
            training(
                number,
                accuracy=float(np.log(count(training(number).architecture, num_classes=10).macs)),
            ),
        )
    command = [
        "proxy",
        "validate",
        str(table),
        "--proxy",
        "params",
        "--proxy",
        "macs",
        "--seeds",
        "1",
        "--json",
    ]
    result = CliRunner().invoke(cli, [*command, "--pictures", str(tmp_path / "pictures")])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["n"] == 12
    first = document["proxies"][0]
    assert (first["proxy"], first["tau"], first["regret"]) == ("macs", 1.0, 0.0)
    assert {path.name for path in (tmp_path / "pictures").iterdir()} == {"params.png", "macs.png"}


@pytest.mark.parametrize(
    ("images", "expected"),
    [(12_000, (10_000, 2_000)), (50_000, (10_000, 2_000)), (1_797, (1_438, 359))],
)
def test_the_default_protocol_needs_no_more_images_than_there_are(
    images: int, expected: tuple[int, int]
) -> None:
    found = default_protocol(images)
    assert (found.train_images, found.validation_images) == expected
