"""Export targets, one file per format or trainer."""
