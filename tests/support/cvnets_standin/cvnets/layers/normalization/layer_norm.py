from __future__ import annotations

from typing import Any

from torch import Tensor, nn


class LayerNorm(nn.LayerNorm):
    def __init__(
        self,
        normalized_shape: int,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(normalized_shape, eps=eps, elementwise_affine=elementwise_affine)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise axis 1 if it has as many elements as there are channels, even by chance."""
        if x.ndim > 2 and x.shape[1] == self.normalized_shape[0]:
            shape = (1, -1, *(1,) * (x.ndim - 2))
            deviation = x.std(dim=1, keepdim=True, unbiased=False) + self.eps
            return (x - x.mean(dim=1, keepdim=True)) / deviation * self.weight.view(
                shape
            ) + self.bias.view(shape)
        assert x.shape[-1] == self.normalized_shape[0]
        return super().forward(x)


class LayerNorm2D_NCHW(nn.GroupNorm):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            num_groups=1, num_channels=num_features, eps=eps, affine=elementwise_affine
        )
