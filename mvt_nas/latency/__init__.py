"""Latency as it is measured: a stopwatch for noisy machines, runtimes as plug-ins, and what it was measured on.

``measure`` times architectures and ONNX files against each other in one runtime. To add a runtime, write
``mvt_nas/latency/runtimes/<name>.py``; ``onnxruntime.py`` there is an example.
"""

from __future__ import annotations

from mvt_nas.latency.measuring.measure import Measured, measure
from mvt_nas.latency.measuring.settings import Settings
from mvt_nas.latency.measuring.stopwatch import Timing
from mvt_nas.latency.runtimes.contract import RUNTIMES, Runtime

__all__ = ["RUNTIMES", "Measured", "Runtime", "Settings", "Timing", "measure"]
