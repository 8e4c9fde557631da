"""A folder of images by class: ``cat/1.jpg``, ``train/cat/1.jpg`` or ``cat/train/1.jpg``.

Folders that contain all others are passed through, and folders inside a class belong to it. Hidden
files and files without an image suffix are ignored. A part called test is never read.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mvt_nas.data.labels import HELD_OUT, PARTS, TEST
from mvt_nas.data.source import SOURCES, ImageCatalogue, ImageSource
from mvt_nas.errors import DataError

SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
)


@dataclass(frozen=True, slots=True)
class _File:
    """An image file.

    Attributes:
        folders: Names of the folders between the root and the file.
        name: Name of the file.
        mark: Size in bytes and modification time, by which a change is noticed.
    """

    folders: tuple[str, ...]
    name: str
    mark: tuple[int, int]


def catalogue(source: str) -> ImageCatalogue:
    """Return the content of a folder.

    Raises:
        DataError: it cannot be read, or has no images in folders by class.
    """
    files = sorted(_files(source, (), set()), key=lambda file: (file.folders, file.name))
    in_folders = [file for file in files if file.folders]
    if not in_folders:
        example = os.path.join(source, "cat", "1.jpg")
        raise DataError(
            f"{source}: {'images, but none' if files else 'no images'} in folders; folders named"
            f" by class are needed, such as {example}"
        )
    rows = [row for row in _rows(in_folders, source) if row[1].lower() not in TEST]
    if not rows:
        raise DataError(f"{source}: only test images; folders of training images are needed")
    names = sorted({row[0] for row in rows})
    code = {name: label for label, name in enumerate(names)}
    paths = [os.path.join(source, *file.folders, file.name) for *_, file in rows]
    marks = hashlib.sha256(
        repr([(file.folders, file.name, file.mark) for *_, file in rows]).encode(
            "utf-8", "surrogatepass"
        )
    )
    return ImageCatalogue(
        where=source,
        labels=np.array([code[row[0]] for row in rows], np.int64),
        class_names=tuple(names),
        held_out=np.array([row[1].lower() in HELD_OUT for row in rows], bool),
        stamp=f"{os.path.abspath(source)} {marks.hexdigest()}",
        image=lambda index: Path(paths[index]).read_bytes(),
        name=paths.__getitem__,
    )


def _files(folder: str, inside: tuple[str, ...], seen: set[tuple[int, int]]) -> Iterator[_File]:
    """Yield the image files in a folder and below.

    Args:
        folder: Path of the folder.
        inside: Names of the folders between the root and it, itself included.
        seen: Device and inode of the folders around it, by which loops of links are noticed.
    """
    try:
        own = os.stat(folder)
        if (own.st_dev, own.st_ino) in seen:  # a link back to a folder around it
            return
        with os.scandir(folder) as found:
            entries = list(found)
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror})") from None
    inner = {*seen, (own.st_dev, own.st_ino)}
    for entry in entries:
        if entry.name.startswith((".", "__MACOSX")):
            continue
        if entry.is_dir():
            yield from _files(entry.path, (*inside, entry.name), inner)
        elif os.path.splitext(entry.name)[1].lower() in SUFFIXES:
            yield _File(inside, entry.name, _mark(entry))


def _mark(entry: os.DirEntry[str]) -> tuple[int, int]:
    try:
        found = entry.stat()
        return found.st_size, found.st_mtime_ns
    except OSError:  # a dangling link; the file will count as unreadable
        return -1, 0


def _rows(files: Sequence[_File], source: str) -> list[tuple[str, str, _File]]:
    """Return class, part and file of every image; the part is ``""`` if there is none."""
    first = min(file.folders for file in files)
    last = max(file.folders for file in files)
    # The folders that the first and the last file share are shared by all files between them.
    shared = 0
    while shared < min(len(first), len(last)) and first[shared] == last[shared]:
        shared += 1
    if all(len(file.folders) == shared for file in files):
        shared -= 1  # all images are of one class, whose folder must not be passed through
    inner = [file.folders[shared:] for file in files]
    loose = next((file for file, folders in zip(files, inner, strict=True) if not folders), None)
    if loose is not None:
        raise DataError(
            f"{os.path.join(source, *loose.folders, loose.name)}: next to the folders of the"
            " classes; it has to be in one of them"
        )
    if all(len(folders) > 1 and folders[0].lower() in PARTS for folders in inner):
        return [(folders[1], folders[0], file) for folders, file in zip(inner, files, strict=True)]
    if all(len(folders) > 1 and folders[1].lower() in PARTS for folders in inner):
        return [(folders[0], folders[1], file) for folders, file in zip(inner, files, strict=True)]
    return [(folders[0], "", file) for folders, file in zip(inner, files, strict=True)]


SOURCES.register("folder")(ImageSource("a folder of images by class", os.path.isdir, catalogue))
