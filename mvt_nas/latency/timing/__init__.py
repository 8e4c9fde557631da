"""Timing networks: settings, opening networks in a runtime, and the stopwatch."""
