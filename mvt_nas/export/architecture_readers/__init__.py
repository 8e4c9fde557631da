"""Readers of architectures, one file per format."""
