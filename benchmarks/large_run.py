"""What a search of very many candidates takes: seconds, memory and disk, and the commands that go on with it and look at it.

The objectives are known, so nothing is evaluated and what is left is the engine: proposing,
repairing, decoding, keeping. Each step is a process of its own, started as a user would, with one
thread. The time per candidate is the processor's, between one size and the next, so that neither
starting nor other programs count; where every further candidate takes as long as those before it,
the ratio of late to early is 1. The steps that have to be quick are timed by the clock, with all
that a process needs to start.

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
_GO_ON = (
    "import sys; from pathlib import Path; from mvt_nas.nas.api import resume_folder;"
    " resume_folder(Path(sys.argv[1]), trials={})"
)


@dataclass(frozen=True, slots=True)
class Took:
    """What a process took.

    Attributes:
        wall_s: from its start to its end.
        processor_s: of all its threads.
        peak_mb: the most memory that it held.
    """

    wall_s: float
    processor_s: float
    peak_mb: float


@dataclass(frozen=True, slots=True)
class Size:
    """What was measured of a run.

    Attributes:
        candidates: in it.
        search: made it.
        file_mb: that its candidates take on the disk.
        steps: what going on and looking took, by name.
    """

    candidates: int
    search: Took
    file_mb: float
    steps: dict[str, Took]


def took(arguments: Sequence[str]) -> Took:
    """Return what a Python process with these arguments took.

    Raises:
        RuntimeError: it failed.
    """
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with tempfile.TemporaryFile() as said:
        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *arguments], stdout=said, stderr=said, env=environment
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise RuntimeError(
                f"{arguments} ended with {process.returncode}:"
                f" {said.read()[-2000:].decode(errors='replace')}"
            )
    return Took(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * _MAXRSS_BYTES / 1e6)


def measure(sampler: str, candidates: int, folder: Path) -> Size:
    """Return what a run of so many candidates took and takes, made in a folder that is not there yet."""
    objectives = [part for name in OBJECTIVES for part in ("--objective", name)]
    many = ["--trials", str(candidates), "--sampler", sampler, "--out", str(folder)]
    search = took(["-m", "mvt_nas", "search", "mobilevit", *objectives, *many])
    size_mb = (folder / "candidates.jsonl").stat().st_size / 1e6
    looks = {
        verb: took(["-m", "mvt_nas", verb, str(folder)]) for verb in ("pareto", "plot", "report")
    }
    return Size(
        candidates,
        search,
        size_mb,
        looks | {"resume": took(["-c", _GO_ON.format(candidates + BATCH), str(folder)])},
    )


def run(sizes: Sequence[int] = SIZES, samplers: Sequence[str] = SAMPLERS) -> list[Figure]:
    """Return the figures of runs of some sizes, which rise."""
    figures: list[Figure] = []
    for sampler in samplers:
        with tempfile.TemporaryDirectory() as folder:
            measured = [measure(sampler, size, Path(folder) / str(size)) for size in sizes]
        figures += [one for size in measured for one in _of_size(sampler, size)]
        figures += _growth(sampler, measured)
    return figures


def run_part(sampler: str) -> list[Figure]:
    """Return the figures of one sampler, whose name they begin with.

    Raises:
        ValueError: it is none of those that are measured.
    """
    if sampler not in SAMPLERS:
        raise ValueError(f"unknown sampler {sampler!r} (known: {', '.join(SAMPLERS)})")
    return run(samplers=[sampler])


def _of_size(sampler: str, size: Size) -> list[Figure]:
    name, search = f"{sampler}, {size.candidates:,} candidates", size.search
    note = f"{search.processor_s:.1f} s of the processor, with starting, tables and pictures"
    steps = {
        "resume": "opened, the study rebuilt, one more batch",
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
                f"{said}; {_more(size.steps[step])}",
            )
            for step, said in steps.items()
        ),
    ]


def _more(step: Took) -> str:
    return f"{step.processor_s:.1f} s of the processor, {step.peak_mb:.0f} MB"


def _growth(sampler: str, sizes: Sequence[Size]) -> list[Figure]:
    """Return what one more candidate takes between each size and the next, and by how much that grows."""
    figures, each_ms = [], []
    for small, large in pairwise(sizes):
        more = large.candidates - small.candidates
        each_ms.append(1e3 * (large.search.processor_s - small.search.processor_s) / more)
        memory_kb = 1e3 * (large.search.peak_mb - small.search.peak_mb) / more
        span = f"{sampler}, from {small.candidates:,} to {large.candidates:,}"
        figures.append(figure(f"{span}, one candidate", each_ms[-1:], "ms", "of the processor"))
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
