"""Samplers by name: one file each, which registers a function from a context to an Optuna sampler."""
