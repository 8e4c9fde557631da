"""The names of timm, which builds MobileViTs from its "bring your own blocks" network.

timm has the blocks of v1 and v2. A network whose fusion replaces the projection has no names there.

Source: ``timm/models/mobilevit.py`` and ``timm/models/byobnet.py`` of
huggingface/pytorch-image-models.
"""

from __future__ import annotations

from mvt_nas.blocks.mobilevit.config import MobileViT
from mvt_nas.checkpoints.key_mapping import KEY_MAPPINGS, KeyMapping, by_module
from mvt_nas.space.architecture import Architecture, Stage

# Children of our sequence of convolution, normalization and activation.
_PARTS = {"0": "conv", "1": "bn"}
_RESIDUAL = {"expand": "conv1_1x1", "depthwise": "conv2_kxk", "project": "conv3_1x1"}
_BLOCK = {"local_conv": "conv_kxk", "project": "conv_proj", "fuse": "conv_fusion"}
_ATTENTION = {
    "multi_head": {"attention.qkv": "attn.qkv", "attention.project": "attn.proj"},
    "separable": {"attention.qkv": "attn.qkv_proj", "attention.project": "attn.out_proj"},
}
_LAYER = {"norm_attention": "norm1", "norm_ffn": "norm2", "widen": "mlp.fc1", "narrow": "mlp.fc2"}


def _module(path: list[str], architecture: Architecture) -> str:
    """Return the project's name of a module, given the parts of our name, or an empty string."""
    match path:
        case ["stem", part]:
            return f"stem.{_PARTS[part]}"
        case ["stages", stage, *rest]:
            inside = _in_stage(rest, architecture.stages[int(stage)])
            return inside and f"stages.{stage}.{inside}"
        case ["head_conv", part]:
            return f"final_conv.{_PARTS[part]}"
        case ["classifier"]:
            return "head.fc"
        case _:  # the head of a task, which the project names differently
            return ""


def _in_stage(path: list[str], stage: Stage) -> str:
    match path:
        case ["convolutions", index, layer, part]:
            return f"{index}.{_RESIDUAL[layer]}.{_PARTS[part]}"
        case ["block", *rest] if (
            isinstance(stage.block, MobileViT) and stage.block.projection != "none"
        ):
            return f"{stage.depth}.{_in_block(rest, stage.block)}"
        case _:
            return ""


def _in_block(path: list[str], block: MobileViT) -> str:
    match path:
        case ["local_project"]:
            return "conv_1x1"
        case ["tokens", "layers", index, *rest]:
            return f"transformer.{index}.{(_LAYER | _ATTENTION[block.attention])['.'.join(rest)]}"
        case ["tokens", *_]:
            return "norm"
        case _:
            return f"{_BLOCK[path[0]]}.{_PARTS[path[-1]]}"


KEY_MAPPINGS.register("timm")(KeyMapping(by_module(_module)))
