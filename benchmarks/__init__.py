"""Benchmarks of speed and accuracy.

Each module without a leading underscore is one benchmark, with ``run() -> list[Figure]``.
"""
