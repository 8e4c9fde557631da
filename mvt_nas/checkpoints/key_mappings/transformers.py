"""The names of Hugging Face's transformers, for ``MobileViT`` and ``MobileViTV2``.

transformers has the blocks of v1 and v2, each after one inverted residual with stride 2. Other
networks have no names there.

Source: the state dicts of ``MobileViTForImageClassification`` and
``MobileViTV2ForImageClassification``.
"""

from __future__ import annotations

from mvt_nas.blocks.mobilevit.config import MobileViT
from mvt_nas.checkpoints.key_mapping import KEY_MAPPINGS, KeyMapping
from mvt_nas.space.architecture import Architecture, Stage

# Children of our sequence of convolution, normalization and activation.
_PARTS = {"0": "convolution", "1": "normalization"}
_RESIDUAL = {"expand": "expand_1x1", "depthwise": "conv_3x3", "project": "reduce_1x1"}
_BLOCK = {
    "local_conv": "conv_kxk",
    "local_project": "conv_1x1",
    "project": "conv_projection",
    "fuse": "fusion",
}
_LAYER: dict[str, dict[str, tuple[str, ...]]] = {
    "multi_head": {
        "norm_attention": ("layernorm_before",),
        "attention.qkv": (
            "attention.attention.query",
            "attention.attention.key",
            "attention.attention.value",
        ),
        "attention.project": ("attention.output.dense",),
        "norm_ffn": ("layernorm_after",),
        "widen": ("intermediate.dense",),
        "narrow": ("output.dense",),
    },
    "separable": {
        "norm_attention": ("layernorm_before",),
        "attention.qkv": ("attention.qkv_proj.convolution",),
        "attention.project": ("attention.out_proj.convolution",),
        "norm_ffn": ("layernorm_after",),
        "widen": ("ffn.conv1.convolution",),
        "narrow": ("ffn.conv2.convolution",),
    },
}


def _names(name: str, architecture: Architecture) -> tuple[str, ...]:
    """Return the project's names of our tensor ``name``; none if there is no such tensor."""
    module, leaf = name.rsplit(".", 1)
    return tuple(f"{translated}.{leaf}" for translated in _modules(module.split("."), architecture))


def _modules(path: list[str], architecture: Architecture) -> tuple[str, ...]:
    """Return the project's names of a module, given the parts of our name."""
    match path:
        case ["stem", part]:
            return (f"conv_stem.{_PARTS[part]}",)
        case ["stages", stage, *rest]:
            return tuple(
                f"encoder.layer.{stage}.{inside}"
                for inside in _in_stage(rest, architecture.stages[int(stage)])
            )
        case ["head_conv", part]:
            return (f"conv_1x1_exp.{_PARTS[part]}",)
        case ["classifier"]:
            return ("classifier",)
        case _:  # the head of a task, which the project names differently
            return ()


def _in_stage(path: list[str], stage: Stage) -> tuple[str, ...]:
    match path:
        case ["convolutions", index, layer, part] if stage.block is None:
            return (f"layer.{index}.{_RESIDUAL[layer]}.{_PARTS[part]}",)
        case ["convolutions", _, layer, part] if stage.depth == 1 and stage.stride == 2:
            return (f"downsampling_layer.{_RESIDUAL[layer]}.{_PARTS[part]}",)
        case ["block", *rest] if (
            isinstance(stage.block, MobileViT) and stage.block.projection != "none"
        ):
            return _in_block(rest, stage.block)
        case _:
            return ()


def _in_block(path: list[str], block: MobileViT) -> tuple[str, ...]:
    match path:
        case ["tokens", "layers", index, *rest]:
            return tuple(
                f"transformer.layer.{index}.{translated}"
                for translated in _LAYER[block.attention][".".join(rest)]
            )
        case ["tokens", *_]:
            return ("layernorm",)
        case [layer, *part]:
            return (f"{_BLOCK[layer]}.{_PARTS[part[0] if part else '0']}",)
        case _:
            return ()


KEY_MAPPINGS.register("transformers")(
    KeyMapping(_names, aliases=(("mobilevit.", ""), ("mobilevitv2.", "")))
)
