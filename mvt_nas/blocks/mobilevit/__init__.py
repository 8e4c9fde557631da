"""The MobileViT block: all published versions, and every combination of their choices."""
