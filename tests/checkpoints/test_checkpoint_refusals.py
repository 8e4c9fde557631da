"""Refusal of unsuitable checkpoints: the message, and that nothing was copied."""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from mvt_nas.checkpoints import load_checkpoint
from mvt_nas.errors import CheckpointError
from mvt_nas.models.network import Network, build_model
from mvt_nas.space.published import zoo
from tests.support.checkpoints import SMALL, renamed, small

pytestmark = pytest.mark.slow


def refuse(source: Any, match: str, model: Network | None = None) -> None:
    model = small() if model is None else model
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(CheckpointError, match=match) as caught:
        load_checkpoint(model, source)
    assert "\n" not in str(caught.value)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_missing_name_is_named() -> None:
    state = dict(small(1).state_dict())
    del state["stages.1.block.tokens.norm.bias"]
    refuse(
        state,
        r"^state dict: names of mvt-nas, but 1 missing: stages\.1\.block\.tokens\.norm\.bias$",
    )


def test_missing_and_unexpected_names_are_counted() -> None:
    state = renamed(small(1), "transformers")
    for number in range(5):
        state[f"extra.{number}"] = torch.zeros(1)
    for part in ("query", "key"):
        del state[f"encoder.layer.1.transformer.layer.0.attention.attention.{part}.bias"]
    missing = r"2 missing: \S+query\.bias, \S+key\.bias"
    refuse(
        state,
        rf"names of transformers, but {missing}; 5 unexpected: extra\.0, extra\.1, extra\.2,"
        r" \.\.\.$",
    )


def test_two_names_for_the_classifier_are_one_too_many() -> None:
    state = renamed(small(1), "cvnets")
    state["classifier.1.weight"] = state["classifier.fc.weight"]
    refuse(state, r"names of cvnets, but 1 unexpected: classifier\.1\.weight$")


@pytest.mark.parametrize("mapping", ["cvnets", "transformers"])
def test_a_wrong_shape_is_named_with_the_right_one(mapping: str) -> None:
    state = renamed(build_model(SMALL, num_classes=4, seed=1), mapping)
    refuse(state, r"classifier\.weight needs classifier\S* of shape \(5, 24\), not \(4, 24\)$")


def test_a_wrong_shape_of_a_part_is_named() -> None:
    state = renamed(small(1), "transformers")
    name = "encoder.layer.1.transformer.layer.0.attention.attention.key.weight"
    state[name] = state[name][:6]
    refuse(
        state,
        r"attention\.qkv\.weight needs \S+\.attention\.key\.weight of shape \(12, 12\), not \(6,"
        r" 12\)$",
    )


def test_names_of_another_network_are_not_recognised() -> None:
    state = {f"blocks.{number}.weight": torch.zeros(1) for number in range(9)} | {
        "classifier.1.weight": torch.zeros(1)
    }
    names = (
        r"tried cvnets, mvt-nas, timm, transformers; unexpected: blocks\.0\.weight,"
        r" blocks\.1\.weight, blocks\.2\.weight, \.\.\.$"
    )
    refuse(state, rf"^state dict: names not recognised, {names}")


def test_key_mappings_without_names_for_the_architecture_are_listed() -> None:
    model = build_model(zoo("mobilevitv3_050"), num_classes=2, seed=0)
    state = {f"mobilevitv2.encoder.layer.{number}.weight": torch.zeros(1) for number in range(3)}
    refuse(
        state,
        r"\(timm, transformers cannot name this architecture\); unexpected: mobilevitv2",
        model,
    )


@pytest.mark.parametrize(
    ("source", "match"),
    [
        ({}, "a mapping of names to tensors is expected, not an empty one"),
        ({"state_dict": {}}, "a mapping of names to tensors is expected, not an empty one"),
        ([torch.zeros(1)], "a mapping of names to tensors is expected, not list"),
        ({"classifier.weight": [1.0]}, "'classifier.weight' is no tensor with data but list"),
        ({3: torch.zeros(1)}, "3 is no tensor with data but Tensor"),
        (
            {"classifier.weight": torch.zeros(1, device="meta")},
            "'classifier.weight' is no tensor with data but Tensor",
        ),
    ],
)
def test_what_is_no_state_dict_is_refused(source: Any, match: str) -> None:
    refuse(source, f"^state dict: {match}$")


