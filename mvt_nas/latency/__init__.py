"""Measuring and predicting the latency of networks.

``measure`` times architectures and ONNX files against each other in one runtime. To add a runtime,
write ``mvt_nas/latency/runtimes/<name>.py``; ``onnxruntime.py`` is an example.
"""

from __future__ import annotations

from mvt_nas.latency.runtime import RUNTIMES, Runtime
from mvt_nas.latency.timing.measure import LatencyMeasurement, measure
from mvt_nas.latency.timing.settings import TimingSettings
from mvt_nas.latency.timing.stopwatch import Timing

__all__ = ["RUNTIMES", "LatencyMeasurement", "Runtime", "Timing", "TimingSettings", "measure"]
