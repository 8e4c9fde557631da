"""Device profiles: latency models of one device, runtime, thread count, data type and batch size.

The file of a profile also contains the networks that the model was fitted to, and its errors on
networks that it was not fitted to. A profile without these is a guess.
"""

from __future__ import annotations

import json
import string
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mvt_nas._io import content_hash, write_text
from mvt_nas.errors import LatencyError, listing, nearest
from mvt_nas.hardware import this_device
from mvt_nas.latency.model.kernels import CLASSES, TERMS
from mvt_nas.latency.model.predictor import Predictor
from mvt_nas.latency.runtime import RUNTIMES

FORMAT = 1
"""Version of the format of profile files."""


@dataclass(frozen=True, slots=True)
class LatencyProfile:
    """A latency model and its origin.

    Attributes:
        name: Name in objectives and budgets, ``latency_ms@NAME``.
        predictor: The model.
        runtime: ``name``, ``version``, ``threads``.
        device: Device of the measurements, as in a fingerprint; a published device has a ``name``
            only.
        source: ``measured``, or the origin of published figures.
        dtype: ``fp32`` or ``int8``.
        batch_size: Images per inference.
        num_classes: Outputs of the measured networks.
        reference_ms: Latency of the reference model during the measurements (``probe_ms`` in the
            file); ``None`` without one.
        base_profile: Name of the profile whose coefficients were scaled (``donor`` in the file);
            ``None`` where kernels were measured.
        quality: ``mape``, ``within5``, ``within10``, ``spearman``, ``kendall``, ``n``, ``split``,
            and ``noise_floor`` where it is known.
        anchors: The measured networks: ``network``, ``ms``, ``predicted_ms``, whether ``fitted``.
        method: Description of the measurement and the fit.
        created: Date and time, ISO 8601.
    """

    name: str
    predictor: Predictor
    runtime: Mapping[str, Any]
    device: Mapping[str, Any]
    source: str
    dtype: str = "fp32"
    batch_size: int = 1
    num_classes: int = 1000
    reference_ms: float | None = None
    base_profile: str | None = None
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
        return content_hash(self.to_dict())

    def is_here(self) -> bool:
        """Return True if it was measured on a machine like this, in a runtime usable here."""
        here = this_device()
        if any(self.device.get(key) != here[key] for key in ("cpu", "flags")):
            return False
        name = str(self.runtime["name"])
        # A command may run on any device.
        return name in RUNTIMES and name != "command" and RUNTIMES.get(name).trouble() is None

    def to_dict(self) -> dict[str, Any]:
        """Return the profile as plain data, in the format of its file."""
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
        return {
            "format": FORMAT,
            "name": self.name,
            "source": self.source,
            "dtype": self.dtype,
            "batch_size": self.batch_size,
            "num_classes": self.num_classes,
            "probe_ms": self.reference_ms,
            "donor": self.base_profile,
            "created": self.created,
            "runtime": dict(self.runtime),
            "device": dict(self.device),
            "method": dict(self.method),
            "quality": dict(self.quality),
            "model": model,
            "anchors": [dict(anchor) for anchor in self.anchors],
        }

    def write(self, path: Path) -> None:
        """Write the profile to a file, whole or not at all.

        Raises:
            LatencyError: the file cannot be written.
        """
        write_text(path, json.dumps(self.to_dict(), indent=1) + "\n", error=LatencyError)

    @staticmethod
    def read(path: Path) -> LatencyProfile:
        """Return the profile in a file.

        Raises:
            LatencyError: the file cannot be read or is not a profile.
        """
        try:
            data = json.loads(path.read_text())
        except OSError as error:
            raise LatencyError(f"{path}: cannot be read ({error.strerror})") from None
        except (ValueError, RecursionError) as error:
            raise LatencyError(f"{path}: no profile, not even JSON ({str(error)[:80]})") from None
        return LatencyProfile.from_dict(data, str(path))

    @staticmethod
    def from_dict(data: object, where: str) -> LatencyProfile:
        """Return the profile in plain data.

        Args:
            data: content of a profile file.
            where: name of the data, the beginning of error messages.

        Raises:
            LatencyError: a key is missing, or a value has the wrong type or is not allowed.
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
                    f"{where}: {key} = {data.get(key)!r} is not allowed; {_KIND_NAMES[kind]}"
                )
        _check_numbers(data, where)
        _check_anchors_and_optional_keys(data, where)
        return LatencyProfile(
            name=data["name"],
            predictor=_predictor(data["model"], f"{where}: model"),
            runtime=data["runtime"],
            device=data["device"],
            source=data["source"],
            dtype=data["dtype"],
            batch_size=data["batch_size"],
            num_classes=data["num_classes"],
            reference_ms=data.get("probe_ms"),
            base_profile=data.get("donor"),
            quality=data["quality"],
            anchors=tuple(data["anchors"]),
            method=data["method"],
            created=data.get("created", ""),
        )


_KINDS: dict[str, type] = {
    **dict.fromkeys(("name", "source", "dtype"), str),
    **dict.fromkeys(("batch_size", "num_classes"), int),
    **dict.fromkeys(("runtime", "device", "quality", "method", "model"), dict),
    "anchors": list,
}
_NAME_CHARACTERS = set(string.ascii_letters + string.digits + "._-")
_KIND_NAMES = {str: "a text", int: "an integer", dict: "a mapping", list: "a list"}


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
    if not data["name"] or not set(data["name"]) <= _NAME_CHARACTERS:
        raise LatencyError(
            f"{where}: name = {data['name']!r} is not allowed; letters, digits, '.', '_' and '-'"
        )


def _check_anchors_and_optional_keys(data: Mapping[str, Any], where: str) -> None:
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


def _predictor(model: Mapping[str, Any], where: str) -> Predictor:
    """Return the latency model in plain data, checked."""
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
    """Return the kernel classes and their terms after checking their names."""
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
