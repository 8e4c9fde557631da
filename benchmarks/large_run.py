"""Time, memory and disk space of very large searches, and of the commands that read them.

The objectives are known, so nothing is evaluated, and what is left is the search itself: proposing,
repairing, decoding and storing. Each step is a separate process, started as a user would start it,
with one thread. The time per candidate is the increase of CPU time from one size to the next, so
that neither start-up nor other programs count; if all candidates take the same time, the ratio of
late to early is 1. The steps that have to be quick are given as wall time, start-up included.

``python -m benchmarks large_run:mvt`` measures one sampler only.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from benchmarks._figures import Figure, figure

SAMPLERS = ("random", "nsga2", "mvt")
SIZES = (1_000, 10_000, 100_000)
OBJECTIVES = ("accuracy", "macs", "params")
BATCH = 16
_MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024
_RESUME = (
    "import sys; from pathlib import Path; from mvt_nas.nas.api import resume_folder;"
    " resume_folder(Path(sys.argv[1]), trials={})"
)


@dataclass(frozen=True, slots=True)
class Took:
    """Resources that a process took.

    Attributes:
        wall_s: Wall time from its start to its end, in seconds.
        processor_s: CPU time of all its threads, in seconds.
        peak_mb: Its peak memory, in megabytes.
    """

    wall_s: float
    processor_s: float
    peak_mb: float


@dataclass(frozen=True, slots=True)
class Size:
    """Measurements of a run of one size.

    Attributes:
        candidates: Number of candidates in the run.
        search: Resources of the search.
        file_mb: Size of ``candidates.jsonl``, in megabytes.
        steps: Resources of resuming the run and of the commands that read it, by name.
    """

    candidates: int
    search: Took
    file_mb: float
    steps: dict[str, Took]


def took(arguments: Sequence[str]) -> Took:
    """Run a Python process, and return the resources that it took.

    Args:
        arguments: Arguments of the Python interpreter.

    Raises:
        RuntimeError: The process failed.
    """
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *arguments], stdout=output, stderr=output, env=environment
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            raise RuntimeError(
                f"{arguments} exited with {process.returncode}:"
                f" {output.read()[-2000:].decode(errors='replace')}"
            )
    return Took(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * _MAXRSS_BYTES / 1e6)


def measure(sampler: str, candidates: int, folder: Path) -> Size:
    """Search a number of candidates into a new folder, and return the measurements of the run."""
    objectives = [part for name in OBJECTIVES for part in ("--objective", name)]
    options = ["--trials", str(candidates), "--sampler", sampler, "--out", str(folder)]
    search = took(["-m", "mvt_nas", "search", "mobilevit", *objectives, *options])
    size_mb = (folder / "candidates.jsonl").stat().st_size / 1e6
    # Resuming changes the run, so it is last.
    steps = {
        verb: took(["-m", "mvt_nas", verb, str(folder)]) for verb in ("pareto", "plot", "report")
    }
    steps["resume"] = took(["-c", _RESUME.format(candidates + BATCH), str(folder)])
    return Size(candidates, search, size_mb, steps)


def run(sizes: Sequence[int] = SIZES, samplers: Sequence[str] = SAMPLERS) -> list[Figure]:
    """Return the figures of runs, in ascending order of their sizes."""
    figures: list[Figure] = []
    for sampler in samplers:
        with tempfile.TemporaryDirectory() as folder:
            measured = [measure(sampler, size, Path(folder) / str(size)) for size in sizes]
        for size in measured:
            figures += _of_size(sampler, size)
        figures += _growth(sampler, measured)
    return figures


def run_part(sampler: str) -> list[Figure]:
    """Return the figures of one sampler; their names begin with its name.

    Raises:
        ValueError: The sampler is none of ``SAMPLERS``.
    """
    if sampler not in SAMPLERS:
        raise ValueError(f"unknown sampler {sampler!r} (known: {', '.join(SAMPLERS)})")
    return run(samplers=[sampler])


def _of_size(sampler: str, size: Size) -> list[Figure]:
    name = f"{sampler}, {size.candidates:,} candidates"
    search = size.search
    note = f"{search.processor_s:.1f} s of CPU time, with start-up, tables and plots"
    steps = {
        "resume": "run opened, study rebuilt, one more batch",
        "pareto": "mvt-nas pareto",
        "plot": "mvt-nas plot",
        "report": "mvt-nas report, HTML",
    }
    return [
        figure(f"{name}, the search", [search.wall_s], "s", note),
        figure(f"{name}, peak memory", [search.peak_mb], "MB"),
        figure(
            f"{name}, candidates.jsonl",
            [size.file_mb],
            "MB",
            f"{1e3 * size.file_mb / size.candidates:.2f} kB each",
        ),
        *(
            figure(
                f"{name}, {step}",
                [size.steps[step].wall_s],
                "s",
                f"{about}; {_resources(size.steps[step])}",
            )
            for step, about in steps.items()
        ),
    ]


def _resources(step: Took) -> str:
    return f"{step.processor_s:.1f} s of CPU time, {step.peak_mb:.0f} MB"


def _growth(sampler: str, sizes: Sequence[Size]) -> list[Figure]:
    """Return time and memory of one more candidate between sizes, and the growth of the time."""
    figures = []
    each_ms = []
    for small, large in pairwise(sizes):
        more = large.candidates - small.candidates
        each_ms.append(1e3 * (large.search.processor_s - small.search.processor_s) / more)
        memory_kb = 1e3 * (large.search.peak_mb - small.search.peak_mb) / more
        span = f"{sampler}, from {small.candidates:,} to {large.candidates:,}"
        figures.append(figure(f"{span}, one candidate", each_ms[-1:], "ms", "CPU time"))
        figures.append(figure(f"{span}, memory of one", [memory_kb], "kB"))
    if len(each_ms) > 1:
        figures.append(
            figure(
                f"{sampler}, one candidate late / early",
                [each_ms[-1] / each_ms[0]],
                "",
                "1 is linear",
            )
        )
    return figures
