"""The class of every pixel: the DeepLabv3 head."""
