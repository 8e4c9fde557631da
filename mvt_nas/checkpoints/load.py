"""Weights into a network, whoever saved them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from torch import Tensor

from mvt_nas.checkpoints.key_mapping import KEY_MAPPINGS, translations
from mvt_nas.checkpoints.safe_load import read_file
from mvt_nas.errors import CheckpointError, listing
from mvt_nas.models.network import Backbone

_WRAPPERS = ("state_dict", "model_state_dict", "model")
_PREFIXES = ("module.", "model.", "_orig_mod.")
_OPTIONAL = "num_batches_tracked"

Table = Mapping[str, tuple[str, ...]]


def load_checkpoint(model: Backbone, source: Mapping[str, Tensor] | str | Path) -> str:
    """Copy weights into ``model``, all or nothing, and return the name of the dialect that they were in.

    Only names and shapes can be compared: that the weights were trained in a network of the same
        arithmetic (heads, activations,
    residuals) is the caller's knowledge. Data type and device of the model stay.

    Args:
        model: where the weights go.
        source: a state dict, or a file of one (``torch.save``, or ``.safetensors``). It may be
            wrapped under ``state_dict``, ``model_state_dict`` or ``model``, and all names may begin
            with ``module.``.

    Raises:
        CheckpointError: a file that cannot be read, names of no known dialect, too few or too many
            of them, another shape.
    """
    where = str(source) if isinstance(source, str | Path) else "state dict"
    given = _tensors(read_file(Path(source)) if isinstance(source, str | Path) else source, where)
    dialect, table = _recognise(model, given, where)
    given = _without_aliases(given, dialect, table)
    _check_names(given, table, f"{where}: names of {dialect}")
    own = model.state_dict()
    staged = {
        name: _fitting(own[name], names, given, f"{where}: {name}")
        for name, names in table.items()
        if names[0] in given
    }
    with torch.no_grad():
        for name, value in staged.items():
            own[name].copy_(value)
    return dialect


def _tensors(state: object, where: str) -> dict[str, Tensor]:
    """Return the named tensors in ``state``, without wrapping and common prefixes."""
    for wrapper in _WRAPPERS:
        if isinstance(state, Mapping) and isinstance(state.get(wrapper), Mapping):
            state = state[wrapper]
    if not isinstance(state, Mapping) or not state:
        found = "an empty one" if isinstance(state, Mapping) else type(state).__name__
        raise CheckpointError(f"{where}: a mapping of names to tensors is expected, not {found}")
    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, Tensor) or value.is_meta:
            raise CheckpointError(
                f"{where}: {name!r} is no tensor with data but {type(value).__name__}"
            )
    given = dict(state)
    while prefix := next(
        (prefix for prefix in _PREFIXES if all(name.startswith(prefix) for name in given)), ""
    ):
        given = {name.removeprefix(prefix): value for name, value in given.items()}
    return given


def _recognise(model: Backbone, given: Mapping[str, Tensor], where: str) -> tuple[str, Table]:
    """Return the dialect that knows most of the given names, and its names for the model's tensors."""
    tables = {dialect: translations(model, dialect) for dialect in KEY_MAPPINGS}
    unknown = {dialect: _unknown(given, dialect, table) for dialect, table in tables.items()}
    best = min(unknown, key=lambda dialect: len(unknown[dialect]))
    if 2 * len(unknown[best]) > len(given):
        silent = [dialect for dialect, table in tables.items() if not table]
        without = f" ({listing(silent)} cannot name this architecture)" if silent else ""
        raise CheckpointError(
            f"{where}: names not recognised, tried {listing(tables)}{without}; unexpected:"
            f" {_some(unknown[best])}"
        )
    return best, tables[best]


def _unknown(given: Mapping[str, Tensor], dialect: str, table: Table) -> list[str]:
    known = {name for names in table.values() for name in names}
    return [name for name in _without_aliases(given, dialect, table) if name not in known]


def _without_aliases(given: Mapping[str, Tensor], dialect: str, table: Table) -> dict[str, Tensor]:
    """Return the given tensors under the names of ``table``, where an alias of a name stands for one that is not given."""
    known = {name for names in table.values() for name in names}
    result = {name: value for name, value in given.items() if name in known}
    for name in (name for name in given if name not in known):
        begins = [
            (alias, begin)
            for alias, begin in KEY_MAPPINGS.get(dialect).aliases
            if name.startswith(alias)
        ]
        standard = [begin + name.removeprefix(alias) for alias, begin in begins]
        free = [known_as for known_as in standard if known_as in known and known_as not in result]
        result[free[0] if free else name] = given[name]
    return result


def _check_names(given: Collection[str], table: Table, where: str) -> None:
    known = {name for names in table.values() for name in names}
    missing = [
        name
        for names in table.values()
        for name in names
        if name not in given and not name.endswith(_OPTIONAL)
    ]
    unexpected = [name for name in given if name not in known]
    found = [
        f"{len(names)} {what}: {_some(names)}"
        for what, names in (("missing", missing), ("unexpected", unexpected))
        if names
    ]
    if found:
        raise CheckpointError(f"{where}, but {'; '.join(found)}")


def _fitting(
    own: Tensor, names: tuple[str, ...], given: Mapping[str, Tensor], where: str
) -> Tensor:
    """Return the given value of one tensor of the model, joined along the first axis where the dialect splits it."""
    if own.is_meta:
        raise CheckpointError(
            f"{where} is on the meta device, which holds no weights; build the model on another"
        )
    shapes = [part.shape for part in own.chunk(len(names))] if len(names) > 1 else [own.shape]
    for name, shape in zip(names, shapes, strict=True):
        if given[name].shape != shape:
            raise CheckpointError(
                f"{where} needs {name} of shape {tuple(shape)}, not {tuple(given[name].shape)}"
            )
        if (
            given[name].layout != torch.strided
            or given[name].is_complex()
            or given[name].is_quantized
        ):
            raise CheckpointError(
                f"{where} needs {name} as a dense tensor of real numbers, not {given[name].dtype},"
                f" {given[name].layout}"
            )
    parts = [given[name].detach().to(device=own.device, dtype=own.dtype) for name in names]
    return torch.cat(parts) if len(parts) > 1 else parts[0]


def _some(names: list[str]) -> str:
    return listing([*names[:3], "..."] if len(names) > 3 else names)
