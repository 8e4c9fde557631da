"""Detectors and segmenters as Python files: other sizes, new weights, and what they need."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from mvt_nas.errors import ExportError
from mvt_nas.export.base import ExportModel
from mvt_nas.export.python_source.file import source
from mvt_nas.export.python_source.templates import HEAD_TEMPLATES
from mvt_nas.export.verification import export
from mvt_nas.models.network import build_model
from mvt_nas.space.published import zoo
from mvt_nas.tasks.base import TASKS, task_from_text
from mvt_nas.tasks.detection.anchors import anchors, decode
from tests.support.export_networks import ALONE, realistic_export_model
from tests.support.exported_tasks import (
    DETECTION,
    DILATED,
    PUBLISHED,
    SEGMENTATION,
    SMALL,
    TEXTS,
    drawn,
    expected,
    images_for,
)


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
