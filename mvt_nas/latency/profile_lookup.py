"""Where profiles are found: those that ship, those of this user, and any file.

A profile called ``NAME`` is ``NAME.json`` in the user's folder of devices, or else one that ships.
The folder is ``$MVT_NAS_DEVICES``, by default ``~/.local/share/mvt-nas/devices``
(``$XDG_DATA_HOME`` is heeded).
"""

from __future__ import annotations

import os
from pathlib import Path

from mvt_nas.errors import LatencyError, listing, nearest
from mvt_nas.latency.profile import DeviceProfile

SHIPPED = Path(__file__).parent / "devices"
DEFAULT = "x86-onnxruntime-1t"
"""The profile of ``latency_ms`` without a name."""


def user_folder() -> Path:
    """Return the folder in which this user's profiles are kept; it need not exist."""
    chosen = os.environ.get("MVT_NAS_DEVICES")
    if chosen:
        return Path(chosen)
    return (
        Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
        / "mvt-nas"
        / "devices"
    )


def profile_files() -> dict[str, Path]:
    """Return the files of all profiles by name, in alphabetical order; a user's own comes before one that ships."""
    found = {
        path.stem: path
        for folder in (SHIPPED, user_folder())
        for path in sorted(folder.glob("*.json"))
    }
    return dict(sorted(found.items()))


def default_profile_name() -> str:
    """Return the name of the profile that ``latency_ms`` means without ``@NAME``."""
    return DEFAULT


def load_profile(name: str | Path) -> DeviceProfile:
    """Return a profile by name, or from a file: whatever has a slash in it or ends in ``.json``.

    Raises:
        LatencyError: there is none, or the file is no profile.
    """
    text = str(name)
    if isinstance(name, Path) or text.endswith(".json") or os.sep in text:
        return DeviceProfile.read(Path(name))
    files = profile_files()
    if text not in files:
        raise LatencyError(
            f"unknown device {text!r}{nearest(text, files)} (known: {listing(files) or 'none'})"
        )
    profile = DeviceProfile.read(files[text])
    if profile.name != text:
        raise LatencyError(
            f"{files[text]}: name = {profile.name!r} is not allowed; the file's own name, {text!r}"
        )
    return profile
