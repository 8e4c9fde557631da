"""The names of the costs that are known exactly before anything is built. Kept apart, since it is needed where NumPy is not."""

COST_NAMES = ("params", "macs", "memory_mb")
