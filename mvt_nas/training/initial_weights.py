"""The initial weights of a training: random ones, a checkpoint, or parts of another network's."""

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
"""Name of the file with the weights in the folder of a training."""

_WRAPPERS = ("state_dict", "model_state_dict", "model")
_COUNTER = "num_batches_tracked"
_MAX_CLASSES = 1_000_000


@dataclass(frozen=True, slots=True)
class Initialization:
    """The source of the initial weights.

    Attributes:
        path: Checkpoint, or folder of a training; ``None`` for the papers' initialization.
        same: Whether it is of the same network; otherwise all tensors that fit by name and shape
            are taken.
    """

    path: Path | None = None
    same: bool = True

    @property
    def description(self) -> str:
        """The source as text, which is part of a training's identity in its checkpoints."""
        if self.path is None:
            return "initial weights"
        return f"{'weights' if self.same else 'what fits of'} {self.path}"


INITIAL = Initialization()
"""The papers' initialization."""


def load_initial_weights(network: Backbone, start: Initialization) -> str:
    """Copy initial weights into a network; return a description of what was copied.

    Raises:
        CheckpointError: the file cannot be read, is another network's, or none of its tensors fits.
    """
    if start.path is None:
        return start.description
    path = start.path / WEIGHTS if start.path.is_dir() else start.path
    return _load_same(network, path) if start.same else _load_other(network, path)


def _load_same(network: Backbone, path: Path) -> str:
    """Load a checkpoint of the same network, without its classifier if the classes differ."""
    if not isinstance(network, Network):
        return _load_task_network(network, path)
    own = int(network.classifier.out_features)
    classes = _num_classes(network, path) or own
    if classes == own:
        return f"{path}, in the names of {load_checkpoint(network, path)}"
    other = build_model(network.architecture, num_classes=classes, seed=0)
    mapping = load_checkpoint(other, path)
    state = network.state_dict()
    with torch.no_grad():
        for name, value in other.state_dict().items():
            if not name.startswith("classifier."):
                state[name].copy_(value)
    return (
        f"{path}, in the names of {mapping}, with a new classifier for {own} classes instead of its"
        f" {classes}"
    )


def _load_task_network(network: Backbone, path: Path) -> str:
    """Load a checkpoint of a network for the same task."""
    try:
        return f"{path}, in the names of {load_checkpoint(network, path)}"
    except CheckpointError as error:
        raise CheckpointError(
            f"{error}; --warm-start takes what fits, such as the backbone of a classifier"
        ) from None


def _num_classes(network: Network, path: Path) -> int | None:
    """Return the number of classes of a checkpoint, ``None`` if it is not clear.

    It is the number of rows of the classifier's weight, in any key mapping.
    """
    mapped = {
        (mapping, name)
        for mapping in KEY_MAPPINGS
        for name in KEY_MAPPINGS.get(mapping).names("classifier.weight", network.architecture)
    }
    names = {alias for mapping, name in mapped for alias in _aliases(name, mapping)}
    found = [
        tensor
        for name, tensor in _tensors(path).items()
        if tensor.ndim == 2 and any(f".{name}".endswith(f".{own}") for own in names)
    ]
    if len(found) != 1 or found[0].shape[0] > _MAX_CLASSES:
        return None
    return int(found[0].shape[0])


def _load_other(network: Backbone, path: Path) -> str:
    """Copy all tensors that fit by name and shape from another network's checkpoint.

    They are read under the key mapping by which most fit.
    """
    given = _tensors(path)
    own = {
        name: value for name, value in network.state_dict().items() if not name.endswith(_COUNTER)
    }
    by_mapping = {mapping: _fitting(network, own, given, mapping) for mapping in KEY_MAPPINGS}
    mapping = max(by_mapping, key=lambda name: len(by_mapping[name]))
    fitting = by_mapping[mapping]
    if not fitting:
        raise CheckpointError(
            f"{path}: none of its {len(given)} tensors fits the network by name and shape"
        )
    with torch.no_grad():
        for name, value in fitting.items():
            own[name].copy_(value)
    fitting_values = sum(own[name].numel() for name in fitting)
    share = fitting_values / sum(value.numel() for value in own.values())
    return (
        f"{path}, in the names of {mapping}: {len(fitting)} of {len(own)} tensors fit,"
        f" {100 * share:.0f} % of the values"
    )


def _fitting(
    network: Backbone, own: Mapping[str, Tensor], given: Mapping[str, Tensor], mapping: str
) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint, under our names, that have the network's shapes.

    Args:
        network: Network to initialize.
        own: Tensors of the network.
        given: Tensors of the checkpoint.
        mapping: Key mapping under which the checkpoint is read.
    """
    result = {}
    for name, value in own.items():
        # One of our tensors may be several in the checkpoint, such as query, key and value.
        theirs = KEY_MAPPINGS.get(mapping).names(name, network.architecture)
        parts = [_find(part, given, mapping) for part in theirs]
        found = [part for part in parts if part is not None and part.is_floating_point()]
        whole = _joined(found) if len(found) == len(theirs) else None
        if whole is not None and whole.shape == value.shape:
            result[name] = whole
    return result


def _find(name: str, given: Mapping[str, Tensor], mapping: str) -> Tensor | None:
    return next((given[alias] for alias in _aliases(name, mapping) if alias in given), None)


def _joined(parts: list[Tensor]) -> Tensor | None:
    """Return tensors joined along their first axis, ``None`` if they do not fit together."""
    fit = parts and parts[0].ndim and len({part.shape[1:] for part in parts}) == 1
    return torch.cat(parts) if fit else None


def _aliases(name: str, mapping: str) -> list[str]:
    """Return the possible names of a tensor in a key mapping: its own, and with other prefixes."""
    result = [name]
    for alias, prefix in KEY_MAPPINGS.get(mapping).aliases:
        if name.startswith(prefix):
            result.append(alias + name.removeprefix(prefix))
    return result


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
