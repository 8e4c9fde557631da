"""The architecture in an OpenVINO ``.xml``; files with declarations of their own are refused, so that nothing expands or is fetched."""

from __future__ import annotations

from pathlib import Path
from xml.parsers.expat import ExpatError, ParserCreate

from mvt_nas.errors import ExportError
from mvt_nas.export.base import READERS, ImportedNetwork, NetworkReader
from mvt_nas.export.metadata import KEY, read_stamp

_FORM = "OpenVINO model of mvt-nas"
_PATH = ["net", "rt_info", KEY]


class _Stamp:
    """Where the parser is, and what it has found.

    Attributes:
        root: the outermost element.
        text: the stamp.
    """

    def __init__(self, path: Path) -> None:
        self.root: str | None = None
        self.text: str | None = None
        self._path = path
        self._open: list[str] = []

    def declared(self, *_: object) -> None:
        raise ExportError(
            f"{self._path}: refused: it declares a document type or entities, which no model of"
            " OpenVINO does"
        )

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._open.append(name)
        self.root = self.root or name
        if self._open == _PATH:
            self.text = attributes.get("value")

    def end(self, _: str) -> None:
        self._open.pop()


def read(path: Path) -> ImportedNetwork | None:
    """Return the architecture in an ``.xml`` file; ``None`` for other files, and for XML that is no model of OpenVINO."""
    if path.suffix != ".xml" or path.is_dir():
        return None
    found = _parsed(path)
    if found.root != _PATH[0]:
        return None
    if found.text is None:
        raise ExportError(
            f"{path}: a model of OpenVINO without an architecture in it; mvt-nas export --to"
            " openvino writes one"
        )
    return read_stamp(found.text, path, _FORM)


def _parsed(path: Path) -> _Stamp:
    found = _Stamp(path)
    parser = ParserCreate()
    parser.StartElementHandler = found.start
    parser.EndElementHandler = found.end
    parser.StartDoctypeDeclHandler = found.declared
    parser.EntityDeclHandler = found.declared
    try:
        with path.open("rb") as file:
            parser.ParseFile(file)
    except ExpatError as error:
        raise ExportError(f"{path}: truncated, or no XML ({error})") from None
    return found


READERS.register("openvino")(
    NetworkReader(
        name="openvino", summary="an .xml of OpenVINO's that `mvt-nas export` wrote", read=read
    )
)
