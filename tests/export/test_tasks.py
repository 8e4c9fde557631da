"""Exported detectors and segmenters: outputs in every format, and the task read back."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import openvino
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from mvt_nas.checkpoints.load import load_checkpoint
from mvt_nas.cost.counts import count
from mvt_nas.errors import CheckpointError, ExportError
from mvt_nas.export.base import TARGETS, ExportedFiles, ExportModel, ExportTarget, read_architecture
from mvt_nas.export.inference_module import DetectorForInference, inference_module, output_names
from mvt_nas.export.model import export_model, task_with_classes
from mvt_nas.export.python_source.file import source
from mvt_nas.export.python_source.templates import HEAD_TEMPLATES
from mvt_nas.export.verification import export, export_all, time_exports
from mvt_nas.models.network import TaskNetwork, build_model
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.published import zoo
from mvt_nas.tasks.base import TASKS, task_from_text
from mvt_nas.tasks.detection.anchors import anchors, decode
from tests.support.architectures import random_architecture
from tests.support.export_networks import ALONE, BLOCKS, architecture_with, realistic_export_model

Arrays = tuple[NDArray[np.float32], ...]
PUBLISHED = ("mobilevit_xxs", "mobilevitv2_050", "mobilevitv3_xs")
DETECTION = "detection,num_classes=3,resolution_px=128"
SEGMENTATION = "segmentation,num_classes=4,resolution_px=96"
DILATED = "segmentation,num_classes=4,resolution_px=96,output_stride=8,pyramid_width=16,rate=2"
TEXTS = (DETECTION, SEGMENTATION)
SMALL = architecture_with(BLOCKS["v2"], BLOCKS["v3 on v1"])
MOST = 1e-4
"""Largest difference of an output that is still the same network, as a share of the output's
largest value."""


def drawn(seed: int) -> Architecture:
    return random_architecture(np.random.default_rng(seed))


def expected(model: ExportModel, images: Tensor) -> Arrays:
    """Return the expected outputs: logits, or scores and boxes by their definitions."""
    network = model.module
    assert isinstance(network, TaskNetwork)
    with torch.no_grad():
        outputs = network(images)
        if isinstance(outputs, Tensor):
            return (outputs.numpy(),)
        logits, offsets = outputs
        raised = torch.exp(logits.double() - logits.double().amax(dim=2, keepdim=True))
        shares = (raised / raised.sum(dim=2, keepdim=True)).float()
        corners = decode(offsets, network.anchors(model.resolution_px))
    return shares[:, :, 1:].numpy(), corners.clip(0, 1).numpy()


def images_for(model: ExportModel, batch: int) -> Tensor:
    return torch.randn(
        batch, *model.input_shape[1:], generator=torch.Generator().manual_seed(batch)
    )


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


def made(original: ExportModel) -> tuple[dict[str, Any], torch.nn.Module]:
    """Return the names of a source and its network, with the original's weights."""
    space: dict[str, Any] = {}
    exec(compile(source(original), "source", "exec"), space)
    model = space[original.name](pretrained=False)
    model.load_state_dict(original.module.state_dict())
    return space, model.eval()


