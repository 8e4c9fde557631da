"""Our own names."""

from __future__ import annotations

from mvt_nas.checkpoints.dialect import DIALECTS, Dialect

DIALECTS.register("mvt-nas")(Dialect(lambda name, _: (name,)))
