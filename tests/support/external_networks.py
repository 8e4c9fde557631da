"""Small networks without any part of mvt-nas."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor, nn
from transformers import MobileViTConfig, MobileViTForImageClassification

Build: TypeAlias = Callable[..., nn.Module]


class TokenNet(nn.Module):
    """A transformer without batch norms, with ``nn.MultiheadAttention``."""

    def __init__(self, depth: int = 2, width: int = 16) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 8, stride=8)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, 2, 2 * width, dropout=0.5, batch_first=True, norm_first=True
            )
            for _ in range(depth)
        )
        self.head = nn.Linear(width, 10)

    def forward(self, images: Tensor) -> Tensor:
        tokens: Tensor = self.patches(images).flatten(2).transpose(1, 2)
        for layer in self.layers:
            tokens = layer(tokens)
        logits: Tensor = self.head(tokens.mean(dim=1))
        return logits


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.SiLU()
        )

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = images + self.body(images)
        return features


def small_cnn(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2),
        nn.BatchNorm2d(8),
        nn.ReLU(inplace=True),
        Residual(8),
        nn.Dropout(0.5),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 10),
    )


def token_net(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return TokenNet()


def mobilevit(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    widths, hidden_widths = [8, 8, 16, 16, 24, 32, 64], [16, 24, 32]
    config = MobileViTConfig(
        image_size=32, hidden_sizes=hidden_widths, neck_hidden_sizes=widths, num_attention_heads=2
    )
    config.num_labels = 10
    return MobileViTForImageClassification(config)


NETWORKS: Sequence[Build] = [small_cnn, token_net, mobilevit]
