"""The exceptions of mvt-nas.

    MvtNasError                 any error that a user can fix
    ├── ArchitectureError       an invalid architecture, or a file that holds none
    ├── SpaceError              an invalid search space, space file, or row of a space
    ├── CheckpointError         a state dict that does not fit the network
    ├── MetricError             an invalid objective, budget, proxy, or setting of a search
    ├── LatencyError            a runtime, a command or an ONNX file that cannot be measured
    ├── AccuracyError           an unusable table of trained networks, or a surrogate of one
    ├── BaselineError           an invalid external network to compare a search with
    ├── ExportError             an export that is impossible, or a file that cannot be read back
    ├── RunError                an unusable run folder
    ├── DataError               images that cannot be read, or too few of them
    ├── TrainingError           an invalid training recipe, or checkpoint of a training
    └── PluginError             a name that a registry does not know, or knows twice

The command line prints the message of a ``MvtNasError`` as one line and exits with 2. So a message
names the source of the error (file and key), the value, and what is allowed. An error about an
argument names the parameter of the Python interface; the command line translates it into an option.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class MvtNasError(Exception):
    """Base of all errors that a user can cause and fix.

    Args:
        message: One line: what is wrong, the value, and what is allowed.
        parameter: Name of the Python parameter at fault, such as ``"objectives"``, or the path to a
            part of it, such as ``"scoring.images"``; ``None`` if no argument is to blame.
    """

    def __init__(self, message: str = "", parameter: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.parameter = parameter

    def __str__(self) -> str:
        return self.message if self.parameter is None else f"{self.parameter}: {self.message}"


class ArchitectureError(MvtNasError):
    """An invalid architecture."""


class SpaceError(MvtNasError):
    """An invalid search space, or a point outside of it."""


class CheckpointError(MvtNasError):
    """Weights that do not belong to the network."""


class MetricError(MvtNasError):
    """An unknown, invalid or unavailable metric, or an invalid setting of a search."""


class LatencyError(MvtNasError):
    """A latency that cannot be measured."""


class AccuracyError(MvtNasError):
    """An unusable table of trained networks."""


class BaselineError(MvtNasError):
    """An external network that cannot be opened, counted or specified."""


class ExportError(MvtNasError):
    """An export that is impossible, or a file from which no architecture can be read."""


class RunError(MvtNasError):
    """A run folder that cannot be opened, resumed or read."""


class DataError(MvtNasError):
    """Images that cannot be read, or that cannot be trained on."""


class TrainingError(MvtNasError):
    """A network that cannot be trained as requested."""


class PluginError(MvtNasError):
    """A name that is unknown to a registry, or registered twice."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the known name closest to ``name``.

    The result is empty if no known name is similar.
    """
    close = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


def listing(names: Iterable[object]) -> str:
    """Return the names as ``a, b, c`` for an error message."""
    return ", ".join(str(name) for name in names)
