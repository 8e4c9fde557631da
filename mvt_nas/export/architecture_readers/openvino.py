"""Reads the architecture in the runtime information of an OpenVINO ``.xml``.

Files with declarations of their own are refused, so that no entity is expanded or fetched.
"""

from __future__ import annotations

from pathlib import Path
from xml.parsers.expat import ExpatError, ParserCreate

from mvt_nas.errors import ExportError
from mvt_nas.export.base import READERS, ImportedNetwork, NetworkReader
from mvt_nas.export.metadata import KEY, parse_metadata

_SUFFIX = ".xml"
_FORMAT = "OpenVINO model of mvt-nas"
_ELEMENTS = ["net", "rt_info", KEY]


class _MetadataHandler:
    """Handler of parser events that finds the description of the network.

    Attributes:
        root: Name of the outermost element.
        text: The description, or ``None``.
    """

    def __init__(self, path: Path) -> None:
        self.root: str | None = None
        self.text: str | None = None
        self._path = path
        self._open: list[str] = []

    def declaration(self, *_: object) -> None:
        """Refuse a document type or an entity."""
        raise ExportError(
            f"{self._path}: refused: it declares a document type or entities, which no model of"
            " OpenVINO does"
        )

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Enter an element."""
        self._open.append(name)
        self.root = self.root or name
        if self._open == _ELEMENTS:
            self.text = attributes.get("value")

    def end(self, _: str) -> None:
        """Leave an element."""
        self._open.pop()


def read(path: Path) -> ImportedNetwork | None:
    """Return the architecture in an ``.xml`` file; ``None`` for other files and other XML."""
    if path.suffix != _SUFFIX or path.is_dir():
        return None
    found = _parsed(path)
    if found.root != _ELEMENTS[0]:
        return None
    if found.text is None:
        raise ExportError(
            f"{path}: a model of OpenVINO without an architecture in it; mvt-nas export --to"
            " openvino writes one"
        )
    return parse_metadata(found.text, path, _FORMAT)


def _parsed(path: Path) -> _MetadataHandler:
    handler = _MetadataHandler(path)
    parser = ParserCreate()
    parser.StartElementHandler = handler.start
    parser.EndElementHandler = handler.end
    parser.StartDoctypeDeclHandler = handler.declaration
    parser.EntityDeclHandler = handler.declaration
    try:
        with path.open("rb") as file:
            parser.ParseFile(file)
    except ExpatError as error:
        raise ExportError(f"{path}: truncated, or no XML ({error})") from None
    return handler


READERS.register("openvino")(
    NetworkReader(
        name="openvino", summary="an .xml of OpenVINO's that `mvt-nas export` wrote", read=read
    )
)
