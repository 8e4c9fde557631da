"""``mvt-nas export`` and ``mvt-nas import``: tables, JSON, and one line for invalid input."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from mvt_nas import published_names
from mvt_nas.export.base import TARGETS, ExportedFiles, ExportModel, ExportTarget
from mvt_nas.models.network import build_model
from mvt_nas.space.published import zoo
from tests.support.cli import run, run_json
from tests.support.export_networks import architectures

NETWORK = architectures()["v3 on v2"]
QUICK = ("--measure-seconds", "0", "--num-classes", "7")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("net.json").write_text(NETWORK.to_json())
    return tmp_path


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
def test_candidates_of_a_run_are_exported(folder: Path) -> None:
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


class Code:
    """What touches a file when it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (Path("ran"),)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("net.json",), "--to is missing; one or several of "),
        (("net.json", "--to", "onx"), "unknown export target 'onx'; did you mean 'onnx'? (known: "),
        (("net.json", "--to", "python", "--to", "onx"), "unknown export target 'onx'"),
        (
            ("--to", "python"),
            (
                "a network is missing; a training, a published model, an architecture file or a"
                " candidate RUN:ID"
            ),
        ),
        (
            ("mobilevit_x", "--to", "python"),
            (
                "'mobilevit_x' is not a published model, file, training or candidate RUN:ID;"
                " did you mean 'mobilevit_x"
            ),
        ),
        (("none/run:3", "--to", "python"), "none/run"),
        (("net.json", "--to", "python", "--weights", "none.pt"), "none.pt: no such file"),
        (("net.json", "--to", "python", "--weights", "code.pt"), "code.pt: refused: it would run "),
        (
            ("net.json", "--to", "python", "--weights", "half.pt"),
            "half.pt: truncated, or no file of torch.save",
        ),
        (("net.json", "--to", "python", "--weights", "other.pt"), "other.pt: "),
        (
            ("net.json", "--to", "python", "--out", "net.json"),
            "net.json/python: cannot be written (Not a directory)",
        ),
        (
            ("net.json", "--to", "python", "--out", "/proc/none"),
            "/proc/none/python: cannot be written (",
        ),
        (("net.json", "--to", "python", "--out", ""), "an empty text is no path"),
        (("broken.json", "--to", "python"), "broken.json: not JSON"),
        (
            ("net.json", "--to", "python", "--num-classes", "0"),
            "0 is not in the range 1<=x<=1000000",
        ),
        (
            (
                "net.json",
                "--to",
                "python",
                "--num-classes",
                "3",
                "--task",
                "detection,num_classes=4",
            ),
            (
                "--task: 'detection,num_classes=4' contradicts num_classes = 3; give the number of"
                " classes once"
            ),
        ),
        (
            ("net.json", "--to", "python", "--num-classes", "1", "--task", "segmentation"),
            "segmentation.num_classes = 1 is not allowed",
        ),
        (
            ("net.json", "--to", "python", "--task", "segment"),
            "--task: 'segment' is not allowed; one of classification, detection, seg",
        ),
        (
            ("net.json", "--to", "python", "--task", "detection,rate=3"),
            "--task: detection: unknown field 'rate'",
        ),
        (
            ("net.json", "--to", "timm", "--task", "detection"),
            "target timm takes no networks for detection: timm trains classifiers only",
        ),
        (
            ("net.json", "--to", "python", "--task", "detection", "--weights", "other.pt"),
            "other.pt: names of mvt-nas, but ",
        ),
        (
            ("flat.json", "--to", "python", "--task", "detection"),
            "task detection: a stage of stride 2 behind another stage is needed",
        ),
    ],
)
def test_wrong_input_is_one_line(arguments: tuple[str, ...], message: str, folder: Path) -> None:
    Path("broken.json").write_text("{")
    Path("flat.json").write_text(replace(NETWORK, stages=NETWORK.stages[:1]).to_json())
    torch.save({"model": Code()}, "code.pt")
    torch.save(build_model(NETWORK, num_classes=7).state_dict(), "other.pt")
    Path("half.pt").write_bytes(Path("other.pt").read_bytes()[:3000])
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    code, out, err = run("export", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("mvt-nas: error: ")
    assert message in err
    assert err.count("\n") == 1
    assert {
        path: path.stat().st_mtime_ns for path in folder.rglob("*")
    } == before  # neither written nor touched by what was unpickled


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.onnx", None, "none.onnx: there is no such file"),
        (
            "code.pt",
            pickle.dumps(Code()),
            "code.pt: refused: a pickle can hold code, so it is not read",
        ),
        ("half.onnx", b"\x08\x08\x12", "half.onnx is no ONNX model: it cannot be parsed"),
        ("half.json", b'{"stages": [', "half.json: truncated, or no JSON"),
        ("net.txt", b"hello", "net.txt: of no known format; one of "),
    ],
)
def test_files_that_cannot_be_imported_are_one_line(
    name: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        Path(name).write_bytes(content)
    code, out, err = run("import", name)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert not Path("ran").exists()


def test_another_network_ends_with_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def write(found: ExportModel, folder: Path) -> ExportedFiles:
        def noise(images: NDArray[np.float32]) -> NDArray[np.float32]:
            return np.ones((len(images), found.num_classes), np.float32)

        (folder / "odd.txt").write_text("odd")
        return ExportedFiles((folder / "odd.txt",), None, noise, notes=("something to know",))

    monkeypatch.setitem(
        TARGETS._entries, "odd", ExportTarget(name="odd", summary="for a test", write=write)
    )
    code, out, _ = run("export", "net.json", "--to", "odd", *QUICK)
    assert code == 1
    assert out.splitlines()[3].split()[:3] == ["odd", "OTHER", "-"]
    assert out.splitlines()[-1] == "odd: something to know"
    code, out, _ = run("export", "net.json", "--to", "odd", "--to", "python", *QUICK, "--json")
    assert code == 1
    assert [(one["target"], one["same"]) for one in json.loads(out)] == [
        ("odd", False),
        ("python", True),
    ]


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
