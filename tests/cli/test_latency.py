"""``mvt-nas latency`` for people and scripts: tables, JSON, and one-line errors."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from mvt_nas import Run, count, zoo
from mvt_nas.latency.profile_lookup import load_profile
from mvt_nas.onnx.export import export_onnx
from mvt_nas.space.architecture import Architecture, Stage
from tests.support import cli

run = partial(cli.run, "latency")
error_line = partial(cli.error_line, "latency")
run_json = partial(cli.run_json, "latency")

pytestmark = pytest.mark.slow

FIELDS = {
    "network",
    "key",
    "ms",
    "low_ms",
    "high_ms",
    "median_ms",
    "min_ms",
    "rounds",
    "cpu_per_wall",
    "runtime",
    "threads",
} | {
    "dtype",
    "fingerprint",
}
SMALL = Architecture(stem_width=8, head_width=None, resolution_px=32, stages=(Stage(width=16),))


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("small.json").write_text(SMALL.to_json())
    export_onnx(SMALL, "small.onnx", num_classes=10)
    Path("broken.onnx").write_text("not a model")
    return tmp_path


def test_architectures_and_files_in_one_table(files: Path) -> None:
    code, out, _ = run("measure", "small.json", "small.onnx", "--seconds", "0.3")
    lines = out.splitlines()
    assert code == 0
    assert lines[0].split() == [
        "network",
        "ms",
        "95",
        "%",
        "interval",
        "median",
        "ms",
        "rounds",
        "cpu/wall",
        "MACs",
    ]
    assert [line.split()[0] for line in lines[2:4]] == ["small.json", "small.onnx"]
    assert lines[5].startswith("onnxruntime 1.")
    assert "reference model (mobilevit_xxs at 128 px): " in lines[6]


def test_json_has_a_figure_and_where_it_is_from(files: Path) -> None:
    arguments = (
        "measure",
        "small.json",
        "--runtime",
        "torch",
        "--seconds",
        "0.2",
        "--resolution",
        "48",
        "--batch-size",
        "2",
    )
    (entry,) = run_json(*arguments)
    assert set(entry) >= FIELDS
    assert entry["input_shape"] == [2, 3, 48, 48]
    assert entry["key"] != SMALL.key
    assert (entry["runtime"], entry["threads"], entry["dtype"]) == ("torch", 1, "fp32")
    assert entry["min_ms"] <= entry["low_ms"] <= entry["ms"] <= entry["high_ms"]
    assert set(entry["fingerprint"]) == {"device", "runtime", "packages"}


def test_int8_is_measured_and_said(files: Path) -> None:
    (entry,) = run_json("measure", "small.json", "--dtype", "int8", "--seconds", "0.2")
    assert (entry["dtype"], entry["fingerprint"]["runtime"]["dtype"], entry["runtime"]) == (
        "int8",
        "int8",
        "onnxruntime",
    )
    code, out, err = run("measure", "small.onnx", "--dtype", "int8", "--seconds", "0.2")
    assert code == 0
    assert ", int8, 1 thread; " in out.splitlines()[4]
    assert [line for line in err.splitlines() if not line.startswith("warning: small.onnx: ")] == []


def test_the_prediction_of_a_device_is_shown_too(files: Path) -> None:
    device = ("--device", "x86-onnxruntime-1t", "--seconds", "0.2")
    cli.run(
        "export",
        "small.json",
        "--to",
        "onnx",
        "--num-classes",
        "10",
        "--measure-seconds",
        "0",
        "--out",
        "exported",
    )
    expected = load_profile("x86-onnxruntime-1t").predictor.predict(
        SMALL, batch_size=1, num_classes=10
    )
    own, exported, elsewhere = run_json(
        "measure",
        "small.json",
        "exported/onnx/small.onnx",
        "small.onnx",
        "--num-classes",
        "10",
        *device,
    )
    assert own["predicted"] == exported["predicted"]
    assert elsewhere["predicted"] is None
    told = own["predicted"]
    assert (told["device"], told["ms"], told["low_ms"]) == (
        "x86-onnxruntime-1t",
        expected.ms,
        expected.low_ms,
    )
    (two,) = run_json("measure", "exported/onnx/small.onnx", *device, "--batch-size", "2")
    assert two["predicted"]["ms"] > expected.ms
    code, out, err = run(
        "measure",
        "exported/onnx/small.onnx",
        "small.onnx",
        *device,
        "--threads",
        "2",
    )
    lines = out.splitlines()
    assert code == 0
    assert lines[0].split()[5:12] == ["predicted", "ms", "90", "%", "interval", "measured", "is"]
    assert f"  {expected.ms:.4g}  " in lines[2]
    assert lines[3].split()[5:8] == ["-", "-", "-"]
    assert lines[-1].startswith("predicted for x86-onnxruntime-1t: onnxruntime, fp32; ")
    assert (
        "warning: x86-onnxruntime-1t is for another runtime, data type or number of threads than"
        " the measurement\n" in err
    )


def test_classes_are_said_by_runs_and_have_to_be_equal(files: Path) -> None:
    for classes in ("7", "9"):
        cli.run(
            "search",
            "tiny",
            "--objective",
            "macs",
            "--num-classes",
            classes,
            "--trials",
            "1",
            "--out",
            f"run{classes}",
        )
    of_run, published = run_json("measure", "run7:knee", "small.json", "--seconds", "0.1")
    assert of_run["macs"] == count(Run.load("run7").architecture(0), num_classes=7).macs
    assert published["macs"] == count(SMALL, num_classes=7).macs
    code, out, err = run("measure", "run7:0", "run9:0")
    assert (code, out) == (2, "")
    assert (
        err
        == "mvt-nas: error: the networks have different numbers of classes (7, 9); --num-classes"
        " sets one for all\n"
    )
    first, second = run_json(
        "measure", "run7:0", "run9:0", "--num-classes", "3", "--seconds", "0.1"
    )
    for number, entry in ((7, first), (9, second)):
        assert entry["macs"] == count(Run.load(f"run{number}").architecture(0), num_classes=3).macs


def test_a_command_measures_elsewhere(files: Path) -> None:
    (entry,) = run_json(
        "measure",
        "mobilevit_xxs",
        "--command",
        "test -s {model} && echo 4.25",
        "--seconds",
        "1",
    )
    assert (entry["ms"], entry["low_ms"], entry["high_ms"], entry["cpu_per_wall"]) == (
        4.25,
        4.25,
        4.25,
        None,
    )
    assert (entry["runtime"], entry["key"]) == ("command", zoo("mobilevit_xxs").key)
    assert entry["fingerprint"]["device"] == {"command": "test -s {model} && echo 4.25"}


def test_runtimes_are_listed_with_the_way_to_install_them(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = {entry["name"]: entry for entry in run_json("runtimes")}
    assert {"command", "onnxruntime", "openvino", "torch", "torch_compile"} <= set(entries)
    assert entries["onnxruntime"]["usable"] is True
    assert (entries["onnxruntime"]["dtypes"], entries["torch"]["dtypes"]) == (
        ["fp32", "int8"],
        ["fp32"],
    )
    monkeypatch.setattr("mvt_nas._optional.find_spec", lambda name: None)
    code, out, _ = run("runtimes")
    assert code == 0
    assert "fp32 int8" in out
    assert "litert_torch is not installed; pip install 'mvt-nas[litert]'" in out
    assert "executorch is not installed; pip install 'mvt-nas[executorch]'" in out
    assert (
        "openvino is not installed; pip install 'mvt-nas[openvino]'" in out
        or "onnx is not installed; pip install" in out
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("mobilevit_xxs", "--threads", "0"), "0 is not in the range 1<=x<=4096"),
        (("mobilevit_xxs", "--seconds", "0"), "seconds = 0.0 is not allowed; a number above 0"),
        (("mobilevit_xxs", "--seconds", "nan"), "seconds = nan is not allowed"),
        (("mobilevit_xxs", "--timeout", "-1"), "timeout_s = -1.0 is not allowed"),
        (
            ("mobilevit_xxs", "--runtime", "onnxrt"),
            "unknown runtime 'onnxrt'; did you mean 'onnxruntime'?",
        ),
        (("mobilevit_xxs", "--dtype", "int4"), "dtype = 'int4' is not allowed; fp32 or int8"),
        (
            ("mobilevit_xxs", "--device", "x86-onnxruntime"),
            "unknown device 'x86-onnxruntime'; did you mean 'x86-onnx",
        ),
        (
            ("mobilevit_xxs", "--dtype", "int8", "--runtime", "torch"),
            "runtime torch runs fp32 only, not int8; for int8 use onnxruntime",
        ),
        (("mobilevit_xx",), "did you mean 'mobilevit_xxs'?"),
        ((), "Missing argument"),
        (("none.onnx",), "none.onnx: there is no such file"),
        (("broken.onnx",), "broken.onnx is no ONNX model: it cannot be parsed"),
        (
            ("small.onnx", "--batch-size", "2"),
            "batch size = 2 is not allowed, the file fixes it to 1",
        ),
        (
            ("small.onnx", "--resolution", "64"),
            "height = 64 is not allowed, the file fixes it to 32",
        ),
        (("small.onnx", "--runtime", "torch"), "runtime torch runs architectures, not ONNX files"),
        (
            ("small.onnx", "--runtime", "command"),
            "--command '' is not allowed; write {model} where the path",
        ),
        (
            ("small.onnx", "--command", "echo 1"),
            "--command 'echo 1' is not allowed; write {model} where the path",
        ),
        (
            ("small.onnx", "--command", "echo fast {model}"),
            "printed 'fast small.onnx'; milliseconds above 0",
        ),
        (
            ("small.onnx", "--command", "echo gone >&2; false {model}"),
            "failed with exit code 1; it printed last: gone",
        ),
        (
            ("small.onnx", "--command", "sleep 30; {model}", "--timeout", "0.2"),
            "took more than 0.2 s; it printed nothing",
        ),
        (
            ("small.onnx", "--command", "echo {model}", "--runtime", "torch"),
            "a command was given with the runtime torch",
        ),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(
    arguments: tuple[str, ...], message: str, files: Path
) -> None:
    assert message in error_line("measure", *arguments)
