"""The accuracy that a search optimises where none is named."""

from __future__ import annotations

import pytest

from mvt_nas.errors import MetricError
from mvt_nas.nas.problem.default_accuracy import default_accuracy, resolutions
from mvt_nas.nas.request import SearchRequest, default_objectives, resolve_request
from mvt_nas.space.search_space import SearchSpace, load_space


def space(name: str, **changes: object) -> SearchSpace:
    """Return a shipped space with some keys of its document changed."""
    return SearchSpace({**load_space(name).document, **changes}, name)


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("mobilevit", "imagenet_top1"),
        ("mobilevit_v2", "imagenet_top1"),
        ("photos_128", "imagenet_top1"),
        ("small_images", "accuracy"),
        ("tiny", "accuracy"),
    ],
)
def test_shipped_spaces_have_a_default(name: str, metric: str) -> None:
    assert default_accuracy(load_space(name), has_table=False) == metric


def test_a_table_decides() -> None:
    assert default_accuracy(load_space("mobilevit"), has_table=True) == "accuracy"


@pytest.mark.parametrize("resolution", [96, [96, 256]])
def test_between_both_a_user_has_to_choose(resolution: object) -> None:
    between = space("mobilevit", resolution_px=resolution)
    with pytest.raises(
        MetricError, match=r"no default for mobilevit \(96.*trained_accuracy"
    ) as one:
        default_accuracy(between, has_table=False)
    assert one.value.parameter == "objectives"


def test_networks_far_from_the_table_have_no_default() -> None:
    wide = space("mobilevit", resolution_px=64)
    assert resolutions(wide) == (64, 64)
    with pytest.raises(MetricError, match="resolution and size"):
        default_accuracy(wide, has_table=False)


def test_requests_take_the_default_of_their_space() -> None:
    config, inputs = resolve_request(SearchRequest(space=load_space("mobilevit")))
    assert [str(one) for one in config.objectives] == [
        "imagenet_top1:max",
        f"latency_ms@{next(iter(config.devices))}:min",
        "params:min",
    ]
    # Nothing else predicts accuracy then, so no table is read and copied.
    assert inputs.accuracy is None
    assert default_objectives("imagenet_top1", ("detection",))[0] == "imagenet_top1:max"
