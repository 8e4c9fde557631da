"""``mvt-nas export`` and ``mvt-nas import``: tables, JSON and help."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mvt_nas import published_names
from mvt_nas.export.base import TARGETS
from mvt_nas.models.network import build_model
from mvt_nas.space.published import zoo
from tests.support.cli import run, run_json
from tests.support.export_command import NETWORK, QUICK

pytestmark = pytest.mark.usefixtures("network_folder")


def test_a_table_says_what_was_checked() -> None:
    arguments = (
        "export",
        "net.json",
        "--to",
        "onnx",
        "--to",
        "python",
        "--num-classes",
        "7",
        "--measure-seconds",
        "0.05",
    )
    code, out, err = run(*arguments)
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0] == "Weights: initial weights, seed 0."
    assert lines[1].split() == [
        "target",
        "network",
        "params",
        "largest",
        "difference",
        "ms",
        "files",
    ]
    assert [line.split()[:2] for line in lines[3:5]] == [["onnx", "same"], ["python", "same"]]
    assert lines[3].endswith("  exported/net/onnx/net.onnx")
    assert lines[4].endswith("-  exported/net/python/net.py, .pt")
    assert lines[5].startswith("PyTorch itself takes ")
    params = sum(
        weight.numel() for weight in build_model(NETWORK, num_classes=7, device="meta").parameters()
    )
    assert all(f"{params:,}" in line for line in lines[3:5])


def test_json_is_a_list_with_every_check() -> None:
    first, second = run_json(
        "export",
        "net.json",
        "--to",
        "python",
        "--to",
        "onnx",
        "--out",
        "there",
        *QUICK,
    )
    assert (first["target"], second["target"]) == ("python", "onnx")
    assert first["files"] == ["there/python/net.py", "there/python/net.pt"]
    assert all(Path(path).is_file() for path in first["files"] + second["files"])
    for one in (first, second):
        assert (one["params_equal"], one["same"], one["batches"], one["latency_ms"]) == (
            True,
            True,
            [1, 3],
            None,
        )
        assert 0 <= one["max_abs_diff"] <= 1e-4 * one["largest"]
    (timed,) = run_json(
        "export",
        "net.json",
        "--to",
        "onnx",
        "--num-classes",
        "7",
        "--measure-seconds",
        "0.05",
    )
    assert timed["latency_ms"] > 0


def test_targets_are_listed() -> None:
    code, out, _ = run("export", "--to", "list")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[2:]] == list(TARGETS)
    assert all(
        line.endswith(("  ready", "]'")) or " is not installed; pip install " in line
        for line in out.splitlines()[2:]
    )
    entries = run_json("export", "mobilevit_s", "--to", "list")
    assert [entry["target"] for entry in entries] == list(TARGETS)
    assert {entry["target"]: entry["trouble"] for entry in entries}["python"] is None
    assert not Path("exported").exists()


def test_weights_are_taken_along_and_read_back() -> None:
    model = build_model(NETWORK, num_classes=7, seed=5)
    torch.save({"state_dict": model.state_dict()}, "trained.pt")
    code, out, _ = run("export", "net.json", "--to", "python", "--weights", "trained.pt", *QUICK)
    assert (code, out.splitlines()[0]) == (0, "Weights: trained.pt, in the names of mvt-nas.")
    state = torch.load("exported/net/python/net.pt")
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in state.items())


@pytest.mark.slow
def test_candidates_of_a_run_are_exported(network_folder: Path) -> None:
    run(
        "search",
        "tiny",
        "--objective",
        "macs",
        "--objective",
        "params",
        "--trials",
        "3",
        "--out",
        "runs/one",
    )
    number = run_json("pareto", "runs/one")["front"][0]["id"]
    (one,) = run_json("export", f"runs/one:{number}", "--to", "python", *QUICK)
    assert one["files"][0] == f"exported/one_{number}/python/one_{number}.py"
    document = run_json("import", one["files"][0])
    assert document["key"] == run_json("show", f"runs/one:{number}")["key"]


def test_what_was_exported_is_imported() -> None:
    run("export", "net.json", "--to", "onnx", "--to", "python", *QUICK)
    for path, form in (
        ("onnx/net.onnx", "ONNX model of mvt-nas"),
        ("python/net.py", "PyTorch source of mvt-nas"),
    ):
        document = run_json("import", f"exported/net/{path}")
        assert (document["form"], document["key"], document["settings"]) == (
            form,
            NETWORK.key,
            {"num_classes": 7},
        )
        code, out, err = run("import", f"exported/net/{path}")
        assert (code, out, err) == (0, NETWORK.to_json() + "\n", "")
        code, out, err = run("import", f"exported/net/{path}", "--out", "again.json")
        assert (code, out, err) == (0, f"again.json: {form}, key {NETWORK.key}\n", "")
        assert run_json("show", "again.json")["key"] == NETWORK.key
    document = run_json("import", "net.json", "--out", "again.json")
    assert document["architecture"] == NETWORK.to_dict()


def test_a_task_is_exported_and_imported() -> None:
    task, text = (
        {"task": "detection", "resolution_px": 64, "num_classes": 3},
        "detection,resolution_px=64,num_classes=3",
    )
    arguments = (
        "export",
        "net.json",
        "--to",
        "python",
        "--measure-seconds",
        "0",
        "--task",
        "detection,resolution_px=64",
    )
    (one,) = run_json(*arguments, "--num-classes", "3")
    assert (one["target"], one["files"], one["params_equal"]) == (
        "python",
        ["exported/net/python/net.py", "exported/net/python/net.pt"],
        True,
    )
    assert 0 <= one["max_abs_diff"] <= 1e-4 * one["largest"]
    document = run_json("import", one["files"][0])
    assert (document["key"], document["task"], document["settings"]) == (
        NETWORK.key,
        task,
        {"num_classes": 3},
    )
    code, out, err = run("import", one["files"][0])
    assert (code, out, err) == (0, NETWORK.to_json() + "\n", f"It is for the task {text}.\n")
    code, out, err = run("import", one["files"][0], "--out", "again.json")
    assert (code, out, err) == (
        0,
        f"again.json: PyTorch source of mvt-nas, key {NETWORK.key}, task {text}\n",
        "",
    )
    assert run_json("import", "net.json")["task"] is None


def test_classes_are_a_thousand_or_those_of_the_task() -> None:
    for arguments, classes in (
        ((), 1000),
        (("--task", "classification"), 1000),
        (("--task", "segmentation,resolution_px=64"), 21),
    ):
        (one,) = run_json(
            "export",
            "net.json",
            "--to",
            "python",
            "--measure-seconds",
            "0",
            *arguments,
        )
        assert run_json("import", one["files"][0])["settings"] == {"num_classes": classes}


def test_help_says_how_to_begin() -> None:
    code, out, _ = run("export", "--help")
    assert code == 0
    for words in (
        "mvt-nas export results/phone:19 --to onnx",
        "--to TARGET",
        "--to list",
        "--weights FILE",
        "--task TASK",
        "mobilevit_s",
        "ends with 1",
    ):
        assert words in out
    _, out, _ = run("import", "--help")
    assert "--out FILE" in out


@pytest.mark.slow
def test_published_models_are_exported_by_name() -> None:
    name = published_names()[0]
    (one,) = run_json("export", name, "--to", "onnx", "--measure-seconds", "0")
    assert one["files"] == [f"exported/{name}/onnx/{name}.onnx"]
    assert run_json("import", one["files"][0])["key"] == zoo(name).key
