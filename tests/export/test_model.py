"""Networks to export: checkpoints are loaded whole, and classes are said once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mvt_nas.checkpoints.load import load_checkpoint
from mvt_nas.errors import CheckpointError, ExportError
from mvt_nas.export.model import export_model, task_with_classes
from mvt_nas.export.verification import export
from mvt_nas.models.network import build_model
from mvt_nas.tasks.base import task_from_text
from tests.support.export_networks import realistic_export_model
from tests.support.exported_tasks import DETECTION, SEGMENTATION, SMALL


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
