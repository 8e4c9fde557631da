"""Templates of task heads, one file per task, found by its name."""
