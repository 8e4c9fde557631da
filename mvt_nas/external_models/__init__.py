"""Networks that were not built here, such as the one that somebody uses today: opened, and counted as ``docs/counts.md`` defines."""
