"""Rules: agreement with Python's own evaluation, on numbers and arrays, and refused texts."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mvt_nas.errors import SpaceError
from mvt_nas.space.rules import parse
from mvt_nas.space.search_space import SearchSpace
from tests.support.spaces import everything

FIELDS = {
    "a": (0, 1, 2, 7),
    "b": (1, 2, 3),
    "c": (0.5, 2.0),
    "kind": ("full", "none"),
    "flag": (False, True),
}

RULES = [
    "a < b",
    "a <= b <= 2",
    "0 < a != b < 3",
    "a + b * 2 - 1 == 4",
    "-a + b > 0",
    "a % b == 0",
    "a // b >= 1",
    "c * a > b",
    "a % c == 0",
    "kind == 'full'",
    "kind != 'none' and a > 1",
    "not flag",
    "flag == True or a == 0",
    "not (a > 1 and not flag) or kind == 'none'",
    "(a > 1) == flag",
    " a\t> 1 ",
]


@pytest.mark.parametrize("text", RULES)
def test_rules_mean_what_python_means(text: str) -> None:
    rule = parse(text, "here")
    points = [
        dict(zip(FIELDS, values, strict=True)) for values in itertools.product(*FIELDS.values())
    ]
    expected = [bool(eval(text.strip(), {}, point)) for point in points]
    assert [bool(rule.holds(point.__getitem__)) for point in points] == expected
    columns = {name: np.array([point[name] for point in points]) for name in FIELDS}
    assert rule.holds(columns.__getitem__).tolist() == expected
    assert set(rule.names) <= set(FIELDS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("b % a == 0", [False, True, True]),
        ("b // a >= 0", [False, True, True]),
        ("b % a != 1", [False, True, False]),
        ("a == 0 or b % a == 0", [True, True, True]),
        ("not b % a == 0", [True, False, False]),
        ("b % (a * 0) == 0", [False, False, False]),
        ("b % 0 == a % 0", [False, False, False]),
    ],
)
def test_a_comparison_that_divides_by_zero_is_false(text: str, expected: list[bool]) -> None:
    values = [(0, 3), (1, 4), (2, 5 if text == "b % a != 1" else 4)]
    rule = parse(text, "here")
    assert [
        bool(rule.holds(dict(zip("ab", pair, strict=True)).__getitem__)) for pair in values
    ] == expected
    columns = {
        name: np.array(column) for name, column in zip("ab", zip(*values, strict=True), strict=True)
    }
    assert np.broadcast_to(rule.holds(columns.__getitem__), 3).tolist() == expected


def test_names_keep_their_order_and_take_their_section() -> None:
    rule = parse("dim % heads == 0 and stem.width < dim", "here")
    assert rule.names == ("dim", "heads", "stem.width")
    scoped = rule.scoped("stage3", {"dim", "heads"})
    assert scoped.names == ("stage3.dim", "stage3.heads", "stem.width")
    assert scoped.holds({"stage3.dim": 12, "stage3.heads": 4, "stem.width": 8}.__getitem__)
    assert not scoped.holds({"stage3.dim": 12, "stage3.heads": 5, "stem.width": 8}.__getitem__)
    assert rule.names == ("dim", "heads", "stem.width")


@pytest.mark.parametrize(
    "text",
    [
        *(
            "f(dim) > 1",
            "__import__('os').system('ls') == 0",
            "().__class__ == 1",
            "dim.__class__.mro() == 1",
            "[1][0] == dim",
            "dim[0] > 1",
        ),
        *(
            "lambda: dim",
            "(d := dim) > 1",
            "[x for x in dim] == 1",
            "{dim: 1} == 1",
            "f'{dim}' == 'a'",
            "dim if dim > 1 else 2",
            "*dim > 1",
        ),
        *(
            "dim > 1j",
            "dim > b'a'",
            "dim > ...",
            "dim > None",
            "dim / 2 > 1",
            "dim ** 2 > 1",
            "dim << 2 > 1",
            "~dim > 1",
            "dim @ 2 > 1",
        ),
        *(
            "dim is 1",
            "dim in (1, 2)",
            "dim > 1if 1 else 2",
            "dim == '\\d'",
            "dim > 1; dim",
            "dim = 1",
            "dim >",
            "",
            "dim\x00 > 1",
            "dim >\n1",
        ),
        *("dim > 1_0_", "import os", "1 > 0", "'a' == 'b'", "await dim > 1", "yield dim"),
    ],
)
def test_what_is_no_rule_cannot_be_read(text: str) -> None:
    with pytest.raises(
        SpaceError,
        match=(
            r"^here: the rule '?\"?.* cannot be read \(.*\); write for example 'dim % heads == 0'$"
        ),
    ):
        parse(text, "here")


@pytest.mark.parametrize("text", ["dim > " + "1" * 500, 3, None, ["dim > 1"], {"dim": 1}])
def test_only_short_texts_are_rules(text: object) -> None:
    with pytest.raises(
        SpaceError,
        match=(
            r"^here: a rule is a text of at most 500 characters such as 'dim % heads == 0', not"
            r" ['\"].*['\"]$"
        ),
    ):
        parse(text, "here")


def test_deep_nesting_is_read_or_refused() -> None:
    assert parse("(" * 150 + "dim" + ")" * 150 + " > 1", "here").holds({"dim": 2}.__getitem__)
    with pytest.raises(SpaceError, match="cannot be read"):
        parse("(" * 240 + "dim" + ")" * 239 + " > 1", "here")


def _space(*rules: str, **stage: Any) -> SearchSpace:
    block = {
        "block": ["conv", "mobilevit"],
        "width": [16, 32],
        "dim": [16, 24],
        "attention": ["multi_head", "separable"],
        "residual": [False, True],
    }
    return SearchSpace(
        {
            "stem": {"width": [16, 32]},
            "stages": [{"width": [16, 32]}, block | stage],
            "rules": list(rules),
        }
    )


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (
            "widht > 1",
            (
                r"^space: rules\[0\]: 'widht > 1' names 'widht', which no stage has; did you mean"
                r" 'width'\? \(known: "
            ),
        ),
        (
            "stage3.width > 1",
            r"names 'stage3.width', which no stage has; did you mean 'stage\d.width'\? \(known: ",
        ),
        ("stage1.dim > 1", r"names 'stage1.dim', which no stage has"),
        ("width.dim > 1", r"names 'width.dim', which no stage has"),
        (
            "ffn_multiplier > 1",
            r"names 'stage2.ffn_multiplier', which is a factor; name 'stage2.ffn_dim'$",
        ),
        ("attention == 3", r"has no meaning: attention is a name and 3 is a number$"),
        (
            "attention == 'seperable'",
            (
                r"attention is never 'seperable'; did you mean 'separable'\? \(one of multi_head,"
                r" separable\)$"
            ),
        ),
        ("'full' != attention", r"attention is never 'full' \(one of multi_head, separable\)$"),
        ("attention < 'separable'", r"attention and 'separable' can only be compared by == or !=$"),
        ("residual > False", r"residual and False can only be compared by == or !=$"),
        ("residual == 'true'", r"residual is a truth value and 'true' is a name$"),
        ("residual == 1", r"residual is a truth value and 1 is a number$"),
        ("attention + 1 > 1", r"attention is a name, where a number is needed$"),
        ("-residual > 1", r"residual is a truth value, where a number is needed$"),
        ("not dim", r"dim is a number, where a truth value is needed$"),
        ("dim > 1 and width", r"width is a number, where a truth value is needed$"),
        ("dim + 1", r"it is a number, not a truth value$"),
        ("attention", r"it is a name, not a truth value$"),
        ("-dim", r"it is a number, not a truth value$"),
        ("dim * 1e10 > 1", r"10000000000. is not between 1e-06 and 1e\+09$"),
        ("dim > 1e999", r"inf is not between"),
        (
            "dim * dim * dim * dim * dim > 1",
            r"it may reach .*, beyond the 9e\+15 up to which numbers are exact$",
        ),
    ],
)
def test_rules_without_meaning_are_refused(rule: str, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        _space(rule)


@pytest.mark.parametrize(
    "rule",
    [
        *(
            "stem.width == stage1.width",
            "stem.width < stage2.width or stage1.width == 16",
            "attention == 'separable'",
            "stage2.block != 'conv'",
        ),
        *(
            "residual",
            "not residual",
            "residual == True or block == 'conv'",
            "16 < dim <= width",
            "stage2.attention == 'multi_head' and not stage2.residual",
        ),
        *("width % (dim - 16) == 0", "dim * heads >= 96", "ffn_dim > 40", "resolution_px == 256"),
    ],
)
def test_rules_select_the_architectures_for_which_they_are_true(rule: str) -> None:
    expected = set()
    for architecture in everything(_space()):
        scopes = []
        for stage in architecture.stages:
            scopes.append(stage.to_dict())
        outside = {
            "stem": SimpleNamespace(width=architecture.stem_width),
            "resolution_px": architecture.resolution_px,
        }
        outside |= {
            f"stage{number}": SimpleNamespace(**fields)
            for number, fields in enumerate(scopes, start=1)
        }
        if all(_holds(rule, outside | fields) for fields in scopes):
            expected.add(architecture)
    assert expected
    assert everything(_space(rule)) == expected


def _holds(text: str, names: dict[str, Any]) -> bool:
    """Return the result of Python; a missing name is an inactive field."""
    try:
        return bool(eval(text, {}, names))
    except (NameError, AttributeError):
        return True
    except ZeroDivisionError:
        return False


def test_rules_that_contradict_each_other_are_named_and_no_others() -> None:
    with pytest.raises(
        SpaceError,
        match=(
            r"^space: no architecture obeys all the rules \(stage1.width > 16; stem.width >"
            r" stage1.width\)$"
        ),
    ):
        _space("dim > 1", "stage1.width > 16", "stem.width > 8", "stem.width > stage1.width")


def test_a_rule_about_constants_counts_as_well() -> None:
    document = {
        "stem": {"width": 16},
        "stages": [{"block": "mobilevit", "width": [16, 32], "dim": 18}],
    }
    with pytest.raises(
        SpaceError, match=r"^space: no architecture obeys all the rules \(dim % heads == 0\)$"
    ):
        SearchSpace(document)


def test_more_rules_than_a_person_writes_are_refused() -> None:
    with pytest.raises(SpaceError, match=r"^space: rules holds 257 entries; at most 256$"):
        _space(*["dim > 1"] * 257)
