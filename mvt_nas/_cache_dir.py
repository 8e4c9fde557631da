"""Where a user's caches lie, one folder per kind. All of them may be deleted at any time, and missing ones cost time only.

Source: the XDG Base Directory Specification, version 0.8, which also says that a relative
``$XDG_CACHE_HOME`` does not count.
"""

from __future__ import annotations

import os
from pathlib import Path


def cache_home(kind: str) -> Path:
    """Return the folder of one kind of cache: ``$XDG_CACHE_HOME/mvt-nas/KIND``, or ``~/.cache/mvt-nas/KIND``.

    It need not exist, and it may be that nothing can be written there.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else _own()) / "mvt-nas" / kind


def _own() -> Path:
    try:
        return Path.home() / ".cache"
    except (
        RuntimeError
    ):  # nobody's home: below a file nothing can be kept, which every cache has to bear anyway
        return Path(os.devnull)
