"""Measures of the package's source next to those of seven well-kept projects.

The other projects' figures were taken once with the same definitions, from their releases of
autumn 2026; None is a figure that was not taken. They are guides, not quotas.
"""

from __future__ import annotations

from pathlib import Path

import mvt_nas
from benchmarks._figures import Figure, figure
from benchmarks._source import measure

OTHERS = ("optuna", "httpx", "equinox", "litgpt", "fvcore", "timm", "attrs")

ANCHORS: dict[str, tuple[float | None, ...]] = {
    "files": (220, 23, 72, 60, 28, 284, 19),
    "lines": (39638, 8827, 15976, 17977, 5382, 125600, 6428),
    "code lines": (22136, 5429, 8068, 12560, 2323, 87700, None),
    "file median": (124, 300, 134, 148, 122, 252, 127),
    "file p90": (428, 641, 509, 666, 653, 1056, 766),
    "file max": (1712, 2019, 1278, 3194, 869, 4922, 3462),
    "files of 6 to 60 lines": (63, 2, 19, 9, 4, 39, 1),
    "files over 250 lines": (46, 11, 21, 20, 6, 138, 4),
    "files over 500 lines": (18, 5, 8, 13, 4, 92, 3),
    "folder depth, mean": (1.46, 0.3, 0.8, 0.7, 1.0, 1.0, 1),
    "folder depth, max": (4, 1, 2, 1, 1, 1, 1),
    "import lines, %": (6, 4, 6, 5, 3, 2, None),
    "blank lines, %": (14, 13, 13, 12, 11, 12, None),
    "docstring lines, %": (21, 17, 26, 8, 38, 13, None),
    "lines over 100 columns, %": (0.1, 0, 0.2, 5.0, 0, 3.4, 0.2),
    "comments per 100 lines": (3.7, 5.1, 6.1, 6.4, 5.4, 4.6, 4.0),
    "functions": (1552, 446, 731, 496, 238, 5414, 215),
    "function median": (11, 9, 7, 11, 12, 8, 12),
    "function p90": (42, 34, 40, 77, 39, 43, 55),
    "function max": (236, 133, 428, 203, 120, 265, 405),
    "functions over 30 lines": (281, 55, 121, 106, 35, 868, 45),
    "functions over 60 lines": (77, 8, 36, 62, 14, 295, 17),
    "functions with more than 6 arguments": (45, 40, 25, 54, 1, 656, 10),
    "most arguments": (14, 19, 15, 23, 8, 48, 25),
    "typed functions, %": (96, 100, 47, 90, 97, 61, 39),
    "**kwargs in a signature": (8, 6, 66, 59, 6, 1679, 5),
    "classes": (252, 87, 124, 104, 40, 862, 37),
    "dataclasses": (3, 0, 5, 22, 1, 19, 0),
    "imports inside functions": (3, 21, 4, 64, 1, 60, 17),
    "public functions with a docstring, %": (25, 48, 36, 22, 75, 44, 68),
    "of one line, %": (6, 27, 15, 36, 22, 42, 11),
    "with an Args section, %": (14, 9, 22, 11, 48, 12, 39),
    "that raise and say so, %": (14, 8, 2, 1, 6, 6, 58),
    "module docstrings, %": (8, 23, 7, 24, 0, 79, 43),
    "tuple = tuple assignments per 1,000 lines": (0.3, 0.5, 0.2, 1.3, 1.1, 1.1, None),
    "ternaries per 1,000 lines": (4.1, 9.3, 3.9, 6.2, 4.8, 11.3, None),
    "nested comprehensions per 1,000 lines": (0.6, 0.1, 0, 0.2, 0, 0.1, None),
}
"""Figures of the other projects, in the order of ``OTHERS``."""


def run() -> list[Figure]:
    """Return the measures of the package; the notes hold those of the other projects."""
    measures = measure(Path(mvt_nas.__file__).parent)
    return [figure(name, [value], "", _note(name)) for name, value in measures.items()]


def _note(name: str) -> str:
    values = ANCHORS.get(name)
    if values is None:
        return ""
    known = [(other, value) for other, value in zip(OTHERS, values, strict=True)]
    return ", ".join(f"{other} {value:g}" for other, value in known if value is not None)
