"""``mvt-nas report``: what a run found, to read and to take along."""

from __future__ import annotations

from pathlib import Path

import click

from mvt_nas.cli.paths import FILE, FOLDER

_FORMATS = {".md": "md", ".csv": "csv", ".parquet": "parquet", ".png": "png", ".svg": "svg", ".pdf": "pdf"}


@click.command("report")
@click.argument("run", type=FOLDER)
@click.option("--out", type=FILE, metavar="FILE", help="File to write; its suffix says the format.  [default: RUN/report.md]")
@click.option("--format", "kind", metavar="FORMAT", help="md, csv, parquet, png, svg or pdf.  [default: by --out]")
def report_command(run: Path, out: Path | None, kind: str | None) -> None:
    """Write what RUN found.

    md is a page: what to choose and why, the front, which published models it dominates and by how much, what the front agrees on, what
    matters, how the front grew against chance, failures, provenance. csv and parquet hold all candidates; png, svg and pdf the picture.
    """
    from mvt_nas.engine.run import Run
    from mvt_nas.errors import RunError, listing

    if kind is not None and kind not in _FORMATS.values():
        raise RunError(f"--format {kind} is not allowed; one of {listing(_FORMATS.values())}")
    path = out or run / f"report.{kind or 'md'}"
    kind = kind or _FORMATS.get(path.suffix)
    if kind is None:
        raise RunError(f"--out {path}: no format has the suffix {path.suffix!r}; one of {listing(_FORMATS)}, or --format")
    _write(Run.load(run), path, kind)
    click.echo(path)


def _write(run: object, path: Path, kind: str) -> None:
    from mvt_nas.engine.run import Run
    from mvt_nas.errors import RunError

    assert isinstance(run, Run)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if kind == "md":
            from mvt_nas.report.markdown import report

            path.write_text(report(run), encoding="utf-8")
        elif kind in ("csv", "parquet"):
            from mvt_nas.report.tables import write_candidates

            write_candidates(run, path, kind)
        else:
            from mvt_nas.report.plot import draw

            draw(run, path)
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({error.strerror or error})") from None
