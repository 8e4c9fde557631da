"""``mvt-nas export`` and ``mvt-nas import``: one line for invalid input."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from mvt_nas.export.base import TARGETS, ExportedFiles, ExportModel, ExportTarget
from mvt_nas.models.network import build_model
from tests.support.cli import error_line, run
from tests.support.export_command import NETWORK, QUICK

pytestmark = pytest.mark.usefixtures("network_folder")


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
def test_wrong_input_is_one_line(
    arguments: tuple[str, ...], message: str, network_folder: Path
) -> None:
    Path("broken.json").write_text("{")
    Path("flat.json").write_text(replace(NETWORK, stages=NETWORK.stages[:1]).to_json())
    torch.save({"model": Code()}, "code.pt")
    torch.save(build_model(NETWORK, num_classes=7).state_dict(), "other.pt")
    Path("half.pt").write_bytes(Path("other.pt").read_bytes()[:3000])
    before = {path: path.stat().st_mtime_ns for path in network_folder.rglob("*")}
    assert message in error_line("export", *arguments)
    assert {
        path: path.stat().st_mtime_ns for path in network_folder.rglob("*")
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
    assert message in error_line("import", name)
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
