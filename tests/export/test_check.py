"""Verification of exports: other networks are detected, and targets checked before writing."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

import mvt_nas.export.targets
from mvt_nas.errors import ExportError, PluginError
from mvt_nas.export.base import TARGETS, ExportedFiles, ExportModel, ExportTarget, read_architecture
from mvt_nas.export.model import export_model, nearest_published
from mvt_nas.export.verification import export, export_all
from mvt_nas.space.published import published_names, zoo
from tests.support.export_networks import architectures, realistic_export_model

Images = NDArray[np.float32]
HERE = [name for name in TARGETS if TARGETS.get(name).trouble() is None]


def small(scale: float = 1.0) -> ExportModel:
    model = realistic_export_model("net", architectures()["v2"], num_classes=7)
    with torch.no_grad():
        model.module.classifier.weight.mul_(scale)
        model.module.classifier.bias.mul_(scale)
    return model


def logits(model: ExportModel, images: Images) -> Images:
    with torch.no_grad():
        out: Images = model.module(torch.from_numpy(images)).numpy()
    return out


def odd_target(
    monkeypatch: pytest.MonkeyPatch,
    run: Callable[[ExportModel, Images], Images],
    params: int = 0,
    any_batch: bool = True,
) -> str:
    """Register a target whose network computes ``run`` and has ``params`` surplus parameters."""

    def write(model: ExportModel, folder: Path) -> ExportedFiles:
        path = folder / "odd.txt"
        path.write_text("odd")
        count = sum(weight.numel() for weight in model.module.parameters())
        return ExportedFiles(
            (path,), count + params, lambda images: run(model, images), any_batch=any_batch
        )

    monkeypatch.setitem(
        TARGETS._entries, "odd", ExportTarget(name="odd", summary="for a test", write=write)
    )
    return "odd"


def test_targets_are_called_like_their_modules() -> None:
    modules = {path.stem for path in Path(mvt_nas.export.targets.__path__[0]).glob("*.py")} - {
        "__init__"
    }
    assert modules == set(TARGETS)
    assert {"onnx", "torch", "openvino", "litert", "executorch", "coreml", "python"} <= set(TARGETS)
    for name in TARGETS:
        target = TARGETS.get(name)
        assert target.name == name
        assert target.summary
        assert "\n" not in target.summary
        assert 0 <= target.tolerance <= 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("name", HERE)
def test_every_target_writes_what_reads_back(name: str, tmp_path: Path) -> None:
    model = realistic_export_model("mobilevitv2_050", zoo("mobilevitv2_050"))
    state = {key: value.clone() for key, value in model.module.state_dict().items()}
    generator, threads = torch.get_rng_state(), torch.get_num_threads()
    exported = export(model, name, tmp_path)
    assert exported.same
    assert read_architecture(exported.files[0]).architecture.key == model.architecture.key
    assert all(path.exists() and path.is_relative_to(tmp_path) for path in exported.files)
    undeclared = [
        path
        for path in tmp_path.rglob("*")
        if path.is_file() and not any(path.is_relative_to(one) for one in exported.files)
    ]
    assert undeclared == []
    assert exported.run is None or exported.max_abs_diff is not None
    assert all("\n" not in note for note in exported.notes)
    assert not model.module.training
    assert all(torch.equal(value, state[key]) for key, value in model.module.state_dict().items())
    assert torch.equal(torch.get_rng_state(), generator)
    assert torch.get_num_threads() == threads


def test_another_network_is_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    model = small()
    name = odd_target(monkeypatch, lambda s, images: logits(s, images))
    same = export(model, name, tmp_path)
    assert (same.same, same.max_abs_diff, same.params_equal, same.batches) == (
        True,
        0.0,
        True,
        (1, 3),
    )
    name = odd_target(
        monkeypatch,
        lambda s, images: logits(s, images) + np.float32(2e-4 * np.abs(logits(s, images)).max()),
    )
    other = export(model, name, tmp_path)
    assert (other.same, other.params_equal) == (False, True)
    assert other.max_abs_diff == pytest.approx(2e-4 * other.largest, rel=0.5)
    name = odd_target(monkeypatch, lambda s, images: logits(s, images), params=1)
    assert (export(model, name, tmp_path).same, export(model, name, tmp_path).params_equal) == (
        False,
        False,
    )


def test_what_goes_wrong_in_larger_batches_only_is_seen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def first_alone(model: ExportModel, images: Images) -> Images:
        return np.repeat(logits(model, images[:1]), len(images), axis=0)

    assert not export(small(), odd_target(monkeypatch, first_alone), tmp_path).same
    single = export(small(), odd_target(monkeypatch, first_alone, any_batch=False), tmp_path)
    assert (single.same, single.batches) == (True, (1,))


def test_differences_count_by_the_size_of_the_logits(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    faint = small(scale=1e-6)
    name = odd_target(monkeypatch, lambda s, images: 1.01 * logits(s, images))
    exported = export(faint, name, tmp_path)
    assert exported.max_abs_diff is not None
    assert exported.max_abs_diff < 1e-6
    assert not exported.same


def test_logits_of_another_shape_are_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    name = odd_target(monkeypatch, lambda s, images: logits(s, images)[:, :5])
    with pytest.raises(
        ExportError, match=r"what was read back gives \(1, 5\) for \(1, 3, 64, 64\), not \(1, 7\)"
    ):
        export(small(), name, tmp_path)


def test_weights_that_give_no_numbers_are_named_before_anything_is_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = small(scale=float("nan"))
    with pytest.raises(
        ExportError,
        match=r"random weights.*: with these weights the network's outputs are no finite numbers",
    ):
        export(model, odd_target(monkeypatch, logits), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nothing_is_written_before_all_targets_are_known(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(
        PluginError,
        match=r"unknown export target 'onx'; did you mean 'onnx'\? \(known: .*onnx, openvino",
    ):
        export_all(small(), ["python", "onx"], tmp_path / "out")
    absent = replace(
        TARGETS.get("onnx"), name="absent", trouble=lambda: "onnx is not installed; pip install it"
    )
    monkeypatch.setitem(TARGETS._entries, "absent", absent)
    with pytest.raises(
        ExportError,
        match=r"^target absent cannot be written here: onnx is not installed; pip install it$",
    ):
        export_all(small(), ["python", "absent"], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    twice = export_all(small(), ["python", "python"], tmp_path / "out")
    assert [one.target for one in twice] == ["python"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["python"]


def test_folders_that_cannot_be_written_are_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match=r"file/below: cannot be written \(Not a directory\)"):
        export(small(), "python", tmp_path / "file" / "below")
    (tmp_path / "net.py").mkdir()
    with pytest.raises(
        ExportError, match=r"net\.py: cannot be written \(Is a directory\)$"
    ) as caught:
        export(small(), "python", tmp_path)
    assert "\n" not in str(caught.value)
    for name in HERE:
        assert os.fspath(tmp_path) not in TARGETS.get(name).summary


@pytest.mark.parametrize("name", ["litert", "executorch", "coreml", "onnx", "openvino"])
def test_a_library_that_is_missing_is_named_with_its_extra(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("mvt_nas._optional.find_spec", lambda module: None)
    with pytest.raises(
        ExportError,
        match=(
            rf"target {name} cannot be written here: \w+ is not installed; pip install"
            rf" 'mvt-nas\[{name}\]'"
        ),
    ):
        export(small(), name, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_model_has_its_weights_and_where_they_are_from(tmp_path: Path) -> None:
    architecture = architectures()["v2"]
    first = export_model("some/net.json", architecture, num_classes=7)
    assert (first.name, first.weights, first.num_classes) == ("net", "initial weights, seed 0", 7)
    assert not first.module.training
    nn.init.ones_(first.module.classifier.bias)
    torch.save(first.module.state_dict(), tmp_path / "w.pt")
    again = export_model("net", architecture, num_classes=7, weights=tmp_path / "w.pt")
    assert again.weights == f"{tmp_path / 'w.pt'}, in the names of mvt-nas"
    assert torch.equal(again.module.classifier.bias, torch.ones(7))
    assert first.input_shape == (1, 3, 64, 64)


def test_a_published_model_is_nearest_to_itself() -> None:
    for name in published_names():
        assert (
            nearest_published(zoo(name)) == name.removesuffix("_l2")
            or nearest_published(zoo(name)) == name
        )
    assert nearest_published(replace(zoo("mobilevit_s"), head_width=600)) == "mobilevit_s"
