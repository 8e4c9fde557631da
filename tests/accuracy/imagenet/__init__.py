"""Tests of the ImageNet estimate."""
