"""The JSON Schema of space files is current and agrees with the reader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from mvt_nas._fields import specs
from mvt_nas.blocks.mobilevit.config import MobileViT
from mvt_nas.errors import SpaceError
from mvt_nas.resources import shipped_names, shipped_spaces
from mvt_nas.space.schema import json_schema, write_schema
from mvt_nas.space.search_space import SearchSpace
from tests.support.spaces import SPACES

VALIDATOR = Draft202012Validator(json_schema())
STAGE = {"block": "mobilevit", "width": 32, "dim": 32}


def _document(stage: dict[str, Any], **keys: Any) -> dict[str, Any]:
    return {"stem": {"width": 16}, "stages": [STAGE | stage]} | keys


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(json_schema())


def test_the_committed_schema_is_current(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mvt_nas.space.schema.shipped_spaces", lambda: tmp_path)
    write_schema()
    assert (tmp_path / "schema.json").read_text() == (shipped_spaces() / "schema.json").read_text()


@pytest.mark.parametrize("name", shipped_names())
def test_shipped_files_fit_and_name_the_schema(name: str) -> None:
    text = (shipped_spaces() / f"{name}.yaml").read_text()
    VALIDATOR.validate(yaml.safe_load(text))
    assert text.startswith("# yaml-language-server: $schema=schema.json\n")


@pytest.mark.parametrize("name", SPACES)
def test_hand_made_documents_fit(name: str) -> None:
    VALIDATOR.validate(json.loads(json.dumps(SPACES[name])))


def test_every_field_of_the_block_is_described() -> None:
    stage = json_schema()["$defs"]["stage"]["properties"]
    for name, spec in specs(MobileViT).items():
        assert stage[name]["description"] == spec.doc
    assert stage["ffn_multiplier"]["description"] == MobileViT.aliases["ffn_multiplier"].spec.doc


@pytest.mark.parametrize(
    "document",
    [
        None,
        {"stages": [STAGE]},
        {"stem": {"width": 16}},
        {"stem": {"width": 16}, "stages": []},
        {"stem": {"width": 16}, "stages": [STAGE] * 17},
        _document({}, rulse=[]),
        _document({}, rules=[3]),
        _document({}, format=2),
        _document({}, head={"width": 64, "expansion": 2}),
        _document({}, resolution_px=[]),
        _document({}, resolution_px=[64, 64]),
        _document({}, fix={"patch": [2]}) | {"fix": {"patch": [2]}},
        _document({"haeds": 3}),
        _document({"stride": 3}),
        _document({"stride": True}),
        _document({"patch": "2"}),
        _document({"fusion_kernel": 2}),
        _document({"attention": "multihead"}),
        _document({"attention": {"min": 1, "max": 2}}),
        _document({"ffn_dim": 64, "ffn_multiplier": 2}),
        _document({"depth": {"min": 1}}),
        _document({"depth": {"min": 1, "max": 4, "step": 0}}),
        _document({"depth": {"min": 1, "max": 4, "step": 0.5}}),
        _document({"depth": {"min": 1, "max": 4, "values": [1]}}),
        _document({"depth": {"valeus": [1]}}),
        _document({"depth": {"values": [1, 2], "otherwise": 1}}),
        _document({"depth": {"values": [1, 2], "when": {"blocks": "conv"}}}),
        _document({"depth": {"values": [1, 2], "when": {"block": []}}}),
        _document({"depth": {"values": [1, 2], "when": {"block": "mobilevit"}, "otherwise": 0}}),
    ],
)
def test_wrong_documents_neither_fit_nor_load(document: Any) -> None:
    assert not VALIDATOR.is_valid(document)
    with pytest.raises(SpaceError, match=r"^space: "):
        SearchSpace(document)
