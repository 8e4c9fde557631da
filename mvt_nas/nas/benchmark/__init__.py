"""Benchmark problems for samplers, whose best front is known."""
