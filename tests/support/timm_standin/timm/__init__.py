"""A stand-in for the interfaces of timm 1.0 that exported models use, with the same signatures.

It is written from facts about that project, which needs torchvision.
"""

from timm.models import create_model, list_models

__all__ = ["create_model", "list_models"]
