"""Folds over kernels: exact counts of one architecture, and tables for a whole space."""
