"""The ImageNet estimate: bars, monotony, domain, and rows against architectures."""

from __future__ import annotations

import dataclasses
import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from mvt_nas.accuracy.imagenet.constants import (
    CONSTANTS_FILE,
    ImageNetConstants,
    fit_constants,
    read_constants,
    shipped_constants,
    write_constants,
)
from mvt_nas.accuracy.imagenet.domain import Domain, Envelope
from mvt_nas.accuracy.imagenet.estimator import (
    NOT_PUBLISHED,
    ImageNetEstimates,
    ImageNetEstimator,
    default_estimator,
    imagenet_top1,
)
from mvt_nas.accuracy.imagenet.evaluation import HeldOutEvaluation, evaluate_imagenet
from mvt_nas.accuracy.imagenet.law import link
from mvt_nas.accuracy.imagenet.observations import MODEL, observations
from mvt_nas.accuracy.imagenet.published_results import (
    in_space_results,
    published_results,
    read_published_results,
)
from mvt_nas.accuracy.imagenet.shape import NetworkSizes
from mvt_nas.cost.counts import count
from mvt_nas.cost.table import CostTable
from mvt_nas.errors import AccuracyError
from mvt_nas.resources import benchmark_file
from mvt_nas.space.architecture import Architecture, Stage
from mvt_nas.space.columns import Rows
from mvt_nas.space.published import published, published_names, zoo
from mvt_nas.space.search_space import SearchSpace, load_space


@cache
def space() -> SearchSpace:
    """Return the space of all published models."""
    return load_space("mobilevit")


@cache
def table() -> CostTable:
    """Return the cost table of the space, which takes seconds to compile."""
    return CostTable(space())


@cache
def sample(n: int, seed: int) -> tuple[Rows, ImageNetEstimates]:
    """Return random rows and their estimates."""
    rows = space().sample(n, seed)
    costs = table().costs(rows)
    return rows, default_estimator().of_rows(space(), rows, costs)


def scaled(architecture: Architecture, factor: float) -> Architecture:
    """Return an architecture with all widths multiplied by a factor."""

    def width(value: int) -> int:
        return max(8, round(value * factor / 8) * 8)

    def stage(one: Stage) -> Stage:
        block = one.block
        if block is not None:
            unit = math.lcm(8, getattr(block, "heads", None) or 1)
            dim = max(unit, round(block.dim * factor / unit) * unit)  # type: ignore[attr-defined]
            block = dataclasses.replace(block, dim=dim, ffn_dim=width(block.ffn_dim))  # type: ignore[attr-defined, type-var]
        return dataclasses.replace(one, width=width(one.width), block=block)

    head = architecture.head_width
    return dataclasses.replace(
        architecture,
        stem_width=width(architecture.stem_width),
        head_width=None if head is None else width(head),
        stages=tuple(stage(one) for one in architecture.stages),
    )


def test_the_shipped_constants_are_made_from_the_shipped_tables() -> None:
    made = fit_constants().to_dict()
    shipped = shipped_constants().to_dict()
    assert made.pop("figures") == {}
    shipped.pop("figures")
    for name in ("mean", "covariance"):
        assert np.array(made["law"][name]) == pytest.approx(np.array(shipped["law"][name]))
    for one, other in zip(made.pop("networks"), shipped.pop("networks"), strict=True):
        for name in ("law", "shape"):
            assert np.array(one.pop(name)) == pytest.approx(np.array(other.pop(name)))
        assert one == other
    made.pop("law")
    shipped.pop("law")
    assert made == shipped


def test_what_was_held_out_is_within_the_bars() -> None:
    figures = evaluate_imagenet(shipped_constants(), observations(), published_results())
    assert figures["loo_mae"] <= 0.27
    assert figures["loo_tau"] >= 0.94
    assert all(error <= 0.5 for error in figures["family_out"].values())
    assert figures["family_out_strict"]["v1"] <= 0.7
    assert figures["family_out_strict"]["v2"] <= 0.5
    assert figures["family_out_strict"]["v3"] <= 1.9
    assert figures["family_out_strict_inside"] == 19
    assert figures["size_out"] <= 0.40
    assert figures["size_out_inside"] >= 17
    assert figures["px384"] <= 0.25
    assert figures["ablation_rows"] <= 0.35
    assert figures["resolution_steps"] <= 0.35
    assert figures["ablation_tables"] <= 0.80
    assert figures["mobilenetv2_out"] <= 1.6
    assert figures["mobilenetv2_out_inside"] == figures["mobilenetv2_out_n"] == 10
    assert 0.88 <= figures["families_coverage"] <= 0.95
    assert figures == shipped_constants().figures


