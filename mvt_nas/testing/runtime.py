"""Contract of a runtime."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from mvt_nas.latency.runtime import RUNTIMES, Runtime
from mvt_nas.latency.timing.jobs import job_for
from mvt_nas.latency.timing.settings import TimingSettings
from mvt_nas.models.random_images import random_images
from mvt_nas.models.synthetic import realistic_network
from mvt_nas.testing.networks import NUM_CLASSES, RESOLUTION_PX, small_architecture


class RuntimeContract:
    """Checks of a runtime; those that open a network do nothing where it cannot be used.

    Attributes:
        name: Name of the runtime.
        command: Command of the runtime ``command``.
        tolerance: Largest absolute difference between its logits and PyTorch's.
    """

    name: ClassVar[str]
    command: ClassVar[str | None] = None
    tolerance: ClassVar[float] = 1e-4

    @property
    def runtime(self) -> Runtime:
        """The registered runtime."""
        return RUNTIMES.get(self.name)

    def test_it_is_declared_in_full(self) -> None:
        """Name, summary and data types are there."""
        assert self.runtime.name == self.name
        assert self.runtime.summary
        assert "\n" not in self.runtime.summary
        assert "fp32" in self.runtime.dtypes

    def test_it_says_how_to_get_what_is_missing(self) -> None:
        """A runtime that cannot be used here has a reason of one line."""
        trouble = self.runtime.trouble()
        assert trouble is None or (trouble and "\n" not in trouble)

    def test_it_computes_what_torch_computes(self, tmp_path: Path) -> None:
        """Logits agree, and the process keeps its number of threads."""
        if self.runtime.trouble() is not None:
            return
        architecture = small_architecture()
        settings = TimingSettings(
            runtime=self.name,
            threads=1,
            batch_size=2,
            num_classes=NUM_CLASSES,
            command=self.command,
        )
        job = job_for(architecture, settings, self.runtime, tmp_path / "network.onnx")
        images = random_images((2, 3, RESOLUTION_PX, RESOLUTION_PX), seed=7)
        threads = torch.get_num_threads()
        with self.runtime.session(job) as session:
            milliseconds = session()
            logits = session.logits(images)
        assert torch.get_num_threads() == threads
        assert (milliseconds is not None) is self.runtime.own_clock
        if logits is None:
            return
        with torch.no_grad():
            network = realistic_network(architecture, num_classes=NUM_CLASSES)
            expected = network(torch.from_numpy(images)).numpy()
        np.testing.assert_allclose(logits, expected, rtol=0, atol=self.tolerance)
