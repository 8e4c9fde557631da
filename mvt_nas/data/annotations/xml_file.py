"""XML that may come from anywhere: read without document types and entities, which could make a small file a huge one or read others."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from mvt_nas.errors import DataError

_MOST_BYTES = 4 * 2**20
_DEEPEST = 50


class _Deep(Exception):
    """Elements within elements beyond all reason."""


class _Typed(Exception):
    """A document type, or entities."""


class _Builder:
    """Builds the tree of a document, and stops where it gets deep."""

    def __init__(self) -> None:
        self.tree = TreeBuilder()
        self._depth = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _Deep
        self.tree.start(name, attributes)

    def end(self, name: str) -> None:
        self._depth -= 1
        self.tree.end(name)


def read_xml(path: Path) -> Element:
    """Return the root of a document.

    Raises:
        DataError: it cannot be read, is no XML, is larger than 4 MB, or has a document type or entities.
    """
    try:
        data = path.read_bytes() if path.stat().st_size <= _MOST_BYTES else None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    if data is None:
        raise DataError(f"{path}: larger than {_MOST_BYTES // 2**20} MB; the annotation of one picture is expected")
    builder = _Builder()
    try:
        _parser(builder).Parse(data, True)
        return builder.tree.close()
    except _Typed:
        raise DataError(f"{path}: refused: it has a document type or entities, which annotations have no need of") from None
    except _Deep:
        raise DataError(f"{path}: refused: more than {_DEEPEST} elements within each other") from None
    except (expat.ExpatError, AssertionError, ValueError, LookupError) as error:
        raise DataError(f"{path}: no XML ({' '.join(str(error).split()) or 'nothing in it'})") from None


def _parser(builder: _Builder) -> expat.XMLParserType:
    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = builder.start, builder.end
    parser.CharacterDataHandler = builder.tree.data
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = _refuse
    return parser


def _refuse(*_: object) -> NoReturn:
    raise _Typed
