"""Profile files: round trips, one-line errors for damage, and how they are found."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mvt_nas import zoo
from mvt_nas.errors import LatencyError
from mvt_nas.latency.latency_profile import LatencyProfile
from mvt_nas.latency.model.predictor import calibrated_ranges
from mvt_nas.latency.profile_lookup import SHIPPED, load_profile, profile_files, user_folder
from mvt_nas.models.lowering import lower
from tests.support.device_profiles import install, profile
from tests.support.latency_devices import random_networks

pytestmark = pytest.mark.usefixtures("devices")

Document = dict[str, Any]


def full_profile() -> LatencyProfile:
    from mvt_nas.latency.model.kernels import kernels

    one = profile("phone")
    ranges = calibrated_ranges(kernels(lower(random_networks(1)[0]).ops))
    return replace(
        one,
        predictor=replace(one.predictor, ranges=ranges),
        device={"cpu": "made up", "flags": ["avx2"], "cores": 8},
        dtype="int8",
        batch_size=4,
        num_classes=10,
        reference_ms=1.25,
        base_profile="roofline",
        quality={"mape": 0.02, "n": 15},
        anchors=({"network": "a", "ms": 1.5, "fitted": True},),
        method={"seed": 3, "factors": {"calls": 1.0}},
        created="2026-01-02T03:04:05+00:00",
    )


def test_a_profile_read_is_the_one_written(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "phone.json"
    one = full_profile()
    one.write(path)
    again = LatencyProfile.read(path)
    assert again == one
    assert again.hash == one.hash
    assert [file.name for file in path.parent.iterdir()] == ["phone.json"]
    assert replace(one, reference_ms=1.26).hash != one.hash
    assert again.predictor.predict(zoo("mobilevit_xxs")) == one.predictor.predict(
        zoo("mobilevit_xxs")
    )
    assert (again.metric, again.threads) == ("latency_ms@phone", 1)


def test_a_profile_that_cannot_be_written_or_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for what in (
        lambda: full_profile().write(tmp_path / "file" / "x.json"),
        lambda: LatencyProfile.read(tmp_path / "none.json"),
    ):
        with pytest.raises(
            LatencyError, match=r"\.json: cannot be (written|read) \([A-Z][a-z ]+\)$"
        ):
            what()


def set_to(*path: str, value: Any) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        for key in path[:-1]:
            document = document[key]
        document[path[-1]] = value

    return change


def without(*path: str) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        for key in path[:-1]:
            document = document[key]
        del document[path[-1]]

    return change


def all_zero(document: Document) -> None:
    document["model"]["fixed_ms"] = 0
    for terms in document["model"]["coefficients"].values():
        terms.update(dict.fromkeys(terms, 0))


COEFFICIENT = ("model", "coefficients", "linear", "macs")
DAMAGE: dict[str, tuple[Callable[[Document], None], str]] = {
    "another format": (
        set_to("format", value=2),
        "format = 2 is not allowed; this version of mvt-nas reads 1",
    ),
    "a text for the format": (set_to("format", value="1"), "format = '1' is not allowed"),
    "no model": (without("model"), "no device profile (format and model are missing)"),
    "a list for the model": (set_to("model", value=[]), "model = [] is not allowed; a mapping"),
    "negative": (
        set_to(*COEFFICIENT, value=-1e-9),
        "model.coefficients.linear.macs = -1e-09 is not allowed; a number from 0",
    ),
    "not a number": (
        set_to(*COEFFICIENT, value=math.nan),
        "model.coefficients.linear.macs = nan is not allowed",
    ),
    "infinite": (
        set_to(*COEFFICIENT, value=math.inf),
        "model.coefficients.linear.macs = inf is not allowed",
    ),
    "a text": (
        set_to(*COEFFICIENT, value="0.1"),
        "model.coefficients.linear.macs = '0.1' is not allowed",
    ),
    "a truth": (
        set_to(*COEFFICIENT, value=True),
        "model.coefficients.linear.macs = True is not allowed",
    ),
    "nothing": (
        set_to(*COEFFICIENT, value=None),
        "model.coefficients.linear.macs = None is not allowed",
    ),
    "larger than any number": (
        set_to(*COEFFICIENT, value=10**400),
        "model.coefficients.linear.macs = 1000",
    ),
    "a class misspelt": (
        set_to("model", "coefficients", "softmacks", value={}),
        "unknown name 'softmacks'; did you mean 'softmax'?",
    ),
    "a term misspelt": (
        set_to("model", "coefficients", "linear", "row", value=1),
        "unknown name 'row'; did you mean 'rows'?",
    ),
    "a class of ranges misspelt": (
        set_to("model", "ranges", "linaer", value={}),
        "unknown name 'linaer'; did you mean 'linear'?",
    ),
    "a term that is no mapping": (
        set_to("model", "coefficients", "linear", value=3),
        "model.coefficients is not allowed; a mapping of",
    ),
    "a range of one end": (
        set_to("model", "ranges", "classifier", "macs", value=[1]),
        "ranges.classifier.macs = [1] is not allowed; the",
    ),
    "a range with a text": (
        set_to("model", "ranges", "classifier", "macs", value=[1, "2"]),
        "ranges.classifier.macs = '2' is not allowed",
    ),
    "negative fixed milliseconds": (
        set_to("model", "fixed_ms", value=-1),
        "model.fixed_ms = -1 is not allowed",
    ),
    "no fixed milliseconds": (without("model", "fixed_ms"), "model.fixed_ms = None is not allowed"),
    "no error": (without("model", "relative_error"), "model.relative_error = None is not allowed"),
    "no coefficients": (without("model", "coefficients"), "model.coefficients is not allowed"),
    "all zero": (all_zero, "all coefficients are 0; nothing would take any time"),
    "no threads": (
        set_to("runtime", "threads", value=-1),
        "runtime.threads = -1 is not allowed; an integer from 1",
    ),
    "zero threads": (
        set_to("runtime", "threads", value=0),
        "runtime.threads = 0 is not allowed; an integer from 1",
    ),
    "threads as text": (
        set_to("runtime", "threads", value="two"),
        "runtime.threads = 'two' is not allowed; an integer from 1",
    ),
    "no runtime": (without("runtime"), "runtime = None is not allowed; a mapping"),
    "a runtime without a name": (
        without("runtime", "name"),
        "runtime.name = None is not allowed; a text",
    ),
    "no images": (
        set_to("batch_size", value=0),
        "batch_size = 0 is not allowed; an integer from 1",
    ),
    "half an image": (
        set_to("batch_size", value=0.5),
        "batch_size = 0.5 is not allowed; an integer",
    ),
    "no classes": (
        set_to("num_classes", value=0),
        "num_classes = 0 is not allowed; an integer from 1",
    ),
    "no name": (without("name"), "name = None is not allowed; a text"),
    "an empty name": (set_to("name", value=""), "name = '' is not allowed; letters, digits"),
    "a name with a path": (
        set_to("name", value="../x"),
        "name = '../x' is not allowed; letters, digits",
    ),
    "no origin": (without("source"), "source = None is not allowed; a text"),
    "no quality": (without("quality"), "quality = None is not allowed; a mapping"),
    "anchors that are a mapping": (
        set_to("anchors", value={}),
        "anchors = {} is not allowed; a list",
    ),
    "anchors that are texts": (set_to("anchors", value=["a"]), "anchors"),
    "a text for the reference model": (
        set_to("probe_ms", value="fast"),
        "probe_ms = 'fast' is not allowed",
    ),
    "a number for the base profile": (set_to("donor", value=3), "donor = 3 is not allowed"),
    "a list for the date": (set_to("created", value=[]), "created = [] is not allowed"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_one_line_that_names_the_file_and_the_key(kind: str, tmp_path: Path) -> None:
    document = full_profile().to_dict()
    change, message = DAMAGE[kind]
    change(document)
    path = tmp_path / "phone.json"
    path.write_text(json.dumps(document))
    with pytest.raises(LatencyError, match=r"^[^\n]*phone\.json: ") as caught:
        LatencyProfile.read(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (json.dumps(full_profile().to_dict())[:-40].encode(), "no profile, not even JSON"),
        (b"", "no profile, not even JSON"),
        (b"\xff\xfe\x00", "no profile, not even JSON"),
        (b"[1, 2]", "no device profile (format and model are missing)"),
        (b"null", "no device profile"),
        (b'{"format": 1}', "no device profile"),
        (b"[" * 100_000, "no profile, not even JSON"),
    ],
    ids=["cut off", "empty", "bytes", "a list", "null", "another document", "too deep"],
)
def test_a_file_that_is_no_profile_is_one_line(
    content: bytes, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "phone.json"
    path.write_bytes(content)
    with pytest.raises(LatencyError, match=r"^[^\n]*phone\.json: ") as caught:
        LatencyProfile.read(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_names_list_the_nearest(devices: Path) -> None:
    install(devices, profile("my_phone"))
    with pytest.raises(
        LatencyError,
        match=(
            r"^unknown device 'my-phone'; did you mean 'my_phone'\? \(known: .*iphone12-coreml.*\)$"
        ),
    ):
        load_profile("my-phone")
    with pytest.raises(
        LatencyError, match=r"my-phone\.json: cannot be read \(No such file or directory\)"
    ):
        load_profile("my-phone.json")


def test_a_profile_of_the_user_shadows_one_that_ships(devices: Path) -> None:
    shipped = load_profile("iphone12-coreml")
    assert shipped.device == {"name": "Apple iPhone 12"}
    install(devices, profile("iphone12-coreml", seed=3), profile("mine", seed=4))
    assert load_profile("iphone12-coreml") == profile("iphone12-coreml", seed=3)
    assert (
        load_profile(devices / "mine.json")
        == load_profile(str(devices / "mine.json"))
        == load_profile("mine")
    )
    assert list(profile_files()) == sorted(
        {*(path.stem for path in SHIPPED.glob("*.json")), "mine"}
    )
    (devices / "mine.json").rename(devices / "yours.json")
    with pytest.raises(
        LatencyError,
        match=r"yours\.json: name = 'mine' is not allowed; the file's own name, 'yours'$",
    ):
        load_profile("yours")


def test_where_the_user_keeps_profiles(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert user_folder() == tmp_path / "devices"
    monkeypatch.delenv("MVT_NAS_DEVICES")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert user_folder() == tmp_path / "data" / "mvt-nas" / "devices"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_folder() == tmp_path / ".local" / "share" / "mvt-nas" / "devices"


def test_a_profile_of_the_machine_at_hand_is_known_as_such() -> None:
    assert profile("x", here=True).is_here()
    assert not profile("x").is_here()
    assert not profile(
        "x", here=True, runtime={"name": "command", "version": None, "threads": 1}
    ).is_here()
    assert not profile(
        "x", here=True, runtime={"name": "coreml", "version": None, "threads": 1}
    ).is_here()
