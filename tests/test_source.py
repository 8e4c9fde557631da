"""Limits on the source that keep the code easy to find one's way in."""

from __future__ import annotations

from pathlib import Path

import mvt_nas
from benchmarks._source import SourceFile, read_sources, repeated_class_names

FILES = read_sources(Path(mvt_nas.__file__).parent)
MOST_DEFERRED_IMPORTS = 104


def test_a_class_name_means_one_thing() -> None:
    assert repeated_class_names(FILES) == {}


def test_few_imports_are_inside_functions() -> None:
    assert sum(file.deferred_imports for file in FILES) <= MOST_DEFERRED_IMPORTS


def test_lines_have_at_most_100_columns() -> None:
    long = [
        f"{file.path}:{number}"
        for file in FILES
        for number, line in enumerate(file.lines, 1)
        if len(line) > 100 and "type: ignore" not in line
    ]
    assert long == []


def test_the_measures_notice_what_they_count() -> None:
    source = SourceFile(Path("a.py"), "class A:\n    def f(self) -> None:\n        import json\n")
    assert source.deferred_imports == 1
    assert set(repeated_class_names([source, source])) == {"A"}
