"""The authors' names: ml-cvnets for MobileViT v1 and v2, and its fork for MobileViTv3.

The authors have one inverted residual before each block. With more of them, the block has the
number after the last.

Source: the state dicts of apple/ml-cvnets and micronDLA/MobileViTv3.
"""

from __future__ import annotations

from mvt_nas.blocks.mobilevit.config import MobileViT
from mvt_nas.checkpoints.key_mapping import KEY_MAPPINGS, KeyMapping, by_module
from mvt_nas.space.architecture import Architecture, Stage

# Children of our sequence of convolution, normalization and activation.
_PARTS = {"0": "block.conv", "1": "block.norm"}
_RESIDUAL = {"expand": "exp_1x1", "depthwise": "conv_3x3", "project": "red_1x1"}
_LOCAL = {
    "multi_head": {"local_conv": "conv_3x3", "local_project": "conv_1x1"},
    "separable": {"local_conv": "0", "local_project": "1"},
}
_LAYER = {
    "multi_head": {
        "norm_attention": "pre_norm_mha.0",
        "attention.qkv": "pre_norm_mha.1.qkv_proj",
        "attention.project": "pre_norm_mha.1.out_proj",
        "norm_ffn": "pre_norm_ffn.0",
        "widen": "pre_norm_ffn.1",
        "narrow": "pre_norm_ffn.4",
    },
    "separable": {
        "norm_attention": "pre_norm_attn.0",
        "attention.qkv": "pre_norm_attn.1.qkv_proj.block.conv",
        "attention.project": "pre_norm_attn.1.out_proj.block.conv",
        "norm_ffn": "pre_norm_ffn.0",
        "widen": "pre_norm_ffn.1.block.conv",
        "narrow": "pre_norm_ffn.3.block.conv",
    },
}


def _module(path: list[str], architecture: Architecture) -> str:
    """Return the project's name of a module, given the parts of our name, or an empty string."""
    match path:
        case ["stem", part]:
            return f"conv_1.{_PARTS[part]}"
        case ["stages", stage, *rest]:
            inside = _in_stage(rest, architecture.stages[int(stage)])
            return inside and f"layer_{int(stage) + 1}.{inside}"
        case ["head_conv", part]:
            return f"conv_1x1_exp.{_PARTS[part]}"
        case ["classifier"]:
            return "classifier.1" if architecture.head_width is None else "classifier.fc"
        case _:  # the head of a task, which the project names differently
            return ""


def _in_stage(path: list[str], stage: Stage) -> str:
    match path:
        case ["convolutions", index, layer, part]:
            return f"{index}.block.{_RESIDUAL[layer]}.{_PARTS[part]}"
        case ["block", *rest] if isinstance(stage.block, MobileViT):
            return f"{stage.depth}.{_in_block(rest, stage.block)}"
        case _:
            return ""


def _in_block(path: list[str], block: MobileViT) -> str:
    match path:
        case ["local_conv" | "local_project" as layer, *part]:
            return f"local_rep.{_LOCAL[block.attention][layer]}.{_PARTS[part[0] if part else '0']}"
        case ["tokens", "layers", index, *rest]:
            return f"global_rep.{index}.{_LAYER[block.attention]['.'.join(rest)]}"
        case ["tokens", *_]:
            return f"global_rep.{block.transformer_depth}"
        case ["fuse", part] if block.projection != "none":
            return f"fusion.{_PARTS[part]}"
        case _:
            return f"conv_proj.{_PARTS[path[-1]]}"


KEY_MAPPINGS.register("cvnets")(
    KeyMapping(
        by_module(_module),
        aliases=(("classifier.fc.", "classifier.1."), ("classifier.1.", "classifier.fc.")),
    )
)
