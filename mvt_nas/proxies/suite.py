"""Many scores of one network at once, on shared passes."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from mvt_nas.errors import MvtNasError
from mvt_nas.proxies.base import PROXIES, Proxy
from mvt_nas.proxies.passes import Passes
from mvt_nas.proxies.types import Batch, Score

_LONGEST_REASON = 200


def score_all(
    network: nn.Module, batch: Batch, names: Iterable[str] | None = None
) -> dict[str, Score]:
    """Return the scores of a network by name, each exactly equal to the score computed alone.

    An exception in one score becomes its status and does not affect the others.

    Args:
        network: Any module from images (B, C, H, W) to logits (B, classes); left as found.
        batch: Batch that it runs on.
        names: Names of the proxies; all by default.

    Raises:
        PluginError: there is no proxy of a name.
    """
    chosen = PROXIES.names() if names is None else list(dict.fromkeys(names))
    proxies = [PROXIES.get(name) for name in chosen]
    passes = Passes(network, batch, (kind for proxy in proxies for kind in proxy.observers))
    return {proxy.name: _score(proxy, passes) for proxy in proxies}


def score_one(name: str, network: nn.Module, batch: Batch) -> Score:
    """Return one score with its status.

    Raises:
        PluginError: there is no proxy of this name.
    """
    return score_all(network, batch, [name])[name]


def _score(proxy: Proxy, passes: Passes) -> Score:
    try:
        return Score.of(proxy.read(passes))
    except Exception as problem:  # a proxy may raise anything, and so may a network
        return Score(float("nan"), _reason(problem))


def _reason(problem: Exception) -> str:
    """Return the first line of an exception's message, with its type unless it is one of ours."""
    first = (str(problem).strip().splitlines() or [""])[0]
    reason = first if isinstance(problem, MvtNasError) else f"{type(problem).__name__}: {first}"
    return reason[:_LONGEST_REASON]
