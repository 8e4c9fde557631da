from __future__ import annotations

import argparse
from typing import Any

from torch import Tensor, nn


class BaseImageEncoder(nn.Module):
    def __init__(self, opts: argparse.Namespace, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        self.opts = opts
        self.conv_1 = self.layer_1 = self.layer_2 = self.layer_3 = self.layer_4 = self.layer_5 = (
            None
        )
        self.conv_1x1_exp = self.classifier = None
        self.dilation = 1
        output_stride = kwargs.get("output_stride")
        self.dilate_l4 = output_stride == 8
        self.dilate_l5 = output_stride in (8, 16)
        self.model_conf_dict: dict[str, dict[str, int]] = {}
        self.resets = 0

    @classmethod
    def add_arguments(cls, parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
        raise AssertionError("a subclass without add_arguments of its own")

    @classmethod
    def build_model(cls, opts: argparse.Namespace) -> nn.Module:
        activation = getattr(opts, "model.activation.name")
        setattr(
            opts,
            "model.activation.name",
            getattr(opts, "model.classification.activation.name") or activation,
        )
        model = cls(opts)
        setattr(opts, "model.activation.name", activation)
        return model

    def check_model(self) -> None:
        assert self.model_conf_dict
        for part in (
            "conv_1",
            "layer_1",
            "layer_2",
            "layer_3",
            "layer_4",
            "layer_5",
            "conv_1x1_exp",
            "classifier",
        ):
            assert isinstance(getattr(self, part), nn.Module), f"Please implement self.{part}"

    def reset_parameters(self, opts: argparse.Namespace) -> None:
        self.resets += 1

    def _forward_layer(self, layer: nn.Module, x: Tensor) -> Tensor:
        out: Tensor = layer(x)
        return out

    def extract_end_points_all(
        self, x: Tensor, use_l5: bool = True, use_l5_exp: bool = False
    ) -> dict[str, Tensor]:
        found = {}
        x = self._forward_layer(self.conv_1, x)
        for name in ("l1", "l2", "l3", "l4", *(("l5",) if use_l5 else ())):
            x = found[f"out_{name}"] = self._forward_layer(getattr(self, f"layer_{name[1:]}"), x)
        if use_l5_exp:
            found["out_l5_exp"] = self._forward_layer(self.conv_1x1_exp, x)
        return found

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        out: Tensor = self.classifier(self.extract_end_points_all(x, use_l5_exp=True)["out_l5_exp"])
        return out
