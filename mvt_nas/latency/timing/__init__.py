"""Timing networks: the stopwatch, what it needs to open a network in a runtime, and what it was measured on."""
