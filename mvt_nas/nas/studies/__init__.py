"""Optuna studies of runs."""
