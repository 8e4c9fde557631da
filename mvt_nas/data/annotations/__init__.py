"""Sources of images with boxes or masks: one file per kind of source."""
