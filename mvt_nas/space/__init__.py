"""Architectures and search spaces as data. Nothing here needs torch."""
