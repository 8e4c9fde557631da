"""The contracts for plug-ins, run on every entry that ships; and that they notice what is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from mvt_nas.blocks.base import LOWERINGS
from mvt_nas.blocks.mobilevit.config import MobileViT
from mvt_nas.export.base import TARGETS
from mvt_nas.latency.runtime import RUNTIMES
from mvt_nas.nas.samplers.base import SAMPLERS
from mvt_nas.proxies.base import PROXIES, Proxy
from mvt_nas.testing import (
    BlockContract,
    ExportTargetContract,
    ProxyContract,
    RunnerContract,
    RuntimeContract,
    SamplerContract,
)
from tests.support.ray_nodes import RayNodes, connected

SLOW = {"gp"}
"""Entries that fit something large."""
COMPILED = {"torch_compile", "litert", "executorch", "coreml"}
"""Entries that compile for half a minute."""


def contracts(contract: type, names: Iterable[str], **attributes: Any) -> dict[str, type]:
    """Return a test class for each name of a registry."""
    found = {}
    for name in names:
        title = f"Test{contract.__name__}_{name}"
        tests = type(title, (contract,), {"name": name, **attributes})
        if name in COMPILED:
            tests = pytest.mark.soak(tests)
        found[title] = pytest.mark.slow(tests) if name in SLOW else tests
    return found


class TestMobileViT(BlockContract):
    name = "mobilevit"
    block = MobileViT(attention="multi_head", dim=16, ffn_dim=32, transformer_depth=2)


class TestSeparableMobileViT(BlockContract):
    name = "mobilevit"
    block = MobileViT(attention="separable", dim=16, ffn_dim=32, transformer_depth=1)


globals().update(contracts(ProxyContract, PROXIES.names()))
globals().update(contracts(RuntimeContract, (name for name in RUNTIMES if name != "command")))
globals().update(contracts(ExportTargetContract, TARGETS.names()))
globals().update(contracts(SamplerContract, SAMPLERS.names()))


class TestCommand(RuntimeContract):
    name = "command"
    command = "test -f {model} && echo 1.5"


@pytest.fixture
def _ray(ray_nodes: RayNodes) -> Iterator[None]:
    with connected(ray_nodes):
        yield


@pytest.mark.slow
@pytest.mark.usefixtures("_ray")
class TestRay(RunnerContract):
    name = "ray"


@pytest.mark.usefixtures("forked_workers")
class TestLocal(RunnerContract):
    name = "local"


def checks(contract: object) -> list[str]:
    return [name for name in dir(contract) if name.startswith("test_")]


def test_a_proxy_that_changes_the_network_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def score(network: torch.nn.Module, batch: object) -> float:
        with torch.no_grad():
            next(network.parameters()).add_(1)
        return 1.0

    entry = Proxy("bad", score, "max", "none", "nobody", False, 0.0)
    monkeypatch.setitem(PROXIES._entries, "bad", entry)

    class Bad(ProxyContract):
        name = "bad"

    with pytest.raises(AssertionError):
        Bad().test_it_leaves_the_network_and_the_random_state_as_they_were()
    Bad().test_the_same_seed_gives_the_same_score()


def test_a_sampler_without_a_seed_is_noticed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from optuna.samplers import RandomSampler

    monkeypatch.setitem(SAMPLERS._entries, "unseeded", lambda context: RandomSampler())

    class Unseeded(SamplerContract):
        name = "unseeded"

    with pytest.raises(AssertionError):
        Unseeded().test_the_same_seed_gives_the_same_candidates(tmp_path)


def test_every_block_is_under_contract() -> None:
    tested = [value for value in globals().values() if isinstance(value, type)]
    blocks = {
        one.name for one in tested if issubclass(one, BlockContract) and one is not BlockContract
    }
    assert blocks == set(LOWERINGS.names())


def test_every_contract_has_checks() -> None:
    for contract in (BlockContract, ProxyContract, RuntimeContract, ExportTargetContract):
        assert len(checks(contract)) >= 3
