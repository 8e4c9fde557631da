"""Contract of an export target."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import torch

from mvt_nas.export.base import TARGETS, ExportModel, ExportTarget
from mvt_nas.export.verification import export
from mvt_nas.models.synthetic import realistic_network
from mvt_nas.testing.networks import NUM_CLASSES, small_architecture


class ExportTargetContract:
    """Checks of an export target; those that write files do nothing where it cannot be used.

    Attributes:
        name: Name of the target.
    """

    name: ClassVar[str]

    @property
    def target(self) -> ExportTarget:
        """The registered target."""
        return TARGETS.get(self.name)

    @staticmethod
    def model() -> ExportModel:
        """Return a small network with weights as after a training."""
        architecture = small_architecture()
        network = realistic_network(architecture, num_classes=NUM_CLASSES)
        return ExportModel("small", architecture, network, NUM_CLASSES, "random", "mobilevitv2_050")

    def test_it_is_declared_in_full(self) -> None:
        """Name, summary and tolerance are there."""
        assert self.target.name == self.name
        assert self.target.summary
        assert "\n" not in self.target.summary
        assert 0 <= self.target.tolerance <= 1e-3

    def test_it_says_how_to_get_what_is_missing(self) -> None:
        """A target that cannot be used here has a reason of one line."""
        trouble = self.target.trouble()
        assert trouble is None or (trouble and "\n" not in trouble)

    def test_it_reads_back_the_network_that_it_wrote(self, tmp_path: Path) -> None:
        """The files hold the same network, and all of them are declared."""
        if self.target.trouble() is not None:
            return
        model = self.model()
        state = {name: value.clone() for name, value in model.module.state_dict().items()}
        random = torch.get_rng_state()
        result = export(model, self.name, tmp_path)
        assert result.same
        assert all(path.exists() and path.is_relative_to(tmp_path) for path in result.files)
        assert all("\n" not in note for note in result.notes)
        assert torch.equal(torch.get_rng_state(), random)
        after = model.module.state_dict()
        assert all(torch.equal(after[name], value) for name, value in state.items())
