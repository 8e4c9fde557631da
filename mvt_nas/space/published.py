"""The 19 published models of the three papers as architectures, with their published figures.

Sources: the releases of apple/ml-cvnets (v1, v2) and micronDLA/MobileViTv3; accuracies are from
their model zoos. MACs of v3 are the authors' own ("FLOPs"), from a profiler that understates
attention; :func:`mvt_nas.count` gives exact counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from mvt_nas.errors import ArchitectureError, listing, nearest
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.widths import feed_forward_width, head_width, make_divisible


@dataclass(frozen=True, slots=True)
class Published:
    """A published model.

    Attributes:
        name: Name of the model in this package, such as ``mobilevitv2_100``.
        paper: arXiv number of the paper.
        imagenet_top1: Published top-1 accuracy on ImageNet-1k at 256 px, in percent.
        params_m: Published parameters, in millions.
        macs_m: Published multiply-adds, in millions; ``None`` where the release gives none.
        architecture: Architecture of the model.
    """

    name: str
    paper: str
    imagenet_top1: float
    params_m: float
    macs_m: int | None
    architecture: Architecture


_V1, _V2, _V3 = "2110.02178", "2206.02680", "2209.15159"

_V1_BLOCK = {
    "attention": "multi_head",
    "heads": 4,
    "local_conv": "full",
    "fusion": "input",
    "fusion_kernel": 3,
    "residual": False,
}
_V2_BLOCK = {
    "attention": "separable",
    "local_conv": "depthwise",
    "fusion": "none",
    "residual": False,
}
_V3_FUSION = {"local_conv": "depthwise", "fusion": "local", "fusion_kernel": 1, "residual": True}

# name: (expansion, widths of the five stages, transformer dims)
_V1_SIZES: dict[str, tuple[int, tuple[int, ...], tuple[int, ...]]] = {
    "mobilevit_xxs": (2, (16, 24, 48, 64, 80), (64, 80, 96)),
    "mobilevit_xs": (4, (32, 48, 64, 80, 96), (96, 120, 144)),
    "mobilevit_s": (4, (32, 64, 96, 128, 160), (144, 192, 240)),
    "mobilevitv3_xxs": (2, (16, 24, 64, 80, 128), (64, 80, 96)),
    "mobilevitv3_xs": (4, (32, 48, 96, 160, 160), (96, 120, 144)),
    "mobilevitv3_s": (4, (32, 64, 128, 256, 320), (144, 192, 240)),
}
# name: (paper, top-1, params in millions, MACs in millions)
_FIGURES: dict[str, tuple[str, float, float, int | None]] = {
    "mobilevit_xxs": (_V1, 69.0, 1.3, None),
    "mobilevit_xs": (_V1, 74.7, 2.3, None),
    "mobilevit_s": (_V1, 78.3, 5.6, None),
    "mobilevitv2_050": (_V2, 70.18, 1.4, None),
    "mobilevitv2_075": (_V2, 75.56, 2.9, None),
    "mobilevitv2_100": (_V2, 78.09, 4.9, None),
    "mobilevitv2_125": (_V2, 79.65, 7.5, None),
    "mobilevitv2_150": (_V2, 80.38, 10.6, None),
    "mobilevitv2_175": (_V2, 80.84, 14.3, None),
    "mobilevitv2_200": (_V2, 81.17, 18.4, None),
    "mobilevitv3_xxs": (_V3, 70.98, 1.2, 289),
    "mobilevitv3_xs": (_V3, 76.7, 2.5, 927),
    "mobilevitv3_s": (_V3, 79.3, 5.8, 1841),
    "mobilevitv3_050": (_V3, 72.33, 1.4, 481),
    "mobilevitv3_075": (_V3, 76.55, 3.0, 1064),
    "mobilevitv3_100": (_V3, 78.64, 5.1, 1876),
    "mobilevitv3_xxs_l2": (_V3, 70.23, 1.1, 256),
    "mobilevitv3_xs_l2": (_V3, 76.1, 2.3, 853),
    "mobilevitv3_s_l2": (_V3, 79.06, 5.2, 1651),
}


@cache
def published(name: str) -> Published:
    """Return a published model by name.

    Raises:
        ArchitectureError: There is no such model; the message lists all.
    """
    if name not in _FIGURES:
        raise ArchitectureError(
            f"unknown model {name!r}{nearest(name, _FIGURES)} (known: {listing(_FIGURES)})"
        )
    paper, top1, params_m, macs_m = _FIGURES[name]
    return Published(name, paper, top1, params_m, macs_m, Architecture.from_dict(_data(name), name))


def published_names() -> list[str]:
    """Return the names of all published models, by paper and size."""
    return list(_FIGURES)


def zoo(name: str) -> Architecture:
    """Return the architecture of a published model, such as ``zoo("mobilevit_s")``.

    Raises:
        ArchitectureError: There is no such model; the message lists all.
    """
    return published(name).architecture


def _data(name: str) -> dict[str, Any]:
    base = name.removesuffix("_l2")
    if base in _V1_SIZES:
        # The "_l2" models have two transformer layers in the fourth stage instead of four.
        fourth = 2 if name.endswith("_l2") else 4
        block = _V1_BLOCK | (_V3_FUSION if name.startswith("mobilevitv3") else {})
        return _on_v1(*_V1_SIZES[base], depths=(2, fourth, 3), block=block)
    block = _V2_BLOCK | (_V3_FUSION if name.startswith("mobilevitv3") else {})
    # The last three digits are the width multiplier in percent.
    return _on_v2(int(name[-3:]), block)


def _on_v1(
    expansion: int,
    widths: tuple[int, ...],
    dims: tuple[int, ...],
    depths: tuple[int, ...],
    block: dict[str, Any],
) -> dict[str, Any]:
    convolutional = [
        {"width": widths[0], "stride": 1, "depth": 1, "expansion": expansion},
        {"width": widths[1], "stride": 2, "depth": 3, "expansion": expansion},
    ]
    return {
        "stem_width": 16,
        "head_width": head_width(4, widths[-1]),
        "stages": convolutional + _transformers(expansion, widths[2:], dims, depths, block),
    }


def _on_v2(percent: int, block: dict[str, Any]) -> dict[str, Any]:
    def scaled(width: int, divisor: int = 8) -> int:
        return int(make_divisible(width * percent // 100, divisor))

    convolutional = [
        {"width": scaled(64, 16), "stride": 1, "depth": 1, "expansion": 2},
        {"width": scaled(128), "stride": 2, "depth": 2, "expansion": 2},
    ]
    widths = tuple(scaled(width) for width in (256, 384, 512))
    dims = tuple(scaled(dim) for dim in (128, 192, 256))
    return {
        "stem_width": int(make_divisible(min(64, max(16, 32 * percent // 100)))),
        "head_width": None,
        "stages": convolutional + _transformers(2, widths, dims, (2, 4, 3), block),
    }


def _transformers(
    expansion: int,
    widths: tuple[int, ...],
    dims: tuple[int, ...],
    depths: tuple[int, ...],
    block: dict[str, Any],
) -> list[dict[str, Any]]:
    stages = []
    for width, dim, depth in zip(widths, dims, depths, strict=True):
        stage = {
            "width": width,
            "stride": 2,
            "depth": 1,
            "expansion": expansion,
            "block": "mobilevit",
            "patch": 2,
            "dim": dim,
            "ffn_dim": feed_forward_width(2, dim),
            "transformer_depth": depth,
        }
        stages.append(stage | block)
    return stages
