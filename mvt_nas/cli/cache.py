"""``mvt-nas cache``: evaluations that are kept for later searches."""

from __future__ import annotations

import datetime

import click

from mvt_nas.cli.render import format_number, print_json, print_table


@click.group("cache")
def cache_group() -> None:
    """See and clear the evaluations that are kept for later searches."""


@cache_group.command("info")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")
def info_command(as_json: bool) -> None:
    """Show how many evaluations are kept, of what, and where."""
    from mvt_nas.nas.cache.maintenance import cache_contents
    from mvt_nas.nas.cache.store import OFF, cache_path, wanted

    found = cache_contents(cache_path())
    oldest, newest = _day(found.oldest), _day(found.newest)
    if as_json:
        document = {
            "path": str(found.path),
            "used": wanted(),
            "entries": found.entries,
            "by_metric": dict(found.by_metric),
        }
        print_json(document | {"bytes": found.size_bytes, "oldest": oldest, "newest": newest})
        return
    if found.entries:
        print_table(
            ["metric", "evaluations"],
            [[name, str(count)] for name, count in found.by_metric.items()],
        )
        click.echo(
            f"\n{found.entries} evaluations, {format_number(found.size_bytes, 'B')}, made from"
            f" {oldest} to {newest}"
        )
    else:
        click.echo("no evaluations are kept")
    click.echo(found.path)
    if not wanted():
        click.echo(f"searches do not use it: {OFF} is set")


@cache_group.command("prune")
@click.option(
    "--older-than",
    type=click.FloatRange(min=0),
    metavar="DAYS",
    help="Only what was evaluated more than DAYS ago.",
)
@click.option("--metric", metavar="NAME", help="Only evaluations of this metric.")
@click.option(
    "--all", "everything", is_flag=True, help="The whole file, also one that cannot be read."
)
def prune_command(older_than: float | None, metric: str | None, everything: bool) -> None:
    """Remove evaluations; results do not change by it, searches take longer."""
    from mvt_nas.nas.cache.maintenance import prune, remove
    from mvt_nas.nas.cache.store import cache_path

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


def _day(seconds: float | None) -> str | None:
    """Return the local date and time of seconds since 1970."""
    return (
        None
        if seconds is None
        else datetime.datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")
    )
