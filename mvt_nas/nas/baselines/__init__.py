"""Baselines: external networks for comparison with a run."""
