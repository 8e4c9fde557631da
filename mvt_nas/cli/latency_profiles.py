"""``mvt-nas latency profile|suite|fit|evaluate|devices``: latency models of devices."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from mvt_nas.cli.render import print_json, print_table

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("profile")
@click.option(
    "--name",
    required=True,
    metavar="NAME",
    help="What objectives and budgets will call it: latency_ms@NAME.",
)
@click.option(
    "--runtime",
    metavar="NAME",
    help="What runs the networks (see: mvt-nas latency runtimes).  [default: onnxruntime]",
)
@click.option(
    "--threads",
    type=click.IntRange(1, 4096),
    default=1,
    show_default=True,
    metavar="N",
    help="Threads of one inference.",
)
@click.option(
    "--dtype",
    default="fp32",
    show_default=True,
    metavar="fp32|int8",
    help="Data type; with int8, networks are quantised first.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    metavar="N",
    help="Images per inference.",
)
@click.option(
    "--minutes",
    type=float,
    default=8.0,
    show_default=True,
    metavar="M",
    help="For everything, about.",
)
@click.option(
    "--space",
    default="mobilevit",
    show_default=True,
    metavar="SPACE",
    help="From which the networks are taken.",
)
@click.option(
    "--fit",
    "to_fit",
    type=int,
    default=36,
    show_default=True,
    metavar="N",
    help="Networks that the model is fitted to.",
)
@click.option(
    "--judge",
    "to_judge",
    type=int,
    default=15,
    show_default=True,
    metavar="N",
    help="Other networks that it is judged by.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    metavar="S",
    help="Of the choice of networks.",
)
@click.option(
    "--command",
    metavar="'... {model}'",
    help="A shell command that runs the ONNX file {model} and prints milliseconds.",
)
@click.option(
    "--timeout",
    type=float,
    default=60.0,
    show_default=True,
    metavar="S",
    help="Seconds that one call of the command may take.",
)
@click.option(
    "--out",
    type=_FILE,
    metavar="FILE",
    help="Where to write it.  [default: NAME.json among your devices]",
)
@click.option(
    "--restart", is_flag=True, help="Forget what an interrupted calibration has measured."
)
@click.option(
    "--json", "as_json", is_flag=True, help="The quality as one JSON document instead of words."
)
def profile_command(
    name: str,
    runtime: str | None,
    threads: int,
    dtype: str,
    batch_size: int,
    minutes: float,
    space: str,
    to_fit: int,
    to_judge: int,
    seed: int,
    command: str | None,
    timeout: float,
    out: Path | None,
    restart: bool,
    as_json: bool,
) -> None:
    """Make the profile of this machine, or of what a command runs on.

    Measures networks spread over the space, fits the latency model, and judges it by networks that
    it was not fitted to. When it is interrupted, the same command goes on.
    """
    from mvt_nas.latency.calibration.calibrate import CalibrationPlan, calibrate
    from mvt_nas.latency.profile_lookup import user_folder
    from mvt_nas.latency.timing.settings import TimingSettings
    from mvt_nas.space.search_space import load_space

    settings = TimingSettings(
        runtime=runtime or ("command" if command is not None else "onnxruntime"),
        threads=threads,
        dtype=dtype,
        batch_size=batch_size,
        command=command,
        timeout_s=timeout,
        seed=seed,
    )
    plan = CalibrationPlan(name, load_space(space), settings, minutes, to_fit, to_judge)
    path = out or user_folder() / f"{name}.json"
    with _heats() as listener:
        profile = calibrate(plan, path, restart=restart, listener=listener)
    if as_json:
        print_json(
            {"profile": str(path), "metric": profile.metric, "quality": dict(profile.quality)}
        )
        return
    click.echo(_words(profile.quality))
    click.echo(
        f"wrote {path}; use it as --objective {profile.metric} or --budget '{profile.metric}<=15'"
    )


@click.command("suite")
@click.option(
    "--out",
    "folder",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="A new folder.",
)
@click.option(
    "--networks",
    type=click.IntRange(4, 500),
    default=12,
    show_default=True,
    metavar="N",
    help="How many.",
)
@click.option(
    "--space",
    default="mobilevit",
    show_default=True,
    metavar="SPACE",
    help="From which they are taken.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    metavar="N",
    help="Images per inference.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    metavar="S",
    help="Of the choice and the weights.",
)
def suite_command(folder: Path, networks: int, space: str, batch_size: int, seed: int) -> None:
    """Write networks to measure on a device without Python, and a CSV file to fill in."""
    from mvt_nas.latency.calibration.offline_suite import write_suite
    from mvt_nas.latency.runtime import RUNTIMES
    from mvt_nas.space.search_space import load_space

    formats = ("onnx", "litert") if RUNTIMES.get("litert").trouble() is None else ("onnx",)
    found = load_space(space)
    path = write_suite(
        found,
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
    "--donor",
    metavar="PROFILE",
    help="Whose proportions are kept, or roofline.  [default: what fits best]",
)
@click.option(
    "--penalty",
    type=float,
    metavar="P",
    help="How hard factors over the donor are drawn together.  [default: by cross-validation]",
)
@click.option("--device", metavar="TEXT", help="What the networks ran on.  [default: NAME]")
@click.option("--runtime", default="unknown", metavar="TEXT", help="What ran them.")
@click.option(
    "--source",
    default="measured by hand",
    show_default=True,
    metavar="TEXT",
    help="Where the figures come from.",
)
@click.option(
    "--threads",
    type=click.IntRange(1, 4096),
    metavar="N",
    help="Threads of one inference, where they are known.",
)
@click.option("--dtype", default="fp32", show_default=True, metavar="TEXT", help="Data type.")
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    metavar="N",
    help="Images per inference.",
)
@click.option(
    "--out",
    type=_FILE,
    metavar="FILE",
    help="Where to write it.  [default: NAME.json among your devices]",
)
@click.option(
    "--json", "as_json", is_flag=True, help="The quality as one JSON document instead of words."
)
def fit_command(
    name: str,
    measurements: Path,
    donor: str | None,
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
    """Make a profile from the times of whole networks, ten or more."""
    from mvt_nas.latency.calibration.fit_from_times import TimesOrigin, profile_from_times
    from mvt_nas.latency.calibration.latency_csv import read_measurements
    from mvt_nas.latency.profile_lookup import user_folder

    origin = TimesOrigin(name, device or name, runtime, source, threads, dtype, batch_size)
    profile = profile_from_times(
        read_measurements(measurements), origin, donor=donor, penalty=penalty
    )
    path = out or user_folder() / f"{name}.json"
    profile.write(path)
    if as_json:
        print_json(
            {
                "profile": str(path),
                "metric": profile.metric,
                "donor": profile.donor,
                "quality": dict(profile.quality),
            }
        )
        return
    click.echo(f"{_words(profile.quality)}\ndonor: {profile.method['fit']}")
    click.echo(
        f"wrote {path}; use it as --objective {profile.metric} or --budget '{profile.metric}<=15'"
    )


@click.command("evaluate")
@click.argument("name", metavar="NAME|FILE.json", required=False)
@click.option(
    "--n",
    type=click.IntRange(4, 2000),
    default=40,
    show_default=True,
    metavar="N",
    help="Fresh random networks; the published ones come on top.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    metavar="S",
    help="Of the draw.",
)
@click.option(
    "--minutes",
    type=float,
    default=8.0,
    show_default=True,
    metavar="M",
    help="For everything, about.",
)
@click.option(
    "--space",
    default="mobilevit",
    show_default=True,
    metavar="SPACE",
    help="From which the networks are drawn.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of words.")
def evaluate_command(
    name: str | None, n: int, seed: int, minutes: float, space: str, as_json: bool
) -> None:
    """Say whether a profile still holds on this machine, by networks that it has never seen."""
    from mvt_nas.latency.calibration.evaluate import evaluate_profile
    from mvt_nas.latency.profile_lookup import default_profile_name, load_profile
    from mvt_nas.space.search_space import load_space

    profile = load_profile(name or default_profile_name())
    with _heats() as listener:
        found = evaluate_profile(
            profile, load_space(space), n=n, seed=seed, minutes=minutes, listener=listener
        )
    if as_json:
        print_json({"profile": profile.name, "seed": seed, "random": n} | found.to_dict())
        return
    click.echo(
        f"with the factor {found.scale:.3f} of this machine's speed now:"
        f" {_words(found.after_scale | {'noise_floor': found.noise_floor})}"
    )
    click.echo(f"without it: {_words(found.before_scale)}")
    click.echo(
        f"{100 * found.covered:.0f} % of the measurements lie in the predictions' 90 % intervals"
    )
    click.echo(
        f"{profile.name}"
        f" {'holds here' if found.holds else 'does not hold here: make one with mvt-nas latency profile'}"
    )


@click.command("devices")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")
def devices_command(as_json: bool) -> None:
    """List the profiles, and how good each is."""
    from mvt_nas.latency.profile_lookup import default_profile_name, load_profile, profile_files

    entries = []
    for name, path in profile_files().items():
        profile = load_profile(name)
        runtime = {key: profile.runtime.get(key) for key in ("name", "version", "threads")}
        plain = {
            key: getattr(profile, key)
            for key in ("name", "metric", "source", "dtype", "batch_size", "donor", "created")
        }
        entries.append(
            {
                **plain,
                "default": name == default_profile_name(),
                "here": profile.is_here(),
                "runtime": runtime,
                "device": dict(profile.device),
            }
            | {"quality": dict(profile.quality), "file": str(path)}
        )
    if as_json:
        print_json(entries)
        return
    print_table(
        ["device", "runtime", "threads", "dtype", "error", "within 10 %", "n", "judged by", "here"],
        [_row(e) for e in entries],
        4,
    )


def _row(entry: dict[str, Any]) -> list[str]:
    quality, runtime = entry["quality"], entry["runtime"]
    name = f"{entry['name']}{' (default)' if entry['default'] else ''}"
    shares = [
        _percent(quality.get("mape"), 1),
        _percent(quality.get("within10"), 0),
        *(str(quality.get(key, "?")) for key in ("n", "split")),
    ]
    return [
        name,
        str(runtime["name"]),
        str(runtime["threads"] or "?"),
        entry["dtype"],
        *shares,
        "yes" if entry["here"] else "no",
    ]


def _percent(share: Any, digits: int) -> str:
    """Return a share in words; a profile that somebody wrote by hand need not say it."""
    return f"{100 * share:.{digits}f} %" if isinstance(share, int | float) else "?"


def _words(quality: Any) -> str:
    """Return figures of quality as one line."""
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
def _heats() -> Iterator[Callable[[int, int, str], None]]:
    """Yield a listener that shows how far a measurement is: a bar on a terminal, lines elsewhere."""
    if not sys.stderr.isatty():
        yield lambda done, total, what: click.echo(f"{done}/{total} heats measured", err=True)
        return
    from tqdm import tqdm

    with tqdm(unit="heat", dynamic_ncols=True, file=sys.stderr) as bar:

        def listener(done: int, total: int, what: str) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield listener


COMMANDS = (profile_command, suite_command, fit_command, evaluate_command, devices_command)
