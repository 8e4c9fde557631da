"""Networks as folders for transformers: for its own classes, or as a package with a class."""
