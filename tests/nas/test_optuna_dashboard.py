"""What ``mvt-nas dashboard`` writes is what optuna-dashboard serves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import optuna_dashboard
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from mvt_nas import Run, search
from tests.support import cli
from tests.support.searches import small_space


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("runs") / "two-costs"
    return search(
        small_space(), objectives=["macs", "params"], sampler="random", trials=12, out=out
    ).run


def get(application: Any, path: str) -> Any:
    """Return what a WSGI application answers, read as JSON."""
    environment: dict[str, Any] = {"PATH_INFO": path, "REQUEST_METHOD": "GET"}
    setup_testing_defaults(environment)
    status: list[str] = []
    body = application(environment, lambda line, _headers, _error=None: status.append(line))
    assert status == ["200 OK"]
    return json.loads(b"".join(body))


def test_optuna_dashboard_serves_the_run(finished: Run, tmp_path: Path) -> None:
    path = tmp_path / "storage.log"
    code, out, _ = cli.run("dashboard", finished.folder, "--out", path)
    assert (code, out) == (0, f"optuna-dashboard {path}\n")

    application = optuna_dashboard.wsgi(JournalStorage(JournalFileBackend(str(path))))
    (study,) = get(application, "/api/studies")["study_summaries"]
    assert study["study_name"] == "two-costs"
    assert study["directions"] == ["minimize", "minimize"]
    detail = get(application, f"/api/studies/{study['study_id']}")
    trials = {trial["number"]: trial for trial in detail["trials"]}
    assert set(trials) == set(finished.candidates)
    for number, candidate in finished.candidates.items():
        assert [float(value) for value in trials[number]["values"]] == [
            candidate.scores["macs"],
            candidate.scores["params"],
        ]
    best = {trial["number"] for trial in detail["best_trials"]}
    assert best == {candidate.number for candidate in finished.front()}
    assert detail["objective_names"] == ["macs", "params"]
