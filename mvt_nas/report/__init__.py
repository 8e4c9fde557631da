"""Tables and pictures of runs. Reads runs, searches nothing, needs no torch."""
