"""``mvt-nas cache``: evaluations that are kept for later searches."""

from __future__ import annotations

import datetime

import click

from mvt_nas.cli.options import JSON
from mvt_nas.cli.render import print_json, print_table
from mvt_nas.nas.cache.maintenance import cache_contents, prune, remove
from mvt_nas.nas.cache.store import OFF, cache_path, wanted
from mvt_nas.report.formatting import format_number


@click.group("cache")
def cache_group() -> None:
    """Show and clear evaluations that are kept for later searches."""


@cache_group.command("info")
@JSON
def info_command(as_json: bool) -> None:
    """Show the number of kept evaluations by metric, and their file."""
    contents = cache_contents(cache_path())
    oldest = _format_time(contents.oldest)
    newest = _format_time(contents.newest)
    if as_json:
        print_json(
            {
                "path": str(contents.path),
                "used": wanted(),
                "entries": contents.entries,
                "by_metric": dict(contents.by_metric),
                "bytes": contents.size_bytes,
                "oldest": oldest,
                "newest": newest,
            }
        )
        return
    if contents.entries:
        print_table(
            ["metric", "evaluations"],
            [[name, str(count)] for name, count in contents.by_metric.items()],
        )
        size = format_number(contents.size_bytes, "B")
        click.echo(f"\n{contents.entries} evaluations, {size}, made from {oldest} to {newest}")
    else:
        click.echo("no evaluations are kept")
    click.echo(contents.path)
    if not wanted():
        click.echo(f"searches do not use it: {OFF} is set")


@cache_group.command("prune")
@click.option(
    "--older-than",
    type=click.FloatRange(min=0),
    metavar="DAYS",
    help="Remove evaluations that are older than this many days.",
)
@click.option("--metric", metavar="NAME", help="Remove evaluations of this metric only.")
@click.option(
    "--all", "everything", is_flag=True, help="Remove the whole file, even if it cannot be read."
)
def prune_command(older_than: float | None, metric: str | None, everything: bool) -> None:
    """Remove evaluations; later searches take longer, with the same results."""
    if everything == (older_than is not None or metric is not None):
        raise click.UsageError(
            "say what to remove: --older-than DAYS, --metric NAME or both, or --all alone"
        )
    if everything:
        remove(cache_path())
        click.echo("all evaluations are removed")
    else:
        removed = prune(cache_path(), older_than_days=older_than, metric=metric)
        click.echo(f"{removed} evaluations are removed")


def _format_time(seconds: float | None) -> str | None:
    """Return the local date and time of a Unix time."""
    if seconds is None:
        return None
    return datetime.datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")
