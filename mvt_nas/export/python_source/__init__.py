"""Networks as one file of plain PyTorch: templates of the parts, and their assembly."""
