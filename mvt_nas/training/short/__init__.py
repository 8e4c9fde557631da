"""Short trainings that compare networks inside a search."""
