"""``python -m benchmarks [NAME...]``: run all benchmarks or those named.

Prints a table of each and writes ``results/benchmarks/NAME.json``: the figures and the environment.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import pkgutil
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks._figures import Figure, environment

FOLDER = Path(__file__).resolve().parents[1] / "results" / "benchmarks"


def names() -> list[str]:
    """Return the names of all benchmarks."""
    modules = pkgutil.iter_modules([str(Path(__file__).parent)])
    return sorted(module.name for module in modules if not module.name.startswith("_"))


def main(arguments: list[str]) -> int:
    """Run the named benchmarks; return the exit status: 2 where a name is wrong."""
    unknown = [name for name in arguments if name not in names()]
    if unknown:
        print(f"unknown benchmark {unknown[0]!r} (known: {', '.join(names())})", file=sys.stderr)
        return 2
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in arguments or names():
        start = time.perf_counter()
        figures: list[Figure] = importlib.import_module(f"benchmarks.{name}").run()
        _print(name, figures)
        _write(name, figures, time.perf_counter() - start)
    return 0


def _write(name: str, figures: list[Figure], seconds: float) -> None:
    content = {
        "benchmark": name,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
        "environment": environment(),
        "figures": [dataclasses.asdict(figure) for figure in figures],
    }
    (FOLDER / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _print(name: str, figures: list[Figure]) -> None:
    width = max(len(figure.name) for figure in figures)
    print(f"\n{name}")
    for figure in figures:
        spread = f"{figure.low:.4g} to {figure.high:.4g}, {figure.repeats} repeats"
        print(f"  {figure.name:{width}}  {figure.value:>12,.5g} {figure.unit:16} ({spread})  {figure.note}".rstrip())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
