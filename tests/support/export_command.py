"""The network that tests of ``mvt-nas export`` export, and options that make it quick."""

from __future__ import annotations

from tests.support.export_networks import architectures

NETWORK = architectures()["v3 on v2"]
QUICK = ("--measure-seconds", "0", "--num-classes", "7")
