"""Successive halving over training epochs."""
