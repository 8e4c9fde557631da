"""Functions that give no network, or one that cannot be used: each is said in one line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mvt_nas.errors import BaselineError
from mvt_nas.external_models.base import load_external_model

WRONG = """
import sys
import torch
from torch import nn

value = 3

class Pair(nn.Module):
    def forward(self, a, b):
        return a

def pair(): return Pair()
def number(): return 7
def raises(): raise ValueError("no\\nluck")
def leaves(): sys.exit(3)
def needs(x): return x
def grey(): return nn.Conv2d(1, 4, 3)
def nothing(): return nn.Identity()
"""


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "wrong_ones:pair",
            (
                r"^wrong_ones:pair: the network fails on an image of shape \(1, 3, 256, 256\):"
                r" TypeError: .*argument: 'b'$"
            ),
        ),
        (
            "wrong_ones:grey",
            (
                r"the network fails on an image of shape \(1, 3, 256, 256\): RuntimeError: Given"
                r" groups=1"
            ),
        ),
        (
            "wrong_ones:nothing",
            r"wrong_ones:nothing: the output of the network does not depend on the input image$",
        ),
        ("wrong_ones:number", r"the function returns int; a torch\.nn\.Module is needed"),
        ("wrong_ones:raises", r"the function, called without arguments, fails: ValueError: no$"),
        ("wrong_ones:leaves", r"the function, called without arguments, fails: SystemExit: 3$"),
        (
            "wrong_ones:needs",
            r"the function, called without arguments, fails: TypeError: needs\(\) missing 1",
        ),
        ("wrong_ones:value", r"wrong_ones has no function 'value'"),
        ("wrong_ones:numbr", r"wrong_ones has no function 'numbr'; did you mean 'number'\?"),
        (
            "not_there:network",
            r"there is no module 'not_there' here \(.*\) or among what is installed",
        ),
        ("wrong_ones.deeper:network", r"there is no module 'wrong_ones\.deeper' here"),
        ("broken_one:network", r"importing broken_one fails: SyntaxError"),
        ("nothing", r"^nothing: is no network; allowed are FILE\.onnx, MODULE:FUNCTION$"),
    ],
)
def test_what_is_wrong_with_a_function_is_said(
    source: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wrong_ones.py").write_text(WRONG)
    (tmp_path / "broken_one.py").write_text("def network(:\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "wrong_ones", raising=False)
    with pytest.raises(BaselineError, match=message):
        load_external_model(source)
