"""The weights that a training begins with: initial ones, a checkpoint of the same network, or what fits of another one's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from mvt_nas.checkpoints.key_mapping import KEY_MAPPINGS
from mvt_nas.checkpoints.load import load_checkpoint
from mvt_nas.checkpoints.safe_load import read_file
from mvt_nas.errors import CheckpointError
from mvt_nas.models.network import Backbone, Network, build_model

WEIGHTS = "weights.pt"
"""What the weights are called in the folder of a training."""

_WRAPPERS = ("state_dict", "model_state_dict", "model")
_COUNTER = "num_batches_tracked"
_MOST_CLASSES = 1_000_000


@dataclass(frozen=True, slots=True)
class Initialization:
    """What a training begins with.

    Attributes:
        path: a checkpoint, or the folder of a training; ``None`` for initial weights.
        same: whether it is of the same network; else what fits by name and shape is taken.
    """

    path: Path | None = None
    same: bool = True

    @property
    def words(self) -> str:
        """What it is, in words."""
        return (
            "initial weights"
            if self.path is None
            else f"{'weights' if self.same else 'what fits of'} {self.path}"
        )


INITIAL = Initialization()
"""No weights but the papers' initial ones."""


def load_initial_weights(network: Backbone, start: Initialization) -> str:
    """Copy the weights to begin with into a network with initial weights; return in words what was done.

    Raises:
        CheckpointError: the file cannot be read, is another network's, or nothing of it fits.
    """
    if start.path is None:
        return start.words
    path = start.path / WEIGHTS if start.path.is_dir() else start.path
    return _same(network, path) if start.same else _other(network, path)


def _same(network: Backbone, path: Path) -> str:
    """Load a checkpoint of the same network; its classifier is left out where it has other classes."""
    if not isinstance(network, Network):
        return _whole(network, path)
    own = int(network.classifier.out_features)
    classes = _classes(network, path) or own
    if classes == own:
        return f"{path}, in the names of {load_checkpoint(network, path)}"
    other = build_model(network.architecture, num_classes=classes, seed=0)
    dialect = load_checkpoint(other, path)
    state = network.state_dict()
    with torch.no_grad():
        for name, value in other.state_dict().items():
            if not name.startswith("classifier."):
                state[name].copy_(value)
    return (
        f"{path}, in the names of {dialect}, with a new classifier for {own} classes instead of its"
        f" {classes}"
    )


def _whole(network: Backbone, path: Path) -> str:
    """Load a checkpoint of a network for the same task."""
    try:
        return f"{path}, in the names of {load_checkpoint(network, path)}"
    except CheckpointError as error:
        raise CheckpointError(
            f"{error}; --warm-start takes what fits, such as the backbone of a classifier"
        ) from None


def _classes(network: Network, path: Path) -> int | None:
    """Return how many classes a checkpoint tells apart: the rows of what any dialect calls the classifier's weight."""
    said = {
        (dialect, name)
        for dialect in KEY_MAPPINGS
        for name in KEY_MAPPINGS.get(dialect).names("classifier.weight", network.architecture)
    }
    names = {alias for dialect, name in said for alias in _also(name, dialect)}
    found = [
        tensor
        for name, tensor in _tensors(path).items()
        if tensor.ndim == 2 and any(f".{name}".endswith(f".{own}") for own in names)
    ]
    return (
        int(found[0].shape[0]) if len(found) == 1 and found[0].shape[0] <= _MOST_CLASSES else None
    )


def _other(network: Backbone, path: Path) -> str:
    """Copy what fits by name and shape out of another network's checkpoint, in the dialect of which most fits."""
    given, own = (
        _tensors(path),
        {
            name: value
            for name, value in network.state_dict().items()
            if not name.endswith(_COUNTER)
        },
    )
    fitting = {dialect: _fitting(network, own, given, dialect) for dialect in KEY_MAPPINGS}
    dialect = max(fitting, key=lambda name: len(fitting[name]))
    if not fitting[dialect]:
        raise CheckpointError(
            f"{path}: none of its {len(given)} tensors fits the network by name and shape"
        )
    with torch.no_grad():
        for name, value in fitting[dialect].items():
            own[name].copy_(value)
    share = sum(own[name].numel() for name in fitting[dialect]) / sum(
        value.numel() for value in own.values()
    )
    return (
        f"{path}, in the names of {dialect}: {len(fitting[dialect])} of {len(own)} tensors fit,"
        f" {100 * share:.0f} % of the values"
    )


def _fitting(
    network: Backbone, own: Mapping[str, Tensor], given: Mapping[str, Tensor], dialect: str
) -> dict[str, Tensor]:
    """Return by our names what of a checkpoint, read as a dialect, has the shape of the network's own."""
    result = {}
    for name, value in own.items():
        theirs = KEY_MAPPINGS.get(dialect).names(name, network.architecture)
        parts = [
            next((given[alias] for alias in _also(part, dialect) if alias in given), None)
            for part in theirs
        ]
        found = [part for part in parts if part is not None and part.is_floating_point()]
        whole = _joined(found) if len(found) == len(theirs) else None
        if whole is not None and whole.shape == value.shape:
            result[name] = whole
    return result


def _joined(parts: list[Tensor]) -> Tensor | None:
    """Return tensors joined along their first axis, ``None`` where they do not fit together."""
    fit = parts and parts[0].ndim and len({part.shape[1:] for part in parts}) == 1
    return torch.cat(parts) if fit else None


def _also(name: str, dialect: str) -> list[str]:
    """Return the names that a tensor of a dialect may bear: its own, and those with another beginning."""
    aliases = KEY_MAPPINGS.get(dialect).aliases
    return [
        name,
        *(alias + name.removeprefix(begin) for alias, begin in aliases if name.startswith(begin)),
    ]


def _tensors(path: Path) -> dict[str, Tensor]:
    """Return the named tensors in a file.

    Raises:
        CheckpointError: it cannot be read, or holds none.
    """
    state = read_file(path)
    for wrapper in _WRAPPERS:
        if isinstance(state, Mapping) and isinstance(state.get(wrapper), Mapping):
            state = state[wrapper]
    tensors = (
        {name: value for name, value in state.items() if isinstance(value, Tensor)}
        if isinstance(state, Mapping)
        else {}
    )
    if not tensors:
        raise CheckpointError(f"{path}: a mapping of names to tensors is expected")
    return {str(name).removeprefix("module."): value for name, value in tensors.items()}
