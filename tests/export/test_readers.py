"""Reading of architectures: damaged and hostile files give one line, and no code is run."""

from __future__ import annotations

import json
import pickle
import struct
import zipfile
from pathlib import Path

import onnx
import pytest
import torch

from mvt_nas.errors import ExportError
from mvt_nas.export.base import READERS, ExportModel, read_architecture
from mvt_nas.export.metadata import KEY, metadata, python_constants
from mvt_nas.models.network import build_model
from mvt_nas.space.architecture import Architecture
from mvt_nas.tasks.base import task_from_text
from tests.support.export_networks import architectures

NETWORK = architectures()["seven stages"]
METADATA = metadata(
    ExportModel("net", NETWORK, build_model(NETWORK, num_classes=5, device="meta"), 5, "", "")
)
IR = (
    '<?xml version="1.0"?>\n{}<net name="m" version="11"><layers/><rt_info><other'
    ' value="1"/><mvt_nas value="{}"/></rt_info></net>\n'
)


class Code:
    """What touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;")


def onnx_model(properties: dict[str, str]) -> bytes:
    info = onnx.helper.make_tensor_value_info
    tensors = [
        info(name, onnx.TensorProto.FLOAT, ["batch", 3, 8, 8]) for name in ("images", "logits")
    ]
    node = onnx.helper.make_node("Relu", ["images"], ["logits"])
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "g", tensors[:1], tensors[1:]))
    onnx.helper.set_model_props(model, properties)
    return bytes(model.SerializeToString())


def write_zip(path: Path, files: dict[str, bytes | str], before: bytes = b"") -> Path:
    path.write_bytes(before)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def written(folder: Path) -> dict[str, Path]:
    """Write a file of each format and return the paths by reader."""
    package = folder / "net.mlpackage"
    (package / "Data" / "com.apple.CoreML").mkdir(parents=True)
    (package / "Data" / "com.apple.CoreML" / "model.mlmodel").write_bytes(
        b"\x08\x07" + METADATA.encode() + b"\x00\xff"
    )
    text = NETWORK.to_json()
    contents: dict[str, bytes] = {
        "net.json": text.encode(),
        "document.json": json.dumps({"name": "n", "architecture": NETWORK.to_dict()}).encode(),
        "net.onnx": onnx_model({KEY: METADATA, "other": "1"}),
        "net.xml": IR.format("", escaped(METADATA)).encode(),
        "net.py": f"NUM_CLASSES = 5\nARCHITECTURE = '''\n{text}'''\nraise SystemExit\n".encode(),
        "net.pte": (
            b"\x10\x00ET12" + struct.pack("<I", len(METADATA)) + METADATA.encode() + b"\x00\x80\xff"
        ),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    write_zip(
        folder / "net.pt2",
        {
            "net/archive_format": "pt2",
            "net/extra/mvt_nas.json": METADATA,
            "net/models/model.json": "{}",
        },
    )
    write_zip(
        folder / "net.tflite",
        {"mvt_nas.json": METADATA},
        before=b"\x1c\x00\x00\x00TFL3" + bytes(100),
    )
    readers = {
        "net.json": "json",
        "net.py": "python",
        "net.xml": "openvino",
        "net.pt2": "torch",
        "net.pte": "executorch",
    }
    found = {
        readers.get(name, Path(name).suffix[1:]): folder / name
        for name in contents
        if name != "document.json"
    }
    return found | {"torch": folder / "net.pt2", "litert": folder / "net.tflite", "coreml": package}


def test_an_architecture_is_found_in_every_format(tmp_path: Path) -> None:
    files = written(tmp_path)
    assert (
        set(files)
        == {"json", "onnx", "openvino", "python", "executorch", "torch", "litert", "coreml"}
        <= set(READERS)
    )
    for name, path in [*files.items(), ("json", tmp_path / "document.json")]:
        found = READERS.get(name).read(path)
        assert found is not None
        assert found.architecture.key == NETWORK.key
        assert read_architecture(path) == found
        assert found.settings.get("num_classes", 5) == 5
        assert found.format


def test_readers_leave_the_files_of_others_alone(tmp_path: Path) -> None:
    files = written(tmp_path)
    for name in files:
        for other, path in files.items():
            assert (READERS.get(name).read(path) is not None) is (name == other), (name, other)
        assert READERS.get(name).read(tmp_path) is None
    (tmp_path / "config.json").write_text(
        json.dumps({"model_type": "mobilevit", "architecture": NETWORK.to_dict()})
    )
    assert READERS.get("json").read(tmp_path / "config.json") is None


def refused(path: Path, message: str) -> None:
    with pytest.raises(ExportError, match=message) as caught:
        read_architecture(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("net.json", r"net\.json: truncated, or no JSON \("),
        ("net.onnx", r"net\.onnx is no ONNX model: it cannot be parsed"),
        ("net.xml", r"net\.xml: truncated, or no XML \("),
        ("net.py", r"net\.py: truncated, or no Python \(SyntaxError\)"),
        ("net.pte", r"net\.pte: the description of the network in it is damaged"),
        ("net.pt2", r"net\.pt2: truncated, or no program of torch\.export"),
        (
            "net.tflite",
            (
                r"net\.tflite: truncated, or a model without an architecture in it; mvt-nas export"
                r" --to litert writes one"
            ),
        ),
    ],
)
def test_truncated_files_are_one_line(name: str, message: str, tmp_path: Path) -> None:
    written(tmp_path)
    path = tmp_path / name
    content = path.read_bytes()
    path.write_bytes(
        content[: content.find(b"stages") + 40 if b"stages" in content else len(content) // 2]
    )
    refused(path, message)


def test_files_of_others_are_told_from_damaged_ones(tmp_path: Path) -> None:
    (tmp_path / "other.onnx").write_bytes(onnx_model({}))
    refused(
        tmp_path / "other.onnx",
        "an ONNX model without an architecture in it; mvt-nas export --to onnx writes one",
    )
    (tmp_path / "other.xml").write_text('<net version="11"><layers/></net>')
    refused(tmp_path / "other.xml", "a model of OpenVINO without an architecture in it")
    (tmp_path / "page.xml").write_text("<html/>")
    refused(tmp_path / "page.xml", r"page\.xml: of no known format; one of ")
    write_zip(tmp_path / "other.pt2", {"net/models/model.json": "{}"})
    refused(
        tmp_path / "other.pt2",
        "a program without an architecture in it; mvt-nas export --to torch writes one",
    )
    (tmp_path / "other.pte").write_bytes(b"ET12")
    refused(tmp_path / "other.pte", "truncated, or a program without an architecture in it")
    (tmp_path / "other.mlpackage").mkdir()
    refused(tmp_path / "other.mlpackage", "incomplete, or a package without an architecture in it")
    (tmp_path / "other.py").write_text("ARCHITECTURE = 7")
    refused(tmp_path / "other.py", "of no known format")
    (tmp_path / "other.json").write_text('{"stages": 3}')
    refused(tmp_path / "other.json", "of no known format")
    refused(tmp_path / "missing.onnx", r"missing\.onnx: there is no such file")


def test_pickles_are_refused_and_not_run(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    content = pickle.dumps(Code(ran))
    message = (
        "refused: a pickle can hold code, so it is not read; give an architecture, with these as"
        " --weights"
    )
    for name in ("net.pt", "net.pkl", "net.weird"):
        (tmp_path / name).write_bytes(content)
        refused(tmp_path / name, message)
    torch.save({"model": Code(ran)}, tmp_path / "net.pth")
    refused(tmp_path / "net.pth", message)
    torch.save(NETWORK.to_dict(), tmp_path / "net.ckpt")
    refused(tmp_path / "net.ckpt", message)
    (tmp_path / "net.pt2").write_bytes(content)
    refused(tmp_path / "net.pt2", "truncated, or no program of torch.export")
    (tmp_path / "net.onnx").write_bytes(content)
    refused(tmp_path / "net.onnx", "no ONNX model")
    write_zip(
        tmp_path / "with_pickle.pt2", {"n/data.pkl": content, "n/extra/mvt_nas.json": METADATA}
    )
    assert read_architecture(tmp_path / "with_pickle.pt2").architecture.key == NETWORK.key
    assert not ran.exists()
    pickle.loads(content)
    assert ran.exists()


@pytest.mark.parametrize(
    ("declaration", "value"),
    [
        ('<!DOCTYPE net SYSTEM "net.dtd">', "x"),
        ('<!DOCTYPE net [<!ENTITY e SYSTEM "secret.txt">]>', "&e;"),
        ('<!DOCTYPE net [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>', "&b;"),
    ],
)
def test_xml_with_declarations_is_refused(declaration: str, value: str, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "net.xml").write_text(IR.format(declaration, value))
    refused(tmp_path / "net.xml", r"net\.xml: refused: it declares a document type or entities")


def test_archives_that_would_fill_the_memory_are_refused(tmp_path: Path) -> None:
    write_zip(tmp_path / "net.pt2", {"net/extra/mvt_nas.json": METADATA + " " * 20_000_000})
    assert (tmp_path / "net.pt2").stat().st_size < 100_000
    refused(tmp_path / "net.pt2", r"net\.pt2: damaged; mvt_nas\.json in it cannot be read")
    (tmp_path / "net.py").write_text(f"ARCHITECTURE = '''{' ' * 2_000_000}'''")
    refused(tmp_path / "net.py", r"2000\d+ bytes; Python with an architecture has at most 1000000")
    (tmp_path / "net.json").write_text(f"[{' ' * 11_000_000}]")
    refused(tmp_path / "net.json", "bytes; a file with an architecture has at most 10000000")
    (tmp_path / "deep.py").write_text(f"x = {'(' * 100_000}")
    refused(tmp_path / "deep.py", "truncated, or no Python")
    (tmp_path / "deep.json").write_text("[" * 100_000)
    refused(tmp_path / "deep.json", "truncated, or no JSON")


def test_an_architecture_that_cannot_be_is_named(tmp_path: Path) -> None:
    data = NETWORK.to_dict()
    data["stages"][0]["width"] = -3
    odd = json.dumps({KEY: "9.0.0", "architecture": data})
    (tmp_path / "net.onnx").write_bytes(onnx_model({KEY: odd}))
    refused(tmp_path / "net.onnx", r"net\.onnx\.stages\[0\]\.width = -3 is not allowed")
    (tmp_path / "net.json").write_text(json.dumps(data))
    refused(tmp_path / "net.json", r"net\.json\.stages\[0\]\.width = -3 is not allowed")
    (tmp_path / "net.py").write_text(f"ARCHITECTURE = {json.dumps(json.dumps(data))}")
    refused(tmp_path / "net.py", r"net\.py: ARCHITECTURE\.stages\[0\]\.width = -3 is not allowed")
    for text in ("[]", "{", '{"architecture": 3}', '{"architecture": [1]}', "7"):
        (tmp_path / "net.onnx").write_bytes(onnx_model({KEY: text}))
        refused(tmp_path / "net.onnx", r"net\.onnx")


def test_a_later_version_may_say_more(tmp_path: Path) -> None:
    more = json.dumps(
        {KEY: "9.0.0", "architecture": NETWORK.to_dict(), "num_classes": "many", "licence": "none"}
    )
    (tmp_path / "net.onnx").write_bytes(onnx_model({KEY: more}))
    found = read_architecture(tmp_path / "net.onnx")
    assert found.architecture == Architecture.from_json(NETWORK.to_json())
    assert found.settings == {}


@pytest.mark.parametrize(
    "text", ["detection,num_classes=3", "segmentation,output_stride=8,rate=12"]
)
def test_the_task_of_a_network_is_found_in_every_format(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = task_from_text(text)
    found = ExportModel(
        "net", NETWORK, build_model(NETWORK, task=task, device="meta"), 3, "", "", task
    )
    monkeypatch.setitem(globals(), "METADATA", metadata(found))
    files = written(tmp_path)
    files["python"].write_text(f"{python_constants(found)}\nraise SystemExit\n")
    for name, path in files.items():
        read = read_architecture(path)
        assert read.architecture.key == NETWORK.key
        assert read.task == (None if name == "json" else task), name


def test_a_task_that_is_damaged_is_named(tmp_path: Path) -> None:
    entries = json.loads(METADATA)
    for task, message in (
        (
            {"task": "detection", "num_classes": -1},
            r"net\.onnx: task: detection\.num_classes = -1 is not allowed; an integer from 1",
        ),
        (
            {"task": "detecting"},
            (
                r"net\.onnx: task: 'detecting' is not allowed; one of classification, detection,"
                r" segmentation"
            ),
        ),
        (
            {"task": "detection", "anchors": 3},
            r"net\.onnx: task: detection: unknown field 'anchors'",
        ),
        ({"task": 3}, r"net\.onnx: task: a mapping with the key task is expected"),
        ("detection", r"net\.onnx: task: a mapping with the key task is expected"),
        ([1], r"net\.onnx: task: a mapping with the key task is expected"),
    ):
        (tmp_path / "net.onnx").write_bytes(onnx_model({KEY: json.dumps(entries | {"task": task})}))
        refused(tmp_path / "net.onnx", message)
    for text in ("'{'", "3", "'3'", "'{}'", repr("[" * 100_000)):
        (tmp_path / "net.py").write_text(f"ARCHITECTURE = {NETWORK.to_json()!r}\nTASK = {text}\n")
        refused(tmp_path / "net.py", r"net\.py: TASK: a mapping with the key task is expected")


def test_metadata_without_a_task_is_that_of_a_classifier(tmp_path: Path) -> None:
    entries = json.loads(METADATA)
    assert "task" not in entries
    for more in ({}, {"task": None}, {"task": {"task": "classification"}}):
        (tmp_path / "net.onnx").write_bytes(onnx_model({KEY: json.dumps(entries | more)}))
        found = read_architecture(tmp_path / "net.onnx")
        assert (found.architecture.key, found.task, found.settings) == (
            NETWORK.key,
            None,
            {"num_classes": 5},
        )
