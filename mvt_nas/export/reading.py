"""An architecture out of a file of any known form."""

from __future__ import annotations

from pathlib import Path

from mvt_nas.errors import ExportError
from mvt_nas.export.base import READERS, ImportedNetwork


def read_architecture(path: Path) -> ImportedNetwork:
    """Return the architecture in a file, or in a folder that holds one.

    Raises:
        ExportError: no reader knows the form, or the file is damaged, or says what this package
            cannot express.
    """
    if not path.exists():
        raise ExportError(f"{path}: there is no such file")
    for name in READERS:
        try:
            found = READERS.get(name).read(path)
        except OSError as error:
            raise ExportError(f"{path}: cannot be read ({error.strerror or error})") from None
        if found is not None:
            return found
    raise ExportError(
        f"{path}: of no known form; one of"
        f" {'; '.join(READERS.get(name).summary for name in READERS)}"
    )
