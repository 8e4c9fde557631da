"""Semantic segmentation: images with masks."""