def test_a_held_out_model_has_no_influence_on_its_prediction() -> None:
    found = observations()
    worse = np.array(found.top1)
    worse[3] -= 10
    changed = dataclasses.replace(found, top1=worse)
    before = HeldOutEvaluation(shipped_constants(), found).leave_one_out()
    after = HeldOutEvaluation(shipped_constants(), changed).leave_one_out()
    assert before.percent[3] == after.percent[3]
    assert before.percent[2] != after.percent[2]


def test_the_posterior_is_that_of_the_joint_gaussian() -> None:
    found = observations()
    constants = shipped_constants()
    model = constants.model()
    everything = found.networks
    prior = model.covariance(everything, everything)
    slope = 1 / (88 - found.top1) + 1 / found.top1
    noise = np.diag((0.12 * slope) ** 2 + 1e-9)
    residuals = link(found.top1) - constants.law.z(everything.law)
    mean = constants.law.z(everything.law) + prior @ np.linalg.solve(prior + noise, residuals)
    covariance = prior - prior @ np.linalg.solve(prior + noise, prior)
    posterior = model.predict(everything)
    assert posterior.mean == pytest.approx(mean, abs=1e-8)
    assert posterior.covariance == pytest.approx(covariance, abs=1e-8)


def test_published_models_keep_their_published_accuracy() -> None:
    found = imagenet_top1([zoo(name) for name in published_names()])
    top1 = np.array([published(name).imagenet_top1 for name in published_names()])
    assert found.percent == pytest.approx(top1, abs=0.15)
    assert np.all((found.low < top1) & (top1 < found.high))
    assert found.in_domain.all()
    assert np.all(found.beyond == 1)


def test_rows_and_architectures_have_equal_estimates() -> None:
    rows, of_rows = sample(2_000, 0)
    # Another number of networks, in another order, with a published model between them.
    chosen = [1999, 0, 700]
    architectures = [space().decode(rows[index]) for index in chosen]
    single = default_estimator().of([*architectures, zoo("mobilevit_s")])
    for name in ImageNetEstimates.__dataclass_fields__:
        assert np.array_equal(getattr(single, name)[:3], getattr(of_rows, name)[chosen])
    encoded = np.array([space().encode(zoo(name)) for name in published_names()])
    costs = table().costs(encoded)
    models = default_estimator().of_rows(space(), encoded, costs)
    assert np.array_equal(
        models.percent, imagenet_top1([zoo(name) for name in published_names()]).percent
    )


def test_shapes_of_rows_are_those_of_architectures() -> None:
    rows = space().sample(200, 5)
    of_rows = NetworkSizes.of_rows(space(), rows, table().costs(rows))
    single = NetworkSizes.of(space().decode_many(rows))
    for name in ("params", "macs", "resolution_px", "shape"):
        assert np.array_equal(getattr(of_rows, name), getattr(single, name))
    assert NetworkSizes.of([]).shape.shape == (0, single.shape.shape[1])
    assert len(imagenet_top1([])) == 0


@pytest.mark.parametrize("number", [40, pytest.param(300, marks=pytest.mark.soak)])
def test_wider_networks_and_more_pixels_are_never_worse(number: int) -> None:
    architectures = space().decode_many(space().sample(number, 7))
    by_width = np.array(
        [
            imagenet_top1([scaled(one, factor) for one in architectures]).percent
            for factor in (0.5, 0.7, 1, 1.4, 2)
        ]
    )
    assert np.diff(by_width, axis=0).min() >= 0
    by_pixels = np.array(
        [
            imagenet_top1(
                [dataclasses.replace(one, resolution_px=px) for one in architectures]
            ).percent
            for px in (160, 192, 224, 256, 288, 320, 384)
        ]
    )
    assert np.diff(by_pixels, axis=0).min() >= 0


