"""Networks of the user's own that a run is compared with."""
