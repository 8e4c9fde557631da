"""Contract of a block."""

from __future__ import annotations

import ast
import importlib.util
from typing import ClassVar

import torch
from torch.utils.flop_counter import FlopCounterMode

from mvt_nas.blocks.base import LOWERINGS
from mvt_nas.blocks.layers import MODULES
from mvt_nas.cost.counts import count
from mvt_nas.models.lowering import lower
from mvt_nas.models.network import build_model
from mvt_nas.space.architecture import BLOCKS, Architecture, Block
from mvt_nas.testing.networks import NUM_CLASSES, small_architecture


class BlockContract:
    """Checks of a block: its registrations, its kernels and its module.

    Attributes:
        name: Name of the block.
        block: A value of the block that fits a map of 16 px with 24 channels.
    """

    name: ClassVar[str]
    block: ClassVar[Block]

    def architecture(self) -> Architecture:
        """Return a small network with the block."""
        return small_architecture(self.block)

    def test_it_is_registered_everywhere(self) -> None:
        """Fields, lowering and module have one name."""
        assert self.name in BLOCKS
        assert self.name in LOWERINGS
        assert self.name in MODULES

    def test_its_lowering_needs_no_torch(self) -> None:
        """Costs are counted without torch."""
        module = LOWERINGS.get(self.name).lower.__module__
        spec = importlib.util.find_spec(module)
        assert spec is not None
        assert spec.origin is not None
        with open(spec.origin, encoding="utf-8") as file:
            tree = ast.parse(file.read())
        imported = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        assert not any("torch" in ast.unparse(node).split() for node in imported)

    def test_it_has_as_many_parameters_as_its_kernels(self) -> None:
        """The lowering counts the parameters of the module."""
        architecture = self.architecture()
        model = build_model(architecture, num_classes=NUM_CLASSES, seed=0)
        parameters = sum(weight.numel() for weight in model.parameters())
        assert parameters == count(architecture, num_classes=NUM_CLASSES).params

    def test_its_multiply_adds_are_those_that_torch_executes(self) -> None:
        """On the meta device, torch counts two operations for each multiply-add."""
        architecture = self.architecture()
        side = architecture.resolution_px
        model = build_model(architecture, num_classes=NUM_CLASSES, seed=0).to("meta").eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model(torch.empty(1, 3, side, side, device="meta"))
        assert counter.get_total_flops() == 2 * count(architecture, num_classes=NUM_CLASSES).macs

    def test_its_output_has_the_shape_of_its_last_kernel(self) -> None:
        """The network gives (B, classes), whatever the weights are."""
        architecture = self.architecture()
        side = architecture.resolution_px
        model = build_model(architecture, num_classes=NUM_CLASSES, seed=0).eval()
        with torch.no_grad():
            logits = model(torch.randn(2, 3, side, side))
        assert tuple(logits.shape) == (2, NUM_CLASSES)
        assert torch.isfinite(logits).all()
        assert lower(architecture, num_classes=NUM_CLASSES).ops[-1].kind == "linear"

    def test_it_survives_json(self) -> None:
        """An architecture is read back as it was written."""
        architecture = self.architecture()
        assert Architecture.from_json(architecture.to_json()) == architecture
