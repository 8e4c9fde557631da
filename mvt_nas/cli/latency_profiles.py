"""``mvt-nas latency profile|suite|fit``: latency models of devices, from measurements."""

from __future__ import annotations

from pathlib import Path

import click

from mvt_nas.cli.latency_options import (
    BATCH_SIZE,
    COMMAND,
    DTYPE,
    MINUTES,
    RUNTIME,
    SEED,
    SPACE,
    THREADS,
    TIMEOUT,
    runtime_name,
)
from mvt_nas.cli.profile_output import format_quality, round_progress
from mvt_nas.cli.render import print_json
from mvt_nas.latency.calibration.latency_csv import read_measurements
from mvt_nas.latency.latency_profile import LatencyProfile
from mvt_nas.latency.profile_lookup import user_folder
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
    with round_progress() as listener:
        profile = calibrate(plan, path, restart=restart, listener=listener)
    if as_json:
        print_json(
            {"profile": str(path), "metric": profile.metric, "quality": dict(profile.quality)}
        )
        return
    click.echo(format_quality(profile.quality))
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
    click.echo(format_quality(profile.quality))
    click.echo(f"base profile: {profile.method['fit']}")
    _print_usage(path, profile)


def _default_path(name: str) -> Path:
    return user_folder() / f"{name}.json"


def _print_usage(path: Path, profile: LatencyProfile) -> None:
    click.echo(
        f"wrote {path}; use it as --objective {profile.metric} or --budget '{profile.metric}<=15'"
    )


CREATING = (profile_command, suite_command, fit_command)
"""Commands that lead to a profile."""
