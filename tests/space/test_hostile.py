"""Harmful files: each is refused quickly, with one clear line."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mvt_nas.errors import SpaceError
from mvt_nas.space.search_space import SearchSpace, load_space

GOOD = "stem: {width: 16}\nstages: [{width: 16}]\n"


@pytest.fixture(autouse=True)
def _quickly() -> Iterator[None]:
    start = time.process_time()
    yield
    assert time.process_time() - start < 1


def _load(folder: Path, content: str | bytes) -> SearchSpace:
    path = folder / "space.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return load_space(path)


def _refused(folder: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(SpaceError, match=message) as caught:
        _load(folder, content)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(folder / "space.yaml: "))


def _letters(line: str) -> str:
    """Return lines a to i, each of which repeats the one before it nine times."""
    return "a: &a {x: 1}\n" + "".join(
        line.format(name=chr(98 + i), others=",".join(["*" + chr(97 + i)] * 9)) for i in range(9)
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("# " + "x" * 10_000_000, r"more than 256000 bytes; a file has at most that many$"),
        (
            "stem: !!python/object:os.system {}",
            (
                r"not valid YAML in line 1 \(could not determine a constructor for the tag"
                r" '.*os.system'\)$"
            ),
        ),
        (
            "!!python/object/apply:os.system ['ls']",
            r"not valid YAML in line 1 \(could not determine a constructor",
        ),
        (
            _letters("{name}: &{name} [{others}]\n"),
            r"expands into more than 20000 values; its aliases repeat too much$",
        ),
        (
            _letters("{name}: &{name} {{<<: [{others}]}}\n"),
            r"not valid YAML in line 2 \(the merge key << is not allowed\)$",
        ),
        ("stages: &a [*a]", r"expands into more than 20000 values"),
        ("stem: &a {width: *a}", r"expands into more than 20000 values"),
        ("&a {*a : 1}", r"not valid YAML in line 1 \(a key must be a plain word\)$"),
        ("? [1, 2]\n: 3", r"not valid YAML in line 1 \(a key must be a plain word\)$"),
        ("[" * 100_000, r"nested deeper than 32 levels$"),
        ("[" * 100_000 + "]" * 100_000, r"nested deeper than 32 levels$"),
        ("{a: " * 50_000, r"nested deeper than 32 levels$"),
        ("- " * 50_000, r"nested deeper than 32 levels$"),
        ("stages: [" + "1, " * 70_000 + "]", r"more than 20000 values$"),
        (GOOD + GOOD, r"not valid YAML in line 3 \(key 'stem' is given twice\)$"),
        (
            "stem: {width: 16, width: 16}",
            r"not valid YAML in line 1 \(key 'width' is given twice\)$",
        ),
        (
            bytes(range(256)) * 40,
            (
                r"cannot be read \('utf-8' codec can't decode byte 0x80 in position 128: invalid"
                r" start byte\)$"
            ),
        ),
        (b"\xff\xfe\x00\x00", r"cannot be read \('utf-8' codec"),
        (
            b"stem: \x00\x07",
            (
                r"not valid YAML.* \(.*control characters are not allowed\)$|not valid YAML.*"
                r" \(special characters are not allowed\)$"
            ),
        ),
        ("a: [1", r"not valid YAML in line \d \(.*expected ',' or '\]'.*\)$"),
        ("a: *b", r"not valid YAML in line 1 \(found undefined alias.*\)$"),
        ("---\na: 1\n---\nb: 2", r"not valid YAML in line 3 \(but found another document\)$"),
        (
            "%YAML 9.9\n---\na: 1",
            r"not valid YAML in line 1 \(found incompatible YAML document.*\)$",
        ),
    ],
)
def test_yaml_that_does_harm(tmp_path: Path, content: str | bytes, message: str) -> None:
    _refused(tmp_path, content, message)


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (
            ["stage1.width + stage2.width + stage3.width > 9"],
            r"the rule 'stage1.* > 9' ties 3 dimensions together: 1073741824 combinations of 10",
        ),
        (
            [f"stage2.width > stage1.width + {i}" for i in range(30)],
            r"ties 2 dimensions together: 1048576 combinations of 20971520 so far; at most",
        ),
        (
            [f"stage{i}.width > stage{i - 1}.width + 500" for i in (2, 3, 4)],
            r"\(stage2.width > stage1.width \+ 500; .*; stage4.width > stage3",
        ),
        (
            [f"stage{i}.width != stage{j}.width" for i in range(1, 5) for j in range(1, i)],
            r"the rules tie 4 dimensions together: 1099511627776",
        ),
    ],
)
def test_rules_over_more_than_can_be_counted(
    tmp_path: Path, rules: list[str], message: str
) -> None:
    stages = "  - {width: {min: 1, max: 1024}}\n" * 4
    _refused(tmp_path, f"stem: {{width: 16}}\nstages:\n{stages}rules: {json.dumps(rules)}", message)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("missing.yaml", r"missing.yaml: cannot be read \(No such file or directory\)$"),
        (".", r": cannot be read \(not a file\)$"),
        ("x" * 5000 + ".yaml", r"x+.yaml: cannot be read \(File name too long\)$"),
        ("a\0b.yaml", r"cannot be read \(embedded null byte\)$"),
        ("/dev/zero", r"^/dev/zero: cannot be read \(not a file\)$"),
    ],
)
def test_paths_that_are_no_file(tmp_path: Path, path: str, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        load_space(tmp_path / path)


def test_names_that_no_file_can_have() -> None:
    with pytest.raises(
        SpaceError, match=r"^x+: no such file, and no shipped space of that name \(shipped: "
    ):
        load_space("x" * 5000)
