"""A device profile: the fitted latency model of one device, runtime, number of threads, data type and batch size, in one file.

It also holds what the model was fitted to and how well it did on networks that it had not seen. A
profile without that is a guess.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mvt_nas.errors import LatencyError, listing, nearest
from mvt_nas.latency.model.kernels import CLASSES, TERMS
from mvt_nas.latency.model.predictor import Predictor

FORMAT = 1
"""Version of the format of profile files."""


@dataclass(frozen=True, slots=True)
class DeviceProfile:
    """A latency model with its origin.

    Attributes:
        name: what objectives and budgets call it, ``latency_ms@NAME``.
        predictor: the model.
        runtime: ``name``, ``version``, ``threads``.
        device: what it was measured on, as in a fingerprint; a published device has a ``name``
            only.
        source: ``measured``, or where published figures come from.
        dtype: ``fp32`` or ``int8``.
        batch_size: images per inference.
        num_classes: outputs of the networks that were measured.
        probe_ms: the probe's latency when the rest was measured; ``None`` where there was none.
        donor: the profile towards which this one was drawn.
        quality: ``mape``, ``within5``, ``within10``, ``spearman``, ``kendall``, ``n``, ``split``,
            and ``noise_floor`` where it is known.
        anchors: the networks it rests on: ``network``, ``ms``, ``predicted_ms``, whether
            ``fitted``.
        method: how it was measured and fitted.
        created: date and time.
    """

    name: str
    predictor: Predictor
    runtime: Mapping[str, Any]
    device: Mapping[str, Any]
    source: str
    dtype: str = "fp32"
    batch_size: int = 1
    num_classes: int = 1000
    probe_ms: float | None = None
    donor: str | None = None
    quality: Mapping[str, Any] = field(default_factory=dict)
    anchors: tuple[Mapping[str, Any], ...] = ()
    method: Mapping[str, Any] = field(default_factory=dict)
    created: str = ""

    @property
    def metric(self) -> str:
        """The name of its metric, ``latency_ms@NAME``."""
        return f"latency_ms@{self.name}"

    @property
    def threads(self) -> int:
        """Threads of one inference."""
        return int(self.runtime.get("threads") or 1)

    @property
    def hash(self) -> str:
        """Content hash, 16 hexadecimal digits."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()[:16]

    def is_here(self) -> bool:
        """Return whether it was measured on a machine like this one, in a runtime that can be used here."""
        from mvt_nas.latency.fingerprint import this_device
        from mvt_nas.latency.runtime import RUNTIMES

        here, name = this_device(), str(self.runtime["name"])
        same = all(self.device.get(key) == here[key] for key in ("cpu", "flags"))
        return (
            same and name in RUNTIMES and name != "command" and RUNTIMES.get(name).trouble() is None
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the profile as plain data."""
        predictor = self.predictor
        model = {
            "fixed_ms": predictor.fixed_ms,
            "relative_error": predictor.relative_error,
            "coefficients": {kind: dict(terms) for kind, terms in predictor.coefficients.items()},
            "ranges": {
                kind: {name: list(ends) for name, ends in terms.items()}
                for kind, terms in predictor.ranges.items()
            },
        }
        plain = ("source", "dtype", "batch_size", "num_classes", "probe_ms", "donor", "created")
        return {
            "format": FORMAT,
            "name": self.name,
            **{name: getattr(self, name) for name in plain},
            **{
                name: dict(getattr(self, name))
                for name in ("runtime", "device", "method", "quality")
            },
            "model": model,
            "anchors": [dict(anchor) for anchor in self.anchors],
        }

    def write(self, path: Path) -> None:
        """Write the profile, whole or not at all.

        Raises:
            LatencyError: it cannot be written.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            beside = path.with_name(f".{path.name}.new")
            beside.write_text(json.dumps(self.to_dict(), indent=1) + "\n")
            beside.replace(path)
        except OSError as error:
            raise LatencyError(f"{path}: cannot be written ({error.strerror})") from None

    @staticmethod
    def read(path: Path) -> DeviceProfile:
        """Return the profile in a file.

        Raises:
            LatencyError: the file cannot be read or is no profile.
        """
        try:
            data = json.loads(path.read_text())
        except OSError as error:
            raise LatencyError(f"{path}: cannot be read ({error.strerror})") from None
        except (ValueError, RecursionError) as error:
            raise LatencyError(f"{path}: no profile, not even JSON ({str(error)[:80]})") from None
        return DeviceProfile.from_dict(data, str(path))

    @staticmethod
    def from_dict(data: object, where: str) -> DeviceProfile:
        """Return the profile in plain data.

        Raises:
            LatencyError: something is missing, of another kind or not allowed; ``where`` begins the
                message.
        """
        if not isinstance(data, Mapping) or "format" not in data or "model" not in data:
            raise LatencyError(f"{where}: no device profile (format and model are missing)")
        if data["format"] != FORMAT:
            raise LatencyError(
                f"{where}: format = {data['format']!r} is not allowed; this version of mvt-nas"
                f" reads {FORMAT}"
            )
        for key, kind in _KINDS.items():
            if not isinstance(data.get(key), kind) or isinstance(data.get(key), bool):
                raise LatencyError(
                    f"{where}: {key} = {data.get(key)!r} is not allowed; {_NAMES[kind]}"
                )
        _check_numbers(data, where)
        _check_rest(data, where)
        fields = {
            key: data[key]
            for key in (*_KINDS, "probe_ms", "donor", "created")
            if key not in ("model", "anchors") and key in data
        }
        return DeviceProfile(
            predictor=_predictor(data["model"], f"{where}: model"),
            anchors=tuple(data["anchors"]),
            **fields,
        )


_KINDS: dict[str, type] = {
    **dict.fromkeys(("name", "source", "dtype"), str),
    **dict.fromkeys(("batch_size", "num_classes"), int),
    **dict.fromkeys(("runtime", "device", "quality", "method", "model"), dict),
    "anchors": list,
}
_NAMES = {str: "a text", int: "an integer", dict: "a mapping", list: "a list"}


def _check_numbers(data: Mapping[str, Any], where: str) -> None:
    for key, value in (("batch_size", data["batch_size"]), ("num_classes", data["num_classes"])):
        if value < 1:
            raise LatencyError(f"{where}: {key} = {value} is not allowed; an integer from 1")
    runtime = data["runtime"]
    if not isinstance(runtime.get("name"), str):
        raise LatencyError(
            f"{where}: runtime.name = {runtime.get('name')!r} is not allowed; a text"
        )
    threads = runtime.get("threads")
    if threads is not None and (
        not isinstance(threads, int) or isinstance(threads, bool) or threads < 1
    ):
        raise LatencyError(
            f"{where}: runtime.threads = {threads!r} is not allowed; an integer from 1"
        )
    if not data["name"] or not set(data["name"]) <= _NAME:
        raise LatencyError(
            f"{where}: name = {data['name']!r} is not allowed; letters, digits, '.', '_' and '-'"
        )


def _check_rest(data: Mapping[str, Any], where: str) -> None:
    for number, anchor in enumerate(data["anchors"], start=1):
        if not isinstance(anchor, Mapping):
            raise LatencyError(
                f"{where}: anchors: number {number} is {anchor!r}, which is not allowed; a mapping"
            )
    for key in ("donor", "created"):
        if not isinstance(data.get(key), str | None):
            raise LatencyError(f"{where}: {key} = {data[key]!r} is not allowed; a text")
    if data.get("probe_ms") is not None:
        _number(data["probe_ms"], f"{where}: probe_ms")


_NAME = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


def _predictor(model: Mapping[str, Any], where: str) -> Predictor:
    fixed = _number(model.get("fixed_ms"), f"{where}.fixed_ms")
    error = _number(model.get("relative_error"), f"{where}.relative_error")
    coefficients = {}
    for kind, terms in _classes(model.get("coefficients"), f"{where}.coefficients"):
        coefficients[kind] = {
            name: _number(value, f"{where}.coefficients.{kind}.{name}")
            for name, value in terms.items()
        }
    ranges = {}
    for kind, terms in _classes(model.get("ranges", {}), f"{where}.ranges"):
        ranges[kind] = {
            name: _pair(value, f"{where}.ranges.{kind}.{name}") for name, value in terms.items()
        }
    if not fixed and not any(value for terms in coefficients.values() for value in terms.values()):
        raise LatencyError(f"{where}: all coefficients are 0; nothing would take any time")
    return Predictor(coefficients, fixed, error, ranges)


def _classes(data: object, where: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the classes of kernels with their terms, names checked."""
    if not isinstance(data, Mapping) or not all(
        isinstance(terms, Mapping) for terms in data.values()
    ):
        raise LatencyError(f"{where} is not allowed; a mapping of classes of kernels to terms")
    for kind, terms in data.items():
        for name, known in ((kind, CLASSES), *((term, TERMS) for term in terms)):
            if name not in known:
                raise LatencyError(
                    f"{where}: unknown name {name!r}{nearest(str(name), known)} (known:"
                    f" {listing(known)})"
                )
    return list(data.items())


def _number(value: object, where: str) -> float:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not 0 <= value <= sys.float_info.max
    ):
        raise LatencyError(f"{where} = {value!r} is not allowed; a number from 0")
    return float(value)


def _pair(value: object, where: str) -> tuple[float, float]:
    if not isinstance(value, list) or len(value) != 2:
        raise LatencyError(
            f"{where} = {value!r} is not allowed; the smallest and the largest value"
        )
    return _number(value[0], where), _number(value[1], where)
