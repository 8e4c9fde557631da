"""Pictures with boxes around objects, or with a class for every pixel: one file per kind of source."""
