"""Exported detectors and segmenters: outputs in every format, and the task read back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import openvino
import pytest
import torch
from torch import Tensor

from mvt_nas.cost.counts import count
from mvt_nas.errors import ExportError
from mvt_nas.export.base import TARGETS, ExportedFiles, ExportModel, ExportTarget, read_architecture
from mvt_nas.export.inference_module import DetectorForInference, inference_module, output_names
from mvt_nas.export.verification import export, export_all, time_exports
from mvt_nas.space.published import zoo
from mvt_nas.tasks.base import task_from_text
from mvt_nas.tasks.detection.anchors import decode
from tests.support.export_networks import realistic_export_model
from tests.support.exported_tasks import (
    DETECTION,
    DILATED,
    PUBLISHED,
    SEGMENTATION,
    SMALL,
    TEXTS,
    Arrays,
    drawn,
    expected,
    images_for,
)

MOST = 1e-4
"""Largest difference of an output that is still the same network, as a share of the output's
largest value."""


def assert_same(
    model: ExportModel, run: Callable[[Tensor], Sequence[Any]], batches: Sequence[int] = (1, 3)
) -> None:
    for batch in batches:
        images = images_for(model, batch)
        outputs, right = run(images), expected(model, images)
        assert len(outputs) == len(right) == len(output_names(model))
        for output, value in zip(map(np.asarray, outputs), right, strict=True):
            assert value.std() > 0.01
            assert output.shape == value.shape
            assert np.abs(output - value).max() <= MOST * np.abs(value).max()


def of_onnx(path: Path, names: Sequence[str]) -> Callable[[Tensor], Sequence[Any]]:
    onnx.checker.check_model(path, full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options)
    return lambda images: session.run(list(names), {"images": images.numpy()})


def of_openvino(path: Path, names: Sequence[str]) -> Callable[[Tensor], Sequence[Any]]:
    compiled = openvino.Core().compile_model(
        path, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    )

    def run(images: Tensor) -> Sequence[Any]:
        found = compiled([images.numpy()])
        return [found[name] for name in names]

    return run


def of_torch(path: Path, names: Sequence[str]) -> Callable[[Tensor], Sequence[Any]]:
    module = torch.export.load(path).module()

    def run(images: Tensor) -> Sequence[Any]:
        with torch.no_grad():
            outputs = module(images)
        return (outputs,) if isinstance(outputs, Tensor) else outputs

    return run


def of_python(path: Path, names: Sequence[str]) -> Callable[[Tensor], Sequence[Any]]:
    space: dict[str, Any] = {"__file__": str(path)}
    exec(compile(path.read_text(), path, "exec"), space)
    model = space[path.stem]().eval()

    def run(images: Tensor) -> Sequence[Any]:
        with torch.no_grad():
            outputs = model(images)
        return (outputs,) if isinstance(outputs, Tensor) else outputs

    return run


OPENED = {"onnx": of_onnx, "openvino": of_openvino, "python": of_python, "torch": of_torch}


def assert_exported(model: ExportModel, target: str, folder: Path) -> None:
    exported = export(model, target, folder)
    assert exported.same
    assert exported.batches == (1, 3)
    assert exported.params == sum(weight.numel() for weight in model.module.parameters())
    assert_same(model, OPENED[target](exported.files[0], output_names(model)))
    read = read_architecture(exported.files[0])
    assert (read.architecture.key, read.task) == (model.architecture.key, model.task)


@pytest.mark.parametrize("text", [*TEXTS, DILATED])
@pytest.mark.parametrize("target", ["onnx", "openvino", "python"])
def test_a_small_network_is_exported_the_same(target: str, text: str, tmp_path: Path) -> None:
    assert_exported(realistic_export_model("net", SMALL, task=text), target, tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("target", OPENED)
def test_published_backbones_are_exported_the_same(
    target: str, name: str, text: str, tmp_path: Path
) -> None:
    assert_exported(realistic_export_model("net", zoo(name), task=text), target, tmp_path)


PAIRS = (
    ("onnx", DETECTION, 2),
    ("onnx", SEGMENTATION, 3),
    ("onnx", DILATED, 5),
    ("openvino", DETECTION, 3),
    ("openvino", SEGMENTATION, 5),
    ("openvino", DILATED, 2),
    ("python", DETECTION, 5),
    ("python", SEGMENTATION, 2),
    ("python", DILATED, 3),
    ("torch", DILATED, 3),
)
"""Target, task and network: every two of them meet; all three in ``soak``."""


@pytest.mark.slow
@pytest.mark.parametrize(("target", "text", "seed"), PAIRS)
def test_random_backbones_are_exported_the_same(
    target: str, text: str, seed: int, tmp_path: Path
) -> None:
    """Of those drawn, every one that halves the map behind its first stage can detect."""
    architecture = drawn(seed)
    assert any(stage.stride == 2 for stage in architecture.stages[1:])
    assert_exported(realistic_export_model("net", architecture, task=text), target, tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize("text", [*TEXTS, DILATED])
@pytest.mark.parametrize("target", OPENED)
def test_every_target_exports_every_random_backbone_the_same(
    target: str, text: str, tmp_path: Path
) -> None:
    for seed in (2, 3, 5) if target != "torch" else (3,):
        assert_exported(realistic_export_model("net", drawn(seed), task=text), target, tmp_path)


def test_scores_and_boxes_are_what_logits_and_offsets_say() -> None:
    model = realistic_export_model("net", SMALL, task=DETECTION)
    module, images = inference_module(model), images_for(model, 2)
    assert isinstance(module, DetectorForInference)
    assert not module.training
    with torch.no_grad():
        scores, boxes = module(images)
        logits, offsets = model.module(images)
    torch.testing.assert_close(scores, logits.softmax(-1)[..., 1:])
    corners = decode(offsets, model.module.anchors(128))
    inside = ((corners >= 0) & (corners <= 1)).all(dim=-1)
    torch.testing.assert_close(boxes[inside], corners[inside])
    assert 0.1 < float(inside.float().mean()) < 1
    assert float(boxes.min()) == 0
    assert float(boxes.max()) == 1
    assert (boxes[..., 2:] >= boxes[..., :2]).all()
    assert scores.shape == (2, boxes.shape[1], 3)
    assert (scores.sum(-1) <= 1 + 1e-6).all()
    assert [id(weight) for weight in module.parameters()] == [
        id(weight) for weight in model.module.parameters()
    ]
    assert set(module.state_dict()) == {f"network.{name}" for name in model.module.state_dict()}


def test_classifiers_and_segmenters_are_exported_as_they_are() -> None:
    for text in (None, SEGMENTATION):
        model = realistic_export_model("net", SMALL, num_classes=5, task=text)
        assert inference_module(model) is model.module
        assert output_names(model) == ("logits",)


def test_names_and_open_axes_of_a_detector(tmp_path: Path) -> None:
    onnx_file, openvino_file = (
        one.files[0]
        for one in export_all(
            realistic_export_model("net", SMALL, task=DETECTION), ["onnx", "openvino"], tmp_path
        )
    )
    graph = onnx.load(onnx_file).graph
    assert [value.name for value in graph.input] == ["images"]
    assert [value.name for value in graph.output] == ["scores", "boxes"]
    assert [
        value.type.tensor_type.shape.dim[0].dim_param for value in (*graph.input, *graph.output)
    ] == ["batch"] * 3
    model = openvino.Core().read_model(openvino_file)
    assert str(model.input("images").partial_shape) == "[?,3,128,128]"
    assert [output.any_name for output in model.outputs] == ["scores", "boxes"]


def test_folded_weights_of_a_detector_are_counted_without_its_anchors(tmp_path: Path) -> None:
    model = realistic_export_model("net", SMALL, task=DETECTION)
    written = TARGETS.get("onnx").write(model, tmp_path)
    norms = sum(
        module.weight.numel()
        for module in model.module.modules()
        if isinstance(module, torch.nn.BatchNorm2d)
    )
    assert written.params == count(SMALL, task=model.task).params - norms


def test_a_detector_is_timed_beside_itself(tmp_path: Path) -> None:
    model = realistic_export_model("net", SMALL, task=DETECTION)
    timings = time_exports(model, export_all(model, ["onnx"], tmp_path), seconds=0.02)
    assert set(timings) == {"PyTorch", "onnx"}


def odd(monkeypatch: pytest.MonkeyPatch, change: Callable[[Arrays], Any]) -> str:
    """Register a target whose network gives what ``change`` makes of the right outputs."""

    def write(model: ExportModel, folder: Path) -> ExportedFiles:
        (folder / "odd.txt").write_text("odd")
        return ExportedFiles(
            (folder / "odd.txt",),
            None,
            lambda images: change(expected(model, torch.from_numpy(images))),
        )

    monkeypatch.setitem(
        TARGETS._entries, "odd", ExportTarget(name="odd", summary="for a test", write=write)
    )
    return "odd"


def test_every_output_is_compared_by_its_own_size(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = realistic_export_model("net", SMALL, task=DETECTION)
    assert export(model, odd(monkeypatch, lambda outputs: outputs), tmp_path).same
    for number in (0, 1):

        def changed(outputs: Arrays, number: int = number) -> Arrays:
            return tuple(
                value + (2e-4 * np.abs(value).max() if place == number else 0)
                for place, value in enumerate(outputs)
            )

        other = export(model, odd(monkeypatch, changed), tmp_path)
        assert not other.same
        assert other.max_abs_diff == pytest.approx(2e-4 * other.largest, rel=0.2)
    lost = export(
        model,
        odd(monkeypatch, lambda outputs: (outputs[0], np.full_like(outputs[1], np.nan))),
        tmp_path,
    )
    assert not lost.same
    with pytest.raises(
        ExportError,
        match=r"gives \(1, \d+, 3\) for \(1, 3, 128, 128\), not \(1, \d+, 3\) and \(1, \d+, 4\)$",
    ):
        export(model, odd(monkeypatch, lambda outputs: outputs[0]), tmp_path)


def test_targets_that_take_no_such_network_say_so_before_anything_is_written(
    tmp_path: Path,
) -> None:
    model = realistic_export_model("net", SMALL, task=DETECTION)
    with pytest.raises(
        ExportError,
        match=r"^target timm takes no networks for detection: timm trains classifiers only$",
    ):
        export_all(model, ["python", "timm"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def takes(name: str, text: str) -> bool:
    """Return whether a target can be written here and takes networks of a task."""
    task = task_from_text(text)
    return (
        TARGETS.get(name).trouble() is None
        and task is not None
        and TARGETS.get(name).refusal(task) is None
    )


_TRAINERS = ("cvnets", "timm", "trainer", "transformers")
"""Targets whose formats are made for the published networks."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "text"),
    [
        (name, text)
        for name in TARGETS
        for text in TEXTS
        if name not in ("onnx", "openvino", "python") and takes(name, text)
    ],
)
def test_every_other_target_writes_what_reads_back(name: str, text: str, tmp_path: Path) -> None:
    architecture = zoo("mobilevit_xxs") if name in _TRAINERS else SMALL
    model = realistic_export_model("net", architecture, task=text)
    exported = export(model, name, tmp_path)
    assert exported.same
    assert exported.params_equal is not False
    read = read_architecture(exported.files[0])
    assert (read.architecture.key, read.task) == (model.architecture.key, model.task)
    if name == "coreml":
        assert named_shapes(exported.files[0]) == dict(
            zip(output_names(model), shapes_of(model), strict=True)
        )


def shapes_of(model: ExportModel) -> list[list[int]]:
    return [list(value.shape) for value in expected(model, images_for(model, 1))]


def named_shapes(package: Path) -> dict[str, list[int]]:
    """Return the shapes of a Core ML package's outputs by name, since it does not run here."""
    import coremltools

    spec = coremltools.models.MLModel(str(package), skip_model_load=True).get_spec()
    (block,) = spec.mlProgram.functions["main"].block_specializations.values()
    values = {
        value.name: value.type.tensorType.dimensions
        for operation in block.operations
        for value in operation.outputs
    }
    names = [output.name for output in spec.description.output]
    return {name: [dimension.constant.size for dimension in values[name]] for name in names}
