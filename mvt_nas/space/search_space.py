"""Search spaces: files that say which architectures there are.

A space is a row of dimensions, each a list of values. An architecture is encoded as one integer code per dimension. Every dimension
always has a code; codes without effect are zero in the *canonical* row, so that each architecture has exactly one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mvt_nas.errors import SpaceError, listing, nearest
from mvt_nas.space.architecture import BLOCKS, CONV, Architecture, Stage
from mvt_nas.space.columns import Columns, Rows, dependencies
from mvt_nas.space.counting import Counter, Factor
from mvt_nas.space.document import FORMAT, check_document, read_document
from mvt_nas.space.fields import specs
from mvt_nas.space.plan import Dimension, make_plan
from mvt_nas.space.restrict import restrict


class SearchSpace:
    """The architectures that a space file describes.

    Args:
        document: the content of the file, ``extends`` already applied.
        where: what messages call it.

    Attributes:
        name: as the file gives it.
        dimensions: the choices, in order from the image to the head.

    Raises:
        SpaceError: the document is wrong, or its rules leave no architecture.
    """

    def __init__(self, document: Mapping[str, Any], where: str = "space") -> None:
        checked = check_document(dict(document), where)
        fixed = checked.pop("fix", {})
        self.document: dict[str, Any] = {"format": FORMAT} | checked
        self.where = where
        self.name = str(checked.get("name", Path(where).stem))
        self.plan = make_plan(self.document, where)
        if fixed:
            self.document = restrict(self.document, self.plan, fixed, f"{where}: fix")
            self.plan = make_plan(self.document, where)
        self.dimensions: tuple[Dimension, ...] = tuple(self.plan.dimensions)
        self.depends = dependencies(self.plan)
        if not self.size:
            raise SpaceError(f"{where}: no architecture obeys all the rules ({'; '.join(self._blame())})")

    @staticmethod
    def load(path: str | Path) -> SearchSpace:
        """Return the space in a file, or one that ships with the package by its name (``mobilevit``).

        Raises:
            SpaceError: the file cannot be read or is wrong.
        """
        found = _find(path)
        return SearchSpace(read_document(found), str(found))

    @cached_property
    def hash(self) -> str:
        """The content hash of the space; descriptions do not count."""
        content = {key: value for key, value in self.document.items() if key not in ("name", "description")}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def size(self) -> int:
        """The exact number of different architectures."""
        return self.counter.size

    @cached_property
    def counter(self) -> Counter:
        """Counts, draws and lists the valid rows."""
        return Counter([len(dimension.values) for dimension in self.dimensions], self._factors())

    def fix(self, choices: Mapping[str, Any]) -> SearchSpace:
        """Return the part of the space in which dimensions have one value each.

        Args:
            choices: dimension name to value; a bare field name (``patch``) means that field of every stage.

        Raises:
            SpaceError: no such dimension, or not one of its values.
        """
        return SearchSpace(restrict(self.document, self.plan, choices, self.where), self.where)

    def sample(self, n: int, seed: int) -> NDArray[np.int32]:
        """Return ``n`` canonical rows, (n, dimensions), drawn uniformly over the architectures, with replacement."""
        return self.counter.sample(n, np.random.default_rng(seed))

    def enumerate(self, limit: int = 2_000_000) -> NDArray[np.int32]:
        """Return all canonical rows, (size, dimensions), in lexicographic order.

        Raises:
            SpaceError: there are more than ``limit``.
        """
        if self.size > limit:
            raise SpaceError(f"{self.where}: {self.size} architectures are too many to list; at most {limit}")
        return self.counter.enumerate()

    def canonical(self, rows: ArrayLike) -> Rows:
        """Return the canonical rows of the same architectures, (n, dimensions)."""
        return Columns(self.plan, self._checked(rows)).canonical()

    def obeys(self, rows: ArrayLike) -> NDArray[np.bool_]:
        """Return which rows obey the rules, (n,)."""
        columns = Columns(self.plan, self._checked(rows))
        return np.logical_and.reduce([np.ones(len(np.asarray(rows)), dtype=bool), *(columns.obeys(rule) for rule in self.plan.rules)])

    def decode(self, row: ArrayLike) -> Architecture:
        """Return the architecture of one row.

        Raises:
            SpaceError: the row has another length, a code out of range, or breaks a rule.
        """
        rows = self._checked(np.asarray(row)[None])
        columns = Columns(self.plan, rows)
        for rule in self.plan.rules:
            if not columns.obeys(rule)[0]:
                raise SpaceError(f"{self.where}: row {rows[0].tolist()} breaks the rule {rule.text!r}")

        def value(path: str) -> Any:
            return columns.value(path)[0].item() if columns.active(path)[0] else None

        stages = tuple(self._stage(f"stage{n}", value) for n in range(1, self.plan.stages + 1))
        return Architecture(resolution_px=value("resolution_px"), stem_width=value("stem.width"), head_width=value("head.width") or None, stages=stages)

    def encode(self, architecture: Architecture) -> NDArray[np.int32]:
        """Return the canonical row of an architecture, (dimensions,).

        Raises:
            SpaceError: it is no point of the space; the message names the field.
        """
        row = np.zeros((1, len(self.dimensions)), dtype=np.int32)
        values = _flat(architecture)
        for index, dimension in enumerate(self.dimensions):
            row[0, index] = self._code(index, dimension, values)
        row = self.canonical(row).astype(np.int32)
        found = _flat(self.decode(row[0]))
        for path in {**values, **found}:
            if values.get(path) != found.get(path):
                raise SpaceError(f"{self.where}: {path} = {values.get(path)!r} is not in the space (nearest point has {found.get(path)!r})")
        return np.asarray(row[0])

    def contains(self, architecture: Architecture) -> bool:
        """Return whether the architecture is a point of the space."""
        try:
            self.encode(architecture)
        except SpaceError:
            return False
        return True

    def neighbours(self, row: ArrayLike) -> NDArray[np.int32]:
        """Return the canonical rows, (k, dimensions), that differ from ``row`` in the choice of one dimension."""
        own = self.canonical(np.asarray(row)[None])[0]
        changed = [np.where(np.arange(len(own)) == i, code, own) for i, d in enumerate(self.dimensions) for code in range(len(d.values))]
        rows = self.canonical(np.asarray(changed, dtype=np.int32).reshape(-1, len(own)))
        rows = np.unique(rows[self.obeys(rows)], axis=0)
        return rows[(rows != own).any(axis=1)].astype(np.int32)

    def _stage(self, scope: str, value: Any) -> Stage:
        kind = value(f"{scope}.block")
        own = {name: value(f"{scope}.{name}") for name in specs(Stage)}
        if kind == CONV:
            return Stage(**own)
        block = BLOCKS.get(kind)
        return Stage(**own, block=block(**{name: value(f"{scope}.{name}") for name in specs(block)}))

    def _code(self, index: int, dimension: Dimension, values: Mapping[str, Any]) -> int:
        """Return the code of a dimension that fits the flattened fields of an architecture; 0 where none does."""
        for node in self.plan.nodes.values():
            if node.dimension == index and values.get(node.path) in dimension.values and values.get(node.path) is not None:
                return dimension.values.index(values[node.path])
            if node.alias and self.plan.nodes[node.alias[0]].dimension == index and values.get(node.path) is not None:
                derived = [int(node.alias[2].derive(factor, values[node.alias[1]])) for factor in dimension.values]
                if values[node.path] in derived:
                    return derived.index(values[node.path])
        return 0

    def _checked(self, rows: ArrayLike) -> Rows:
        array = np.asarray(rows)
        sizes = np.array([len(dimension.values) for dimension in self.dimensions])
        if array.ndim != 2 or array.shape[1] != len(sizes) or array.dtype.kind not in "iu":
            raise SpaceError(f"{self.where}: a row is {len(sizes)} integers, not {array.dtype} of shape {array.shape[1:]}")
        if array.size and ((array < 0) | (array >= sizes)).any():
            bad = int(np.argmax(((array < 0) | (array >= sizes)).any(axis=0)))
            raise SpaceError(f"{self.where}: the code of {self.dimensions[bad].name} is out of range; 0 to {sizes[bad] - 1}")
        return array

    def _factors(self) -> list[Factor]:
        """Return what makes a row valid: each rule, and for each dimension that its code is canonical."""
        factors = []
        for rule in self.plan.rules:
            reads = frozenset[int]().union(*(self.depends[name] for name in rule.names))
            factors.append(self._factor(reads, rule.text, lambda columns, rule=rule: columns.obeys(rule)))
        for index in range(len(self.dimensions)):
            reads = self._canonical_reads(index)
            if reads:
                factors.append(
                    self._factor(reads | {index}, "", lambda columns, i=index: columns.canonical_codes(i) == columns.codes(i))
                )
        return factors

    def _canonical_reads(self, index: int) -> frozenset[int]:
        """Return the dimensions that decide which codes of one are canonical."""
        nodes = [node for node in self.plan.nodes.values() if node.dimension == index]
        paths = {node.path for node in nodes}
        consumers = [node for node in self.plan.nodes.values() if node.alias and node.alias[0] in paths]
        reads = [self.depends[path] for node in nodes for path in (*node.when, *node.applies)]
        reads += [self.depends[node.path] for node in consumers]
        return frozenset[int]().union(*reads)

    def _factor(self, reads: Iterable[int], text: str, allowed: Any) -> Factor:
        variables = tuple(sorted(reads))
        sizes = [len(self.dimensions[v].values) for v in variables]
        grid = np.zeros((int(np.prod(sizes)), len(self.dimensions)), dtype=np.int32)
        grid[:, variables] = np.indices(sizes).reshape(len(sizes), -1).T
        return Factor(variables, allowed(Columns(self.plan, grid)).reshape(sizes), text)

    def _blame(self) -> Sequence[str]:
        """Return the rules that cannot be met even by themselves, or all of them."""
        alone = [factor.text for factor in self._factors() if factor.text and not factor.table.any()]
        return alone or [rule.text for rule in self.plan.rules]


def load_space(path: str | Path) -> SearchSpace:
    """Return the search space in a file, or the one that ships under that name (see :meth:`SearchSpace.load`)."""
    return SearchSpace.load(path)


def shipped_spaces() -> Path:
    """Return the folder of the space files that ship: beside the package in a checkout, inside it when installed."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "search_spaces"
    return inside if inside.is_dir() else package.parent / "search_spaces"


def _find(path: str | Path) -> Path:
    given = Path(path)
    shipped = shipped_spaces() / f"{given}.yaml"
    if given.exists() or given.suffix or len(given.parts) > 1 or not shipped.exists():
        if not given.exists() and not given.suffix:
            names = sorted(file.stem for file in shipped_spaces().glob("*.yaml"))
            raise SpaceError(f"{path}: no such file, and no shipped space of that name{nearest(str(path), names)} (shipped: {listing(names)})")
        return given
    return shipped


def _flat(architecture: Architecture) -> dict[str, Any]:
    """Return an architecture's fields by path."""
    flat: dict[str, Any] = {
        "resolution_px": architecture.resolution_px,
        "stem.width": architecture.stem_width,
        "head.width": architecture.head_width or 0,
    }
    for number, stage in enumerate(architecture.stages, start=1):
        flat |= {f"stage{number}.{name}": value for name, value in stage.to_dict().items()}
    return flat
