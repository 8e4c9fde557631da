"""Pictures in Parquet files, or in a folder of Parquet or Arrow files as Hugging Face's ``datasets`` leaves them on a disk.

A column holds the picture's file (bytes, or a record with ``bytes``), another the class (integers
or text); names of classes are read from the notes that ``datasets`` keeps in the schema. Which part
a file belongs to is told by its name (``train-00000.parquet``) or its folder.
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
    """Return whether a path is a file of such pictures, or a folder of some."""
    path = Path(source)
    return (path.suffix in (".parquet", ".arrow") and path.is_file()) or (
        path.is_dir() and bool(_files(path))
    )


def catalogue(source: str) -> ImageCatalogue:
    """Return what the files hold; those of a test part are left out.

    Raises:
        DataError: pyarrow is not installed, a file cannot be read, or lacks pictures or labels.
    """
    files = [
        file
        for file in ([Path(source)] if Path(source).is_file() else _files(Path(source)))
        if _part(file, source) not in TEST
    ]
    if not files:
        raise DataError(f"{source}: only test pictures; a part to learn from is needed")
    tables = [_table(file) for file in files]
    pictures, codes, names = [], [], []
    for file, table in zip(files, tables, strict=True):
        image, label = (_column(table, names_, file) for names_ in (_IMAGES, _LABELS))
        pictures.append(table.column(image))
        codes.append(np.asarray(table.column(label).to_numpy(zero_copy_only=False)))
        names.append(_class_names(table, label))
    labels, class_names = named(_joined(codes), names[0], source)
    ends = np.cumsum([len(part) for part in pictures])
    held_out = np.repeat(
        [_part(file, source) in HELD_OUT for file in files], [len(part) for part in pictures]
    )

    def picture(index: int) -> bytes:
        part = int(np.searchsorted(ends, index, side="right"))
        value = pictures[part][index - int(ends[part])].as_py()
        data = value.get("bytes") if isinstance(value, dict) else value
        if not isinstance(data, bytes):
            raise OSError("no bytes; pictures that lie elsewhere cannot be followed")
        return data

    return ImageCatalogue(
        source,
        labels,
        class_names,
        held_out,
        stamp(files),
        picture,
        lambda index: f"{source}: row {index}",
    )


def _files(folder: Path) -> list[Path]:
    """Return the files of a folder, of its folder ``data``, and of the folders of parts."""
    inner = [folder, folder / "data", *(folder / part for part in PARTS)]
    return sorted(
        file
        for place in inner
        for pattern in ("*.parquet", "*.arrow")
        for file in place.glob(pattern)
    )


def _part(file: Path, source: str) -> str:
    words = (
        [file.stem, *file.relative_to(source).parts[:-1][::-1]]
        if Path(source).is_dir()
        else [file.stem]
    )
    leading = (re.split(r"[-_.]", word.lower())[0] for word in words)
    return next((word for word in leading if word in PARTS), "")


def _table(file: Path) -> Any:
    try:
        import pyarrow as pa
        import pyarrow.ipc as ipc
        import pyarrow.parquet as pq
    except ImportError:
        raise DataError(
            f"{file}: pyarrow is not installed; pip install 'mvt-nas[parquet]'"
        ) from None
    try:
        if file.suffix == ".parquet":
            return pq.read_table(file)
        with pa.memory_map(str(file)) as mapped:
            return ipc.open_stream(mapped).read_all()
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{file}: cannot be read ({' '.join(str(error).split())})") from None


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
    """Return the names that ``datasets`` noted in the schema, ``None`` without any."""
    try:
        notes = json.loads((table.schema.metadata or {})[b"huggingface"])
        names = notes["info"]["features"][label]["names"]
        return names if isinstance(names, list) else None
    except (KeyError, ValueError, TypeError):
        return None


SOURCES.register("parquet")(
    ImageSource("a Parquet or Arrow file, or a folder of some", claims, catalogue)
)
