"""``mvt-nas latency profile|suite|fit|evaluate|devices``: latency models of devices."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from mvt_nas.cli.latency_options import (
    BATCH_SIZE,
    COMMAND,
    DTYPE,
    JSON,
    MINUTES,
    RUNTIME,
    SEED,
    SPACE,
    THREADS,
    TIMEOUT,
    runtime_name,
)
from mvt_nas.cli.render import print_json, print_table
from mvt_nas.latency.calibration.evaluate import evaluate_profile
from mvt_nas.latency.calibration.latency_csv import read_measurements
from mvt_nas.latency.latency_profile import LatencyProfile
from mvt_nas.latency.profile_lookup import (
    default_profile_name,
    load_profile,
    profile_files,
    user_folder,
)
from mvt_nas.latency.runtime import RUNTIMES
from mvt_nas.latency.timing.settings import TimingSettings
from mvt_nas.space.search_space import load_space

_FILE = click.Path(path_type=Path, dir_okay=False)
_OUT = click.option(
    "--out",
    type=_FILE,
    metavar="FILE",
    help="File to write.  [default: NAME.json in your folder of devices]",
)
_QUALITY_JSON = click.option("--json", "as_json", is_flag=True, help="Print the quality as JSON.")


@click.command("profile")
@click.option(
    "--name",
    required=True,
    metavar="NAME",
    help="Name in objectives and budgets: latency_ms@NAME.",
)
@RUNTIME
@THREADS
@DTYPE
@BATCH_SIZE
@MINUTES
@SPACE
@click.option(
    "--fit",
    "to_fit",
    type=int,
    default=36,
    show_default=True,
    metavar="N",
    help="Networks to fit the model to.",
)
@click.option(
    "--test-networks",
    "--judge",
    "to_test",
    type=int,
    default=15,
    show_default=True,
    metavar="N",
    help="Held-out networks to evaluate the model on.",
)
@SEED
@COMMAND
@TIMEOUT
@_OUT
@click.option("--restart", is_flag=True, help="Discard the measurements of an interrupted run.")
@_QUALITY_JSON
def profile_command(
    name: str,
    runtime: str | None,
    threads: int,
    dtype: str,
    batch_size: int,
    minutes: float,
    space: str,
    to_fit: int,
    to_test: int,
    seed: int,
    command: str | None,
    timeout: float,
    out: Path | None,
    restart: bool,
    as_json: bool,
) -> None:
    """Create the profile of this machine, or of the device behind a command.

    Measures networks spread over the space, fits the latency model, and evaluates it on other
    networks. If it is interrupted, the same command resumes it.
    """
    from mvt_nas.latency.calibration.calibrate import CalibrationPlan, calibrate

    settings = TimingSettings(
        runtime=runtime_name(runtime, command),
        threads=threads,
        dtype=dtype,
        batch_size=batch_size,
        command=command,
        timeout_s=timeout,
        seed=seed,
    )
    plan = CalibrationPlan(name, load_space(space), settings, minutes, to_fit, to_test)
    path = out or _default_path(name)
    with _progress() as listener:
        profile = calibrate(plan, path, restart=restart, listener=listener)
    if as_json:
        print_json(
            {"profile": str(path), "metric": profile.metric, "quality": dict(profile.quality)}
        )
        return
    click.echo(_format_quality(profile.quality))
    _print_usage(path, profile)


@click.command("suite")
@click.option(
    "--out",
    "folder",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder to write, which must not contain a suite.",
)
@click.option(
    "--networks",
    type=click.IntRange(4, 500),
    default=12,
    show_default=True,
    metavar="N",
    help="Number of networks.",
)
@SPACE
@BATCH_SIZE
@SEED
def suite_command(folder: Path, networks: int, space: str, batch_size: int, seed: int) -> None:
    """Write networks to measure on a device without Python, and a CSV file to fill in."""
    from mvt_nas.latency.calibration.offline_suite import write_suite

    formats = ("onnx", "litert") if RUNTIMES.get("litert").trouble() is None else ("onnx",)
    path = write_suite(
        load_space(space),
        folder,
        networks=networks,
        batch_size=batch_size,
        seed=seed,
        formats=formats,
        listener=lambda name: click.echo(name, err=True),
    )
    click.echo(
        f"wrote {networks} networks ({', '.join(formats)}); fill in {path}, then: mvt-nas latency"
        f" fit NAME {path}"
    )


@click.command("fit")
@click.argument("name")
@click.argument("measurements", metavar="MEASUREMENTS.csv", type=_FILE)
@click.option(
    "--base-profile",
    "--donor",
    "base_profile",
    metavar="PROFILE",
    help=(
        "Profile whose relative kernel costs serve as the prior, or 'roofline'.  [default: the one"
        " that fits best]"
    ),
)
@click.option(
    "--penalty",
    type=float,
    metavar="P",
    help=(
        "Penalty on differences between the factors of the base profile.  [default: by"
        " cross-validation]"
    ),
)
@click.option(
    "--device", metavar="TEXT", help="Description of the measured device.  [default: NAME]"
)
@click.option("--runtime", default="unknown", metavar="TEXT", help="Name of the runtime.")
@click.option(
    "--source",
    default="measured by hand",
    show_default=True,
    metavar="TEXT",
    help="Origin of the latencies.",
)
@click.option(
    "--threads",
    type=click.IntRange(1, 4096),
    metavar="N",
    help="Threads of one inference, if known.",
)
@click.option("--dtype", default="fp32", show_default=True, metavar="TEXT", help="Data type.")
@BATCH_SIZE
@_OUT
@_QUALITY_JSON
def fit_command(
    name: str,
    measurements: Path,
    base_profile: str | None,
    penalty: float | None,
    device: str | None,
    runtime: str,
    source: str,
    threads: int | None,
    dtype: str,
    batch_size: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Create a profile from the times of whole networks, ten or more."""
    from mvt_nas.latency.calibration.fit_from_times import TimesOrigin, profile_from_times

    origin = TimesOrigin(name, device or name, runtime, source, threads, dtype, batch_size)
    profile = profile_from_times(
        read_measurements(measurements), origin, base_profile=base_profile, penalty=penalty
    )
    path = out or _default_path(name)
    profile.write(path)
    if as_json:
        print_json(
            {
                "profile": str(path),
                "metric": profile.metric,
                "donor": profile.base_profile,
                "quality": dict(profile.quality),
            }
        )
        return
    click.echo(_format_quality(profile.quality))
    click.echo(f"base profile: {profile.method['fit']}")
    _print_usage(path, profile)


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
    with _progress() as listener:
        evaluation = evaluate_profile(
            profile, load_space(space), n=n, seed=seed, minutes=minutes, listener=listener
        )
    if as_json:
        print_json({"profile": profile.name, "seed": seed, "random": n} | evaluation.to_dict())
        return
    scaled = evaluation.after_scale | {"noise_floor": evaluation.noise_floor}
    click.echo(
        f"with the factor {evaluation.scale:.3f} of this machine's speed now:"
        f" {_format_quality(scaled)}"
    )
    click.echo(f"without it: {_format_quality(evaluation.before_scale)}")
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


