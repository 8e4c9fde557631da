"""Semantic segmentation with the DeepLabv3 head."""
