"""Latencies of whole networks in a CSV file, as measured by hand on a device.

The columns are ``network`` (a published model's name, or an architecture file next to the CSV
file), ``ms``, and optionally ``resolution_px``. Lines that begin with ``#`` are comments.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mvt_nas._io import read_text
from mvt_nas.errors import ArchitectureError, LatencyError, MvtNasError, listing
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.published import published_names, zoo

REQUIRED = ("network", "ms")
COLUMNS = ("network", "resolution_px", "ms")


@dataclass(frozen=True, slots=True)
class LatencyRow:
    """A network's latency on some device.

    Attributes:
        network: Name of the network in the file.
        architecture: The network, at the measured resolution.
        ms: Latency of one inference, in milliseconds.
    """

    network: str
    architecture: Architecture
    ms: float


def read_measurements(path: Path) -> list[LatencyRow]:
    """Return the measurements in a file, without lines that have no latency.

    Raises:
        LatencyError: the file cannot be read, a column is missing, or a network or a latency is not
            allowed.
    """
    lines = read_text(path, error=LatencyError).splitlines()
    rows = [
        (f"{path}:{number}", _cells(line, f"{path}:{number}"))
        for number, line in _with_content(lines)
    ]
    header = rows[0][1] if rows else []
    missing = [name for name in REQUIRED if name not in header]
    if missing:
        raise LatencyError(
            f"{path}: column {missing[0]!r} is missing (columns: {listing(header) or 'none'})"
        )
    found: dict[str, LatencyRow] = {}
    for where, cells in rows[1:]:
        if len(cells) != len(header):
            raise LatencyError(f"{where}: has not as many columns as the header")
        row = dict(zip(header, cells, strict=True))
        if row["ms"]:
            measurement = _measurement(row, path, where)
            key = measurement.architecture.key
            if key in found:
                raise LatencyError(f"{where}: the network {measurement.network} is there twice")
            found[key] = measurement
    return list(found.values())


def template(networks: Sequence[tuple[str, int]]) -> str:
    """Return the content of a CSV file to fill in, its column of latencies empty.

    Args:
        networks: name and resolution of each network, in pixels.
    """
    lines = [
        "# Milliseconds of one inference of each network: the median or a low quantile of many"
        " calls, after warming up.",
        ",".join(COLUMNS),
        *(f"{name},{resolution}," for name, resolution in networks),
    ]
    return "\n".join(lines) + "\n"


def _with_content(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield the number and the text of each line that is neither blank nor a comment."""
    for number, line in enumerate(lines, start=1):
        if line.strip() and not line.startswith("#"):
            yield number, line


def _cells(line: str, where: str) -> list[str]:
    try:
        (cells,) = csv.reader([line], skipinitialspace=True, strict=True)
    except csv.Error as error:
        raise LatencyError(f"{where}: is no line of a CSV file ({error})") from None
    return cells


def _measurement(row: dict[str, str], path: Path, where: str) -> LatencyRow:
    architecture = _architecture(row["network"].strip(), path, where)
    text = (row.get("resolution_px") or "").strip()
    if text:
        try:
            architecture = replace(architecture, resolution_px=int(text))
        except (ValueError, ArchitectureError):
            raise LatencyError(
                f"{where}: resolution_px = {text!r} is not allowed; a number of pixels"
            ) from None
    return LatencyRow(row["network"].strip(), architecture, _milliseconds(row["ms"].strip(), where))


def _milliseconds(text: str, where: str) -> float:
    try:
        ms = float(text)
    except ValueError:
        ms = math.nan
    if not 0 < ms < math.inf:
        raise LatencyError(f"{where}: ms = {text!r} is not allowed; milliseconds above 0")
    return ms


def _architecture(name: str, path: Path, where: str) -> Architecture:
    if name in published_names():
        return zoo(name)
    file = path.parent / name
    if not file.is_file():
        raise LatencyError(
            f"{where}: network = {name!r} is neither a published model nor a file next to"
            f" {path.name}"
        )
    try:
        return Architecture.load(file)
    except MvtNasError as error:
        raise LatencyError(f"{where}: {error}") from None
