"""Accuracy: the table of trained networks, what scores are worth by it, and a surrogate that predicts with an interval."""
