"""Images in Parquet files, or in a folder of Parquet or Arrow files of Hugging Face's ``datasets``.

One column holds the image files (bytes, or a record with ``bytes``), another one the classes
(integers or text). Class names are read from the metadata that ``datasets`` keeps in the schema.
The part of a file is recognised by its name (``train-00000.parquet``) or its folder.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from mvt_nas.data.labels import HELD_OUT, PARTS, TEST, named, stamp
from mvt_nas.data.source import SOURCES, ImageCatalogue, ImageSource
from mvt_nas.errors import DataError, listing

_IMAGES = ("image", "img", "picture", "jpg", "png")
_LABELS = ("label", "labels", "fine_label", "class", "target", "cls")


def claims(source: str) -> bool:
    """Return True if a path is a Parquet or Arrow file, or a folder of some."""
    path = Path(source)
    return (path.suffix in (".parquet", ".arrow") and path.is_file()) or (
        path.is_dir() and bool(_files(path))
    )


def catalogue(source: str) -> ImageCatalogue:
    """Return the content of the files, without those of a test part.

    Raises:
        DataError: pyarrow is not installed, a file cannot be read, or has no images or labels.
    """
    files = [
        file
        for file in ([Path(source)] if Path(source).is_file() else _files(Path(source)))
        if _part(file, source) not in TEST
    ]
    if not files:
        raise DataError(f"{source}: only test images; a training part is needed")
    tables = [_table(file) for file in files]
    columns = []
    codes = []
    names = []
    for file, table in zip(files, tables, strict=True):
        columns.append(table.column(_column(table, _IMAGES, file)))
        label = _column(table, _LABELS, file)
        codes.append(np.asarray(table.column(label).to_numpy(zero_copy_only=False)))
        names.append(_class_names(table, label))
    labels, class_names = named(_joined(codes), names[0], source)
    lengths = [len(column) for column in columns]
    # The index behind the last row of each file.
    ends = np.cumsum(lengths)
    held_out = np.repeat([_part(file, source) in HELD_OUT for file in files], lengths)

    def image(index: int) -> bytes:
        number = int(np.searchsorted(ends, index, side="right"))
        # Negative: counted from the end of the file's column.
        value = columns[number][index - int(ends[number])].as_py()
        data = value.get("bytes") if isinstance(value, dict) else value
        if not isinstance(data, bytes):
            raise OSError("no bytes; images stored elsewhere cannot be followed")
        return data

    return ImageCatalogue(
        where=source,
        labels=labels,
        class_names=class_names,
        held_out=held_out,
        stamp=stamp(files),
        image=image,
        name=lambda index: f"{source}: row {index}",
    )


def _files(folder: Path) -> list[Path]:
    """Return the files in a folder, in its folder ``data``, and in the folders of parts."""
    places = [folder, folder / "data", *(folder / part for part in PARTS)]
    return sorted(
        file
        for place in places
        for pattern in ("*.parquet", "*.arrow")
        for file in place.glob(pattern)
    )


def _part(file: Path, source: str) -> str:
    """Return the part in the name of a file or of its folders; ``""`` if there is none."""
    names = [file.stem]
    if Path(source).is_dir():
        names += reversed(file.relative_to(source).parts[:-1])
    leading = (re.split(r"[-_.]", name.lower())[0] for name in names)
    return next((word for word in leading if word in PARTS), "")


def _table(file: Path) -> Any:
    try:
        from mvt_nas.data.arrow_file import read_arrow
    except ImportError:
        raise DataError(
            f"{file}: pyarrow is not installed; pip install 'mvt-nas[parquet]'"
        ) from None
    return read_arrow(file)


def _column(table: Any, wanted: tuple[str, ...], file: Path) -> str:
    found = next((name for name in wanted if name in table.column_names), None)
    if found is None:
        raise DataError(
            f"{file}: has the columns {listing(table.column_names) or 'none'}; one of"
            f" {listing(wanted)} is needed"
        )
    return found


def _joined(parts: list[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    labels = np.concatenate(parts)
    return labels.astype(str) if labels.dtype == object else labels


def _class_names(table: Any, label: str) -> list[str] | None:
    """Return the class names that ``datasets`` keeps in the schema, or ``None``."""
    try:
        notes = json.loads((table.schema.metadata or {})[b"huggingface"])
        names = notes["info"]["features"][label]["names"]
        return names if isinstance(names, list) else None
    except (KeyError, ValueError, TypeError):
        return None


SOURCES.register("parquet")(
    ImageSource("a Parquet or Arrow file, or a folder of some", claims, catalogue)
)
