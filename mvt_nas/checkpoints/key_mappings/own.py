"""The names of this package."""

from __future__ import annotations

from mvt_nas.checkpoints.key_mapping import KEY_MAPPINGS, KeyMapping

KEY_MAPPINGS.register("mvt-nas")(KeyMapping(lambda name, _: (name,)))
