"""``latency suite`` and ``latency fit``: networks, their times, and invalid files."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from mvt_nas import zoo
from mvt_nas.errors import LatencyError
from mvt_nas.latency.calibration.latency_csv import COLUMNS, read_measurements, template
from mvt_nas.latency.calibration.offline_suite import CSV, write_suite
from mvt_nas.latency.profile_lookup import load_profile
from mvt_nas.onnx.file import input_shape
from mvt_nas.space.architecture import Architecture, Stage
from mvt_nas.space.published import published_names
from mvt_nas.space.search_space import load_space
from tests.support import cli
from tests.support.latency_devices import other_device

run = partial(cli.run, "latency")
error_line = partial(cli.error_line, "latency")

DEVICE = other_device()
SMALL = Architecture(stem_width=8, head_width=None, resolution_px=32, stages=(Stage(width=16),))
FOUR = (
    "mobilevit_xxs,256,4.8",
    "mobilevit_xs,256,7.28",
    "mobilevit_s,256,9.85",
    "mobilevitv2_050,256,1.6",
)
HEADER = "network,resolution_px,ms"


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MVT_NAS_DEVICES", str(tmp_path / "devices"))
    monkeypatch.chdir(tmp_path)


def architecture_of(name: str, folder: Path) -> Architecture:
    return zoo(name) if name in published_names() else Architecture.load(folder / name)


def test_a_suite_is_written_filled_in_and_fitted(tmp_path: Path) -> None:
    folder = tmp_path / "suite"
    code, out, err = run("suite", "--out", "suite", "--space", "tiny", "--networks", "12")
    assert code == 0, err
    assert (
        "fill in suite/measurements.csv, then: mvt-nas latency fit NAME suite/measurements.csv"
        in out
    )
    lines = (folder / CSV).read_text().splitlines()
    assert lines[0].startswith("# Milliseconds of one inference")
    assert lines[1] == ",".join(COLUMNS)
    filled = lines[:2]
    for line in lines[2:]:
        name, resolution, empty = line.split(",")
        assert empty == ""
        architecture = architecture_of(name, folder)
        assert int(resolution) == architecture.resolution_px == 64
        model = folder / f"{Path(name).stem}.onnx"
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        (logits,) = session.run(None, {"images": np.zeros((1, 3, 64, 64), np.float32)})
        assert logits.shape == (1, 1000)
        filled.append(f"{line}{DEVICE.predict(architecture).ms:.6f}")
    assert len(filled) == 2 + 12
    assert len(list(folder.iterdir())) == 1 + 2 * 12
    (folder / CSV).write_text("\n".join(filled))
    code, out, err = run("fit", "board", str(folder / CSV), "--donor", "roofline", "--json")
    assert code == 0, err
    document = json.loads(out)
    assert (document["metric"], document["donor"]) == ("latency_ms@board", "roofline")
    assert document["quality"]["mape"] < 0.02
    other = load_space("tiny").decode_many(load_space("tiny").sample(1, seed=8))[0]
    assert load_profile("board").predictor.predict(other).ms == pytest.approx(
        DEVICE.predict(other).ms, rel=0.03
    )


def test_published_networks_of_the_space_are_in_a_suite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported = {}
    monkeypatch.setattr(
        "mvt_nas.latency.calibration.offline_suite.export_onnx",
        lambda architecture, path, **settings: exported.update({Path(path).stem: settings}),
    )
    names_seen: list[str] = []
    path = write_suite(
        load_space("mobilevit_v2"),
        tmp_path / "suite",
        networks=8,
        batch_size=2,
        seed=3,
        listener=names_seen.append,
    )
    names = [line.split(",")[0] for line in path.read_text().splitlines()[2:]]
    published = [name for name in names if name in published_names()]
    assert len(names) == 8
    assert len(published) == 2
    assert names_seen == list(exported) == [Path(name).stem for name in names]
    assert set(map(str, exported.values())) == {"{'batch_size': 2, 'seed': 3}"}
    assert sorted(one.name for one in path.parent.iterdir()) == sorted(
        [CSV, *(name for name in names if name not in published)]
    )
    assert read_measurements(path) == []  # no figure yet


def test_a_suite_has_the_batch_size_that_was_asked_for(tmp_path: Path) -> None:
    path = write_suite(load_space("tiny"), tmp_path / "suite", networks=4, batch_size=3)
    models = list(path.parent.glob("*.onnx"))
    assert len(models) == 4
    assert {input_shape(model) for model in models} == {(3, 3, 64, 64)}


def test_suites_that_cannot_be_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "suite").mkdir()
    (tmp_path / "suite" / CSV).write_text("")
    with pytest.raises(
        LatencyError,
        match=r"measurements\.csv is there already; choose another folder, or delete it$",
    ):
        write_suite(load_space("tiny"), tmp_path / "suite")
    for networks, batch_size in ((3, 1), (4, 0)):
        with pytest.raises(
            LatencyError,
            match=(
                f"^{networks} networks with {batch_size} images are not allowed; at least 4 with 1$"
            ),
        ):
            write_suite(
                load_space("tiny"), tmp_path / "other", networks=networks, batch_size=batch_size
            )
    (tmp_path / "file").write_text("")
    with pytest.raises(LatencyError, match=r"file/suite cannot be written: "):
        write_suite(load_space("tiny"), tmp_path / "file" / "suite", networks=4)


def test_what_people_write_is_read(tmp_path: Path) -> None:
    (tmp_path / "own.json").write_text(SMALL.to_json())
    text = (
        "\ufeff# of a board\r\n\r\nms, note, network ,resolution_px\r\n".replace(" ,", ",")
        + "4.8,first,mobilevit_xxs,\r\n# between\r\n7.5, , mobilevit_xxs , 192 \r\n 1e1"
        " ,x,own.json,32\r\n,not run,mobilevit_s,256\r\n"
    )
    (tmp_path / "x.csv").write_bytes(text.encode())
    found = read_measurements(tmp_path / "x.csv")
    assert [(one.network, one.architecture.resolution_px, one.ms) for one in found] == [
        ("mobilevit_xxs", 256, 4.8),
        ("mobilevit_xxs", 192, 7.5),
        ("own.json", 32, 10.0),
    ]
    assert found[1].architecture == replace(zoo("mobilevit_xxs"), resolution_px=192)
    assert found[2].architecture == SMALL
    assert template([("a", 1), ("b", 2)]).splitlines()[1:] == [HEADER, "a,1,", "b,2,"]


def table(*lines: str, header: str = HEADER) -> bytes:
    return "\n".join(["# figures", header, *lines, ""]).encode()


BAD_FILES = {
    "a column is missing": (
        table("mobilevit_xxs,256", header="network,resolution_px"),
        "x.csv: column 'ms' is missing",
    ),
    "other columns": (
        table("mobilevit_xxs,5", header="name,ms"),
        "x.csv: column 'network' is missing (columns: name, ms)",
    ),
    "empty": (b"", "x.csv: column 'network' is missing (columns: none)"),
    "comments only": (b"# figures\n\n", "x.csv: column 'network' is missing (columns: none)"),
    "not UTF-8": (table(*FOUR) + b"\xff\xfe", "x.csv: cannot be read (not UTF-8)"),
    "an unknown network": (
        table(*FOUR, "mobilevit_xl,256,3"),
        "x.csv:7: network = 'mobilevit_xl' is neither a published model nor a file",
    ),
    "no network": (
        table(*FOUR, ",256,3"),
        "x.csv:7: network = '' is neither a published model nor a file",
    ),
    "a file that is none": (table("broken.json,256,3", *FOUR), "x.csv:3: "),
    "a text for milliseconds": (
        table(*FOUR[:2], "mobilevit_s,256,fast"),
        "x.csv:5: ms = 'fast' is not allowed; milliseconds above 0",
    ),
    "a comma in milliseconds": (
        table('mobilevit_s,256,"9,85"', *FOUR),
        "x.csv:3: ms = '9,85' is not allowed",
    ),
    "negative": (table(*FOUR[:2], "mobilevit_s,256,-9"), "x.csv:5: ms = '-9' is not allowed"),
    "zero": (table(*FOUR[:2], "mobilevit_s,256,0"), "x.csv:5: ms = '0' is not allowed"),
    "not a number": (table("mobilevit_s,256,nan", *FOUR), "x.csv:3: ms = 'nan' is not allowed"),
    "infinite": (table("mobilevit_s,256,inf", *FOUR), "x.csv:3: ms = 'inf' is not allowed"),
    "a blank": (table(*FOUR, 'mobilevitv2_100,256," "'), "x.csv:7: ms = '' is not allowed"),
    "a resolution as text": (
        table("mobilevit_s,large,3", *FOUR),
        "x.csv:3: resolution_px = 'large' is not allowed; a number of pixels",
    ),
    "no resolution": (
        table("mobilevit_s,0,3", *FOUR),
        "x.csv:3: resolution_px = '0' is not allowed",
    ),
    "a network again": (table(*FOUR, FOUR[0]), "x.csv:7: the network mobilevit_xxs is there twice"),
    "a network again at its own resolution": (
        table(*FOUR, "mobilevit_xxs,,4.9"),
        "x.csv:7: the network mobilevit_xxs is there twice",
    ),
    "too many columns": (
        table(*FOUR, "mobilevitv2_100,256,3,4"),
        "x.csv:7: has not as many columns as the header",
    ),
    "too few columns": (
        table("mobilevitv2_100,256", *FOUR),
        "x.csv:3: has not as many columns as the header",
    ),
    "a quote that does not end": (table(*FOUR, 'mobilevitv2_100,256,"3'), "x.csv:7: "),
    "fewer than four": (
        table(*FOUR[:3], "mobilevitv2_050,256,"),
        "3 networks with a figure are too few; at least 4, better ten",
    ),
    "no figures": (table("mobilevit_xxs,256,"), "0 networks with a figure are too few"),
    "a line with a null byte": (table(*FOUR, "mobilevit\0_xxs,256,3"), "x.csv:7: "),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_bad_files_are_one_line_with_file_and_line(kind: str, tmp_path: Path) -> None:
    content, message = BAD_FILES[kind]
    (tmp_path / "x.csv").write_bytes(content)
    (tmp_path / "broken.json").write_text("{")
    code, out, err = run("fit", "board", "x.csv")
    assert (code, out) == (2, "")
    assert err.startswith(f"mvt-nas: error: {message}")
    assert err.count("\n") == 1
    assert not (tmp_path / "devices").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("board", "none.csv"), "none.csv: cannot be read (No such file or directory)"),
        (("a b", "x.csv"), "the name 'a b' is not allowed"),
        (
            ("board", "x.csv", "--donor", "roofine"),
            "unknown base profile 'roofine'; did you mean 'roofline'? (known: roofline",
        ),
        (
            ("board", "x.csv", "--donor", "none.json"),
            "none.json: cannot be read (No such file or directory)",
        ),
        (("board", "x.csv", "--penalty", "-1"), "penalty = -1.0 is not allowed"),
        (("board", "x.csv", "--penalty", "nan"), "penalty = nan is not allowed"),
        (("board", "x.csv", "--threads", "0"), "0 is not in the range 1<=x<=4096"),
        (("board", "x.csv", "--batch-size", "0"), "0 is not in the range x>=1"),
        (("board",), "Missing argument 'MEASUREMENTS.csv'"),
        (("board", "."), "is a directory"),
    ],
)
def test_wrong_arguments_are_one_line(
    arguments: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    (tmp_path / "x.csv").write_bytes(table(*FOUR))
    assert message in error_line("fit", *arguments)


def test_what_the_figures_are_of_is_kept(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(table(*FOUR))
    arguments = (
        "--device",
        "A board",
        "--runtime",
        "tflite",
        "--threads",
        "4",
        "--dtype",
        "fp16",
        "--source",
        "the vendor",
    )
    code, out, err = run("fit", "board", "x.csv", "--donor", "iphone12-coreml.json", *arguments)
    assert (code, out) == (2, "")  # a file, and there is none here
    code, out, err = run("fit", "board", "x.csv", *arguments, "--out", "own.json")
    assert code == 0, err
    assert "use it as --objective latency_ms@board or --budget 'latency_ms@board<=15'" in out
    found = load_profile("own.json")
    assert (found.device, found.source, found.dtype, found.threads) == (
        {"name": "A board"},
        "the vendor",
        "fp16",
        4,
    )
    assert (found.runtime["name"], found.quality["n"], found.reference_ms) == ("tflite", 4, None)
    assert [f"{anchor['network']},256,{anchor['ms']}" for anchor in found.anchors] == list(FOUR)
    code, out, err = run("fit", "second", "x.csv", "--base-profile", "own.json")
    assert code == 0, err
    assert "base profile: own.json, by resource" in out
