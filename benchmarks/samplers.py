"""How much of the best front samplers find: the problems and searches of ``mvt-nas bench samplers``.

Figures are hypervolumes as shares of that of the best front, medians over seeds with the least and the most; of noisy problems those of
true values. What a proposal takes is the time of a search but for evaluations, which cost nothing here.
"""

from __future__ import annotations

from benchmarks._figures import Figure, figure
from mvt_nas.engine.bench.problem import PROBLEMS
from mvt_nas.engine.bench.runs import CHECKPOINTS, SAMPLERS, compared

SEEDS = 10
TRIALS = 400


def run() -> list[Figure]:
    """Return the share of each sampler on each problem after so many evaluations, and its seconds."""
    figures: list[Figure] = []
    for name in PROBLEMS.names():
        problem = PROBLEMS.get(name)()
        found = compared(problem, SAMPLERS, SEEDS, TRIALS, lambda sampler, seed, seconds: None)
        about = f"{problem.about}; best front of {problem.front_size} points"
        for sampler, searches in found.items():
            for trials in CHECKPOINTS:
                shares = [search.shares[trials] for search in searches]
                figures.append(figure(f"{name}, {sampler}, {trials} evaluations", shares, "of the best", about))
            seconds = [search.seconds / TRIALS for search in searches]
            figures.append(figure(f"{name}, {sampler}, one proposal", seconds, "s", f"mean over {TRIALS}"))
    return figures
