"""Many scores of one network at once, on the passes that they share."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from mvt_nas.errors import MvtNasError
from mvt_nas.proxies.base import PROXIES, Batch, Proxy, ProxyReading, Score
from mvt_nas.proxies.passes import Passes, shared

_LONGEST_REASON = 200


def score_all(
    network: nn.Module, batch: Batch, names: Iterable[str] | None = None
) -> dict[str, Score]:
    """Return the scores of a network by name, each the very number that it has alone.

    What goes wrong with one score becomes its status and leaves the others alone.

    Args:
        network: any module from images (B, C, H, W) to logits (B, classes); left as found.
        batch: what it runs on.
        names: of the scores, all by default.

    Raises:
        PluginError: there is no score of a name.
    """
    proxies = [
        PROXIES.get(name) for name in (PROXIES.names() if names is None else dict.fromkeys(names))
    ]
    passes = shared(network, batch, proxies)
    return {proxy.name: _score(proxy, passes) for proxy in proxies}


def score_one(name: str, network: nn.Module, batch: Batch) -> Score:
    """Return one score with its status.

    Raises:
        PluginError: there is no score of this name.
    """
    return score_all(network, batch, [name])[name]


def _score(proxy: Proxy, passes: Passes) -> Score:
    try:
        if proxy.read is not None:
            return Score.of(proxy.read(passes))
        return Score.of(ProxyReading(float(proxy.score(passes.network, passes.batch))))
    except Exception as problem:  # a score may do anything, and so may a network
        return Score(float("nan"), _reason(problem))


def _reason(problem: Exception) -> str:
    first = (str(problem).strip().splitlines() or [""])[0]
    return (first if isinstance(problem, MvtNasError) else f"{type(problem).__name__}: {first}")[
        :_LONGEST_REASON
    ]
