from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn


class Registry:
    def __init__(self) -> None:
        self.classes: dict[str, type[nn.Module]] = {}

    def register(self, name: str, type: str = "") -> Callable[[type[nn.Module]], type[nn.Module]]:
        def add(found: Any) -> Any:
            if f"{type}:{name}" in self.classes:
                raise ValueError(f"Cannot register duplicate model_registry ({type}:{name})")
            self.classes[f"{type}:{name}"] = found
            return found

        return add

    def __getitem__(self, key: tuple[str, str]) -> Any:
        name, kind = key
        return self.classes[f"{kind}:{name}"]


MODEL_REGISTRY = Registry()


def get_model(opts: Any, category: str | None = None, model_name: str | None = None) -> nn.Module:
    category = category or getattr(opts, "dataset.category")
    model: nn.Module = MODEL_REGISTRY[
        model_name or getattr(opts, f"model.{category}.name"), category
    ].build_model(opts)
    return model
