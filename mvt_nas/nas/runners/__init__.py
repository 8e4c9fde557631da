"""Where candidates are evaluated: one file per way, registered by name."""
