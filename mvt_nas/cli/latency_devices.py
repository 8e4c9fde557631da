"""``mvt-nas latency evaluate|devices``: how good the latency models of devices are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mvt_nas.cli.latency_options import MINUTES, SEED, SPACE
from mvt_nas.cli.options import JSON
from mvt_nas.cli.profile_output import format_quality, round_progress
from mvt_nas.cli.render import print_json, print_table
from mvt_nas.latency.calibration.evaluate import evaluate_profile
from mvt_nas.latency.latency_profile import LatencyProfile
from mvt_nas.latency.profile_lookup import default_profile_name, load_profile, profile_files
from mvt_nas.space.search_space import load_space


@click.command("evaluate")
@click.argument("name", metavar="NAME|FILE.json", required=False)
@click.option(
    "--n",
    type=click.IntRange(4, 2000),
    default=40,
    show_default=True,
    metavar="N",
    help="Number of new random networks; the published ones are added.",
)
@SEED
@MINUTES
@SPACE
@JSON
def evaluate_command(
    name: str | None, n: int, seed: int, minutes: float, space: str, as_json: bool
) -> None:
    """Evaluate a profile on this machine, on networks that it was not fitted to."""
    profile = load_profile(name or default_profile_name())
    with round_progress() as listener:
        evaluation = evaluate_profile(
            profile, load_space(space), n=n, seed=seed, minutes=minutes, listener=listener
        )
    if as_json:
        print_json({"profile": profile.name, "seed": seed, "random": n} | evaluation.to_dict())
        return
    scaled = evaluation.after_scale | {"noise_floor": evaluation.noise_floor}
    click.echo(
        f"with the factor {evaluation.scale:.3f} of this machine's speed now:"
        f" {format_quality(scaled)}"
    )
    click.echo(f"without it: {format_quality(evaluation.before_scale)}")
    click.echo(
        f"{100 * evaluation.covered:.0f} % of the measurements are within the predictions' 90 %"
        " intervals"
    )
    if evaluation.holds:
        click.echo(f"{profile.name} holds here")
    else:
        click.echo(f"{profile.name} does not hold here: create one with mvt-nas latency profile")


@click.command("devices")
@JSON
def devices_command(as_json: bool) -> None:
    """List the profiles and their quality."""
    entries = [
        _device_entry(load_profile(name), path, is_default=name == default_profile_name())
        for name, path in profile_files().items()
    ]
    if as_json:
        print_json(entries)
        return
    header = [
        "device",
        "runtime",
        "threads",
        "dtype",
        "error",
        "within 10 %",
        "n",
        "evaluated on",
        "here",
    ]
    print_table(header, [_device_row(entry) for entry in entries], text_columns=4)


def _device_entry(profile: LatencyProfile, path: Path, *, is_default: bool) -> dict[str, Any]:
    return {
        "name": profile.name,
        "metric": profile.metric,
        "source": profile.source,
        "dtype": profile.dtype,
        "batch_size": profile.batch_size,
        "donor": profile.base_profile,
        "created": profile.created,
        "default": is_default,
        "here": profile.is_here(),
        "runtime": {key: profile.runtime.get(key) for key in ("name", "version", "threads")},
        "device": dict(profile.device),
        "quality": dict(profile.quality),
        "file": str(path),
    }


def _device_row(entry: dict[str, Any]) -> list[str]:
    quality = entry["quality"]
    runtime = entry["runtime"]
    return [
        f"{entry['name']}{' (default)' if entry['default'] else ''}",
        str(runtime["name"]),
        str(runtime["threads"] or "?"),
        entry["dtype"],
        _format_percent(quality.get("mape"), 1),
        _format_percent(quality.get("within10"), 0),
        str(quality.get("n", "?")),
        str(quality.get("split", "?")),
        "yes" if entry["here"] else "no",
    ]


def _format_percent(share: Any, digits: int) -> str:
    """Return a share as a percentage; ``?`` if a profile written by hand lacks it."""
    return f"{100 * share:.{digits}f} %" if isinstance(share, int | float) else "?"


INSPECTING = (evaluate_command, devices_command)
"""Commands that show the quality of profiles."""
