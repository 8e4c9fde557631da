"""Networks as models of timm: one file that registers itself."""
