"""Loading of checkpoints, with the tensor names of any known project."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from mvt_nas.checkpoints.key_mapping import KEY_MAPPINGS, translations
from mvt_nas.checkpoints.safe_load import read_file
from mvt_nas.errors import CheckpointError, listing
from mvt_nas.models.network import Backbone

_WRAPPERS = ("state_dict", "model_state_dict", "model")
_PREFIXES = ("module.", "model.", "_orig_mod.")
# Old checkpoints lack the counters of batch norm, which evaluation does not need.
_OPTIONAL = "num_batches_tracked"

Table = Mapping[str, tuple[str, ...]]
"""For each of our names, the names in a key mapping."""


def load_checkpoint(model: Backbone, source: Mapping[str, Tensor] | str | Path) -> str:
    """Copy weights into ``model``, all or nothing, and return the name of their key mapping.

    Only names and shapes can be compared. That the weights were trained in a network with the same
    arithmetic (heads, activations, residuals) is for the caller to know. The data type and device
    of the model stay.

    Args:
        model: Network that gets the weights.
        source: State dict, or the path of a file with one (``torch.save``, or ``.safetensors``). It
            may be wrapped under ``state_dict``, ``model_state_dict`` or ``model``, and all names
            may begin with ``module.``.

    Raises:
        CheckpointError: The file cannot be read, the names belong to no known key mapping, tensors
            are missing or unexpected, or have other shapes.
    """
    where = "state dict"
    state: object = source
    if isinstance(source, str | Path):
        where = str(source)
        state = read_file(Path(source))
    given = _named_tensors(state, where)
    mapping, table = _recognise(model, given, where)
    given = _resolve_aliases(given, mapping, table)
    _check_names(given, table, f"{where}: names of {mapping}")
    own = model.state_dict()
    # All values are checked before the first is copied.
    staged = {
        name: _joined(own[name], names, given, f"{where}: {name}")
        for name, names in table.items()
        if names[0] in given
    }
    with torch.no_grad():
        for name, value in staged.items():
            own[name].copy_(value)
    return mapping


def _named_tensors(state: object, where: str) -> dict[str, Tensor]:
    """Return the named tensors in ``state``, without wrappers and common prefixes."""
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
    # Wrappers nest, such as torch.compile around DataParallel, so prefixes may follow each other.
    while prefix := _common_prefix(given):
        given = {name.removeprefix(prefix): value for name, value in given.items()}
    return given


def _common_prefix(names: Collection[str]) -> str:
    """Return the known prefix with which all names begin, or an empty string."""
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in names):
            return prefix
    return ""


def _recognise(model: Backbone, given: Mapping[str, Tensor], where: str) -> tuple[str, Table]:
    """Return the key mapping that knows most of the given names, and its table for the model."""
    tables = {mapping: translations(model, mapping) for mapping in KEY_MAPPINGS}
    unknown = {mapping: _unknown(given, mapping, table) for mapping, table in tables.items()}
    best = min(unknown, key=lambda mapping: len(unknown[mapping]))
    if 2 * len(unknown[best]) > len(given):
        without_names = [mapping for mapping, table in tables.items() if not table]
        reason = f" ({listing(without_names)} cannot name this architecture)"
        raise CheckpointError(
            f"{where}: names not recognised, tried {listing(tables)}"
            f"{reason if without_names else ''}; unexpected: {_shortened(unknown[best])}"
        )
    return best, tables[best]


def _unknown(given: Mapping[str, Tensor], mapping: str, table: Table) -> list[str]:
    """Return the given names that a key mapping does not know."""
    known = _known_names(table)
    return [name for name in _resolve_aliases(given, mapping, table) if name not in known]


def _known_names(table: Table) -> set[str]:
    return {name for names in table.values() for name in names}


def _resolve_aliases(given: Mapping[str, Tensor], mapping: str, table: Table) -> dict[str, Tensor]:
    """Return the given tensors with aliases replaced by the names in ``table``.

    An alias is replaced only by a name that is not given itself; else it stays, and is reported as
    unexpected later.
    """
    known = _known_names(table)
    aliases = KEY_MAPPINGS.get(mapping).aliases
    result = {name: value for name, value in given.items() if name in known}
    for name, value in given.items():
        if name not in known:
            standard = _standard_name(name, aliases, known - result.keys())
            result[standard or name] = value
    return result


def _standard_name(
    name: str, aliases: Iterable[tuple[str, str]], free: Collection[str]
) -> str | None:
    """Return the first of the ``free`` names that ``name`` is an alias of, or ``None``."""
    for alias, prefix in aliases:
        standard = prefix + name.removeprefix(alias)
        if name.startswith(alias) and standard in free:
            return standard
    return None


def _check_names(given: Collection[str], table: Table, where: str) -> None:
    """Refuse missing and unexpected names."""
    known = _known_names(table)
    expected = [name for names in table.values() for name in names]
    missing = [name for name in expected if name not in given and not name.endswith(_OPTIONAL)]
    unexpected = [name for name in given if name not in known]
    problems = [
        f"{len(names)} {adjective}: {_shortened(names)}"
        for adjective, names in (("missing", missing), ("unexpected", unexpected))
        if names
    ]
    if problems:
        raise CheckpointError(f"{where}, but {'; '.join(problems)}")


def _joined(own: Tensor, names: tuple[str, ...], given: Mapping[str, Tensor], where: str) -> Tensor:
    """Return the value of one tensor of the model, in its data type and on its device.

    Parts are joined along the first axis where the key mapping splits the tensor.
    """
    if own.is_meta:
        raise CheckpointError(
            f"{where} is on the meta device, which holds no weights; build the model on another"
        )
    shapes = [part.shape for part in own.chunk(len(names))] if len(names) > 1 else [own.shape]
    parts = []
    for name, shape in zip(names, shapes, strict=True):
        _check_tensor(given[name], name, shape, where)
        parts.append(given[name].detach().to(device=own.device, dtype=own.dtype))
    return torch.cat(parts) if len(parts) > 1 else parts[0]


def _check_tensor(tensor: Tensor, name: str, shape: torch.Size, where: str) -> None:
    """Refuse a tensor of another shape, and one that is not dense or not of real numbers."""
    if tensor.shape != shape:
        raise CheckpointError(
            f"{where} needs {name} of shape {tuple(shape)}, not {tuple(tensor.shape)}"
        )
    if tensor.layout != torch.strided or tensor.is_complex() or tensor.is_quantized:
        raise CheckpointError(
            f"{where} needs {name} as a dense tensor of real numbers, not {tensor.dtype},"
            f" {tensor.layout}"
        )


def _shortened(names: list[str]) -> str:
    return listing([*names[:3], "..."] if len(names) > 3 else names)
