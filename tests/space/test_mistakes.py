"""Files with a mistake: one line names the place, the value and the allowed values."""

from __future__ import annotations

from pathlib import Path

import pytest

from mvt_nas.errors import SpaceError
from mvt_nas.space.search_space import SearchSpace, load_space

STAGE = "  - {width: 16}\n"
GOOD = "stem: {width: 16}\nstages:\n" + STAGE
BLOCK = GOOD + "  - {block: mobilevit, width: 32, dim: 32, patch: [1, 2], PLACE}\n"


def _load(folder: Path, content: str | bytes) -> SearchSpace:
    path = folder / "space.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return load_space(path)


def _refused(folder: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(SpaceError, match=message) as caught:
        _load(folder, content)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(folder / "space.yaml: "))


def test_the_files_that_the_others_spoil_are_good(tmp_path: Path) -> None:
    assert _load(tmp_path, GOOD).size == 1
    assert _load(tmp_path, BLOCK.replace(", PLACE", "")).size == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            GOOD + "rulse: []",
            r"unknown key 'rulse'; did you mean 'rules'\? \(known: format, name, ",
        ),
        (
            GOOD + "head: {expandsion: 3}",
            (
                r"head: unknown field 'expandsion'; did you mean 'expansion'\? \(known: width,"
                r" expansion\)$"
            ),
        ),
        (
            GOOD.replace("{width", "{wdith", 1),
            r"stem: unknown field 'wdith'; did you mean 'width'\? \(known: width\)$",
        ),
        (
            BLOCK.replace("PLACE", "haeds: 3"),
            r"stages\[1\]: unknown field 'haeds'; did you mean 'heads'\?",
        ),
        (GOOD + "defaults: {patsh: 2}", r"defaults: unknown field 'patsh'; did you mean 'patch'\?"),
        (GOOD + "shared: {patsh: 2}", r"shared: unknown field 'patsh'; did you mean 'patch'\?"),
        (
            GOOD + "defaults: {patch: 0}",
            r"defaults.patch = 0 is not allowed; an integer from 1 to 64$",
        ),
        (GOOD + "shared: {patch: 2}", r"shared.patch is used by no stage"),
        (GOOD + "fix: {patch: 2}", r"fix: 'patch' is not a dimension \(known: none\)$"),
        (
            BLOCK.replace("PLACE", "heads: {valeus: [2, 4]}"),
            r"stages\[1\].heads: unknown key 'valeus'; did you mean 'values'\?",
        ),
        (GOOD + "1: 2", r"unknown key 1 \(known: "),
    ],
)
def test_unknown_keys_at_each_level(tmp_path: Path, content: str, message: str) -> None:
    _refused(tmp_path, content, message)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("[]", r"stages\[0\].width: the list of values is empty; an integer from 1 to 8192$"),
        ("{values: []}", r"width: the list of values is empty"),
        ("{}", r"width: needs either values \(a list\) or min and max \(with step\)$"),
        ("{values: 3, min: 1}", r"width: needs either values"),
        (
            "{min: 32, max: 16}",
            r"width: the range from 32 to 16 in steps of 1 is empty; an integer from 1 to 8192$",
        ),
        ("{min: 16}", r"width: max is missing; an integer from 1 to 8192$"),
        ("{max: 16}", r"width: min is missing; an integer from 1 to 8192$"),
        ("{min: -16, max: 16}", r"width.min = -16 is not allowed; an integer from 1 to 8192$"),
        ("{min: 1, max: 99999}", r"width.max = 99999 is not allowed; an integer from 1 to 8192$"),
        (
            "{min: 1, max: 16, step: 0}",
            r"width.step = 0 is not allowed; an integer above 0 and up to 8192$",
        ),
        ("{min: 1, max: 16, step: -1}", r"width.step = -1 is not allowed"),
        ("{min: 1, max: 16, step: .nan}", r"width.step = nan is not allowed"),
        ("{min: 1, max: 16, step: .inf}", r"width.step = inf is not allowed"),
        ("{min: 1, max: 16, step: true}", r"width.step = True is not allowed"),
        (
            "{min: 1, max: 16, step: 0.5}",
            r"width.step = 0.5 is not allowed; an integer above 0 and up to 8192$",
        ),
        ("{min: .nan, max: 16}", r"width.min = nan is not allowed"),
        (
            "{min: 1, max: 8192}",
            r"width: more than 1024 values from 1 to 8192; use a larger step$",
        ),
        (str(list(range(1, 1026))), r"width: 1025 values; at most 1024 \(use a larger step\)$"),
        ("[16, 24, 16]", r"width: the value 16 is given twice$"),
        ("true", r"width = True is not allowed; an integer from 1 to 8192$"),
        ("'16'", r"width = '16' is not allowed; an integer"),
        ("16.0", r"width = 16.0 is not allowed; an integer"),
        (".nan", r"width = nan is not allowed"),
        (".inf", r"width = inf is not allowed"),
        ("null", r"width = None is not allowed"),
        ("2024-01-01", r"width = datetime.date\(2024, 1, 1\) is not allowed"),
        ("[[16]]", r"width = \[16\] is not allowed"),
        ("0", r"width = 0 is not allowed"),
        ("1" + "0" * 400, r"width = 10+\.\.\.0+ is not allowed"),
        ("1" + "0" * 5000, r"not valid YAML \(ValueError: "),
        ("x" * 200_000, r"width = 'x+\.\.\.x+' is not allowed"),
    ],
)
def test_entries_that_hold_what_they_may_not(tmp_path: Path, entry: str, message: str) -> None:
    _refused(tmp_path, f"stem: {{width: 16}}\nstages:\n  - {{width: {entry}}}\n", message)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("stride: 3", r"stages\[1\].stride = 3 is not allowed; an integer from 1 to 2$"),
        ("patch: 0", r"not valid YAML in line 4 \(key 'patch' is given twice\)$"),
        ("heads: 0", r"stages\[1\].heads = 0 is not allowed; an integer from 1 to 64$"),
        (
            "fusion_kernel: 2",
            r"stages\[1\].fusion_kernel = 2 is not allowed; an odd integer from 1 to 15$",
        ),
        (
            "fusion_kernel: {min: 1, max: 3}",
            r"stages\[1\].fusion_kernel = 2 is not allowed; an odd integer from 1 to 15$",
        ),
        (
            "expansion: 1" + "0" * 400,
            r"stages\[1\].expansion = 10+\.\.\.0+ is not allowed; a number from 1 to 16$",
        ),
        (
            "expansion: [.nan]",
            r"stages\[1\].expansion = nan is not allowed; a number from 1 to 16$",
        ),
        (
            "expansion: {min: 1, max: 16, step: 1.0e-300}",
            r"expansion: more than 1024 values from 1 to 16; use a larger step$",
        ),
        ("expansion: true", r"stages\[1\].expansion = True is not allowed; a number from 1 to 16$"),
        ("residual: 1", r"stages\[1\].residual = 1 is not allowed; true or false$"),
        (
            "residual: {min: 0, max: 1}",
            r"stages\[1\].residual: a range needs numbers; true or false$",
        ),
        (
            "attention: [multihead]",
            (
                r"attention = 'multihead' is not allowed; one of multi_head, separable; did you"
                r" mean 'multi_head'\?$"
            ),
        ),
        ("attention: {multi_head: 1}", r"attention: unknown key 'multi_head'"),
        (
            "heads: {values: [2], when: {attention: {a: 1}}}",
            r"heads.when.attention = {'a': 1} is not allowed; a value of that field$",
        ),
        (
            "heads: {values: [2], when: {1: 2}}",
            r"heads.when = {1: 2} is not allowed; a mapping of fields to values$",
        ),
        ("heads: [3, 5, 7]", r"no architecture obeys all the rules \(dim % heads == 0\)$"),
    ],
)
def test_fields_of_a_stage_that_hold_what_they_may_not(
    tmp_path: Path, place: str, message: str
) -> None:
    _refused(tmp_path, BLOCK.replace("PLACE", place), message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"the file is empty; a mapping with the keys format, name, "),
        ("# nothing here\n", r"the file is empty; a mapping"),
        ("3", r"3 is not a mapping; a mapping with the keys"),
        ("[1, 2]", r"\[1, 2\] is not a mapping; a mapping with the keys"),
        ("stem: {width: 16}", r"stages is missing or empty; a list of at least one stage$"),
        ("stem: {width: 16}\nstages: []", r"stages is missing or empty"),
        ("stages:\n" + STAGE, r"stem: field 'width' is missing; an integer from 1 to 8192$"),
        (
            "stem: {width: 16}\nstages: [{depth: 1}]",
            r"stages\[0\]: field 'width' is missing; an integer from 1 to 8192$",
        ),
        ("stem: {width: 16}\nstages:\n" + STAGE * 17, r"stages holds 17 entries; at most 16$"),
        (
            "stem: {width: 16}\nstages: [3]",
            r"stages\[0\] = 3 is not allowed; a mapping of fields is expected$",
        ),
        (
            "stem: {width: 16}\nstages: {width: 16}",
            r"stages = {'width': 16} is not allowed; a list is expected$",
        ),
        (GOOD + "head: [1]", r"head = \[1\] is not allowed; a mapping is expected$"),
        (GOOD + "name: 3", r"name = 3 is not allowed; a text is expected$"),
        (GOOD + "format: 2", r"format = 2 is not known; this version reads 1$"),
        (GOOD + "format: true", r"format = True is not known; this version reads 1$"),
        (GOOD + "format: '1'", r"format = '1' is not known; this version reads 1$"),
        (GOOD + "rules: a > 1", r"rules = 'a > 1' is not allowed; a list is expected$"),
        (
            GOOD + "rules: [a >]",
            r"rules\[0\]: the rule 'a >' cannot be read \(.*\); write for example",
        ),
        (
            GOOD + "rules: [open('x') == 1]",
            (
                r"rules\[0\]: the rule \"open\('x'\) == 1\" cannot be read \(\"open\('x'\)\" is not"
                r" allowed\)"
            ),
        ),
        (
            GOOD + "rules: [stage1.__class__ == 1]",
            r"rules\[0\]: 'stage1.__class__ == 1' names 'stage1.__class__', which no stage has",
        ),
        (
            GOOD + "rules: [stem.width > 16, stage1.width > 1]",
            r"no architecture obeys all the rules \(stem.width > 16\)$",
        ),
    ],
)
def test_documents_of_the_wrong_shape(tmp_path: Path, content: str, message: str) -> None:
    _refused(tmp_path, content, message)


@pytest.mark.parametrize(
    "document", [None, 3, [], "stem", {"stem": {1: 2}, "stages": [{}]}, {"extends": "tiny.yaml"}]
)
def test_documents_that_are_none(document: object) -> None:
    with pytest.raises(
        SpaceError,
        match=(
            r"^space: (the file is empty|.* is not a mapping|stem: unknown field 1|extends works in"
            r" files only)"
        ),
    ):
        SearchSpace(document)  # type: ignore[arg-type]
