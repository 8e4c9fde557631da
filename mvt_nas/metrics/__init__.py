"""Metrics of architectures: their names, directions and sources."""
