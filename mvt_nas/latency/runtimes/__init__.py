"""What networks are run by: one file per runtime, found by its name."""
