"""Architectures and search spaces as data, without torch."""
