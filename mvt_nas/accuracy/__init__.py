"""Accuracy: the table of trained networks, the validation of proxies, and the surrogate."""