@pytest.mark.parametrize("number", [40, pytest.param(300, marks=pytest.mark.soak)])
def test_a_single_wider_stage_changes_little_at_worst(number: int) -> None:
    architectures = space().decode_many(space().sample(number, 7))
    base = imagenet_top1(architectures).percent
    for widened in range(5):
        wider = [
            dataclasses.replace(
                one,
                stages=tuple(
                    dataclasses.replace(stage, width=stage.width + 8 * max(1, stage.width // 32))
                    if index == widened
                    else stage
                    for index, stage in enumerate(one.stages)
                ),
            )
            for one in architectures
        ]
        gains = imagenet_top1(wider).percent - base
        # The process over shapes returns to its mean beyond what was published.
        assert gains.min() >= -0.05
        assert (gains < 0).mean() <= 0.06


def test_nothing_lies_above_what_real_networks_reach() -> None:
    rows, found = sample(2_000, 0)
    costs = table().costs(rows)
    real = [one for one in published_results() if one.recipe in ("cnn-basic", "strong-aug")]
    points = [(one.params, one.macs, one.top1) for one in real]
    for name in published_names():
        counts = count(zoo(name))
        points.append((counts.params, counts.macs, published(name).imagenet_top1))
    best = np.array(
        [
            max(top1 for p, m, top1 in points if p <= 1.25 * params and m <= 1.25 * macs)
            for params, macs in zip(costs.params, costs.macs, strict=True)
        ]
    )
    assert np.all(found.percent <= best + 1e-6)
    assert np.all(found.low <= found.percent)
    # No interval was cut: it still reaches above what real networks reach.
    assert np.any(found.high > best)


def test_large_and_small_networks_stay_believable() -> None:
    def estimate(params: float, macs: float) -> tuple[float, float, float]:
        sizes = dataclasses.replace(
            NetworkSizes.of([zoo("mobilevitv2_200")]),
            params=np.array([params], dtype=np.int64),
            macs=np.array([macs], dtype=np.int64),
            resolution_px=np.array([320.0]),
        )
        found = default_estimator()._estimate(sizes, np.array([NOT_PUBLISHED]))
        return float(found.percent[0]), float(found.low[0]), float(found.high[0])

    assert 81 <= estimate(10.5e6, 21.3e9)[0] <= 83.5
    assert estimate(60e6, 28e9)[2] <= 85
    assert estimate(0.08e6, 0.03e9)[0] <= 50


def test_outside_of_the_domain_figures_are_marked_and_intervals_wider() -> None:
    small = scaled(zoo("mobilevit_xxs"), 0.4)
    large = dataclasses.replace(zoo("mobilevitv2_200"), resolution_px=512)
    found = imagenet_top1([small, large, zoo("mobilevit_s")])
    assert found.in_domain.tolist() == [False, False, True]
    assert found.beyond[0] > 1.5
    assert found.beyond[1] > 1.3
    widths = found.high - found.low
    narrow = ImageNetEstimator(shipped_constants(), Domain(widening=0.0)).of([small, large])
    assert np.all(widths[:2] > narrow.high - narrow.low)


def test_shapes_nobody_trained_are_marked() -> None:
    _, found = sample(2_000, 0)
    unlike = found.known < 0.1
    assert 0.02 < unlike.mean() < 0.4
    assert not found.in_domain[unlike].any()


def test_networks_of_other_blocks_and_depths_have_estimates() -> None:
    plain = Architecture(stem_width=32, stages=(Stage(width=64), Stage(width=128)))
    found = imagenet_top1([plain])
    assert 0 < found.low[0] < found.percent[0] < found.high[0] < 88


def test_the_envelope_takes_the_best_of_at_most_a_quarter_more() -> None:
    envelope = Envelope([(1e6, 1e8, 60.0), (4e6, 4e8, 70.0), (2e6, 9e8, 72.0)])
    assert envelope.best([1e6, 3.3e6, 3.3e6, 1e5], [1e8, 3.3e8, 8e8, 1e6]).tolist() == [
        60.0,
        70.0,
        72.0,
        60.0,
    ]


def test_observations_are_the_19_models_and_what_varies_them() -> None:
    found = observations()
    assert len(found.of_kind(MODEL)) == 19
    assert {one.line for one in in_space_results()} == {"v1", "v2", "conv"}
    # A paper's table has one reference, of the network that it varies.
    for index, name in enumerate(found.names):
        if name.endswith(f" in {found.tables[index]}") and found.tables[index]:
            assert found.architectures[index] == zoo(found.bases[index])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,family\n", "holds no results"),
        ("name,family\na,b\n", "column 'params' is missing"),
        (
            "name,family,params,macs,resolution_px,top1,recipe,epochs,source\na,b,0,1,2,3,x,,y\n",
            r"row 1 is damaged \(params = 0 is not allowed; a number above 0\)",
        ),
        (
            "name,family,params,macs,resolution_px,top1,recipe,epochs,source\na,b,1,1,2,0.7e3,x,,y\n",
            r"row 1 is damaged \(top1 = 0.7e3 is not allowed; percent between 0 and 100\)",
        ),
    ],
)  # fmt: skip
def test_damaged_results_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "results.csv"
    path.write_text(text)
    with pytest.raises(AccuracyError, match=message):
        read_published_results(path)


def test_constants_are_read_as_written(tmp_path: Path) -> None:
    path = tmp_path / "constants.json"
    write_constants(path, shipped_constants())
    assert path.read_bytes() == benchmark_file(CONSTANTS_FILE).read_bytes()
    assert read_constants(path).to_dict() == shipped_constants().to_dict()
    path.write_text('{"format": 2}')
    with pytest.raises(AccuracyError, match="not the constants of the ImageNet estimate"):
        read_constants(path)
    path.write_text("{")
    with pytest.raises(AccuracyError, match="cannot be read"):
        read_constants(path)
    with pytest.raises(AccuracyError, match="is missing"):
        benchmark_file("nothing.json")
    assert ImageNetConstants.from_dict(shipped_constants().to_dict(), "here").models
