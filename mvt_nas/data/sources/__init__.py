"""Sources of labelled images: one file per kind of source."""
