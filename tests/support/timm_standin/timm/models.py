from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

ENTRYPOINTS: dict[str, Callable[..., nn.Module]] = {}
CONFIGURATIONS: dict[str, dict[str, Any]] = {}


def generate_default_cfgs(cfgs: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    known = {
        "file",
        "input_size",
        "pool_size",
        "num_classes",
        "crop_pct",
        "interpolation",
        "mean",
        "std",
        "first_conv",
        "classifier",
    }
    for configuration in cfgs.values():
        assert set(configuration) <= known
    return cfgs


def register_model(fn: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    module = sys.modules[fn.__module__]
    ENTRYPOINTS[fn.__name__] = fn
    CONFIGURATIONS[fn.__name__] = module.default_cfgs[fn.__name__]
    return fn


def list_models() -> list[str]:
    return sorted(ENTRYPOINTS)


def create_model(model_name: str, pretrained: bool = False, **kwargs: Any) -> nn.Module:
    given = {name: value for name, value in kwargs.items() if value is not None}
    return ENTRYPOINTS[model_name](
        pretrained=pretrained, pretrained_cfg=None, pretrained_cfg_overlay=None, **given
    )


def build_model_with_cfg(
    model_cls: Callable[..., nn.Module],
    variant: str,
    pretrained: bool,
    pretrained_cfg: dict[str, Any] | None = None,
    pretrained_cfg_overlay: dict[str, Any] | None = None,
    feature_cfg: dict[str, Any] | None = None,
    **kwargs: Any,
) -> nn.Module:
    cfg = CONFIGURATIONS[variant] | (pretrained_cfg_overlay or {})
    features = kwargs.pop("features_only", False)
    kwargs.setdefault("num_classes", cfg["num_classes"])
    kwargs.setdefault("in_chans", cfg["input_size"][0])
    model = model_cls(**kwargs)
    model.pretrained_cfg = model.default_cfg = cfg  # type: ignore[assignment]
    if pretrained:
        _load(model, cfg, kwargs["num_classes"], kwargs["in_chans"])
    return Features(model, **(feature_cfg or {})) if features else model


def _load(model: nn.Module, cfg: dict[str, Any], num_classes: int, in_chans: int) -> None:
    state = torch.load(cfg["file"], map_location="cpu", weights_only=True)
    if in_chans != cfg["input_size"][0]:
        name = cfg["first_conv"] + ".weight"
        state[name] = state[name].sum(dim=1, keepdim=True).expand(-1, in_chans, -1, -1) / in_chans
    if num_classes != cfg["num_classes"]:
        del state[cfg["classifier"] + ".weight"], state[cfg["classifier"] + ".bias"]
    model.load_state_dict(state, strict=num_classes == cfg["num_classes"])


class Features(nn.Module):
    """What the modules that a model names in its feature_info return."""

    def __init__(
        self, model: nn.Module, out_indices: tuple[int, ...], flatten_sequential: bool
    ) -> None:
        super().__init__()
        assert flatten_sequential
        info: Any = model.feature_info
        reductions = [one["reduction"] for one in info]
        assert reductions == sorted(reductions)
        self.info = [info[index] for index in out_indices]
        self.parts = nn.ModuleList([model.stem, *model.stages])  # type: ignore[list-item,misc]
        self.names = [f"stages.{index}" for index in range(len(self.parts) - 1)]

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.parts[0](x)
        found = {}
        for name, part in zip(self.names, self.parts[1:], strict=True):
            x = found[name] = part(x)
        return [found[one["module"]] for one in self.info]


def checkpoint_seq(functions: nn.Sequential, x: Tensor) -> Tensor:
    for function in functions:
        x = checkpoint(function, x, use_reentrant=False)
    return x
