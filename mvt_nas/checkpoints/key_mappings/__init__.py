"""Naming dialects of state dicts, one file each."""
