"""A generic base profile, for devices that resemble no known one.

Every kernel computes at one rate, moves data at another, and has a start-up cost. The rates are
those of no device; only their proportions matter, since factors scale them (see
``scaling_groups.py``), and those only until measurements refine them.

Source: S. Williams, A. Waterman, D. Patterson: Roofline, CACM 52 (2009); a sum of the two times
instead of their maximum, because a sum is linear and kernels rarely overlap both perfectly.
"""

from __future__ import annotations

from mvt_nas.latency.model.kernels import CLASSES

NAME = "roofline"

_RATES = {"calls": 0.003, "macs": 0.006, "read": 0.03, "written": 0.03, "weights": 0.03}

# Every runtime fuses or skips these.
_FREE = ("scale", "add_to_convolution", "add_to_norm", "whole_patch")

ROOFLINE = {kind: dict(_RATES) for kind in CLASSES if kind not in _FREE}
"""Coefficients of each class, in milliseconds per unit of the term."""
