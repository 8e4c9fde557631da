"""Readers of architectures, one file each."""
