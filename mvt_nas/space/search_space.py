"""Search spaces: files that say which architectures there are.

A space is a row of dimensions, each a list of values. An architecture is encoded as one integer
code per dimension. Every dimension always has a code; codes without effect are zero in the
*canonical* row, so that each architecture has exactly one.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

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
from mvt_nas.space.transforms import fixed_values, restricted
from mvt_nas.space.validity import culprits, factors_of


class SearchSpace:
    """The architectures that a space file describes.

    Args:
        document: the content of the file, ``extends`` already applied.
        where: what messages call it.

    Attributes:
        document: plain data from which the same space can be made again.
        where: as given.
        name: as the file gives it.
        plan: where each field of an architecture comes from.
        dimensions: the choices, in order from the image to the head.

    Raises:
        SpaceError: the document is wrong, or its rules leave no architecture.
    """

    def __init__(self, document: Mapping[str, Any], where: str = "space") -> None:
        checked = check_document(document, where)
        if "extends" in checked:
            raise SpaceError(f"{where}: extends works in files only")
        fix = checked.pop("fix", {})
        self.document: dict[str, Any] = {
            "format": FORMAT,
            "name": Path(where).stem,
        } | copy.deepcopy(checked)
        self.where = where
        self.name = str(self.document["name"])
        self.plan = make_plan(self.document, where)
        if fix:
            self.document["fix"] = fixed = fixed_values(self.plan, fix, f"{where}: fix")
            self.plan = restricted(self.plan, fixed)
        self.dimensions: tuple[Dimension, ...] = self.plan.dimensions
        if not self.size:
            raise SpaceError(
                f"{where}: no architecture obeys all the rules ({'; '.join(self._culprits())})"
            )

    @staticmethod
    def load(path: str | Path) -> SearchSpace:
        """Return the space in a file, or one that ships with the package by its name (``mobilevit``).

        Raises:
            SpaceError: the file cannot be read or is wrong.
        """
        found = find_space(path)
        return SearchSpace(read_document(found), str(found))

    @cached_property
    def hash(self) -> str:
        """The content hash of the space; descriptions do not count."""
        content = {
            key: value for key, value in self.document.items() if key not in ("name", "description")
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def size(self) -> int:
        """The exact number of different architectures."""
        return self.counter.size

    @property
    def depends(self) -> Mapping[str, frozenset[int]]:
        """For the path of each field the dimensions on which its value or activity depends."""
        return self.plan.depends

    @cached_property
    def counter(self) -> RowCounter:
        """Counts, draws and lists the valid rows."""
        return RowCounter(
            [len(dimension.values) for dimension in self.dimensions], self._factors, self.where
        )

    @cached_property
    def _factors(self) -> list[ConstraintFactor]:
        return factors_of(self.plan, self.where)

    @cached_property
    def _lookup(self) -> RowLookup:
        return RowLookup(self.plan, self._factors)

    def fix(self, choices: Mapping[str, Any]) -> SearchSpace:
        """Return the part of the space in which dimensions have one value each.

        Args:
            choices: dimension name to value; a bare field name (``patch``) means that field of
                every stage.

        Raises:
            SpaceError: no such dimension, or not one of its values.
        """
        fixed = self.document.get("fix", {}) | fixed_values(self.plan, choices, self.where)
        return SearchSpace(self.document | {"fix": fixed}, self.where)

    def sample(self, n: int, seed: int) -> NDArray[np.int32]:
        """Return ``n`` canonical rows, (n, dimensions), drawn uniformly over the architectures, with replacement."""
        return self.counter.sample(n, np.random.default_rng(seed))

    def enumerate(self, limit: int = 2_000_000) -> NDArray[np.int32]:
        """Return all canonical rows, (size, dimensions), in lexicographic order.

        Raises:
            SpaceError: there are more than ``limit``.
        """
        if self.size > limit:
            raise SpaceError(
                f"{self.where}: {self.size} architectures are too many to list; at most {limit}"
            )
        return self.counter.enumerate()

    def canonical(self, rows: ArrayLike) -> NDArray[np.int32]:
        """Return the canonical rows of the same architectures, (n, dimensions)."""
        return self._lookup.canonical(self.checked(rows))

    def effective(self, rows: ArrayLike) -> NDArray[np.bool_]:
        """Return of canonical rows where each dimension has an effect, (n, dimensions): where another code is another network."""
        return self._lookup.effective(self.checked(rows))

    def obeys(self, rows: ArrayLike) -> NDArray[np.bool_]:
        """Return which rows obey the rules, (n,)."""
        return self._lookup.obeys(self.checked(rows))

    def decode(self, row: ArrayLike) -> Architecture:
        """Return the architecture of one row.

        Raises:
            SpaceError: the row has another length, a code out of range, or breaks a rule.
        """
        return self.decode_many(one_row(row))[0]

    def decode_many(self, rows: ArrayLike) -> list[Architecture]:
        """Return the architectures of many rows, (n, dimensions).

        Raises:
            SpaceError: a row has another length, a code out of range, or breaks a rule.
        """
        return decoded(self.plan, self._obeying(rows))

    def fields_of(self, rows: ArrayLike) -> dict[str, list[Any]]:
        """Return by path the fields of the architectures of many rows, (n, dimensions); ``None`` where one has no such field.

        Raises:
            SpaceError: a row has another length, a code out of range, or breaks a rule.
        """
        return flattened_columns(self.plan, self._obeying(rows))

    def encode(self, architecture: Architecture) -> NDArray[np.int32]:
        """Return the canonical row of an architecture, (dimensions,).

        Raises:
            SpaceError: it is no point of the space; the message names the field, or the rule that
                it breaks.
        """
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
        """Return whether the architecture is a point of the space."""
        try:
            self.encode(architecture)
        except SpaceError:
            return False
        return True

    def neighbours(self, row: ArrayLike) -> NDArray[np.int32]:
        """Return the canonical rows, (k, dimensions), that differ from ``row`` in the choice of one dimension."""
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
            SpaceError: a row has another length, or a code out of range.
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
        """Return the fields of rows, all of which obey the rules."""
        checked = self.checked(rows)
        columns = Columns(self.plan, checked)
        for rule in self.plan.rules:
            broken = np.flatnonzero(~columns.obeys(rule))
            if len(broken):
                raise SpaceError(
                    f"{self.where}: row {checked[broken[0]].tolist()} breaks the rule {rule.text!r}"
                )
        return columns

    def _culprits(self) -> list[str]:
        return culprits(self.plan, self._factors)


def load_space(path: str | Path) -> SearchSpace:
    """Return the search space in a file, or the one that ships under that name (see :meth:`SearchSpace.load`)."""
    return SearchSpace.load(path)
