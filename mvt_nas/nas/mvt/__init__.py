"""Proposing candidates where most objectives are known of the whole space: models of the others, expected hypervolume improvement."""
