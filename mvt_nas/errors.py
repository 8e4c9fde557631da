"""The exceptions of mvt-nas.

    MvtNasError                 anything the person at the keyboard can put right
    ├── ArchitectureError       an architecture, or a file that should hold one
    ├── SpaceError              a search space, its file, or a row of it
    ├── CheckpointError         a state dict that does not fit the network
    ├── MetricError             an objective, a budget, a proxy
    ├── LatencyError            a runtime, a command or an ONNX file that cannot be measured
    ├── AccuracyError           a table of trained networks, or what is fitted to it
    ├── BaselineError           a network from elsewhere that a search is compared with
    ├── ExportError             a form that cannot express a network, or a file that cannot be read back
    ├── RunError                a run folder
    ├── DataError               pictures that cannot be read, or too few of them
    ├── TrainingError           a training protocol, or a checkpoint of a training
    └── PluginError             a name that no registry knows, or knows twice

The command line prints the message of a ``MvtNasError`` as one line and exits with 2. So a message
names where the trouble is (file and key), the value, and what would be right.
"""

from __future__ import annotations

from collections.abc import Iterable


class MvtNasError(Exception):
    """Base of all errors that a user can cause and mend."""


class ArchitectureError(MvtNasError):
    """An architecture that cannot exist."""


class SpaceError(MvtNasError):
    """A search space that cannot be used, or a point that is not in it."""


class CheckpointError(MvtNasError):
    """Weights that do not belong to the network."""


class MetricError(MvtNasError):
    """An objective, budget or score that cannot be had."""


class LatencyError(MvtNasError):
    """A latency that cannot be measured."""


class AccuracyError(MvtNasError):
    """A table of trained networks that cannot be used."""


class BaselineError(MvtNasError):
    """A network from elsewhere that cannot be opened, counted or told."""


class ExportError(MvtNasError):
    """A network that a form cannot express, or a file from which no architecture can be read."""


class RunError(MvtNasError):
    """A run folder that cannot be opened, continued or read."""


class DataError(MvtNasError):
    """Pictures that cannot be read, or that cannot be learnt from."""


class TrainingError(MvtNasError):
    """A network that cannot be trained as asked."""


class PluginError(MvtNasError):
    """A registry was asked for what it does not hold."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the known name closest to ``name``, or an empty string."""
    import difflib  # here, since most commands end without an error

    close = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


def listing(names: Iterable[object]) -> str:
    """Return the names as ``a, b, c`` for an error message."""
    return ", ".join(str(name) for name in names)
