"""The predicted latency of one network, as ``mvt-nas show`` prints it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from mvt_nas.space.architecture import Architecture
    from mvt_nas.tasks.contract import Task


def predicted_latencies(
    architecture: Architecture, devices: tuple[str, ...], num_classes: int, task: Task | None = None
) -> list[dict[str, Any]]:
    """Return the latency on each device as plain data; on the default one, where there is one, if none is named.

    Raises:
        LatencyError: there is no such device.
    """
    from mvt_nas.latency.profiles import default_profile_name, load_profile, profile_files

    default = default_profile_name()
    entries = []
    for name in devices or ((default,) if default in profile_files() else ()):
        profile = load_profile(name)
        found = profile.predictor.predict(architecture, batch_size=profile.batch_size, num_classes=num_classes, task=task)
        figures = {field: getattr(found, field) for field in ("ms", "low_ms", "high_ms", "outside")}
        entries.append({"device": profile.name, "batch_size": profile.batch_size} | figures | {"strange": list(found.strange)})
    return entries


def print_latencies(entries: list[dict[str, Any]]) -> None:
    """Print one line per device, and another where a prediction is an extrapolation."""
    for entry in entries:
        interval = f"90 % interval {entry['low_ms']:.4g} to {entry['high_ms']:.4g}"
        click.echo(f"predicted latency {entry['ms']:.4g} ms ({interval}) on {entry['device']}, batch {entry['batch_size']}")
        if entry["outside"] > 0:
            kinds = ", ".join(entry["strange"])
            share = f"{100 * entry['outside']:.0f}" if entry["outside"] >= 0.005 else "Less than 1"
            click.echo(f"  {share} % of that lies outside what was calibrated ({kinds}): the interval may not hold")