def test_a_model_without_memory_is_refused() -> None:
    with pytest.raises(
        CheckpointError, match=r"stem\.0\.weight is on the meta device, which holds no weights"
    ):
        load_checkpoint(build_model(SMALL, num_classes=5, device="meta"), small().state_dict())


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    refuse(tmp_path / "none.pt", r"none\.pt: no such file$")
    refuse(tmp_path, "no such file$")


@pytest.mark.parametrize("legacy", [False, True])
def test_a_truncated_file_is_refused(tmp_path: Path, legacy: bool) -> None:
    path = tmp_path / "weights.pt"
    torch.save(small(1).state_dict(), path, _use_new_zipfile_serialization=not legacy)
    whole = path.read_bytes()
    for kept in (0, 1, 100, len(whole) // 2, len(whole) - 100):
        path.write_bytes(whole[:kept])
        refuse(path, r"weights\.pt: truncated, or no file of torch\.save \(\w+\)$")


@pytest.mark.parametrize("text", ["hello", "", "{'a': 1}\n"])
def test_a_file_of_text_is_refused(tmp_path: Path, text: str) -> None:
    for suffix in ("pt", "safetensors"):
        (tmp_path / f"weights.{suffix}").write_text(text)
        refuse(tmp_path / f"weights.{suffix}", f"weights.{suffix}: truncated, or no ")


class Malicious:
    """A pickle that makes a folder when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_code_in_a_file_is_refused_and_does_not_run(tmp_path: Path) -> None:
    path, trace = tmp_path / "weights.pt", tmp_path / "trace"
    torch.save({"state_dict": Malicious(trace)}, path)
    refuse(path, r"weights\.pt: refused: it would run \w+\.mkdir; only plain tensors are loaded")
    assert not trace.exists()
    torch.load(path, weights_only=False)
    assert trace.is_dir()  # this is what was refused


@pytest.mark.parametrize("protocol", [2, 4])
def test_code_in_a_bare_pickle_does_not_run(tmp_path: Path, protocol: int) -> None:
    path, trace = tmp_path / "weights.pkl", tmp_path / "trace"
    path.write_bytes(pickle.dumps({"state_dict": Malicious(trace)}, protocol=protocol))
    refuse(
        path,
        r"weights\.pkl: (refused: it would run \w+\.mkdir|truncated, or no file of torch\.save)",
    )
    assert not trace.exists()
    pickle.loads(path.read_bytes())
    assert trace.is_dir()


def test_a_whole_model_in_a_file_is_refused(tmp_path: Path) -> None:
    torch.save(small(), tmp_path / "model.pt")
    refuse(
        tmp_path / "model.pt",
        r"refused: it would run mvt_nas\.models\.network\.Network; .*"
        r" torch\.save\(model\.state_dict\(\), path\) writes$",
    )


def test_safetensors_is_asked_for_where_it_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_file(small(1).state_dict(), tmp_path / "model.safetensors")
    monkeypatch.setitem(sys.modules, "safetensors", None)
    refuse(tmp_path / "model.safetensors", "safetensors is not installed; pip install safetensors$")


@pytest.mark.parametrize(
    "change",
    [torch.Tensor.to_sparse, lambda weight: weight.to(torch.complex64)],
    ids=["sparse", "complex"],
)
def test_weights_that_are_no_dense_real_numbers_are_refused_and_nothing_is_copied(
    change: Any,
) -> None:
    model = build_model(zoo("mobilevitv2_050"), num_classes=3, seed=0)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = {name: value + 1 for name, value in before.items()}
    state["classifier.weight"] = change(state["classifier.weight"])
    with pytest.raises(
        CheckpointError, match=r"classifier\.weight as a dense tensor of real numbers, not torch"
    ):
        load_checkpoint(model, state)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
