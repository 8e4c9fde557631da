"""Key mappings of state dicts, one file per project."""
