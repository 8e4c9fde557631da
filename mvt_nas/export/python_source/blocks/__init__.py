"""Templates of blocks, one file per block, found by its name."""
