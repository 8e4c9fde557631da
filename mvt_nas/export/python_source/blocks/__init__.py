"""How blocks are written: one file per kind of block, found by its name."""
