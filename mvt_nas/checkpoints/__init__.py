"""Weights from elsewhere: reading files safely, and the names that other projects give to the same tensors."""
