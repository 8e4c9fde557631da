"""Made-up device profiles with a different coefficient for every kernel class and term."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mvt_nas.hardware import this_device
from mvt_nas.latency.latency_profile import LatencyProfile
from mvt_nas.latency.model.kernels import CLASSES, TERMS
from mvt_nas.latency.model.predictor import Predictor


def predictor(seed: int = 0) -> Predictor:
    """Return a predictor with different coefficients for all classes and terms."""
    rng = np.random.default_rng(seed)
    coefficients = {
        kind: {name: float(rng.uniform(0.01, 0.2)) for name in TERMS} for kind in CLASSES
    }
    return Predictor(coefficients, fixed_ms=0.75, relative_error=0.1)


def profile(name: str, seed: int = 0, *, here: bool = False, **changes: Any) -> LatencyProfile:
    """Return a profile, of this machine if ``here``."""
    device = this_device() if here else {"name": "made up"}
    settings: dict[str, Any] = {
        "predictor": predictor(seed),
        "runtime": {"name": "onnxruntime", "version": None, "threads": 1},
        "device": device,
        "source": "measured",
    }
    return LatencyProfile(name, **(settings | changes))


def install(folder: Path, *profiles: LatencyProfile) -> None:
    """Write profiles to a folder of devices (see ``$MVT_NAS_DEVICES``)."""
    for one in profiles:
        one.write(folder / f"{one.name}.json")
