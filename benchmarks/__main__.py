"""Command line of the benchmarks: ``python -m benchmarks [NAME[:PART]...]``.

Runs the named benchmarks, or all of them, or one part of a benchmark that has parts (large_run,
task_latency). Prints a table of each and writes ``results/benchmarks/NAME.json``: the figures and
the environment. A single part replaces its own figures in that file, whose names all begin with the
name of the part, and adds its date and environment under ``parts``.
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
    """Run the named benchmarks, and return the exit status: 2 if a name is unknown."""
    requested = [argument.partition(":") for argument in arguments or names()]
    unknown = [name for name, _, _ in requested if name not in names()]
    if unknown:
        print(f"unknown benchmark {unknown[0]!r} (known: {', '.join(names())})", file=sys.stderr)
        return 2
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, _, part in requested:
        module = importlib.import_module(f"benchmarks.{name}")
        if part and not hasattr(module, "run_part"):
            print(f"{name} has no parts", file=sys.stderr)
            return 2
        start = time.perf_counter()
        figures: list[Figure] = module.run_part(part) if part else module.run()
        _print(name, figures)
        _write(name, part, figures, time.perf_counter() - start)
    return 0


def _write(name: str, part: str, figures: list[Figure], seconds: float) -> None:
    path = FOLDER / f"{name}.json"
    about = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
        "environment": environment(),
    }
    new = [dataclasses.asdict(figure) for figure in figures]
    content = {"benchmark": name, **about, "figures": new}
    if part and path.exists():
        content = json.loads(path.read_text(encoding="utf-8"))
        others = [
            figure for figure in content["figures"] if not figure["name"].startswith(f"{part},")
        ]
        content["figures"] = others + new
        content["parts"] = content.get("parts", {}) | {part: about}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _print(name: str, figures: list[Figure]) -> None:
    width = max(len(figure.name) for figure in figures)
    print(f"\n{name}")
    for figure in figures:
        spread = f"{figure.low:.4g} to {figure.high:.4g}, {figure.repeats} repeats"
        print(
            f"  {figure.name:{width}}  {figure.value:>12,.5g} {figure.unit:16} ({spread}) "
            f" {figure.note}".rstrip()
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
