"""The Optuna study of a run."""
