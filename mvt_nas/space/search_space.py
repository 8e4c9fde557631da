"""Search spaces: sets of architectures that files describe.

A space is a sequence of dimensions, each a list of values. An architecture is encoded as a row of
one integer code per dimension. Every dimension always has a code. Codes without effect are zero in
the *canonical* row, so that each architecture has exactly one canonical row.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mvt_nas._fields import Value
from mvt_nas._io import content_hash
from mvt_nas._typing import BoolArray
from mvt_nas.errors import SpaceError
from mvt_nas.resources import find_space
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.codec import decoded, encoded, flattened, flattened_columns
from mvt_nas.space.columns import Columns, Rows, as_rows, one_row
from mvt_nas.space.counting import ConstraintFactor, RowCounter
from mvt_nas.space.document import FORMAT, check_document, read_document
from mvt_nas.space.lookup import RowLookup
from mvt_nas.space.plan import Dimension
from mvt_nas.space.plan_builder import make_plan
from mvt_nas.space.transforms import fixed_values, overridden, restricted
from mvt_nas.space.validity import conflicting_rules, factors_of


class SearchSpace:
    """The architectures that a space file describes.

    Args:
        document: Content of the file, with ``extends`` already applied.
        where: Name of the space in error messages, such as the path of its file.

    Attributes:
        document: Plain data from which the same space can be built again.
        where: Name of the space in error messages.
        name: Name of the space in its file.
        plan: Source of each field of an architecture.
        dimensions: The choices, in order from the image to the head.

    Raises:
        SpaceError: The document has a mistake, or no architecture obeys all its rules.
    """

    def __init__(self, document: Mapping[str, Any], where: str = "space") -> None:
        checked = check_document(document, where)
        if "extends" in checked:
            raise SpaceError(f"{where}: extends works in files only")
        fix = checked.pop("fix", {})
        self.document: dict[str, Any] = {"format": FORMAT, "name": Path(where).stem}
        self.document |= copy.deepcopy(checked)
        self.where = where
        self.name = str(self.document["name"])
        self.plan = make_plan(self.document, where)
        if fix:
            fixed = fixed_values(self.plan, fix, f"{where}: fix")
            self.document["fix"] = fixed
            self.plan = restricted(self.plan, fixed)
        self.dimensions: tuple[Dimension, ...] = self.plan.dimensions
        if not self.size:
            conflict = "; ".join(conflicting_rules(self.plan, self._factors))
            raise SpaceError(f"{where}: no architecture obeys all the rules ({conflict})")

    @staticmethod
    def load(path: str | Path) -> SearchSpace:
        """Return the space in a file, or a space shipped with the package.

        Args:
            path: Path of the file, or the name of a shipped space such as ``mobilevit``.

        Raises:
            SpaceError: The file cannot be read or has a mistake.
        """
        found = find_space(path)
        return SearchSpace(read_document(found), str(found))

    @cached_property
    def hash(self) -> str:
        """Hash of the content, 16 hexadecimal digits; name and description do not count."""
        content = dict(self.document)
        for key in ("name", "description"):
            content.pop(key, None)
        return content_hash(content)

    @property
    def size(self) -> int:
        """Exact number of different architectures."""
        return self.counter.size

    @property
    def depends(self) -> Mapping[str, frozenset[int]]:
        """For each path the dimensions on which the field's value or activity depends."""
        return self.plan.depends

    @cached_property
    def counter(self) -> RowCounter:
        """Counter of the canonical rows that obey the rules, which also samples and lists them."""
        sizes = [len(dimension.values) for dimension in self.dimensions]
        return RowCounter(sizes, self._factors, self.where)

    @cached_property
    def _factors(self) -> list[ConstraintFactor]:
        return factors_of(self.plan, self.where)

    @cached_property
    def _lookup(self) -> RowLookup:
        return RowLookup(self.plan, self._factors)

    def fix(self, choices: Mapping[str, Any]) -> SearchSpace:
        """Return the subspace in which some dimensions have one value each.

        Args:
            choices: Values by dimension name; a bare field name (``patch``) means that field of
                every stage.

        Raises:
            SpaceError: There is no such dimension, or the value is not one of its values.
        """
        fixed = self.document.get("fix", {}) | fixed_values(self.plan, choices, self.where)
        return SearchSpace(self.document | {"fix": fixed}, self.where)

    def with_overrides(
        self, constants: Mapping[str, Value], caps: Mapping[str, int]
    ) -> SearchSpace:
        """Return a space whose rows are the same architectures with some fields changed.

        It serves to decode and to count rows, such as for smaller images. It has no rules, and its
        size and canonical rows are not those of the changed architectures.

        Args:
            constants: New values by path.
            caps: Largest values by path; larger ones are reduced to it.
        """
        result = copy.copy(self)
        # Cached properties of the original.
        for name in ("hash", "counter", "_factors", "_lookup"):
            result.__dict__.pop(name, None)
        result.plan = overridden(self.plan, constants, caps)
        return result

    def sample(self, n: int, seed: int) -> NDArray[np.int32]:
        """Return random canonical rows, (n, dimensions).

        They are drawn uniformly over the architectures, with replacement.
        """
        return self.counter.sample(n, np.random.default_rng(seed))

    def enumerate(self, limit: int = 2_000_000) -> NDArray[np.int32]:
        """Return all canonical rows, (size, dimensions), in lexicographic order.

        Raises:
            SpaceError: There are more than ``limit``.
        """
        if self.size > limit:
            raise SpaceError(
                f"{self.where}: {self.size} architectures are too many to list; at most {limit}"
            )
        return self.counter.enumerate()

    def canonical(self, rows: ArrayLike) -> NDArray[np.int32]:
        """Return the canonical rows of the same architectures, (n, dimensions)."""
        return self._lookup.canonical(self.checked(rows))

    def effective(self, rows: ArrayLike) -> BoolArray:
        """Return the mask of the codes that have an effect, (n, dimensions).

        A dimension has an effect on a network if some other code of it gives another network.

        Args:
            rows: Canonical rows, (n, dimensions).
        """
        return self._lookup.effective(self.checked(rows))

    def obeys(self, rows: ArrayLike) -> BoolArray:
        """Return the mask of the rows that obey the rules, (n,)."""
        return self._lookup.obeys(self.checked(rows))

    def decode(self, row: ArrayLike) -> Architecture:
        """Return the architecture of one row.

        Raises:
            SpaceError: The row has another length, a code out of range, or breaks a rule.
        """
        return self.decode_many(one_row(row))[0]

    def decode_many(self, rows: ArrayLike) -> list[Architecture]:
        """Return the architectures of many rows, (n, dimensions).

        Raises:
            SpaceError: A row has another length, a code out of range, or breaks a rule.
        """
        return decoded(self.plan, self._obeying(rows))

    def fields_of(self, rows: ArrayLike) -> dict[str, list[Any]]:
        """Return the fields of the architectures of many rows by path.

        A value is ``None`` where an architecture does not have a field.

        Args:
            rows: Rows of the space, (n, dimensions).

        Raises:
            SpaceError: A row has another length, a code out of range, or breaks a rule.
        """
        return flattened_columns(self.plan, self._obeying(rows))

    def encode(self, architecture: Architecture) -> NDArray[np.int32]:
        """Return the canonical row of an architecture, (dimensions,).

        Raises:
            SpaceError: It is not in the space; the message names the field, or the rule that it
                breaks.
        """
        # The codes that fit best are decoded again: any difference shows what is not in the space.
        values = flattened(architecture)
        columns = Columns(self.plan, np.array([list(encoded(self.plan, values))], dtype=np.int32))
        found = flattened(decoded(self.plan, columns)[0])
        for path in {**values, **found}:
            if values.get(path) != found.get(path):
                raise SpaceError(
                    f"{self.where}: {path} = {values.get(path)!r} is not in the space (nearest"
                    f" point has {found.get(path)!r})"
                )
        for rule in self.plan.rules:
            if not columns.obeys(rule)[0]:
                stated = ", ".join(f"{name} = {values.get(name)}" for name in rule.names)
                raise SpaceError(f"{self.where}: {stated} breaks the rule {rule.text!r}")
        return np.asarray(columns.canonical()[0])

    def contains(self, architecture: Architecture) -> bool:
        """Return True if the architecture is in the space."""
        try:
            self.encode(architecture)
        except SpaceError:
            return False
        return True

    def neighbours(self, row: ArrayLike) -> NDArray[np.int32]:
        """Return the canonical rows, (k, dimensions), that differ from a row in one choice.

        Choices without effect are reset, so more than one code may differ.
        """
        own = self.canonical(one_row(row))[0]
        changes = [
            (index, code)
            for index, dimension in enumerate(self.dimensions)
            for code in range(len(dimension.values))
        ]
        rows = np.tile(own, (len(changes), 1))
        for row_number, (index, code) in enumerate(changes):
            rows[row_number, index] = code
        rows = self.canonical(rows)
        rows = rows[self.obeys(rows) & (rows != own).any(axis=1)]
        return np.asarray(np.unique(rows, axis=0), dtype=np.int32)

    def checked(self, rows: ArrayLike) -> Rows:
        """Return rows as an integer array, (n, dimensions).

        Raises:
            SpaceError: A row has another length, or a code out of range.
        """
        sizes = np.array([len(dimension.values) for dimension in self.dimensions], dtype=np.intp)
        array = as_rows(rows, len(sizes))
        if array.ndim != 2 or array.shape[1] != len(sizes) or array.dtype.kind not in "iu":
            raise SpaceError(
                f"{self.where}: a row is {len(sizes)} integers, not {array.dtype} of shape"
                f" {array.shape[1:]}"
            )
        wrong = ((array < 0) | (array >= sizes)).any(axis=0)
        if wrong.any():
            bad = int(np.argmax(wrong))
            raise SpaceError(
                f"{self.where}: the code of {self.dimensions[bad].name} is out of range; 0 to"
                f" {sizes[bad] - 1}"
            )
        return array

    def _obeying(self, rows: ArrayLike) -> Columns:
        """Return the fields of rows; refuse a row that breaks a rule."""
        checked = self.checked(rows)
        columns = Columns(self.plan, checked)
        for rule in self.plan.rules:
            broken = np.flatnonzero(~columns.obeys(rule))
            if len(broken):
                raise SpaceError(
                    f"{self.where}: row {checked[broken[0]].tolist()} breaks the rule {rule.text!r}"
                )
        return columns


def load_space(path: str | Path) -> SearchSpace:
    """Return the space in a file, or a space shipped with the package.

    Args:
        path: Path of the file, or the name of a shipped space such as ``mobilevit``.

    Raises:
        SpaceError: The file cannot be read or has a mistake.
    """
    return SearchSpace.load(path)
