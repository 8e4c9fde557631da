"""``mvt-nas latency profile``, ``evaluate`` and ``devices`` for people and scripts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mvt_nas.latency.latency_profile import LatencyProfile
from mvt_nas.latency.profile_lookup import SHIPPED, default_profile_name
from tests.support import cli
from tests.support.device_profiles import install, profile
from tests.support.latency_devices import Machine, other_device, registered, without_weights

run = partial(cli.run, "latency")
error_line = partial(cli.error_line, "latency")
run_json = partial(cli.run_json, "latency")

pytestmark = pytest.mark.slow

DEVICE = other_device()
QUICK = ("--space", "tiny", "--minutes", "0.001")
MADE_UP = (
    "--name",
    "made-up",
    "--runtime",
    "made_up",
    *QUICK,
    "--fit",
    "12",
    "--test-networks",
    "6",
)


@pytest.fixture(autouse=True)
def devices(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    folder = tmp_path / "devices"
    monkeypatch.setenv("MVT_NAS_DEVICES", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    monkeypatch.setattr("mvt_nas.latency.timing.torch_jobs.realistic_network", without_weights)
    one = Machine(DEVICE, noise=0.005)
    session = "mvt_nas.latency.calibration.measurement_session"
    monkeypatch.setattr(f"{session}.Clock", lambda: one.clock)
    with registered(one):
        yield one


def test_a_profile_is_made_evaluated_and_listed(machine: Machine, devices: Path) -> None:
    made = run_json("profile", *MADE_UP)
    assert (made["profile"], made["metric"]) == (
        str(devices / "made-up.json"),
        "latency_ms@made-up",
    )
    assert made["quality"]["mape"] < 0.01
    machine.slowness = 1.5
    found = run_json("evaluate", "made-up", *QUICK, "--n", "8", "--seed", "4")
    assert (found["profile"], found["seed"], found["random"], found["n"]) == ("made-up", 4, 8, 8)
    assert found["scale"] == pytest.approx(1.5, rel=0.02)
    assert found["mape"] < 0.02 < 0.3 < found["without_scale"]["mape"]
    assert found["holds"] is True
    code, out, err = run("evaluate", str(devices / "made-up.json"), *QUICK, "--n", "8")
    assert code == 0
    assert out.splitlines()[0].startswith(("with the factor 1.49", "with the factor 1.50"))
    assert out.splitlines()[-1] == "made-up holds here"
    assert err.splitlines() == [f"{done}/2 rounds measured" for done in (1, 2)]
    (entry,) = (one for one in run_json("devices") if one["name"] == "made-up")
    assert (entry["quality"], entry["source"], entry["default"]) == (
        made["quality"],
        "measured",
        False,
    )


def test_a_profile_as_text_and_elsewhere(machine: Machine, tmp_path: Path) -> None:
    code, out, err = run(
        "profile",
        *MADE_UP,
        "--out",
        "deep/own.json",
        "--threads",
        "3",
        "--batch-size",
        "2",
    )
    assert code == 0
    assert out.splitlines()[0].startswith("mean error ")
    assert "measurements repeat to " in out
    assert out.splitlines()[1].startswith(
        "wrote deep/own.json; use it as --objective latency_ms@made-up"
    )
    assert err.splitlines() == [f"{done}/4 rounds measured" for done in (1, 2, 3, 4)]
    found = LatencyProfile.read(tmp_path / "deep" / "own.json")
    assert (found.threads, found.batch_size, found.runtime["name"]) == (3, 2, "made_up")


def test_a_profile_that_does_not_hold_says_what_to_do(machine: Machine, devices: Path) -> None:
    runtime = {"name": "made_up", "version": None, "threads": 1}
    install(devices, profile("old", seed=1, runtime=runtime))
    _, out, _ = run("evaluate", "old", *QUICK, "--n", "8")
    assert out.splitlines()[-1] == "old does not hold here: create one with mvt-nas latency profile"


def test_the_devices_are_listed_with_one_default(devices: Path) -> None:
    figures = {"mape": 0.0123, "within10": 0.9, "n": 15, "split": "other networks"}
    install(devices, profile("mine", here=True, quality=figures), profile("bare"))
    entries = run_json("devices")
    assert isinstance(entries, list)
    assert [one["name"] for one in entries] == sorted(
        {"mine", "bare", *(path.stem for path in SHIPPED.glob("*.json"))}
    )
    assert [one["name"] for one in entries if one["default"] is True] == [default_profile_name()]
    assert {
        one["name"]: one["here"]
        for one in entries
        if one["name"] in ("mine", "bare", "iphone12-coreml")
    } == {
        "mine": True,
        "bare": False,
        "iphone12-coreml": False,
    }
    for one in entries:
        assert one["metric"] == f"latency_ms@{one['name']}"
        assert Path(one["file"]).is_file()
        assert set(one["runtime"]) == {"name", "version", "threads"}
    code, out, _ = run("devices")
    assert code == 0
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert f"{default_profile_name()} (default)" in lines[default_profile_name()]
    assert "1.2 %" in lines["mine"]
    assert "90 %" in lines["mine"]
    assert lines["mine"].rstrip().endswith("yes")
    assert "?" in lines["bare"]  # nobody knows how good it is


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("profile", *MADE_UP, "--threads", "0"), "0 is not in the range 1<=x<=4096"),
        (("profile", *MADE_UP, "--minutes", "0"), "minutes = 0.0 is not allowed; a number above 0"),
        (("profile", *MADE_UP, "--minutes", "nan"), "minutes = nan is not allowed"),
        (("profile", *MADE_UP, "--fit", "3"), "to_fit = 3 is not allowed; an integer from 4"),
        (("profile", *MADE_UP, "--judge", "0"), "to_test = 0 is not allowed; an integer from 2"),
        (("profile", *MADE_UP, "--name", "a/b"), "the name 'a/b' is not allowed"),
        (
            ("profile", *MADE_UP, "--space", "huge"),
            "huge: no such file, and no shipped space of that name",
        ),
        (("profile", *MADE_UP, "--dtype", "int8"), "runtime made_up runs fp32 only, not int8"),
        (
            ("profile", *MADE_UP, "--runtime", "made_uq"),
            "unknown runtime 'made_uq'; did you mean 'made_up'?",
        ),
        (
            ("profile", *MADE_UP, "--command", "echo {model}"),
            "a command was given with the runtime made_up",
        ),
        (("profile", *QUICK), "Missing option '--name'"),
        (("evaluate", "iphone12-coreml", *QUICK), "iphone12-coreml rests on published figures"),
        (
            ("evaluate", "iphone13-coreml", *QUICK),
            "unknown device 'iphone13-coreml'; did you mean 'iphone12-coreml'?",
        ),
        (
            ("evaluate", "none.json", *QUICK),
            "none.json: cannot be read (No such file or directory)",
        ),
        (("evaluate", "mine", *QUICK, "--minutes", "0"), "minutes = 0.0 is not allowed"),
        (("evaluate", "mine", *QUICK, "--minutes", "nan"), "minutes = nan is not allowed"),
        (("evaluate", "mine", *QUICK, "--n", "3"), "3 is not in the range 4<=x<=2000"),
        (("evaluate", "coreml", *QUICK), "unknown runtime 'coreml'"),
        (("suite", "--out", "suite", "--networks", "3"), "3 is not in the range 4<=x<=500"),
        (
            ("suite", "--out", "suite", "--space", "huge"),
            "huge: no such file, and no shipped space of that name",
        ),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(
    arguments: tuple[str, ...],
    message: str,
    machine: Machine,
    devices: Path,
) -> None:
    ours, theirs = ({"name": name, "version": None, "threads": 1} for name in ("made_up", "coreml"))
    install(devices, profile("mine", runtime=ours), profile("coreml", runtime=theirs))
    assert message in error_line(*arguments)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("echo fast; : {model}", "printed 'fast'; milliseconds above 0"),
        ("echo lost >&2; false {model}", "failed with exit code 1; it printed last: lost"),
        ("echo 5", "--command 'echo 5' is not allowed; write {model}"),
    ],
)
def test_a_command_that_prints_rubbish_is_one_line(
    command: str, message: str, devices: Path
) -> None:
    code, out, err = run(
        "profile",
        "--name",
        "x",
        *QUICK,
        "--fit",
        "4",
        "--judge",
        "2",
        "--command",
        command,
    )
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert not (devices / "x.json").exists()


def test_an_interruption_is_130_and_the_same_command_resumes(
    machine: Machine,
    devices: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened = machine.session

    def interrupted(job: Any) -> Any:
        if len(machine.measured) == 9 + 4:
            raise KeyboardInterrupt
        return opened(job)

    with monkeypatch.context() as patch:
        from mvt_nas.latency.runtime import RUNTIMES

        patch.setitem(
            RUNTIMES._entries, "made_up", replace(RUNTIMES.get("made_up"), session=interrupted)
        )
        code, out, _ = run("profile", *MADE_UP)
    assert (code, out) == (130, "")
    machine.measured.clear()
    code, out, err = run("profile", *MADE_UP)
    assert code == 0, err
    assert len(machine.measured) == 3 * 9  # one of four rounds was complete
    assert [path.name for path in devices.iterdir()] == ["made-up.json"]


def test_one_broken_profile_is_named(devices: Path) -> None:
    devices.mkdir()
    (devices / "broken.json").write_text("{")
    code, out, err = run("devices")
    assert (code, out) == (2, "")
    assert err.startswith(f"mvt-nas: error: {devices / 'broken.json'}: no profile, not even JSON")
