from __future__ import annotations

from typing import Any

from torch import nn


class BaseModule(nn.Module):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def __repr__(self) -> str:
        return type(self).__name__
