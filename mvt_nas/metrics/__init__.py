"""Names of the metrics."""
