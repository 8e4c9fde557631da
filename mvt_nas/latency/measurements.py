"""Latencies of whole networks in a CSV file, as people bring them from a device: read strictly, line by line.

The columns are ``network`` (a published model's name, or an architecture file beside the CSV file), ``ms``, and optionally
``resolution_px``. Lines that begin with ``#`` say where the figures come from.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mvt_nas.errors import ArchitectureError, LatencyError, MvtNasError, listing
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.published import published_names, zoo

REQUIRED = ("network", "ms")
COLUMNS = ("network", "resolution_px", "ms")


@dataclass(frozen=True, slots=True)
class Measurement:
    """A network's latency on some device.

    Attributes:
        network: as the file calls it.
        architecture: at the resolution measured.
        ms: of one inference.
    """

    network: str
    architecture: Architecture
    ms: float


def read_measurements(path: Path) -> list[Measurement]:
    """Return the measurements in a file; lines without a figure are left out.

    Raises:
        LatencyError: the file, a column, a network or a figure is not allowed.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise LatencyError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or 'not UTF-8'})") from None
    numbered = [(number, line) for number, line in enumerate(lines, start=1) if line.strip() and not line.startswith("#")]
    rows = csv.DictReader([line for _, line in numbered], skipinitialspace=True)
    missing = [name for name in REQUIRED if name not in (rows.fieldnames or ())]
    if missing:
        raise LatencyError(f"{path}: column {missing[0]!r} is missing (columns: {listing(rows.fieldnames or ()) or 'none'})")
    found = [_measurement(row, path, f"{path}:{number}") for row, (number, _) in zip(rows, numbered[1:], strict=False) if row["ms"]]
    _check_repeats(found, path)
    return found


def template(networks: Sequence[tuple[str, int]]) -> str:
    """Return a CSV file with an empty column for figures, from names and resolutions."""
    head = "# Milliseconds of one inference of each network: the median or a low quantile of many calls, after warming up.\n"
    return head + "\n".join([",".join(COLUMNS), *(f"{name},{resolution}," for name, resolution in networks)]) + "\n"


def _measurement(row: dict[str, str], path: Path, where: str) -> Measurement:
    if None in row or None in row.values():
        raise LatencyError(f"{where}: has not as many columns as the header")
    architecture = _architecture(row["network"].strip(), path, where)
    text = (row.get("resolution_px") or "").strip()
    if text:
        try:
            architecture = replace(architecture, resolution_px=int(text))
        except (ValueError, ArchitectureError):
            raise LatencyError(f"{where}: resolution_px = {text!r} is not allowed; a number of pixels") from None
    return Measurement(row["network"].strip(), architecture, _milliseconds(row["ms"].strip(), where))


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
        raise LatencyError(f"{where}: network = {name!r} is neither a published model nor a file beside {path.name}")
    try:
        return Architecture.load(file)
    except MvtNasError as error:
        raise LatencyError(f"{where}: {error}") from None


def _check_repeats(found: Sequence[Measurement], path: Path) -> None:
    keys = [one.architecture.key for one in found]
    for one in found:
        if keys.count(one.architecture.key) > 1:
            raise LatencyError(f"{path}: the network {one.network} is there twice")
