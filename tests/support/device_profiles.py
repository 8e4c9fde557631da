"""Device profiles made up for tests: every class of kernel and every term has a coefficient of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mvt_nas.latency.fingerprint import this_device
from mvt_nas.latency.model.kernels import CLASSES, TERMS
from mvt_nas.latency.model.predictor import Predictor
from mvt_nas.latency.profile import DeviceProfile


def predictor(seed: int = 0) -> Predictor:
    """Return a predictor that no two classes and no two terms look alike to."""
    rng = np.random.default_rng(seed)
    coefficients = {
        kind: {name: float(rng.uniform(0.01, 0.2)) for name in TERMS} for kind in CLASSES
    }
    return Predictor(coefficients, fixed_ms=0.75, relative_error=0.1)


def profile(name: str, seed: int = 0, *, here: bool = False, **changes: Any) -> DeviceProfile:
    """Return a profile; ``here`` says that it is of this machine."""
    device = this_device() if here else {"name": "made up"}
    settings: dict[str, Any] = {
        "predictor": predictor(seed),
        "runtime": {"name": "onnxruntime", "version": None, "threads": 1},
        "device": device,
        "source": "measured",
    }
    return DeviceProfile(name, **(settings | changes))


def install(folder: Path, *profiles: DeviceProfile) -> None:
    """Put profiles into a folder of devices (``$MVT_NAS_DEVICES`` names it)."""
    for one in profiles:
        one.write(folder / f"{one.name}.json")