@pytest.mark.parametrize("text", [*TEXTS, DILATED])
def test_a_source_takes_images_of_other_sizes(text: str) -> None:
    original = realistic_export_model("net", SMALL, task=text)
    _, model = made(original)
    images = torch.randn(2, 3, 72, 104, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        outputs, right = model(images), original.module(images)
        if not text.startswith("detection"):
            torch.testing.assert_close(outputs, right, rtol=0, atol=2e-5 * float(right.abs().max()))
            return
        logits, offsets, boxes = model.raw(images)
    sides = [
        (10, 14),
        (5, 7),
        (3, 4),
        (2, 2),
        (1, 1),
        (1, 1),
    ]  # patches of 2 make 10 x 14 of 9 x 13
    torch.testing.assert_close(boxes, anchors(sides), rtol=0, atol=1e-7)
    torch.testing.assert_close(logits, right[0], rtol=0, atol=2e-5 * float(right[0].abs().max()))
    torch.testing.assert_close(offsets, right[1], rtol=0, atol=2e-5 * float(right[1].abs().max()))
    torch.testing.assert_close(
        outputs[1], decode(right[1], anchors(sides)).clip(0, 1), rtol=0, atol=2e-5
    )


def test_a_source_begins_with_the_same_distributions_of_weights() -> None:
    for text in TEXTS:
        task = task_from_text(text)
        network = build_model(SMALL, task=task, seed=0)
        space: dict[str, Any] = {}
        exec(
            compile(
                source(ExportModel("net", SMALL, network, network.task.num_classes, "", "", task)),
                "source",
                "exec",
            ),
            space,
        )
        torch.manual_seed(1)
        state = space["Network"]().state_dict()
        assert {name: value.shape for name, value in state.items()} == {
            name: value.shape for name, value in network.state_dict().items()
        }
        for name, value in network.state_dict().items():
            if value.numel() > 4000:
                assert float(state[name].std()) == pytest.approx(float(value.std()), rel=0.1), name
                assert float(state[name].abs().max()) == pytest.approx(
                    float(value.abs().max()), rel=0.5
                ), name


def by_hand(
    scores: NDArray[np.float32], boxes: NDArray[np.float32], least: float, overlap: float
) -> list[tuple[int, int]]:
    """Return label and number of the boxes that stay, best first: one at a time, over all pairs."""
    candidates = sorted(
        (
            (scores[n, label], label, n)
            for n, label in np.ndindex(scores.shape)
            if scores[n, label] > least
        ),
        reverse=True,
    )
    kept: list[tuple[int, int]] = []
    for _, label, number in candidates:
        if all(
            other != label or share(boxes[number], boxes[place]) <= overlap for other, place in kept
        ):
            kept.append((int(label), int(number)))
    return kept


def share(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    sides = [min(one[axis + 2], other[axis + 2]) - max(one[axis], other[axis]) for axis in (0, 1)]
    common = max(sides[0], 0) * max(sides[1], 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return float(common / (areas[0] + areas[1] - common))


def test_objects_are_those_of_non_maximum_suppression_by_hand() -> None:
    space, _ = made(realistic_export_model("net", SMALL, task=DETECTION))
    rng = np.random.default_rng(0)
    for overlap in (0.2, 0.5):
        scores = rng.random((60, 3), dtype=np.float32)
        begin = rng.random((60, 2), dtype=np.float32) * 0.5
        boxes = np.concatenate(
            [begin, begin + 0.1 + rng.random((60, 2), dtype=np.float32) * 0.4], axis=1
        )
        labels, certain, corners = space["objects"](
            torch.from_numpy(scores), torch.from_numpy(boxes), least=0.4, overlap=overlap
        )
        kept = by_hand(scores, boxes, 0.4, overlap)
        assert 5 < len(kept) < int((scores > 0.4).sum())
        assert labels.tolist() == [label for label, _ in kept]
        assert certain.tolist() == [scores[number, label] for label, number in kept]
        np.testing.assert_array_equal(corners.numpy(), boxes[[number for _, number in kept]])
        first = space["objects"](
            torch.from_numpy(scores), torch.from_numpy(boxes), least=0.4, overlap=overlap, most=2
        )
        assert first[0].tolist() == labels[:2].tolist()
    nothing = space["objects"](torch.zeros(60, 3), torch.from_numpy(boxes))
    assert [tuple(one.shape) for one in nothing] == [(0,), (0,), (0, 4)]


@pytest.mark.slow
@pytest.mark.parametrize("text", TEXTS)
def test_a_source_needs_torch_alone(text: str, tmp_path: Path) -> None:
    model = realistic_export_model("alone", SMALL, task=text)
    exported = export(model, "python", tmp_path / "there")
    here = tmp_path / "here"
    here.mkdir()
    for path in exported.files:
        shutil.copy(path, here)
    images = images_for(model, 2)
    torch.save(images, here / "images.pt")
    done = subprocess.run(
        [sys.executable, "-c", ALONE.replace("NAME", "alone")],
        cwd=here,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == exported.params
    outputs = torch.load(here / "outputs.pt")
    for output, value in zip(
        [outputs] if isinstance(outputs, Tensor) else outputs, expected(model, images), strict=True
    ):
        np.testing.assert_allclose(output.numpy(), value, rtol=0, atol=2e-5 * np.abs(value).max())


def test_sources_are_formatted_and_hold_what_they_need(tmp_path: Path) -> None:
    texts = [DETECTION, SEGMENTATION, "detection", "segmentation,output_stride=8", DILATED]
    backbones = [SMALL, *map(zoo, PUBLISHED), *map(drawn, (2, 3))]
    for number, (architecture, text) in enumerate(
        (one, text) for one in backbones for text in texts
    ):
        task = task_from_text(text)
        network = build_model(architecture, task=task, device="meta")
        code = source(ExportModel(f"net{number}", architecture, network, 3, "", "", task))
        (tmp_path / f"net{number}.py").write_text(code)
        tree = ast.parse(code)
        defined = {
            node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)
        }
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        assert defined - used - {"_divisible", "_resized"} <= {f"net{number}", "objects"}
        assert ("_dilated" in defined) == any(
            module.dilation != (1, 1)
            for module in network.stages.modules()
            if hasattr(module, "dilation")
        )
    for verb in (
        ["check", "--select", "E,W,F,I,B,UP,RET,SIM,D1", "--ignore", "D107"],
        ["format", "--check"],
    ):
        command = [sys.executable, "-m", "ruff", *verb, "--isolated", "--line-length", "100", "."]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_every_task_has_a_template_and_one_without_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert set(HEAD_TEMPLATES) == set(TASKS)
    model = realistic_export_model("net", SMALL, task=SEGMENTATION)
    monkeypatch.delitem(HEAD_TEMPLATES._entries, "segmentation")
    message = (
        r"^the network cannot be written in PyTorch: no template of the head for segmentation"
        r" \(known: detection\)$"
    )
    with pytest.raises(ExportError, match=message):
        source(model)


def test_a_checkpoint_is_loaded_whole_or_not_at_all(tmp_path: Path) -> None:
    model = realistic_export_model("net", SMALL, task=DETECTION)
    torch.save({"state_dict": model.module.state_dict()}, tmp_path / "detector.pt")
    again = export_model("net", SMALL, weights=tmp_path / "detector.pt", task=model.task)
    assert again.weights == f"{tmp_path / 'detector.pt'}, in the names of mvt-nas"
    assert all(
        torch.equal(value, model.module.state_dict()[name])
        for name, value in again.module.state_dict().items()
    )
    torch.save(build_model(SMALL, seed=0).state_dict(), tmp_path / "classifier.pt")
    with pytest.raises(
        CheckpointError,
        match=r"classifier\.pt: names of mvt-nas, but \d+ missing: head\.smaller.*unexpected: ",
    ) as caught:
        export_model("net", SMALL, weights=tmp_path / "classifier.pt", task=model.task)
    assert "\n" not in str(caught.value)
    with pytest.raises(
        CheckpointError,
        match=(
            r"detector\.pt: names of mvt-nas, but \d+ missing: head\.branches.*unexpected:"
            r" head\.smaller"
        ),
    ):
        export_model(
            "net", SMALL, weights=tmp_path / "detector.pt", task=task_from_text(SEGMENTATION)
        )
    more = replace(model.task, num_classes=5) if model.task else None
    with pytest.raises(
        CheckpointError,
        match=(
            r"detector\.pt: head\.boxes\.0\.predict\.weight needs .* of shape \(60, 512, 1, 1\),"
            r" not \(48"
        ),
    ):
        export_model("net", SMALL, weights=tmp_path / "detector.pt", task=more)


def test_weights_of_a_python_file_are_a_checkpoint_here_too(tmp_path: Path) -> None:
    original = realistic_export_model("net", SMALL, task=SEGMENTATION)
    export(original, "python", tmp_path)
    model = build_model(SMALL, task=original.task, seed=3)
    assert load_checkpoint(model, tmp_path / "net.pt") == "mvt-nas"
    assert all(
        torch.equal(value, original.module.state_dict()[name])
        for name, value in model.state_dict().items()
    )


def test_classes_are_said_once() -> None:
    assert task_with_classes(None, 7) is None
    assert task_with_classes("classification", 7) is None
    assert task_with_classes("segmentation", 7) == task_from_text("segmentation,num_classes=7")
    assert task_with_classes("segmentation,rate=3", None) == task_from_text("segmentation,rate=3")
    assert task_with_classes("detection,num_classes=7", 7) == task_from_text(
        "detection,num_classes=7"
    )
    for text in ("detection,num_classes=7", "detection, num_classes=80"):
        with pytest.raises(
            ExportError,
            match=(
                r"^task: 'detection, ?num_classes=\d+' contradicts num_classes = 3; give the number"
            ),
        ):
            task_with_classes(text, 3)


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
