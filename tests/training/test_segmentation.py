"""Figures of segmentation are those of scikit-learn."""

from __future__ import annotations

import pytest
import torch
from sklearn.metrics import confusion_matrix, jaccard_score
from torch import nn
from torch.nn import functional

from mvt_nas.errors import DataError
from mvt_nas.training.accelerator import fabric_for
from mvt_nas.training.dataset import ImageBatch
from mvt_nas.training.evaluation import evaluate
from mvt_nas.training.tasks.segmentation import SegmentationAccumulator, mean_iou
from tests.support.training_processes import MACHINE


class Fixed(nn.Module):
    """Returns the logits that were given, batch by batch."""

    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__()
        self.logits, self.place = logits, 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.place += len(images)
        return self.logits[self.place - len(images) : self.place]


def test_figures_of_segmentation_are_those_of_scikit_learn() -> None:
    random = torch.Generator().manual_seed(0)
    logits, masks = (
        torch.randn(5, 4, 6, 7, generator=random),
        torch.randint(4, (5, 6, 7), generator=random).to(torch.uint8),
    )
    masks[masks == 3] = 2  # a class that is found but not there
    masks[0, :2] = 255
    batches = [
        ImageBatch(torch.zeros(len(part), 3, 6, 7, dtype=torch.uint8), part, ())
        for part in masks.split(2)
    ]
    (found,), _ = evaluate(
        [Fixed(logits)],
        batches,
        [SegmentationAccumulator(4, torch.device("cpu"))],
        fabric_for(MACHINE),
    )
    known = masks != 255
    truth, taken = masks[known].numpy(), logits.argmax(1)[known].numpy()
    assert found.confusion.tolist() == confusion_matrix(truth, taken, labels=range(4)).tolist()
    assert found.miou == pytest.approx(
        jaccard_score(truth, taken, average="macro", labels=range(4), zero_division=0)
    )
    assert found.pixel_accuracy == pytest.approx((truth == taken).mean())
    assert found.loss == pytest.approx(
        functional.cross_entropy(logits, masks.long(), ignore_index=255).item(), rel=1e-5
    )


def test_mean_iou_in_closed_form() -> None:
    assert mean_iou(torch.tensor([[3, 1], [0, 4]])) == pytest.approx((3 / 4 + 4 / 5) / 2)
    assert (
        mean_iou(torch.tensor([[3, 0, 0], [0, 5, 0], [0, 0, 0]])) == 1
    )  # a class that neither occurs nor is found
    assert mean_iou(torch.tensor([[0, 2], [2, 0]])) == 0


def test_without_a_pixel_to_judge_by_it_is_refused() -> None:
    batch = ImageBatch(
        torch.zeros(1, 3, 4, 4, dtype=torch.uint8),
        torch.full((1, 4, 4), 255, dtype=torch.uint8),
        ("x",),
    )
    with pytest.raises(
        DataError,
        match=(
            r"^none of the validation images can be read, or all of their pixels are to be"
            r" ignored$"
        ),
    ):
        evaluate(
            [Fixed(torch.zeros(1, 2, 4, 4))],
            [batch],
            [SegmentationAccumulator(2, torch.device("cpu"))],
            fabric_for(MACHINE),
        )
