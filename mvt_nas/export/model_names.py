"""What an exported network is called where its name must not be one that the trainer has already."""

from __future__ import annotations

_PREFIX = "mvt_"


def registered_name(name: str) -> str:
    """Return the name to register a model under: trainers have a ``mobilevit_s`` of their own, so ours begin with ``mvt_``."""
    return name if name.startswith(_PREFIX) else _PREFIX + name


def class_name(name: str) -> str:
    """Return the name of a model's class: ``MvtMobilevitS`` for ``mvt_mobilevit_s``."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))
