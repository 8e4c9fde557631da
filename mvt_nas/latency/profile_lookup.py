"""Lookup of profiles: shipped ones, the user's own, and any file.

A profile called ``NAME`` is ``NAME.json`` in the user's folder of devices, or else a shipped one.
The folder is ``$MVT_NAS_DEVICES``, by default ``mvt-nas/devices`` in ``$XDG_DATA_HOME`` or
``~/.local/share``.
"""

from __future__ import annotations

import os
from pathlib import Path

from mvt_nas.errors import LatencyError, listing, nearest
from mvt_nas.latency.latency_profile import LatencyProfile

SHIPPED = Path(__file__).parent / "devices"
DEFAULT = "x86-onnxruntime-1t"
"""The profile of ``latency_ms`` without a name."""


def user_folder() -> Path:
    """Return the folder of this user's profiles; it need not exist."""
    chosen = os.environ.get("MVT_NAS_DEVICES")
    if chosen:
        return Path(chosen)
    data_home = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return data_home / "mvt-nas" / "devices"


def profile_files() -> dict[str, Path]:
    """Return the files of all profiles by name, in alphabetical order.

    A profile of the user replaces a shipped one of the same name.
    """
    files = {
        path.stem: path for folder in (SHIPPED, user_folder()) for path in folder.glob("*.json")
    }
    return dict(sorted(files.items()))


def default_profile_name() -> str:
    """Return the name of the profile of ``latency_ms`` without ``@NAME``."""
    return DEFAULT


def load_profile(name: str | Path) -> LatencyProfile:
    """Return a profile by name, or from a file: a text with a slash or the ending ``.json``.

    Raises:
        LatencyError: there is no such profile, or the file is not a profile.
    """
    text = str(name)
    if isinstance(name, Path) or text.endswith(".json") or os.sep in text:
        return LatencyProfile.read(Path(name))
    files = profile_files()
    if text not in files:
        raise LatencyError(
            f"unknown device {text!r}{nearest(text, files)} (known: {listing(files) or 'none'})"
        )
    profile = LatencyProfile.read(files[text])
    if profile.name != text:
        raise LatencyError(
            f"{files[text]}: name = {profile.name!r} is not allowed; the file's own name, {text!r}"
        )
    return profile