def _default_path(name: str) -> Path:
    return user_folder() / f"{name}.json"


def _print_usage(path: Path, profile: LatencyProfile) -> None:
    click.echo(
        f"wrote {path}; use it as --objective {profile.metric} or --budget '{profile.metric}<=15'"
    )


def _format_percent(share: Any, digits: int) -> str:
    """Return a share as a percentage; ``?`` if a profile written by hand lacks it."""
    return f"{100 * share:.{digits}f} %" if isinstance(share, int | float) else "?"


def _format_quality(quality: Mapping[str, Any]) -> str:
    """Return error statistics as one line."""
    parts = [
        f"mean error {100 * quality['mape']:.1f} %",
        f"{100 * quality['within5']:.0f} % within ±5 %",
        f"{100 * quality['within10']:.0f} % within ±10 %",
        f"Spearman {quality['spearman']:.3f}",
        f"Kendall {quality['kendall']:.3f}",
    ]
    if "noise_floor" in quality:
        parts.append(f"measurements repeat to {100 * quality['noise_floor']:.1f} %")
    return f"{', '.join(parts)} ({quality['n']} networks)"


@contextmanager
def _progress() -> Iterator[Callable[[int, int, str], None]]:
    """Yield a listener that prints progress: a bar on a terminal, lines elsewhere."""
    if not sys.stderr.isatty():
        yield lambda done, total, what: click.echo(f"{done}/{total} rounds measured", err=True)
        return
    with tqdm(unit="round", dynamic_ncols=True, file=sys.stderr) as bar:

        def listener(done: int, total: int, what: str) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield listener


COMMANDS = (profile_command, suite_command, fit_command, evaluate_command, devices_command)
