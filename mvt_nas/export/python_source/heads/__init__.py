"""How the heads of tasks are written: one file per task, found by its name."""
