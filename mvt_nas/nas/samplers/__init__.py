"""Registered samplers, one module each; a factory maps a context to an Optuna sampler."""
