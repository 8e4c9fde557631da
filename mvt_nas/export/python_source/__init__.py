"""A network as one file of plain PyTorch: templates of its parts, and what puts them together."""
