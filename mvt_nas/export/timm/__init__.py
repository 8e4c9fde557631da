"""Networks as timm models: one file that registers itself."""
