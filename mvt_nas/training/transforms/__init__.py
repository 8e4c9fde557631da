"""Transforms of training images, one file each; all randomness comes from a given generator.

They are our own: torchvision, which has most of them, has no CPU build that fits the installed
torch. RandAugment is tested against recorded results of torchvision, the others against their
papers' definitions.
"""
