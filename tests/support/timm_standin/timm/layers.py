from __future__ import annotations

from torch import Tensor, nn


class SelectAdaptivePool2d(nn.Module):
    def __init__(self, pool_type: str) -> None:
        super().__init__()
        self.pool_type = pool_type
        self.pool = {"avg": nn.AdaptiveAvgPool2d(1), "max": nn.AdaptiveMaxPool2d(1)}[pool_type]

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.pool(x).flatten(1)
        return out


def create_classifier(
    num_features: int,
    num_classes: int,
    pool_type: str = "avg",
    use_conv: bool = False,
    input_fmt: str | None = None,
    drop_rate: float | None = None,
) -> tuple[nn.Module, nn.Module]:
    assert not use_conv
    assert drop_rate is None
    last = nn.Linear(num_features, num_classes) if num_classes > 0 else nn.Identity()
    return SelectAdaptivePool2d(pool_type), last
